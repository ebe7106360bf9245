"""The multiple and the exponent of a predicted length, on networks that obey a known law."""

import math

import numpy as np
import pandas as pd
import pytest

from experiments.phase import analysis as phase
from tests.support import made

pytestmark = pytest.mark.slow

LENGTHS = [1, 2, 4, 6, 10, 14, 22, 30, 46]


def obeying(
    m: float,
    b: float,
    s: float = 6.0,
    seeds: int = 12,
    gains: tuple[float, ...] = (0.25, 0.5, 0.8, 1.0, 1.25),
) -> pd.DataFrame:
    """Copy's networks, solved with probability 1 / (1 + (lag / (m xi^b))^s)."""
    copy = {"copy__length": LENGTHS, "copy__payload": 2, "copy__alphabet": 4}
    rows = phase.with_ratio(
        made.networks(
            "map", task="copy", **copy, K="full", init="gaussian", gain=list(gains), seeds=seeds
        )
    )
    chance = 1 / (1 + (rows["lag_max"].astype(float) / (m * rows["xi"] ** b)) ** s)
    solved = np.random.default_rng(0).random(len(rows)) < chance
    return rows.assign(status=np.where(solved, "solved", "unsolved"))


@pytest.mark.parametrize("m", [4.0, 12.0])
def test_the_multiple_is_found(m: float) -> None:
    fit = phase.multiple(obeying(m, 1.0))
    assert fit["low"] < m < fit["high"]
    assert fit["high"] / fit["low"] < 1.3


@pytest.mark.parametrize(("m", "b"), [(6.0, 1.0), (9.0, 0.4), (10.0, 0.0)])
def test_the_exponent_is_found(m: float, b: float) -> None:
    found, low, high = phase.exponent(obeying(m, b))
    assert low < b < high
    assert low <= found <= high
    assert high - low < 0.4


def test_intervals_widen_with_fewer_networks() -> None:
    few, many = (phase.exponent(obeying(6.0, 1.0, s=2.0, seeds=n)) for n in (2, 12))
    assert few[2] - few[1] > 1.5 * (many[2] - many[1])


def test_where_nothing_varies_nothing_is_fitted() -> None:
    rows = obeying(6.0, 1.0, seeds=2)
    assert all(math.isnan(v) for v in phase.exponent(rows.assign(status="solved")))
    assert all(math.isnan(v) for v in phase.exponent(rows[rows["gain"] == 1]))
    assert math.isnan(phase.multiple(rows.iloc[:0])["frontier"])


def test_an_unbounded_exponent_says_so() -> None:
    """Two gains, each with one lag: whatever b is, m can follow."""
    rows = obeying(6.0, 1.0, seeds=3)
    rows = rows[
        ((rows["gain"] == 0.5) & (rows["lag_max"] == 3))
        | ((rows["gain"] == 1) & (rows["lag_max"] == 8))
    ]
    _, low, high = phase.exponent(
        rows.assign(status=np.where(rows["seed"] == 0, "solved", "unsolved"))
    )
    assert (low, high) == (-math.inf, math.inf)


def test_sides_of_the_critical_gain() -> None:
    rows = obeying(6.0, 1.0, gains=(0.5, 1.0, 1.6), seeds=1)
    ordered, beyond = phase.sides(rows).values()
    assert set(ordered["gain"]) == {0.5, 1.0}
    assert set(beyond["gain"]) == {1.6}
    assert len(ordered) + len(beyond) == len(rows)
