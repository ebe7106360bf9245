"""The longest lag that half the seeds learn, from a part of the networks of the full grid.

Networks are trained in rounds. What a round trains is a pure function of the tables so far, so that
a pipeline that was killed goes on with the same networks.

The model is that of ``stats.frontier``: a network at lag x is solved with probability
1 / (1 + (x / m)^s), and the likelihood is taken to the power of 1 over the design effect of the
seeds. ln m has a flat prior from one below the smallest lag's logarithm to one above the largest's,
and ln s one on SLOPES. A round trains the next seeds of the lag whose outcome is expected to say
most about m (mutual information: Lindley 1956; Paninski 2005 for such curves, both known by name
only, not read for this).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from throughtime.analysis import stats
from throughtime.core.rng import stream

Floats = NDArray[np.float64]
SLOPES = np.geomspace(1, 32, 11)  # s
BEYOND = 1.0  # of ln m, on either side of the grid's lags
STEP = 0.02  # of ln m: two percent of a lag
SHARE = 4  # rounds that all seeds of a lag take
DIGITS = 12  # of the information: the last bits must not decide between two lags
TYPICAL = ((0.25, 0.5, 0.75), (3.0, 10.0))  # places in the grid, slopes: of ``expected``


@dataclass(frozen=True)
class Estimate:
    """The lag m that half the seeds learn, by the networks so far.

    Attributes:
        frontier: median of m, steps; the smallest or the largest lag of the grid where it lies
            beyond.
        low, high: its interval; low is 0 and high infinite where it reaches beyond the grid.
        censored: ``>=`` or ``<`` where the median lies beyond the grid, else empty; as in
            ``stats.frontier``.
        n: networks.
    """

    frontier: float
    low: float
    high: float
    censored: str
    n: int


def estimate(summary: pd.DataFrame, lags: Sequence[float], level: float = stats.LEVEL) -> Estimate:
    """The frontier of the networks in the summary.

    Args:
        summary: one curve's networks: lag_max (steps), seed, status; those not trained are left
            out.
        lags: the whole grid, steps.
        level: of the interval.
    """
    low, middle, high = np.exp(_quantiles(*_posterior(summary, lags), level))
    least, most = float(min(lags)), float(max(lags))
    return Estimate(
        float(np.clip(middle, least, most)),
        float(min(low, most)) if low >= least else 0.0,
        float(max(high, least)) if high <= most else np.inf,
        ">=" if middle >= most else "<" if middle < least else "",
        len(stats.trained(summary)),
    )


def next_round(
    summary: pd.DataFrame, lags: Sequence[float], seeds: Sequence[int], width: float
) -> pd.DataFrame:
    """The networks that the next round trains: lag_max, seed; none where the frontier is known.

    It is known where the ends of its 95 % interval are not farther apart than ``width``, where all
    of the interval lies beyond the grid, or where all networks have been trained.

    Args:
        summary: one curve's networks so far, in any order: lag_max, seed, status; may be empty.
        lags: the grid, steps.
        seeds: of the full grid, in the order in which they are used up.
        width: largest ratio of the interval's ends, e.g. 1.5.

    Raises:
        ValueError: no lags or seeds, a lag that is not above 0, or a width that is not above 1.
    """
    if not len(lags) or not len(seeds) or min(lags) <= 0 or width <= 1:
        raise ValueError("lags above 0, seeds and a width above 1 are needed")
    m, weights = _posterior(summary, lags)
    low, _, high = _quantiles(m, weights, stats.LEVEL)
    used = set(zip(summary["lag_max"].astype(float), summary["seed"].astype(int), strict=True))
    left = {x: [s for s in seeds if (float(x), s) not in used] for x in sorted(set(lags))}
    left = {x: rest for x, rest in left.items() if rest}
    beyond = low >= np.log(max(lags)) or high < np.log(min(lags))
    if not left or beyond or high - low <= np.log(width):
        return pd.DataFrame({"lag_max": [], "seed": []}, dtype="int64")
    lag = list(left)[int(np.argmax(_information(m, weights, np.log(list(left)))))]
    return pd.DataFrame({"lag_max": lag, "seed": left[lag][: -(-len(seeds) // SHARE)]})


def choose(grid: pd.DataFrame, summary: pd.DataFrame, width: float) -> pd.DataFrame:
    """What every curve of a sweep trains next, and what is known of it.

    Args:
        grid: all networks: curve, run_key, lag_max, seed.
        summary: of those trained so far: run_key, status; others' rows are passed over.
        width: largest ratio of an interval's ends.

    Returns:
        A row per curve, in the grid's order: curve, the fields of ``Estimate``, and networks, the
        list of run keys that the next round trains, which is empty where the frontier is known.
    """
    rows = []
    status = summary.set_index("run_key")["status"]
    for curve, all_of in grid.groupby("curve", sort=False):
        done = all_of[all_of["run_key"].isin(status.index)]
        done = done.assign(status=done["run_key"].map(status).astype(str))
        lags, seeds = list(all_of["lag_max"].unique()), list(all_of["seed"].unique())
        chosen = next_round(done, lags, seeds, width)
        keys = chosen.merge(all_of, on=["lag_max", "seed"])["run_key"].tolist()
        rows.append({"curve": curve, **vars(estimate(done, lags)), "networks": keys})
    return pd.DataFrame(rows)


def replay(summary: pd.DataFrame, width: float) -> tuple[Estimate, pd.DataFrame]:
    """What rounds would have found where the full grid was trained, and the networks they use.

    >>> grid = [(lag, seed) for lag in (1, 2, 4, 8, 16, 32, 64, 128) for seed in range(8)]
    >>> full = pd.DataFrame(grid, columns=["lag_max", "seed"])
    >>> full["status"] = np.where(full["lag_max"] <= 16, "solved", "unsolved")
    >>> found, used = replay(full, 3.0)
    >>> 16 <= found.frontier <= 32, len(used) <= len(full) / 3
    (True, True)
    """
    lags, seeds = sorted(summary["lag_max"].unique()), sorted(summary["seed"].unique())
    used = summary.iloc[:0]
    while len(rows := next_round(used, lags, seeds, width)):
        used = pd.concat([used, rows.merge(summary, on=["lag_max", "seed"])], ignore_index=True)
    return estimate(used, lags), used


@cache
def expected(lags: tuple[float, ...], seeds: int, width: float) -> int:
    """Networks that rounds use of one curve: the mean over made-up curves, whose frontiers lie at
    a quarter, the half and three quarters of the grid and are gentle or steep (TYPICAL).
    """
    places, slopes = TYPICAL
    logs, used = np.log(sorted(lags)), []
    for place in places:
        for slope in slopes:
            middle = np.quantile(logs, place)
            solved = np.round(seeds * special.expit(slope * (middle - logs)))
            rows = [
                (lag, seed, "solved" if seed < k else "unsolved")
                for lag, k in zip(sorted(lags), solved, strict=True)
                for seed in range(seeds)
            ]
            full = pd.DataFrame(rows, columns=["lag_max", "seed", "status"])
            names = np.tile(np.arange(seeds), (len(lags), 1))
            names = stream(0, "expected").permuted(names, axis=1)  # seeds are not alike over lags
            used.append(len(replay(full.assign(seed=names.ravel()), width)[1]))
    return round(float(np.mean(used)))


def _quantiles(m: Floats, weights: Floats, level: float) -> Floats:
    """(3) ends and median of ln m: (1 - level) / 2, 1/2, (1 + level) / 2."""
    shares = [(1 - level) / 2, 0.5, (1 + level) / 2]
    below = np.cumsum(weights.sum(1))
    return m[np.minimum(np.searchsorted(below, shares), len(m) - 1)]


def _posterior(summary: pd.DataFrame, lags: Sequence[float]) -> tuple[Floats, Floats]:
    """(M) ln m, and (M, S) the weights of m and s."""
    ends = np.log([min(lags), max(lags)])
    m = np.arange(ends[0] - BEYOND, ends[1] + BEYOND + STEP, STEP)
    rows = stats.trained(summary)
    x = np.log(rows["lag_max"].to_numpy(float))
    solved = rows["status"].eq("solved").to_numpy(float)
    places, index = np.unique(x, return_inverse=True)
    k, n = np.bincount(index, solved, len(places)), np.bincount(index, minlength=len(places))
    logit = SLOPES[:, None] * (m[:, None, None] - places)
    fit = -(np.logaddexp(0, -logit) @ k + np.logaddexp(0, logit) @ (n - k))
    if len(rows):
        best, slope = np.unravel_index(int(np.argmax(np.round(fit, DIGITS))), fit.shape)
        chance = special.expit(SLOPES[slope] * (m[best] - x))
        fit = fit / stats.design_effect(solved, chance, rows["seed"].to_numpy())
    weights = np.exp(fit - fit.max())
    return m, weights / weights.sum()


def _information(m: Floats, weights: Floats, logs: Floats) -> Floats:
    """(lags) nats that the outcome of one network at each lag is expected to say about m."""
    chance = special.expit(SLOPES * (m[:, None] - logs)[:, :, None])  # (M, lags, S)
    mass = weights.sum(1)
    each = (chance * weights[:, None, :]).sum(2) / np.maximum(mass, 1e-300)[:, None]
    gain: Floats = np.round(_entropy(mass @ each) - mass @ _entropy(each), DIGITS)
    return gain


def _entropy(p: Floats) -> Floats:
    both: Floats = special.entr(p) + special.entr(1 - p)
    return both
