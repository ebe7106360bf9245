"""What titles of panels say: the finding where the tables decide it, else nothing of the kind."""

from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from throughtime.analysis import causes
from throughtime.figures import draw
from throughtime.results.load import Results

ROOT = Path(__file__).parents[2]


def figure_of(name: str) -> ModuleType:
    return draw.load_figure(ROOT / "experiments" / name / "figure.py")


def networks(n: int, solved: int, **columns: object) -> pd.DataFrame:
    """Networks of as many seeds at one grid point."""
    status = ["solved"] * solved + ["unsolved"] * (n - solved)
    return pd.DataFrame({"status": status, "seed": range(n)}).assign(**columns)


# Truncation ---------------------------------------------------------------------------------------


def copied(inside: int, outside: int, n: int = 10) -> pd.DataFrame:
    """Lag 5 within the reach of K = 8, and lag 20 beyond it."""
    return pd.concat(
        [
            networks(n, inside, lag_max=5, reach=7, depth=8.0),
            networks(n, outside, lag_max=20, reach=7, depth=8.0),
        ],
        ignore_index=True,
    ).assign(mode="chunked", K=8, task="copy", task_args="{}")


def test_truncation_says_what_is_solved_on_either_side_where_intervals_lie_apart():
    finding = figure_of("truncation").finding
    assert finding("copy, 5 of 8", "chunked", copied(10, 0), set()) == (
        "Copy, 5 of 8, chunked: 10 of 10 solved where K reaches the lag, 0 of 10 where it does not"
    )
    neutral = "Adding, sliding: share solved over lag and K"
    assert finding("adding", "sliding", copied(6, 4), set()) == neutral
    assert finding("adding", "sliding", copied(0, 10), set()) == neutral


@pytest.mark.parametrize(
    ("at_full", "words"),
    [
        (8, "0 of 10 solved where K does not reach the lag, 8 of 10 at full depth"),
        (2, "share solved over lag and K"),
    ],
)
def test_truncation_compares_with_the_same_networks_at_full_depth(at_full, words):
    """Where what K reaches and what it does not are not told apart: pairs decide more."""
    full = networks(10, at_full, lag_max=20, reach=39, depth=float("inf"), mode="full", K=40)
    full = full.assign(task="copy", task_args="{}")
    rows = pd.concat([copied(0, 0), full], ignore_index=True)
    assert figure_of("truncation").finding("copy", "chunked", rows, set()) == (
        f"Copy, chunked: {words}"
    )


def test_truncation_leaves_out_what_a_frozen_network_solves():
    finding = figure_of("truncation").finding
    assert "share solved over lag and K" in finding("copy", "chunked", copied(10, 0), {(20, 8.0)})
    assert finding("copy", "chunked", copied(10, 0), {(5, 8.0), (20, 8.0)}) == (
        "Copy, chunked: frozen networks solve it too, so it says nothing about K"
    )


def test_truncation_puts_the_hardest_copy_first():
    rows = pd.DataFrame(
        {
            "task": ["adding", "copy", "copy"],
            "task_args": ["{}", '{"payload": 2, "alphabet": 4}', '{"payload": 5, "alphabet": 8}'],
        }
    )
    assert figure_of("truncation").tasks(rows) == ["copy, 5 of 8", "copy, 2 of 4", "adding"]


def test_truncation_tells_what_is_measured_below_the_lag_and_from_it_on():
    rows = copied(10, 0).assign(frozen=False, border="carry", measure="accuracy")
    far = rows["lag_max"] > 8
    below_lag = figure_of("truncation").below_lag
    assert below_lag(rows.assign(final=0.99 - 0.5 * far)) == (
        "median accuracy 0.49 where K is shorter than the lag, 0.99 elsewhere"
    )
    assert below_lag(rows.assign(final=0.5)) == "final measure over K / lag"


# Clipping, initialization -------------------------------------------------------------------------


def clipped(with_it: int, without: int) -> pd.DataFrame:
    common = {"lag_max": 20, "measure": "accuracy", "mode": "full", "K": 40}
    return pd.concat(
        [
            networks(15, with_it, clip_kind="norm", clip=1.0, **common),
            networks(15, without, clip_kind="none", clip=float("inf"), **common),
        ],
        ignore_index=True,
    )


@pytest.mark.parametrize(
    ("solved", "words"),
    [
        ((15, 0), "clipping rescues, 15 of 15 solved with it, 0 of 15 without"),
        ((0, 15), "clipping hurts, 0 of 15 solved with it, 15 of 15 without"),
        ((8, 7), "share solved over clip and gain"),
    ],
)
def test_clipping_says_whether_it_rescues(solved, words):
    finding = figure_of("clipping").finding("copy", "full", clipped(*solved))
    assert finding == f"Copy, lag 20, full depth: {words}"


def test_initialization_compares_the_best_gain_with_the_worse_end():
    rows = pd.concat(
        [
            networks(10, 10 * (lag <= reach), gain=gain, lag_max=lag)
            for gain, reach in ((0.25, 5), (1.0, 20), (2.0, 10))
            for lag in (5, 10, 20, 40)
        ],
        ignore_index=True,
    )
    finding = figure_of("initialization").finding
    assert finding("copy", "orthogonal", rows).startswith("Copy, orthogonal: half solve lag 28 at")
    assert " at gain 1, 7 at 0.25" in finding("copy", "orthogonal", rows)
    same = rows[rows["gain"] == 1.0]
    both = pd.concat([same, same.assign(gain=2.0)], ignore_index=True)
    assert finding("copy", "gaussian", both) == "Copy, gaussian: share solved over gain and lag"


# Atlas --------------------------------------------------------------------------------------------


def test_a_tile_of_the_atlas_has_the_most_frequent_cause_of_its_failures():
    kinds = ["solved", "vanishing", "truncated", "truncated", "solved", "solved"]
    rows = pd.DataFrame({"lag": [5] * 4 + [9] * 2, "gain": 1.0, "kind": kinds})
    found = figure_of("atlas").outcomes(rows, "gain").to_dict("records")
    assert found == [
        {"lag": 5, "gain": 1.0, "n": 4, "n_solved": 1, "failed": 0.75, "kind": "truncated"},
        {"lag": 9, "gain": 1.0, "n": 2, "n_solved": 2, "failed": 0.0, "kind": "solved"},
    ]
    tie = figure_of("atlas").outcomes(rows.assign(kind=["plateau", "clipped"] * 3), "gain")
    first = min(("plateau", "clipped"), key=causes.KINDS.index)
    assert set(tie["kind"]) == {first}


def test_the_atlas_names_a_cause_that_most_failures_share():
    finding = figure_of("atlas").finding
    known = pd.DataFrame({"task": ["copy"], "label": ["plateau"], "shown": [False]})
    rows = networks(10, 4, task="copy", failure="truncated")
    assert finding(rows, known) == "4 of 10 solved, 6 of 6 failures truncated"
    assert finding(rows.assign(failure="plateau"), known) == "4 of 10 solved"


def test_the_atlas_says_for_which_tasks_an_axis_moves_the_frontier():
    columns = ["task", "depth", "frontier", "low", "high"]
    rows = [("copy", 1, 5, 4, 6), ("copy", 9, 40, 30, 50), ("adding", 1, 9, 5, 20)]
    rows += [("adding", 9, 10, 6, 25), ("text", 1, 3, 2, 4)]  # text at one value alone
    table = pd.DataFrame(rows, columns=columns)
    moved = figure_of("atlas").moved
    assert moved(table, "depth") == (
        "Truncation (chunked) moves the frontier for copy; 1 other undecided"
    )
    assert moved(table[table["task"] != "copy"], "depth") == ""


# Successors, papers -------------------------------------------------------------------------------


def test_successors_are_named_that_lie_apart_from_tanh():
    rows = {"tanh": (10, 20), "LSTM": (25, 50), "LRU": (4, 9), "GRU": (15, 30)}
    table = pd.DataFrame(rows, index=["low", "high"]).T
    compared = figure_of("successors").compared
    assert compared(table, "longer lags", "shorter lags") == (
        "longer lags with LSTM, shorter lags with LRU than with tanh"
    )
    neutral = compared(table.loc[["tanh", "GRU"]], "longer lags", "shorter lags")
    assert neutral == "the longest lag that half the seeds solve"


@pytest.mark.parametrize(
    ("solved", "words"),
    [
        ((10, 0), "Ω helps, 10 of 10 solved with it, 0 of 10 without"),
        ((5, 4), "share solved over the length"),
    ],
)
def test_pascanu_says_what_omega_does(solved, words):
    common = {"sweep": "sigmoid", "clip_kind": "norm", "first_solved_at": pd.NA}
    rows = [networks(10, n, omega=omega, **common) for n, omega in zip(solved, (1, 0), strict=True)]
    results = Results(pd.concat(rows, ignore_index=True), *[pd.DataFrame()] * 3)
    assert figure_of("pascanu2013").finding("sigmoid", results) == words
