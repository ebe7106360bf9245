"""Is time linear in K and T, and what does not parallelise?"""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.lines import line
from throughtime.analysis.verdicts import above, below, unknown, within
from throughtime.results.load import Results

STRAIGHT = 0.25
SERIAL = 0.9
USUAL = 20  # sequences a batch


def table(results: Results) -> pd.DataFrame:
    """A row a program, a column a quantity; and series, x, y."""
    return results.computed.pivot_table(
        index=["series", "x", "y"], columns="quantity", values="value"
    ).reset_index()


def bend(x: ArrayLike, y: ArrayLike, level: float = 0.95) -> tuple[float, float, float, int]:
    """How much the slope of y changes from the smallest to the largest x, over its mean: 0 for a
    line, 2 for a parabola from its vertex.

    Least squares of a + b u + c u^2, u = x scaled to 0..1, errors in proportion to y; the change is
    2 c, the mean slope b + c. Student's interval of c, the mean slope taken as known. NaN for fewer
    than four points.

    >>> x = np.arange(1.0, 6.0)
    >>> [round(v, 9) + 0.0 for v in (bend(x, 3 + 2 * x)[0], bend(x - 1, 1e-9 + (x - 1) ** 2)[0])]
    [0.0, 2.0]
    """
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    n = len(xs)
    if n < 4 or np.ptp(xs) == 0:
        return math.nan, math.nan, math.nan, n
    u = (xs - xs.min()) / np.ptp(xs)
    design = np.stack([np.ones(n), u, u**2], 1) / ys[:, None]
    found = np.linalg.lstsq(design, np.ones(n))[0]
    rest, mean, c = design @ found - 1, found[1] + found[2], float(found[2])
    error = math.sqrt(float(rest @ rest) / (n - 3) * float(np.linalg.inv(design.T @ design)[2, 2]))
    half = float(special.stdtrit(n - 3, 0.5 + level / 2)) * error
    low, high = sorted(
        (2 * (c - half) / mean, 2 * (c + half) / mean)
    )  # of a falling line the interval turns round
    return 2 * c / mean, low, high, n


def worst(bends: dict[str, tuple[float, float, float, int]], threshold: float) -> Evidence:
    """All of several bends lie within the threshold: decided by the one whose interval reaches
    furthest.
    """
    if any(math.isnan(b[1]) for b in bends.values()):
        return unknown("fewer than four sizes measured", threshold)
    words = "; ".join(
        f"{name}: {b[0]:+.3f} [{b[1]:+.3f}, {b[2]:+.3f}]" for name, b in bends.items()
    )
    found = max(bends.values(), key=lambda b: max(-b[1], b[2]))
    return within(*found[:3], threshold, sum(b[3] for b in bends.values()), words)


def duration(results: Results, level: float = LEVEL) -> Evidence:
    """Time of an update over T at full depth, and over the depth that a loss sees in sliding
    windows.
    """
    rows = table(results)
    if rows.empty:
        return unknown("nothing measured", STRAIGHT)
    full, sliding = (rows[rows["series"] == s] for s in ("full", "sliding"))
    bends = {
        "full over T": bend(full["x"], full["update_ms"], level),
        "sliding over depth": bend(sliding["depth"], sliding["update_ms"], level),
    }
    return worst(bends, STRAIGHT)


def exponent(rows: pd.DataFrame, level: float) -> tuple[float, float, float, int]:
    """Of x in update_ms."""
    fit = line(np.log(rows["x"]), np.log(rows["update_ms"]), level)
    return fit.slope, fit.slope_low, fit.slope_high, fit.n


def serial(results: Results, level: float = LEVEL) -> Evidence:
    """Exponent of T in the time of an update."""
    rows = table(results)
    if rows.empty:
        return unknown("nothing measured", SERIAL)
    rows = rows[rows["series"] == "full"]
    found, low, high, n = exponent(rows[rows["x"] >= rows["x"].max() / 8], level)
    return above(found, low, high, SERIAL, n, f"twice the steps take {2**found:.2f} times as long")


def parallel(results: Results, level: float = LEVEL) -> Evidence:
    """Exponent of B in the time of an update, up to the usual batch."""
    rows = table(results)
    if rows.empty:
        return unknown("nothing measured", SERIAL)
    rows = rows[(rows["series"] == "batch") & (rows["x"] <= USUAL)]
    found, low, high, n = exponent(rows, level)
    return below(
        found, low, high, SERIAL, n, f"twice the sequences take {2**found:.2f} times as long"
    )


LINE = (
    "Bend: change of slope from one end of the range to the other over the mean slope, from a "
    "weighted quadratic fit, with "
    "Student's 95 % interval; 0 is a line. "
)

NO_POWER = " No power is stated: how much times vary depends on the machine."

CLAIMS = [
    Claim(
        "time_linear",
        "The time of an update is linear in T at full depth, and in K in sliding windows.",
        LINE + "K is counted as the steps that a loss sees on average: "
        "the first losses of a sequence see fewer than K. "
        f"The larger of the two within +-{STRAIGHT:g}: caches and other programs change a "
        "time by a tenth or two, any "
        f"power but the first by 0.5 and more.{NO_POWER}",
        duration,
    ),
    Claim(
        "steps_serial",
        "Time steps do not parallelise: twice the steps take twice the time.",
        "Slope of ln(time of an update) against ln T over the largest eightfold range; Student's "
        "95 % interval above "
        f"{SERIAL:g}: work in parallel would have 0, work with fixed costs less than 1.{NO_POWER}",
        serial,
    ),
    Claim(
        "sequences_parallel",
        f"The sequences of a batch do: up to B={USUAL}, twice the sequences take less than twice "
        "the time.",
        f"The same slope against ln B over B <= {USUAL}; its 95 % interval below {SERIAL:g}."
        f"{NO_POWER}",
        parallel,
    ),
]
