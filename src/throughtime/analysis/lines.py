"""Straight lines through measurements, with intervals: cost against length, and the decay of bias against K. NumPy and SciPy alone."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x by least squares, with Student's t intervals of both coefficients; NaN where points are too few.

    Attributes:
        slope, intercept: of the line.
        slope_low, slope_high, intercept_low, intercept_high: the intervals.
        r2: share of y's variance that the line explains; 1 where y is constant and met.
        n: points.
    """

    slope: float
    intercept: float
    slope_low: float
    slope_high: float
    intercept_low: float
    intercept_high: float
    r2: float
    n: int


NO_LINE = (math.nan,) * 7


def line(x: ArrayLike, y: ArrayLike, confidence: float = 0.95) -> Line:
    """Fit a line; points with a value that is not finite are left out.

    Errors are taken as independent and of one size: intervals say how well the points agree with a line, no more.

    >>> fit = line([0, 1, 2, 3], [1, 3, 5, 7])
    >>> round(fit.slope, 9), round(fit.intercept, 9), round(fit.r2, 9), fit.n
    (2.0, 1.0, 1.0, 4)
    """
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    good = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[good], ys[good]
    n = len(xs)
    if len(np.unique(xs)) < 2:
        return Line(*NO_LINE, n)
    dx, middle = xs - xs.mean(), float(xs.mean())
    spread = float(dx @ dx)
    slope = float(dx @ (ys - ys.mean())) / spread
    intercept = float(ys.mean()) - slope * middle
    rest = float(((ys - intercept - slope * xs) ** 2).sum())
    total = float(((ys - ys.mean()) ** 2).sum())
    t = float(stats.t.ppf((1 + confidence) / 2, n - 2)) if n > 2 else math.nan
    error = math.sqrt(rest / (n - 2)) if n > 2 else math.nan
    ds, di = t * error / math.sqrt(spread), t * error * math.sqrt(1 / n + middle**2 / spread)
    r2 = 1 - rest / total if total > 0 else 1.0
    return Line(slope, intercept, slope - ds, slope + ds, intercept - di, intercept + di, r2, n)


def decay(
    K: ArrayLike,
    log_delta: ArrayLike,
    steps: float = math.inf,
    ceiling: float = 0.5,
    floor: float = 1e-12,
    confidence: float = 0.95,
) -> Line:
    """Exponential decay of the truncation bias: the line through ln delta(K).

    Its slope is comparable with the largest Lyapunov exponent, in 1 / step: where the backward signal falls like exp(lambda k), so does
    delta(K) (Aicher, Foti & Fox 2019, up to their burn-in tau). Fitted from the smallest K from which on delta stays below ``ceiling``
    (before it, nothing has decayed yet) and where delta is above ``floor`` (below it is rounding of float64).

    For mode sliding, where every loss sees exactly K steps. Under chunking the losses at a chunk's start see one step whatever K is: delta
    falls like 1 / K, and has no rate. In mode buffered one loss in K sees as little as K steps: delta falls like exp(lambda K) / K, and
    a line through it is too steep.

    Args:
        K: truncation lengths.
        log_delta: ln delta(K), of probe truncation_bias; -inf is left out.
        steps: T where every step is scored: only T - K of T losses have anything to lose at depth K, so delta falls faster than the signal
            by 1 - K / T, which is divided out. inf, the default: for one loss at the end, or an endless sequence.
        ceiling, floor: of delta.
        confidence: of the interval.

    >>> K = np.array([1, 2, 3, 5, 8, 13])
    >>> round(decay(K, np.log(0.9) - 0.3 * K).slope, 9)
    -0.3
    """
    order = np.argsort(np.asarray(K, np.float64))
    Ks, logs = np.asarray(K, np.float64)[order], np.asarray(log_delta, np.float64)[order]
    above = np.flatnonzero(~(logs <= math.log(ceiling)))
    start = above[-1] + 1 if above.size else 0
    keep = (np.arange(len(Ks)) >= start) & (logs > math.log(floor))
    return line(Ks[keep], logs[keep] - np.log1p(-Ks[keep] / steps), confidence)


def laws(table: pd.DataFrame, quantities: Iterable[str] = ("kept_bytes", "update_ms")) -> pd.DataFrame:
    """Straight lines through the table of ``cost.measure``: each quantity against T where mode is full, against K elsewhere.

    Args:
        table: of ``cost.measure``; sizes other than the most frequent (hidden, batch, rows) are left out.
        quantities: its columns.

    Returns:
        mode, quantity, against, and the fields of fits.Line.
    """
    kind = ["hidden", "batch", "rows"]
    usual = list(table[kind].value_counts().index[0])
    table = table[(table[kind] == usual).all(axis=1)]
    rows = []
    for mode, part in table.groupby("mode", sort=False):
        against = "T" if mode == "full" else "K"
        rows += [{"mode": mode, "quantity": q, "against": against, **asdict(line(part[against], part[q]))} for q in quantities]
    return pd.DataFrame(rows)
