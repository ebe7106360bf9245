"""Lines and decays against SciPy, closed forms and the coverage that an interval promises."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.cost.analysis import laws
from experiments.truncation_bias.analysis import decay
from throughtime.analysis.lines import line


def test_a_line_is_scipys():
    rng = np.random.default_rng(1)
    x = rng.normal(size=12)
    y = 3 - 2 * x + rng.normal(size=12)
    fit, peer = line(x, y), stats.linregress(x, y)
    t = stats.t.ppf(0.975, 10)
    assert (fit.slope, fit.intercept, fit.r2) == pytest.approx(
        (peer.slope, peer.intercept, peer.rvalue**2)
    )
    assert (fit.slope_low, fit.slope_high) == pytest.approx(
        (peer.slope - t * peer.stderr, peer.slope + t * peer.stderr)
    )
    half = t * peer.intercept_stderr
    assert (fit.intercept_low, fit.intercept_high) == pytest.approx(
        (peer.intercept - half, peer.intercept + half)
    )


def test_an_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(2)
    x = np.arange(6.0)
    fits = [line(x, 1 + 2 * x + rng.normal(size=6), 0.8) for _ in range(2000)]
    assert np.mean([f.slope_low <= 2 <= f.slope_high for f in fits]) == pytest.approx(0.8, abs=0.03)
    assert np.mean([f.intercept_low <= 1 <= f.intercept_high for f in fits]) == pytest.approx(
        0.8, abs=0.03
    )


@given(st.integers(0, 2))
def test_too_few_points(n):
    fit = line([1.0, 2.0, np.nan][:n] + [np.nan], [1.0, 5.0, 1.0][:n] + [3.0])
    assert fit.n == n
    assert math.isnan(fit.slope) == (n < 2)
    assert math.isnan(fit.slope_low)
    assert math.isnan(line([1, 1, 1], [1, 2, 3]).slope)


def test_a_constant_is_a_line():
    fit = line([1, 2, 3], [5, 5, 5])
    assert (fit.slope, fit.intercept, fit.r2) == (0, 5, 1)


def test_decay_looks_at_the_part_that_decays():
    """A bias that stays near 1 up to K = 8, falls by .4 a step, and ends in rounding noise."""
    K = np.array([1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
    logs = np.where(K <= 8, np.log(0.9), 2.8 - 0.4 * K)
    logs[K >= 89] = math.log(1e-15)
    fit = decay(K, logs)
    assert fit.slope == pytest.approx(-0.4)
    assert fit.n == 4
    assert decay(K[::-1], logs[::-1]) == fit


def test_decay_counts_the_losses_that_can_lose_anything():
    """One weight, every step scored, signal .9 a step: the bias is a sum over pairs (loss, earlier
    step) at least K apart.
    """
    T, K = 400, np.array([13, 21, 34, 55, 89])
    pairs = np.array([((T - lags) * 0.9**lags).sum() for lags in (np.arange(k, T) for k in K)])
    whole = ((T - np.arange(T)) * 0.9 ** np.arange(T)).sum()
    plain, mended = (decay(K, np.log(pairs / whole), steps) for steps in (np.inf, T))
    assert mended.slope == pytest.approx(math.log(0.9), rel=1e-3)
    assert abs(mended.slope - math.log(0.9)) < abs(plain.slope - math.log(0.9)) / 20


def test_decay_of_a_bias_that_is_gone_or_never_falls():
    K = [1, 2, 3, 5]
    assert decay(K, [-1.0, -2.0, -3.0, -np.inf]).slope == pytest.approx(-1)
    assert decay(K, [0.0, 0.1, 0.2, 0.3]).n == 0
    assert (
        decay(K, [-1.0, -2.0, -3.0, 0.5]).n == 0
    )  # it has come back: nothing is below the ceiling for good


def test_laws_fit_each_mode_against_its_own_axis():
    rows = [
        {"mode": "full", "T": T, "K": T, "hidden": 4, "batch": 2, "kept_bytes": 10 + 3 * T}
        for T in (10, 20, 30)
    ]
    rows += [
        {"mode": "chunked", "T": 60, "K": K, "hidden": 4, "batch": 2, "kept_bytes": 7 * K}
        for K in (10, 20, 30)
    ]
    rows += [{"mode": "full", "T": 10, "K": 10, "hidden": 4, "batch": 99, "kept_bytes": 10**6}]
    found = laws(pd.DataFrame(rows).assign(rows=1), ["kept_bytes"]).set_index("mode")
    assert found.loc["full", ["against", "slope", "intercept", "n"]].tolist() == [
        "T",
        pytest.approx(3),
        pytest.approx(10),
        3,
    ]
    assert found.loc["chunked", ["against", "slope", "r2"]].tolist() == [
        "K",
        pytest.approx(7),
        pytest.approx(1),
    ]
