"""Claims about every cell: intervals that hold together, and the weakest cell's verdict."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from throughtime.analysis.verdicts import all_above, all_below, all_within, means

pytestmark = pytest.mark.slow


def points(*intervals: tuple[float, float]) -> pd.DataFrame:
    low, high = np.array(intervals).T
    return pd.DataFrame(
        {
            "gain": np.arange(len(low)) / 2,
            "n": 4,
            "mean": (low + high) / 2,
            "low": low,
            "high": high,
        }
    )


def test_intervals_are_students_at_a_level_shared_among_the_cells() -> None:
    values = {0.5: [1.0, 2.0, 4.0], 1.0: [0.0, 1.0, 0.5]}
    table = means(
        pd.DataFrame([(g, v) for g, vs in values.items() for v in vs], columns=["gain", "v"]),
        ["gain"],
        "v",
        level=0.9,
    )
    for row, sample in zip(table.itertuples(), values.values(), strict=True):
        low, high = stats.t.interval(
            0.95, 2, np.mean(sample), stats.sem(sample)
        )  # two grid points: 5 % each
        assert (row.n, row.mean, row.low, row.high) == (
            3,
            *map(pytest.approx, (np.mean(sample), low, high)),
        )


def test_all_intervals_cover_at_once_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        draws = pd.DataFrame({"cell": np.repeat(np.arange(6), 5), "v": rng.normal(size=30)})
        table = means(draws, ["cell"], "v", level=0.8)
        hits += bool(((table["low"] < 0) & (table["high"] > 0)).all())
    assert hits / 400 > 0.8 - 3 * (0.16 / 400) ** 0.5


def test_values_that_are_not_finite_are_left_out_and_one_value_has_no_interval() -> None:
    table = means(pd.DataFrame({"g": [1, 1, 1, 2], "v": [1.0, 3.0, -np.inf, 5.0]}), ["g"], "v")
    assert table["n"].tolist() == [2, 1]
    assert table["mean"].tolist() == [2.0, 5.0]
    assert np.isinf(table[["low", "high"]].iloc[1]).all()


@pytest.mark.parametrize(
    ("judge", "intervals", "verdict", "decisive"),
    [
        (all_above, [(0.1, 0.4), (0.2, 0.3)], "supported", 0),
        (all_above, [(0.1, 0.4), (-0.1, 0.3)], "undecided", 1),
        (all_above, [(-0.2, 0.4), (-0.4, -0.1), (1, 2)], "not supported", 1),
        (all_below, [(-0.4, -0.1), (-9, -0.2)], "supported", 0),
        (all_below, [(-0.4, 0.1), (0.1, 0.2)], "not supported", 1),
        (all_within, [(-0.4, 0.1), (0.0, 0.9)], "supported", 1),
        (all_within, [(-1.4, 0.1), (0.0, 0.9)], "undecided", 0),
        (all_within, [(-1.4, 0.1), (-3.0, -1.9)], "not supported", 1),
    ],
)
def test_the_weakest_cell_decides(judge, intervals, verdict, decisive) -> None:
    found = judge(points(*intervals), 1.0 if judge is all_within else 0.0)
    assert found.verdict == verdict
    assert (found.low, found.high) == intervals[decisive]
    assert found.n == 4 * len(intervals)
    assert f"gain {decisive / 2:g}" in found.detail


def test_no_cell_decides_nothing() -> None:
    assert all_above(points((0, 1)).iloc[:0], 0.0).verdict == "undecided"
