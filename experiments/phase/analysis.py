"""Success against a length that theory predicts: which multiple of it bounds learning, and whether
the bound moves with it.

A network with a dependency of ``lag`` steps is solved with probability 1 / (1 + (lag / (m
xi^b))^s): a falling logistic curve in ln(lag) whose half point is m xi^b. ``fit_multiple`` fits m
and s at b = 1, what theory says; ``fit_exponent`` fits b as well: 1 where the frontier moves with
gain as xi does, 0 where it does not move. Networks of one seed are not independent: intervals are
the wider of the profile likelihood's, which takes them as such, and a bootstrap's over seeds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from throughtime.analysis import predictions, stats
from throughtime.results.load import Results

Floats = NDArray[np.float64]
EXPONENTS = np.linspace(-1, 3, 101)
DRAWS = 2000
RIDGE = 0.01  # weight of the prior on coefficients: of a hundredth of a network
STEEPNESS = np.geomspace(0.25, 64, 17)  # of the logistic; the cap keeps a separated fit finite
STEP = 0.04  # of the grid of ln m


def with_ratio(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with ``xi`` (steps), ``ratio`` = lag / xi and ``critical``, theory's critical
    gain; rows without a lag left out.
    """
    rows = summary[summary["lag_max"].fillna(0) > 0]
    names = list(
        rows[["task", "task_args", "input_gain", "gain"]].itertuples(index=False, name=None)
    )
    xi = np.array([predictions.memory(*name) for name in names], float)
    critical = np.array([predictions.critical_gain(*name[:3]) for name in names], float)
    return rows.assign(xi=xi, ratio=rows["lag_max"].astype(float) / xi, critical=critical)


def sides(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of ``with_ratio`` on either side of the critical gain."""
    return {
        "ordered (below critical)": rows[rows["gain"] <= rows["critical"]],
        "beyond critical": rows[rows["gain"] > rows["critical"]],
    }


def multiple(rows: pd.DataFrame) -> pd.Series:
    """m with its interval, columns of stats.frontier in units of xi; frontier is NaN where nothing
    can be fitted.
    """
    known = rows[np.isfinite(rows["ratio"].astype(float))]
    table = stats.frontier(known, [], "ratio")
    return (
        table.iloc[0]
        if len(table)
        else pd.Series({**dict.fromkeys(stats.FRONTIER, math.nan), "n": 0, "censored": ""})
    )


def format_frontier(fit: pd.Series) -> str:
    """A multiple as words.

    >>> format_frontier(pd.Series({"frontier": 5.0, "low": 4.0, "high": np.inf, "censored": ">="}))
    'm >= 5.0 (4.0 to none)'
    """
    sign = fit["censored"] or "="
    high = "none" if math.isinf(fit["high"]) else f"{fit['high']:.1f}"
    return f"m {sign} {fit['frontier']:.1f} ({fit['low']:.1f} to {high})"


@dataclass(frozen=True)
class Estimate:
    """A number fitted to networks, and to bootstrap samples of whole seeds.

    Attributes:
        value: the fit; NaN where xi or success does not vary.
        draws: (DRAWS,) the same of samples of seeds, the n-th of the same seeds in every estimate
            whose networks have the same seeds, so that differences can be taken.
        profile: profile likelihood's interval at a level, networks as independent.
        n: networks.
    """

    value: float
    draws: Floats
    profile: Callable[[float], tuple[float, float]]
    n: int

    def interval(self, level: float = stats.LEVEL) -> tuple[float, float]:
        """The wider of the bootstrap's and the profile likelihood's ends."""
        low, high = percentiles(self.draws, level)
        least, most = self.profile(level)
        return min(low, least), max(high, most)


def percentiles(draws: Floats, level: float) -> tuple[float, float]:
    """A bootstrap interval; without ends where there are too few draws for the level.

    >>> percentiles(np.arange(1000.0), 0.95), percentiles(np.arange(10.0), 0.95)
    ((25.0, 974.0), (-inf, inf))
    """
    place = int((1 - level) / 2 * len(draws) + 1e-9)
    if place < 1 or np.isnan(draws).any():
        return -math.inf, math.inf
    ordered = np.sort(draws)
    return float(ordered[place]), float(ordered[-1 - place])


def fit_exponent(rows: pd.DataFrame) -> Estimate:
    """b. An end beyond EXPONENTS is infinite.

    Args:
        rows: of ``with_ratio``.
    """
    points = _grid_points(rows)
    if points is None or len(set(points.xi)) < 2:
        return NOTHING
    solved, rest = points.solved[:, 0], points.rest[:, 0]
    profile = np.array(
        [_likelihood(points.lag - b * points.xi, solved, rest)[1].max() for b in EXPONENTS]
    )
    edges = np.concatenate([[-math.inf], EXPONENTS, [math.inf]])

    def interval(level: float) -> tuple[float, float]:
        inside = np.flatnonzero(profile >= profile.max() - special.chdtri(1, 1 - level) / 2)
        # an end lies between the last place inside and the next: that one
        return float(edges[inside[0]]), float(edges[inside[-1] + 2])

    falls, rises, _ = _logistic(np.stack([points.lag, points.xi]), points)
    return Estimate(float(EXPONENTS[_middle(profile)]), rises / falls, interval, points.n)


def fit_multiple(rows: pd.DataFrame) -> Estimate:
    """ln m at b = 1. An end beyond the tested ratios is infinite.

    Args:
        rows: of ``with_ratio``.
    """
    points = _grid_points(rows)
    if points is None:
        return NOTHING
    x = points.lag - points.xi
    m, profile = _likelihood(x, points.solved[:, 0], points.rest[:, 0])

    def beyond(found: Floats) -> Floats:
        return np.where(found > x.max(), math.inf, np.where(found < x.min(), -math.inf, found))

    def interval(level: float) -> tuple[float, float]:
        inside = np.flatnonzero(profile >= profile.max() - special.chdtri(1, 1 - level) / 2)
        low, high = beyond(m[inside[[0, -1]]])
        return float(low), float(high)

    falls, at_mean = _logistic(x[None], points)
    value = float(np.clip(m[_middle(profile)], x.min(), x.max()))
    return Estimate(value, beyond(x.mean() + at_mean / falls), interval, points.n)


def difference(a: Estimate, b: Estimate, level: float = stats.LEVEL) -> tuple[float, float, float]:
    """a - b and its interval, by the seeds that both have."""
    with np.errstate(invalid="ignore"):
        low, high = percentiles(a.draws - b.draws, level)
    return a.value - b.value, low, high


@dataclass(frozen=True)
class Budget:
    """What is fitted to the networks of one number of updates: ln m, and b."""

    updates: int
    n: int
    multiple: Estimate
    exponent: Estimate


def by_budget(results: Results) -> list[Budget]:
    """The fits at each number of updates, over networks that differ in it alone (sweep ``budget``,
    gains below the critical one).
    """
    rows = with_ratio(results.summary[results.summary["sweep"] == "budget"])
    rows = next(iter(sides(rows).values()))
    return [
        Budget(int(own["updates"].iloc[0]), len(own), fit_multiple(own), fit_exponent(own))
        for _, own in rows.groupby("updates")
    ]


@dataclass(frozen=True)
class _GridPoints:
    """Networks by xi and lag: logarithms (C,), and how many of them are and are not solved in all
    (column 0) and in samples of seeds, (C, 1 + DRAWS).
    """

    xi: Floats
    lag: Floats
    solved: Floats
    rest: Floats
    n: int


def _grid_points(rows: pd.DataFrame) -> _GridPoints | None:
    known = stats.trained(rows[np.isfinite(rows["ratio"].astype(float))])
    solved = (known["status"] == "solved").to_numpy(float)
    if not len(known) or not 0 < solved.sum() < len(known):
        return None
    keys = known[["xi", "lag_max"]].astype(float)
    names, place = np.unique(keys.to_numpy(), axis=0, return_inverse=True)
    belongs = (place.ravel()[:, None] == np.arange(len(names))).astype(float)
    often = np.concatenate([np.ones((1, len(known))), stats.resamples(known["seed"], DRAWS)])
    k, n = (often * solved) @ belongs, often @ belongs
    return _GridPoints(np.log(names[:, 0]), np.log(names[:, 1]), k.T, (n - k).T, len(known))


def _likelihood(x: Floats, solved: Floats, rest: Floats) -> tuple[Floats, Floats]:
    """(M,) half points m, and the largest log-likelihood over s of a falling logistic curve in x
    with each, (M,).
    """
    m = np.arange(x.min() - 1, x.max() + 1 + STEP, STEP)
    logit = STEEPNESS[:, None, None] * (m[None, :, None] - x)
    both = np.logaddexp(0, -logit) @ solved + np.logaddexp(0, logit) @ rest
    return m, -both.min(0)


def _logistic(x: Floats, points: _GridPoints) -> Floats:
    """Logistic regression of success in every sample of seeds, logit = a - s x_0 + c x_1 with x
    less its mean: (s, a) or (s, c, a), each (DRAWS,).

    Newton's method on the likelihood with a weak prior (RIDGE), so that data that separate have a
    finite fit; s is at least STEEPNESS[0].
    """
    centred = x - x.mean(1, keepdims=True)
    design = np.concatenate([-centred[:1], centred[1:], np.ones((1, x.shape[1]))])
    k, n = points.solved[:, 1:].T, (points.solved + points.rest)[:, 1:].T
    found = np.zeros((len(k), len(design)))
    for _ in range(30):
        p = special.expit(found @ design)
        slope = (k - n * p) @ design.T - RIDGE * found
        curve = np.einsum("pc,dc,qc->dpq", design, n * p * (1 - p), design, optimize=True)
        step = np.linalg.solve(curve + RIDGE * np.eye(len(design)), slope[..., None])[..., 0]
        # a step of at most 3 in any logit: farther the quadratic is not to be believed
        found += step * np.minimum(1, 3 / np.maximum(np.abs(step @ design).max(1), 1e-9))[:, None]
    found[:, 0] = np.maximum(found[:, 0], STEEPNESS[0])
    return found.T


def _middle(profile: Floats) -> int:
    """The middle of the plateau at the top."""
    top = np.flatnonzero(profile >= profile.max() - 1e-6)
    return int(top[len(top) // 2])


NOTHING = Estimate(math.nan, np.full(1, math.nan), lambda level: (math.nan, math.nan), 0)
