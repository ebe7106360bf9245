"""Does clipping keep descent at the wall, and does it keep training from being thrown back by a
spike?
"""

from functools import lru_cache

import numpy as np
import pandas as pd

from throughtime.analysis import stats
from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.power import Power
from throughtime.analysis.verdicts import above, more_solved, unknown
from throughtime.results.load import Results

from .analysis import AROUND, FACTOR, SMALLEST, THROWN, WINDOW, spikes

GOOD = 0.01  # loss of the one-unit network; both plateaus lie above .05
CLIP_ONE, CLIP = 0.1, 1.0  # thresholds: of the one-unit network, of networks in training


def wall(results: Results, level: float = LEVEL) -> Evidence:
    """Descents from all over the surface, clipped beside unclipped."""
    table = results.computed[results.computed["quantity"] == "loss"]
    clipped, free = (table[table["series"] == f"start {c}"] for c in (f"{CLIP_ONE:g}", "inf"))
    both = clipped.merge(free, on=["x", "y"], suffixes=("_a", "_b"))
    if both.empty:
        return unknown("no descents computed", 0.0)
    ends = {f"status_{s}": np.where(both[f"value_{s}"] < GOOD, "solved", "unsolved") for s in "ab"}
    difference, low, high, n, words = more_solved(pd.DataFrame(ends), level)
    return above(difference, low, high, 0.0, n, words.replace("pairs", "starts"))


@lru_cache(maxsize=2)
def all_spikes(results: Results) -> pd.DataFrame:
    """The spikes of all networks."""
    return spikes(results.probe("updates", "loss"), results.probe("updates", "log_grad_norm"))


def thrown(results: Results, level: float = LEVEL) -> Evidence:
    """The share of a network's spikes that throw it back, unclipped less clipped, seed by seed."""
    found = all_spikes(results)
    shares = found.groupby(["clip", "seed", "run_key"])["thrown"].mean().astype(float)
    free, clipped = (shares[shares.index.get_level_values("clip") == c] for c in (np.inf, CLIP))
    each = (free.groupby("seed").mean() - clipped.groupby("seed").mean()).dropna()
    if each.empty:
        return unknown("no seed with a spike in an unclipped and in a clipped network", 0.0)
    difference, low, high = stats.by_seed(each, each.index, level)
    counts = found.groupby("clip").size()
    words = (
        f"{free.mean():.0%} of an unclipped network's spikes throw it back ({counts[np.inf]} in "
        f"{len(free)} networks), "
        f"{clipped.mean():.0%} of one clipped at {CLIP:g} ({counts[CLIP]} in {len(clipped)})"
    )
    return above(difference, low, high, 0.0, len(free) + len(clipped), words)


CLAIMS = [
    Claim(
        "wall",
        f"On the wall of the one-unit network clipping at {CLIP_ONE:g} leads descent to the "
        "minimum from more starts than no "
        "clipping does.",
        "Descents from equal starts, evenly over the surface: share that ends below a loss of "
        f"{GOOD:g} only with clipping "
        "less share that does so only without; Newcombe's 95 % interval above 0, because the claim "
        "is of a direction. Nothing is drawn here: the interval takes starts as if they were, and "
        "the claim is outside the family and has no power. Learning rate and updates as in the "
        "README.",
        wall,
        confirmatory=False,  # nothing is drawn in it
    ),
    Claim(
        "thrown_back",
        "A spike of the gradient throws an unclipped network back more often than one clipped at "
        f"{CLIP:g}.",
        f"Spikes: gradient norm above {FACTOR:g} times the median of the {WINDOW} updates before, "
        f"and above {SMALLEST:g}. "
        f"Thrown back: mean loss of the {AROUND} updates after above that of the {AROUND} before "
        f"by more than {THROWN:g} of "
        "the loss at chance, or divergence. Share of each network's spikes, mean over networks, "
        "unclipped less clipped; "
        "its mean over the networks of a seed; 95 % interval of the sign-flip test over seeds "
        "above 0, "
        "because the claim is of a direction. Seeds count, not networks or spikes: those of one "
        "seed are not independent.",
        thrown,
        power=Power(0.5, 0.2, 10, "flips", basis="supposed"),
    ),
]
