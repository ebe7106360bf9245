"""Does clipping keep descent at the wall, and does it keep training from being thrown back by a
spike?
"""

import numpy as np
import pandas as pd

from throughtime.analysis import stats
from throughtime.analysis.claims import Claim, Evidence
from throughtime.analysis.verdicts import above, more_solved, unknown
from throughtime.results.load import Results

from .analysis import AROUND, FACTOR, SMALLEST, THROWN, WINDOW, spikes

GOOD = 0.01  # loss of the one-unit network; both plateaus lie above .05
CLIP_ONE, CLIP = 0.1, 1.0  # thresholds: of the one-unit network, of networks in training


def wall(results: Results) -> Evidence:
    """Descents from all over the surface, clipped beside unclipped."""
    table = results.computed[results.computed["quantity"] == "loss"]
    clipped, free = (table[table["series"] == f"start {c}"] for c in (f"{CLIP_ONE:g}", "inf"))
    both = clipped.merge(free, on=["x", "y"], suffixes=("_a", "_b"))
    if both.empty:
        return unknown("no descents computed", 0.0)
    ends = {f"status_{s}": np.where(both[f"value_{s}"] < GOOD, "solved", "unsolved") for s in "ab"}
    difference, low, high, n, words = more_solved(pd.DataFrame(ends))
    return above(difference, low, high, 0.0, n, words.replace("pairs", "starts"))


def thrown(results: Results) -> Evidence:
    """The share of a network's spikes that throw it back, unclipped less clipped."""
    found = spikes(results.probe("updates", "loss"), results.probe("updates", "log_grad_norm"))
    shares = found.groupby(["clip", "run_key"])["thrown"].mean()
    free, clipped = (
        shares[shares.index.get_level_values("clip") == c].astype(float) for c in (np.inf, CLIP)
    )
    if not (len(free) and len(clipped)):
        return unknown("no spike in an unclipped network, or none in a clipped one", 0.0)
    difference, low, high = stats.welch(free, clipped)
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
        "less share that does so only without; Newcombe's 95 % interval above 0 (starts taken as "
        "if drawn), because the claim "
        "is of a direction. Learning rate and updates as in the README.",
        wall,
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
        "Welch's 95 % interval above 0, because the claim is of a direction. Networks count, not "
        "spikes: those of one network "
        "are not independent.",
        thrown,
    ),
]
