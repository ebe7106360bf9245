"""Straight lines through measurements, with intervals: cost against length, and the decay of bias
against K. NumPy and SciPy alone.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x by least squares, with Student's t intervals of both coefficients;
    NaN where points are too few.

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

    Errors are taken as independent and of one size: intervals say how well the points agree with a
    line, no more.

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
    t = float(special.stdtrit(n - 2, (1 + confidence) / 2)) if n > 2 else math.nan
    error = math.sqrt(rest / (n - 2)) if n > 2 else math.nan
    ds, di = t * error / math.sqrt(spread), t * error * math.sqrt(1 / n + middle**2 / spread)
    r2 = 1 - rest / total if total > 0 else 1.0
    return Line(slope, intercept, slope - ds, slope + ds, intercept - di, intercept + di, r2, n)
