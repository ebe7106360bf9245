"""Our numbers beside those of published.csv. No torch."""

import itertools
import math

import pandas as pd

from throughtime.analysis import stats
from throughtime.results.load import Results
from throughtime.theory import minimal

from .analysis import multiple, networks

COLUMNS = ["quantity", "value", "low", "high", "n", "n_diverged", "why"]
# sigma_w, sigma_v and R, the variance of the inputs, at which the minimalRNN is said to be
# critical, each known to half a unit of its last digit; its bias is 0
CRITICAL = ((6.88, 0.005), (1.39, 0.005), (0.46, 0.005))
OTHER = "another task (temporal order, not images of digits), smaller networks and a smaller budget"
Row = tuple[str, float, float, float, int, int, str]


def at(sigma_w: float, sigma_v: float, power: float) -> tuple[float, float]:
    """chi_1 and q* of the minimalRNN with inputs of variance ``power`` and no bias."""
    inputs = minimal.Inputs(sigma_v**2 * power, 0.0, 0.0, power)
    return minimal.chi_1(sigma_w, 0.0, inputs), minimal.q_star(sigma_w, 0.0, inputs)


def theory() -> list[Row]:
    """chi_1 and q* at CRITICAL, between the least and the most that the rounding allows."""
    own = at(*(value for value, _ in CRITICAL))
    corners = [at(*c) for c in itertools.product(*((v - e, v + e) for v, e in CRITICAL))]
    ends = zip(own, zip(*corners, strict=True), strict=True)
    return [
        (name, value, min(found), max(found), 0, 0, "")
        for name, (value, found) in zip(("gated_chi", "gated_q"), ends, strict=True)
    ]


def of_map(results: Results, sweep: str) -> list[Row]:
    """The multiple of xi of a map, and the share of its networks that solve their length."""
    rows = networks(results, sweep)
    if rows.empty:
        missing = (math.nan, math.nan, math.nan, 0, 0, "no networks")
        return [(f"{sweep}_multiple", *missing), (f"{sweep}_share", *missing)]
    fit, share = multiple(rows), stats.success(rows, ["sweep"]).iloc[0]
    return [
        row(f"{sweep}_multiple", fit, ("frontier", "low", "high")),
        row(f"{sweep}_share", share, ("rate", "low", "high")),
    ]


def row(quantity: str, found: "pd.Series[float]", columns: tuple[str, str, str]) -> Row:
    """A number, its interval and its counts, from a row of stats."""
    value, low, high = (float(found[c]) for c in columns)
    return quantity, value, low, high, int(found["n"]), int(found["n_diverged"]), OTHER


def measure(results: Results) -> pd.DataFrame:
    """A row per quantity of published.csv."""
    rows = [*theory(), *of_map(results, "vanilla"), *of_map(results, "gated")]
    return pd.DataFrame(rows, columns=COLUMNS)
