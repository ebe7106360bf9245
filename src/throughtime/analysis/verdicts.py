"""From a statistic and its interval to a verdict, and the comparisons that several claims are decided by. No torch.

The interval decides, not the point: a claim is supported where the whole interval lies on its side of the threshold, not supported where
the whole interval lies on the other side, undecided between. ``everywhere`` has the same for claims about every cell of a grid.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats as distributions

from throughtime.analysis import stats
from throughtime.analysis.claims import Evidence


def above(statistic: float, low: float, high: float, threshold: float, n: int, detail: str = "") -> Evidence:
    """The claim that the statistic is larger than the threshold.

    >>> above(0.5, 0.3, 0.7, 0.2, 10).verdict, above(0.5, 0.3, 0.7, 0.4, 10).verdict, above(0.1, 0.0, 0.2, 0.4, 10).verdict
    ('supported', 'undecided', 'not supported')
    """
    return _evidence(low > threshold, high < threshold, Evidence("undecided", statistic, low, high, threshold, n, detail))


def below(statistic: float, low: float, high: float, threshold: float, n: int, detail: str = "") -> Evidence:
    """The claim that the statistic is smaller than the threshold.

    >>> below(0.1, 0.0, 0.2, 0.4, 10).verdict
    'supported'
    """
    return _evidence(high < threshold, low > threshold, Evidence("undecided", statistic, low, high, threshold, n, detail))


def within(statistic: float, low: float, high: float, threshold: float, n: int, detail: str = "") -> Evidence:
    """The claim that the statistic is about zero: between -threshold and threshold.

    >>> within(0.1, -0.1, 0.3, 0.4, 10).verdict, within(-0.6, -0.7, -0.5, 0.4, 10).verdict
    ('supported', 'not supported')
    """
    inside, outside = -threshold < low and high < threshold, low > threshold or high < -threshold
    return _evidence(inside, outside, Evidence("undecided", statistic, low, high, threshold, n, detail))


def unknown(reason: str, threshold: float = math.nan) -> Evidence:
    """Undecided, because what the claim reads is not there."""
    return Evidence("undecided", math.nan, math.nan, math.nan, threshold, 0, reason)


def _evidence(yes: bool, no: bool, found: Evidence) -> Evidence:
    numbers = (found.statistic, found.low, found.high, found.threshold, found.n)
    if math.isnan(found.low) or math.isnan(found.high):
        return Evidence("undecided", *numbers, f"too few cases for an interval; {found.detail}".strip("; "))
    return Evidence("supported" if yes else "not supported" if no else "undecided", *numbers, found.detail)


def mean(values: ArrayLike, level: float = stats.LEVEL) -> tuple[float, float, float, int]:
    """Mean of the finite values, Student's t interval, and how many they are; no interval for fewer than two.

    >>> [round(v, 3) for v in mean([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484, 3]
    """
    x = np.asarray(values, np.float64)
    x = x[np.isfinite(x)]
    if len(x) < 2:
        return (float(x[0]) if len(x) else math.nan), math.nan, math.nan, len(x)
    half = float(distributions.t.ppf(0.5 + level / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return float(x.mean()), float(x.mean()) - half, float(x.mean()) + half, len(x)


def pairs(a: pd.DataFrame, b: pd.DataFrame, on: Sequence[str]) -> pd.DataFrame:
    """Networks of ``a`` beside those of ``b`` that agree with them in the columns ``on``; the other columns get suffixes _a and _b.

    Raises:
        MergeError: several networks of a side agree: ``on`` must name the seed, and all else that varies.
    """
    return a.merge(b, on=list(on), suffixes=("_a", "_b"), validate="one_to_one")


def more_solved(both: pd.DataFrame) -> tuple[float, float, float, int, str]:
    """Share of pairs that only a solves less the share that only b solves; its interval, n, and the counts in words.

    The interval is Newcombe's for two proportions of n, each of which has Wilson's: it does not shrink to nothing where no pair differs.
    (The two proportions exclude each other, which the interval leaves out: they are small where it matters.)

    >>> table = pd.DataFrame({"status_a": ["solved"] * 3, "status_b": ["solved", "unsolved", "diverged"]})
    >>> difference, low, high, n, words = more_solved(table)
    >>> round(difference, 3), n, words
    (0.667, 3, 'of 3 pairs 2 gained, 0 lost')
    """
    a, b, n = both["status_a"] == "solved", both["status_b"] == "solved", len(both)
    gained, lost = int((a & ~b).sum()), int((b & ~a).sum())
    low, high = stats.newcombe(gained, n, lost, n)
    return (gained - lost) / n if n else math.nan, float(low), float(high), n, f"of {n} pairs {gained} gained, {lost} lost"
