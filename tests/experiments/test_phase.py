"""The multiple and the exponent of a predicted length, on networks that obey a known law."""

import math

import numpy as np
import pandas as pd
import pytest

from experiments.phase import analysis as phase
from tests.support import made
from tests.support.worlds import ROOT
from throughtime.analysis import predictions
from throughtime.figures import draw

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
    fit = phase.fit_multiple(obeying(m, 1.0))
    low, high = np.exp(fit.interval())
    assert low < m < high
    assert high / low < 1.3
    drawn = phase.multiple(obeying(m, 1.0))
    assert drawn["frontier"] == pytest.approx(np.exp(fit.value), rel=0.05)


@pytest.mark.parametrize(("m", "b"), [(6.0, 1.0), (9.0, 0.4), (10.0, 0.0)])
def test_the_exponent_is_found(m: float, b: float) -> None:
    fit = phase.fit_exponent(obeying(m, b))
    low, high = fit.interval()
    assert low < b < high
    assert low <= fit.value <= high
    assert high - low < 0.4
    least, most = phase.percentiles(fit.draws, 0.95)
    assert least == pytest.approx(low, abs=0.1)  # here networks of one seed are independent
    assert most == pytest.approx(high, abs=0.1)


def test_intervals_widen_with_fewer_networks() -> None:
    few, many = (phase.fit_exponent(obeying(6.0, 1.0, s=2.0, seeds=n)).interval() for n in (2, 12))
    assert few[1] - few[0] > 1.5 * (many[1] - many[0])


def test_seeds_that_share_their_luck_widen_the_interval() -> None:
    """Every seed has a reach of its own: networks of one seed are not independent."""
    rows = obeying(6.0, 1.0, seeds=10)
    reach = 6.0 * rows["xi"] * np.exp(0.6 * np.random.default_rng(1).normal(size=10))[rows["seed"]]
    rows = rows.assign(status=np.where(rows["lag_max"] < reach, "solved", "unsolved"))
    fit = phase.fit_multiple(rows)
    alone = fit.profile(0.95)
    low, high = fit.interval()
    assert high - low > 1.3 * (alone[1] - alone[0])
    assert low < math.log(6) < high


def test_a_difference_takes_the_same_seeds() -> None:
    a = phase.fit_multiple(obeying(6.0, 1.0))
    assert phase.difference(a, a) == (0.0, 0.0, 0.0)
    b = phase.fit_multiple(obeying(12.0, 1.0))
    found, low, high = phase.difference(b, a)
    assert low < math.log(2) < high
    assert found == pytest.approx(math.log(2), abs=0.15)


def test_where_nothing_varies_nothing_is_fitted() -> None:
    rows = obeying(6.0, 1.0, seeds=2)
    assert math.isnan(phase.fit_exponent(rows.assign(status="solved")).value)
    assert math.isnan(phase.fit_exponent(rows[rows["gain"] == 1]).value)
    assert math.isnan(phase.fit_multiple(rows.assign(status="solved")).value)
    assert math.isnan(phase.multiple(rows.iloc[:0])["frontier"])


def test_an_unbounded_exponent_says_so() -> None:
    """Two gains, each with one lag: whatever b is, m can follow."""
    rows = obeying(6.0, 1.0, seeds=3)
    rows = rows[
        ((rows["gain"] == 0.5) & (rows["lag_max"] == 3))
        | ((rows["gain"] == 1) & (rows["lag_max"] == 8))
    ]
    half = rows.assign(status=np.where(rows["seed"] == 0, "solved", "unsolved"))
    assert phase.fit_exponent(half).interval() == (-math.inf, math.inf)


def test_sides_of_the_critical_gain() -> None:
    rows = obeying(6.0, 1.0, gains=(0.5, 1.0, 1.6), seeds=1)
    ordered, beyond = phase.sides(rows).values()
    assert set(ordered["gain"]) == {0.5, 1.0}
    assert set(beyond["gain"]) == {1.6}
    assert len(ordered) + len(beyond) == len(rows)


def test_the_boundary_of_adding_is_theorys_between_the_gains_it_is_computed_at():
    figure = draw.load_figure(ROOT / "experiments" / "phase" / "figure.py")
    name = ("adding", '{"length":25}', 1.0)
    gains = np.geomspace(0.25, 2.5, 8)
    found = figure.memories(name, gains)
    expected = [predictions.memory(*name, float(g)) for g in gains]
    assert found == pytest.approx(expected, rel=0.005)
