"""Does clipping widen the range of gains that train, at which end, and what does a small threshold
cost?
"""

import math

import numpy as np
import pandas as pd

from throughtime.analysis import stats
from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.power import Power
from throughtime.analysis.verdicts import above, below, more_solved, pairs, unknown
from throughtime.results.load import Results

SAME = ["task", "task_args", "updates", "gain", "seed"]
USUAL, SMALL = (
    1.0,
    0.1,
)  # thresholds; the loss is a mean: a norm near 1 is the scale of a gradient that does not explode
LARGE_GAIN = 1.5
WIDER = 0.1  # share of networks that would be called a wider range
SLOWER = math.log(
    1.25
)  # five times what a check every twentieth of the budget can pretend at the budget's end

BASIS = "of the laptop run: 3 seeds, hence the spread half as large again"


def at(results: Results, clip: float) -> pd.DataFrame:
    """Networks at full depth, SGD, with this threshold."""
    summary = results.summary
    return summary[(summary["sweep"] == "full") & (summary["clip"] == clip)]


def compared(results: Results) -> pd.DataFrame:
    """Each network clipped at USUAL (_a) beside the same without clipping (_b): same data, same
    first weights.
    """
    return pairs(at(results, USUAL), at(results, math.inf), SAME)


def upward(results: Results, level: float = LEVEL) -> Evidence:
    """At large gains, clipped less unclipped."""
    both = compared(results)
    difference, low, high, n, words = more_solved(both[both["gain"] >= LARGE_GAIN], level)
    return (
        above(difference, low, high, 0.0, n, words)
        if n
        else unknown(f"no pair at gain {LARGE_GAIN:g} or more", 0.0)
    )


def downward(results: Results, level: float = LEVEL) -> Evidence:
    """At small gains, clipped less unclipped."""
    both = compared(results)
    difference, low, high, n, words = more_solved(both[both["gain"] < 1], level)
    return (
        below(difference, low, high, WIDER, n, words)
        if n
        else unknown("no pair at a gain below 1", WIDER)
    )


def slows(results: Results, level: float = LEVEL) -> Evidence:
    """Ln of how many times as many updates the small threshold needs, at gain 1."""
    both = pairs(at(results, SMALL), at(results, USUAL), SAME)
    both = both[
        (both["gain"] == 1)
        & (both["first_solved_at_a"].notna() | both["first_solved_at_b"].notna())
    ]
    small, usual = (
        both[f"first_solved_at_{s}"].fillna(both["updates"]).to_numpy(float) for s in "ab"
    )
    statistic, low, high = stats.by_seed(np.log(small / usual), both["seed"], level)
    n = len(both)
    if not n:
        return unknown(
            f"no pair of thresholds {SMALL:g} and {USUAL:g} at gain 1 of which one met its "
            "criterion",
            SLOWER,
        )
    never = int(both["first_solved_at_a"].isna().sum())
    words = f"{math.exp(statistic):.2f} times as many updates; "
    words += f"of {n} pairs {never} never met the criterion with the small threshold"
    return above(statistic, low, high, SLOWER, n, words)


CLAIMS = [
    Claim(
        "widens_upward",
        f"At initial gains of {LARGE_GAIN:g} and more, more networks learn with clipping at "
        f"{USUAL:g} than without clipping.",
        "Pairs of networks at full depth (SGD, all tasks and lags) with equal data and first "
        f"weights, clipped at {USUAL:g} "
        f"and not at all, gain >= {LARGE_GAIN:g}: share that only clipping solves less share that "
        "it loses; 95 % interval of the sign-flip test over seeds, nowhere shorter than "
        "Newcombe's, "
        "above 0, because any net gain widens the range.",
        upward,
        power=Power(0.24, 0.1, 10, "flips", basis=BASIS),
    ),
    Claim(
        "not_downward",
        f"At initial gains below 1 clipping at {USUAL:g} rescues, net of those it loses, fewer "
        "than "
        "one network in ten.",
        "The same pairs at gain < 1; the same interval of the net share rescued below "
        f"{WIDER:g}. A range would be called wider for one network in ten.",
        downward,
        power=Power(
            0.05, 0.1, 10, "flips", basis="a net share of .05; of the laptop run the spread"
        ),
    ),
    Claim(
        "small_slows",
        f"A threshold of {SMALL:g} slows learning where a threshold of {USUAL:g} does not hinder "
        "it.",
        "Pairs at gain 1 of which at least one met its criterion: mean of ln(update of the first "
        f"success with {SMALL:g} / "
        f"with {USUAL:g}), never counted as the whole budget (which understates it); 95 % interval "
        "of the sign-flip test over seeds above ln 1.25 = "
        f"{SLOWER:.3f}. A quarter more updates is five times what checks at twentieths of the "
        "budget can pretend at its end.",
        slows,
        power=Power(0.52, 0.12, 10, "flips", basis=BASIS),
    ),
]
