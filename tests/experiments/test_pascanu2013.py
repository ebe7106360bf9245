"""Our numbers beside those of Pascanu, Mikolov & Bengio 2013, in a made-up world."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from throughtime.analysis.reproductions import read_published
from throughtime.planning.experiment_files import load_module
from throughtime.results.load import Results

FOLDER = Path(__file__).parents[2] / "experiments" / "pascanu2013"


def world(length: int, updates: int = 5_000_000) -> Results:
    """Basic tanh: plain SGD solves 1 of 4, clipping 2 (one of which loses it, and one diverges
    afterwards), Omega all.
    """
    rows = []
    for sweep, clip_kind, omega, solved_at, ends in (
        ("basic-tanh", "none", 0.0, [100, None, None, None], ["solved"] + ["unsolved"] * 3),
        ("basic-tanh", "norm", 0.0, [7, 9, None, None], ["unsolved", "diverged", "unsolved"] * 2),
        ("basic-tanh-omega", "norm", 4.0, [5, 5, 5, 5], ["solved"] * 4),
    ):
        for seed in range(4):
            own = {"sweep": sweep, "clip_kind": clip_kind, "omega": omega, "seed": seed}
            own |= {"status": ends[seed], "first_solved_at": solved_at[seed]}
            rows.append({**own, "length": length, "updates": updates})
    summary = pd.DataFrame(rows).astype({"first_solved_at": "Int64"})
    return replace(Results.empty(), summary=summary)


def measured(results: Results) -> pd.DataFrame:
    module = load_module(FOLDER / "reproduction.py", "measure")
    return module.measure(results).set_index("quantity")


def test_shares_are_those_of_the_world():
    found = measured(world(50))
    shares = {m: found.loc[f"solved_basic_tanh_{m}_50", "value"] for m in ("sgd", "clip", "omega")}
    assert shares == {"sgd": 0.25, "clip": 0.5, "omega": 1.0}
    assert found.loc["solved_basic_tanh_sgd_50", ["n", "n_diverged", "why"]].tolist() == [4, 0, ""]
    assert found.loc["solved_sigmoid_sgd_50", "why"] == "no network of length 50 in this preset"


def test_fewer_updates_and_other_lengths_are_told():
    assert measured(world(50, 1000)).loc["solved_basic_tanh_clip_50", "why"] == (
        "1,000 updates, the paper allows 5,000,000"
    )
    assert measured(world(20))["value"].isna().all()
    assert (measured(Results.empty())["why"] != "").all()


def test_both_files_have_the_same_quantities():
    assert list(read_published(FOLDER / "published.csv")) == list(measured(world(50)).index)
