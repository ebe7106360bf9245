"""The trainability maps after Chen, Pennington & Schoenholz 2018, in a world that obeys theory."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from experiments.chen2018 import analysis, reproduction
from throughtime.analysis import predictions, reproductions
from throughtime.results.load import Results
from throughtime.tasks.temporal_order import TemporalOrder
from throughtime.theory import minimal

FOLDER = Path(__file__).parents[2] / "experiments" / "chen2018"
MULTIPLE = 12.0
LAGS = {length: TemporalOrder(length=length).lags[1] for length in (10, 14, 20, 28, 40, 56)}


def world(seeds: int = 3) -> Results:
    """Networks that solve their length where its lag is at most MULTIPLE times xi."""
    rows = []
    for length, lag in LAGS.items():
        args = json.dumps({"length": length})
        shared = {"task": "temporal_order", "task_args": args, "lag_max": lag, "input_gain": 0.3}
        for gain in (0.577, 0.8, 1.0, 2.5):
            xi = predictions.memory("temporal_order", args, 0.3, gain)
            own = {"sweep": "vanilla", "cell": "tanh", "cell_args": "{}", "gain": gain}
            rows += [
                {**shared, **own, "seed": s, "fits": lag <= MULTIPLE * xi} for s in range(seeds)
            ]
        for bias in (0.0, 1.0, 2.0):
            xi = minimal.xi_c(1.0, bias, minimal.distractors(6, 4, 0.3))
            args_of_cell = json.dumps({"update_bias": bias} if bias else {})  # 0 is the default
            own = {"sweep": "gated", "cell": "minimal", "cell_args": args_of_cell, "gain": 1.0}
            rows += [
                {**shared, **own, "seed": s, "fits": lag <= MULTIPLE * xi} for s in range(seeds)
            ]
    summary = pd.DataFrame(rows)
    summary["status"] = summary["fits"].map({True: "solved", False: "unsolved"})
    return replace(Results.empty(), summary=summary)


def measured(results: Results) -> dict:
    return reproductions.read_measured(reproduction.measure(results), FOLDER / "reproduction.py")


@pytest.mark.parametrize("sweep", analysis.SCALES)
def test_the_multiple_of_a_world_that_obeys_theory_is_found(sweep: str) -> None:
    rows = analysis.networks(world(), sweep)
    below, above = rows["ratio"] <= MULTIPLE, rows["ratio"] > MULTIPLE
    assert below.any()
    assert above.any()
    fit = analysis.multiple(rows)
    assert rows["ratio"][below].max() <= fit["frontier"] <= rows["ratio"][above].min()
    assert analysis.agreement(rows) > 0.9
    own = measured(world())[f"{sweep}_share"]
    assert own["value"] == pytest.approx(below.mean())
    assert own["n"] == len(rows)


def test_scales_that_order_the_lengths_the_other_way_do_not_agree() -> None:
    rows = analysis.networks(world(), "gated")
    order = {0.0: 40, 1.0: 28, 2.0: 14}  # the longest length that is solved, by bias
    fits = [row.lag_max <= LAGS[order[row.scale]] for row in rows.itertuples()]
    status = pd.Series(fits, rows.index).map({True: "solved", False: "unsolved"})
    assert analysis.agreement(rows.assign(status=status)) == pytest.approx(-1)


def test_what_was_read_is_compared_and_what_was_not_is_not() -> None:
    published = reproductions.read_published(FOLDER / "published.csv")
    for results in (Results.empty(), world()):
        ours = measured(results)
        assert set(ours) == set(published)
        verdicts = {q: reproductions.judge(published[q], ours[q])[0] for q in published}
        assert {q for q, v in verdicts.items() if v != "not comparable"} == {"gated_chi", "gated_q"}


def test_the_scales_that_are_called_critical_are() -> None:
    """And README's account of the re-implementation's own number."""
    chi, q = reproduction.at(6.88, 1.39, 0.46)
    assert (round(chi, 3), round(q, 1)) == (0.999, 15.9)
    kept = minimal.chi_c(6.88, 0.0, minimal.Inputs(0.0, 1.0, q / 6.88**2, 0.0))  # E u^2 at q
    assert chi - kept == pytest.approx(0.589, abs=0.002)
