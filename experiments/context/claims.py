"""Does the context that a network learns to use grow with the K it was trained with, and how does
it compare with K?
"""

import math
from functools import lru_cache

import numpy as np
import pandas as pd

from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.lines import line
from throughtime.analysis.power import Power
from throughtime.analysis.verdicts import above, below, mean, unknown
from throughtime.results.load import Results

from .analysis import TOLERANCE, effective, losses

HALF = math.log(0.5)


@lru_cache(maxsize=2)
def contexts(results: Results) -> pd.DataFrame:
    """The effective context of every network."""
    return effective(losses(results.probes, results.summary))


def slope(results: Results, level: float) -> tuple[float, float, float, int, str]:
    """Of ln(effective context) against ln K (full: K = T), a line a seed; its mean over seeds."""
    table = contexts(results)
    slopes = [
        line(np.log(own["K"].astype(float)), np.log(own["effective"].astype(float))).slope
        for _, own in table.groupby("seed")
    ]
    found, low, high, n = mean(slopes, level)
    medians = table.groupby("K")["effective"].median()
    words = "median by K: " + ", ".join(f"{K}: {v:.1f}" for K, v in medians.items())
    return found, low, high, n, words


def format_median(table: pd.DataFrame) -> str:
    """The networks' effective contexts."""
    return ", ".join(f"{v:.1f}" for v in sorted(table["effective"]))


def grows(results: Results, level: float = LEVEL) -> Evidence:
    """The slope is positive."""
    found, low, high, n, words = slope(results, level)
    return above(found, low, high, 0.0, n, words) if n else unknown("nothing was probed", 0.0)


def less_than_K(results: Results, level: float = LEVEL) -> Evidence:
    """The slope is less than one."""
    found, low, high, n, words = slope(results, level)
    return below(found, low, high, 1.0, n, words) if n else unknown("nothing was probed", 1.0)


def carried(results: Results, level: float = LEVEL) -> Evidence:
    """Ln(effective / K) at the smallest K."""
    table = contexts(results)
    table = table[table["K"] == table["K"].min()]
    if table.empty:
        return unknown("nothing was probed", 0.0)
    statistic, low, high, n = mean(np.log(table["effective"] / table["K"]), level)
    return above(
        statistic,
        low,
        high,
        0.0,
        n,
        f"trained with K={table['K'].iloc[0]}: effective {format_median(table)} characters",
    )


def unused(results: Results, level: float = LEVEL) -> Evidence:
    """Ln(effective / T) at full depth."""
    table = contexts(results)
    table = table[table["mode"] == "full"]
    if table.empty:
        return unknown("nothing was probed at full depth", HALF)
    statistic, low, high, n = mean(np.log(table["effective"] / table["steps"]), level)
    return below(
        statistic,
        low,
        high,
        HALF,
        n,
        f"trained with T={table['steps'].iloc[0]}: effective {format_median(table)} characters",
    )


BASIS = "the laptop run, its spread doubled: three seeds tell it poorly"
DEFINED = (
    "The effective context is the smallest n from which on the loss with n characters of true "
    f"context is within {TOLERANCE:g} "
    "bits of that with all (between the n of the ladder, a line in ln n). "
)

CLAIMS = [
    Claim(
        "context_grows",
        "The effective context that is learned grows with the K trained with.",
        DEFINED
        + "Slope of its logarithm against ln K in each seed; Student's 95 % interval over seeds "
        "above 0: no dependence is a slope of 0.",
        grows,
        power=Power(0.044, 0.02, 10, basis=BASIS),
    ),
    Claim(
        "context_slower_than_K",
        "The effective context grows less than in proportion to K.",
        DEFINED + "The same slope; its 95 % interval below 1: proportion is a slope of 1.",
        less_than_K,
        power=Power(0.956, 0.02, 10, basis=BASIS),
    ),
    Claim(
        "context_beyond_K",
        "A network trained with the shortest K uses more context than the K steps its gradient "
        "saw: a carried state is of use "
        "untrained.",
        DEFINED + "Mean of ln(effective / K) at the smallest K, over networks; "
        "Student's 95 % interval above 0, where the two are equal.",
        carried,
        power=Power(1.79, 0.12, 10, basis=BASIS),
    ),
    Claim(
        "context_short_of_T",
        "At full depth the effective context learned is less than half of the window.",
        DEFINED + "Mean of ln(effective / T) at full depth, over networks; "
        "Student's 95 % interval below ln(1/2): half, because a step of "
        "the ladder alone is a factor of 1.6.",
        unused,
        power=Power(1.89, 0.02, 10, basis=BASIS),
    ),
]
