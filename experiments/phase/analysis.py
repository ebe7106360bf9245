"""Success against a length that theory predicts: which multiple of it bounds learning, and whether
the bound moves with it.

A network with a dependency of ``lag`` steps is solved with probability 1 / (1 + (lag / (m
xi^b))^s): a falling logistic curve in ln(lag) whose half point is m xi^b. ``multiple`` fits m and s
at b = 1, what theory says; ``exponent`` fits b as well: 1 where the frontier moves with gain as xi
does, 0 where it does not move. Both intervals are of the profile likelihood, and take networks as
independent.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from throughtime.analysis import predictions, stats

Floats = NDArray[np.float64]
EXPONENTS = np.linspace(-1, 3, 101)
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


def exponent(rows: pd.DataFrame, level: float = stats.LEVEL) -> tuple[float, float, float]:
    """b and its interval; an end beyond EXPONENTS is infinite; all are NaN where xi or success does
    not vary.

    Args:
        rows: of ``with_ratio``.
        level: of the interval.
    """
    known = rows[np.isfinite(rows["ratio"].astype(float))]
    rates = stats.success(known, ["xi", "lag_max"])
    solved, n = rates["n_solved"].to_numpy(float), rates["n"].to_numpy(float)
    if rates["xi"].nunique() < 2 or not 0 < solved.sum() < n.sum():
        return math.nan, math.nan, math.nan
    lag, xi = np.log(rates["lag_max"].to_numpy(float)), np.log(rates["xi"].to_numpy(float))
    profile = np.array([_best(lag - b * xi, solved, n) for b in EXPONENTS])
    inside = np.flatnonzero(profile >= profile.max() - special.chdtri(1, 1 - level) / 2)
    top = np.flatnonzero(profile >= profile.max() - 1e-6)
    edges = np.concatenate(
        [[-math.inf], EXPONENTS, [math.inf]]
    )  # an end lies between the last place inside and the next: that one
    low, high = float(edges[inside[0]]), float(edges[inside[-1] + 2])
    return float(EXPONENTS[top[len(top) // 2]]), low, high


def _best(x: Floats, solved: Floats, n: Floats) -> float:
    """The largest log-likelihood over m and s of a falling logistic curve in x."""
    m = np.arange(x.min() - 1, x.max() + 1 + STEP, STEP)
    logit = STEEPNESS[:, None, None] * (m[None, :, None] - x)
    return float(
        -(solved * np.logaddexp(0, -logit) + (n - solved) * np.logaddexp(0, logit)).sum(-1).min()
    )
