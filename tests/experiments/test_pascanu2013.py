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
            own |= {"run_key": f"{sweep}-{omega}-{clip_kind}-{seed}", "task_args": "{}"}
            rows.append({**own, "length": length, "updates": updates})
    summary = pd.DataFrame(rows).astype({"first_solved_at": "Int64"})
    return replace(Results.empty(), summary=summary)


def many(shortest: int = 50, updates: int = 5_000_000) -> Results:
    """Of four networks of many lengths with Omega three learn their range, and are wrong of 0, 1
    and 2 % at five times 200 steps; with clipping alone none does, which counts for nothing.
    """
    solved_at = [9, 9, 9, None, *[None] * 4]
    rows, parts = [], []
    for i, at in enumerate(solved_at):
        own = {"sweep": "basic-tanh-lengths" + "-omega" * (i < 4), "clip_kind": "norm", "seed": i}
        own |= {"omega": 4.0 * (i < 4), "status": "unsolved" if at is None else "solved"}
        own |= {"first_solved_at": at, "length": 200, "updates": updates, "run_key": str(i)}
        own |= {"task_args": f'{{"length":200,"shortest":{shortest}}}'}
        rows.append(own)
        for data, by, bin_, value in (
            ("train", "all", 0, 1.0),
            ("train", "length", shortest, 1.0),
            ("train", "length", 192, 0.9),
            ("double", "all", 0, 0.9),
            ("fivefold", "all", 0, 1 - i / 100 if i < 4 else 0.0),
            ("fivefold", "lag", 7, 0.5),
        ):
            parts.append({"run_key": str(i), "data": data, "by": by, "bin": bin_, "value": value})
    summary = pd.DataFrame(rows).astype({"first_solved_at": "Int64"})
    breakdown = pd.DataFrame(parts).assign(measure="accuracy", n=100)
    return replace(Results.empty(), summary=summary, breakdown=breakdown)


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


def test_one_model_is_the_network_of_many_lengths_with_omega():
    found = measured(many())
    share = found.loc["one_model_50_to_200"]
    assert share[["value", "n", "n_diverged", "why"]].tolist() == [0.75, 4, 0, ""]
    far = found.loc["one_model_wrong_at_5000"]
    assert round(far["value"], 9) == 0.01
    assert 0 <= far["low"] < far["value"] < far["high"] <= 0.02 + 1e-9
    assert far[["n", "why"]].tolist() == [3, "at length 1,000 and not 5,000"]
    # and it is in no share of a network of one length
    assert found.loc["solved_basic_tanh_omega_50", "n"] == 0


def test_another_range_and_budget_are_told():
    found = measured(many(shortest=10, updates=7000))
    told = "lengths 10 to 200; 7,000 updates, the paper allows 5,000,000"
    assert found.loc["one_model_50_to_200", "why"] == told
    assert found.loc["one_model_wrong_at_5000", "why"] == f"at length 1,000 and not 5,000; {told}"
    why = measured(world(50))["why"]
    assert why["one_model_50_to_200"] == "no network of many lengths in this preset"


def test_what_was_judged_is_put_at_its_length():
    table = load_module(FOLDER / "analysis.py", "by_length").by_length(many())
    of_one = table[table["run_key"] == "1"].set_index("length")["value"]
    assert of_one.to_dict() == {50: 1.0, 192: 0.9, 400: 0.9, 1000: 0.99}


def test_both_files_have_the_same_quantities():
    assert list(read_published(FOLDER / "published.csv")) == list(measured(world(50)).index)
