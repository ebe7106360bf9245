"""From a statistic and its interval to a verdict, and the comparisons that several claims are
decided by. No torch.

The interval decides, not the point: a claim is supported where the whole interval lies on its side
of the threshold, not supported where the whole interval lies on the other side, undecided between.
``all_above`` and its like decide claims about every grid point.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from throughtime.analysis import stats
from throughtime.analysis.claims import Evidence


def above(
    statistic: float, low: float, high: float, threshold: float, n: int, detail: str = ""
) -> Evidence:
    """The claim that the statistic is larger than the threshold.

    >>> (
    ...     above(0.5, 0.3, 0.7, 0.2, 10).verdict,
    ...     above(0.5, 0.3, 0.7, 0.4, 10).verdict,
    ...     above(0.1, 0.0, 0.2, 0.4, 10).verdict,
    ... )
    ('supported', 'undecided', 'not supported')
    """
    return _evidence(
        low > threshold,
        high < threshold,
        Evidence("undecided", statistic, low, high, threshold, n, detail),
    )


def below(
    statistic: float, low: float, high: float, threshold: float, n: int, detail: str = ""
) -> Evidence:
    """The claim that the statistic is smaller than the threshold.

    >>> below(0.1, 0.0, 0.2, 0.4, 10).verdict
    'supported'
    """
    return _evidence(
        high < threshold,
        low > threshold,
        Evidence("undecided", statistic, low, high, threshold, n, detail),
    )


def within(
    statistic: float, low: float, high: float, threshold: float, n: int, detail: str = ""
) -> Evidence:
    """The claim that the statistic is about zero: between -threshold and threshold.

    >>> within(0.1, -0.1, 0.3, 0.4, 10).verdict, within(-0.6, -0.7, -0.5, 0.4, 10).verdict
    ('supported', 'not supported')
    """
    inside, outside = -threshold < low and high < threshold, low > threshold or high < -threshold
    return _evidence(
        inside, outside, Evidence("undecided", statistic, low, high, threshold, n, detail)
    )


def unknown(reason: str, threshold: float = math.nan) -> Evidence:
    """Undecided, because what the claim reads is not there."""
    return Evidence("undecided", math.nan, math.nan, math.nan, threshold, 0, reason)


def _evidence(yes: bool, no: bool, measured: Evidence) -> Evidence:
    numbers = (measured.statistic, measured.low, measured.high, measured.threshold, measured.n)
    if math.isnan(measured.low) or math.isnan(measured.high):
        return Evidence(
            "undecided", *numbers, f"too few cases for an interval; {measured.detail}".strip("; ")
        )
    return Evidence(
        "supported" if yes else "not supported" if no else "undecided", *numbers, measured.detail
    )


def mean(values: ArrayLike, level: float = stats.LEVEL) -> tuple[float, float, float, int]:
    """Mean of the finite values, Student's t interval, and how many they are; no interval for fewer
    than two.

    >>> [round(v, 3) for v in mean([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484, 3]
    """
    x = np.asarray(values, np.float64)
    x = x[np.isfinite(x)]
    if len(x) < 2:
        return (float(x[0]) if len(x) else math.nan), math.nan, math.nan, len(x)
    half = float(special.stdtrit(len(x) - 1, 0.5 + level / 2) * x.std(ddof=1) / math.sqrt(len(x)))
    return float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, len(x)


def pairs(a: pd.DataFrame, b: pd.DataFrame, on: Sequence[str]) -> pd.DataFrame:
    """Networks of ``a`` beside those of ``b`` that agree with them in the columns ``on``; the other
    columns get suffixes _a and _b.

    Raises:
        MergeError: several networks of a side agree: ``on`` must name the seed, and all else that
            varies.
    """
    return a.merge(b, on=list(on), suffixes=("_a", "_b"), validate="one_to_one")


def more_solved(
    both: pd.DataFrame, level: float = stats.LEVEL
) -> tuple[float, float, float, int, str]:
    """Share of pairs that only a solves less the share that only b solves; its interval, n, and the
    counts in words.

    Pairs of one seed are not independent: the interval is that of the sign-flip test on the seeds'
    net counts (``stats.by_seed``), and nowhere shorter than Newcombe's for two proportions of n,
    each of which has Wilson's, which takes pairs as independent and does not shrink to nothing
    where no pair differs. Pairs without a seed have Newcombe's alone.

    >>> table = pd.DataFrame(
    ...     {"status_a": ["solved"] * 3, "status_b": ["solved", "unsolved", "diverged"]}
    ... )
    >>> difference, low, high, n, words = more_solved(table.assign(seed=[0, 1, 2]))
    >>> round(difference, 3), low, high, n, words
    (0.667, -1.0, 1.0, 3, 'of 3 pairs of 3 seeds 2 gained, 0 lost')
    """
    a, b, n = both["status_a"] == "solved", both["status_b"] == "solved", len(both)
    gained, lost = int((a & ~b).sum()), int((b & ~a).sum())
    if not n:
        return math.nan, math.nan, math.nan, 0, "no pair"
    low, high = (float(v) for v in stats.newcombe(gained, n, lost, n, level))
    of = ""
    if "seed" in both:
        _, least, most = stats.by_seed(a.astype(float) - b.astype(float), both["seed"], level)
        low, high = max(-1.0, min(low, least)), min(1.0, max(high, most))
        of = f" of {both['seed'].nunique()} seeds"
    return (
        (gained - lost) / n,
        low,
        high,
        n,
        f"of {n} pairs{of} {gained} gained, {lost} lost",
    )


# At every grid point ------------------------------------------------------------

ORDER = ("not supported", "undecided", "supported")


def means(
    frame: pd.DataFrame, by: Sequence[str], value: str, level: float = stats.LEVEL
) -> pd.DataFrame:
    """The mean of ``value`` at each grid point, with Student's t interval; all intervals hold
    together with confidence ``level``.

    Args:
        frame: a row a network; rows without a finite value are left out.
        by: the columns that name a grid point.
        value: the column.
        level: with which all intervals cover at once, at least.

    Returns:
        ``by`` and n, mean, low, high. A grid point of one network has an interval without ends.

    >>> means(pd.DataFrame({"g": [1, 1, 1], "v": [1.0, 2.0, 3.0]}), ["g"], "v").round(
    ...     3
    ... ).to_numpy().tolist()
    [[1.0, 3.0, 2.0, -0.484, 4.484]]
    """
    finite = frame[np.isfinite(frame[value].astype(float))]
    points = (
        finite.groupby(list(by), observed=True)[value].agg(["size", "mean", "std"]).reset_index()
    )
    n = points["size"].to_numpy(float)
    t = special.stdtrit(np.maximum(n - 1, 1), 1 - (1 - level) / 2 / max(len(points), 1))
    half = np.where(n < 2, math.inf, t * points["std"].fillna(0) / np.sqrt(n))
    return points.assign(n=points["size"], low=points["mean"] - half, high=points["mean"] + half)[
        [*by, "n", "mean", "low", "high"]
    ]


def all_above(points: pd.DataFrame, threshold: float, unit: str = "") -> Evidence:
    """Whether every grid point of ``means`` lies above the threshold; the grid point that reaches
    lowest is the statistic.
    """
    return _weakest(points, above, -points["low"], threshold, unit)


def all_below(points: pd.DataFrame, threshold: float, unit: str = "") -> Evidence:
    """Whether every grid point of ``means`` lies below the threshold; the grid point that reaches
    highest is the statistic.
    """
    return _weakest(points, below, points["high"], threshold, unit)


def all_within(points: pd.DataFrame, tolerance: float, unit: str = "") -> Evidence:
    """Whether every grid point of ``means`` is zero but for the tolerance; the grid point that
    reaches farthest is the statistic.
    """
    return _weakest(points, within, points[["low", "high"]].abs().max(axis=1), tolerance, unit)


def _weakest(
    points: pd.DataFrame,
    judge: Callable[..., Evidence],
    badness: pd.Series,
    threshold: float,
    unit: str,
) -> Evidence:
    """The evidence of the worst grid point among those of the deciding verdict, with all grid
    points' networks as n.
    """
    if points.empty:
        return unknown("no network that the claim is about", threshold)
    numbers = points[["mean", "low", "high"]].astype(float).itertuples(index=False, name=None)
    evidence = [judge(*row, threshold, int(points["n"].sum())) for row in numbers]
    reached = [e.verdict for e in evidence]
    verdict = next(v for v in ORDER if v in reached)
    place = max((i for i, v in enumerate(reached) if v == verdict), key=lambda i: badness.iloc[i])
    worst = evidence[place]
    counts = ", ".join(f"{reached.count(v)} {v}" for v in reversed(ORDER) if v in reached)
    numbers_said = f"{worst.statistic:.3g} [{worst.low:.3g}, {worst.high:.3g}]{unit}"
    return replace(
        worst,
        detail=f"{counts} of {len(points)} grid points; decided by {_name(points.iloc[place])}: "
        f"{numbers_said}",
    )


def _name(row: pd.Series) -> str:
    """A grid point's columns as words.

    >>> _name(
    ...     pd.Series({"task": "copy", "gain": 0.5, "n": 3, "mean": 0.0, "low": 0.0, "high": 0.0})
    ... )
    'task copy, gain 0.5'
    """
    own = row.drop(["n", "mean", "low", "high"])
    return ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in own.items())
