"""Is the boundary rougher than a line, at every zoom?"""

import numpy as np

from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.verdicts import above, unknown
from throughtime.results.load import Results

from . import analysis

LINE, MORE = 1.0, 0.1


def decide(results: Results, level: float, diverged: bool = False) -> Evidence:
    """The smallest dimension of the three zooms."""
    merge = analysis.diverged_or_not if diverged else lambda table: table
    found = analysis.dimensions(results, merge)
    own = [found[zoom] for zoom in analysis.ZOOMS if zoom in found]
    own = [d for d in own if np.isfinite(d.value)]
    if len(own) < len(analysis.ZOOMS):
        return unknown(
            f"a zoom is missing, or its boundary fills fewer than {analysis.FEWEST:g} boxes",
            LINE + MORE,
        )
    ends = [d.interval(level) for d in own]
    words = "; ".join(
        f"{zoom}: D = {d.value:.2f} ({low:.2f} to {high:.2f})"
        for zoom, d, (low, high) in zip(analysis.ZOOMS, own, ends, strict=True)
    )
    low, high = (min(e) for e in zip(*ends, strict=True))
    value = min(d.value for d in own)
    return above(value, low, high, LINE + MORE, sum(d.tiles for d in own), words)


def rough(results: Results, level: float = LEVEL) -> Evidence:
    """Solved, unsolved and diverged."""
    return decide(results, level)


def divergence(results: Results, level: float = LEVEL) -> Evidence:
    """Diverged or not."""
    return decide(results, level, diverged=True)


TEST = (
    "Box-counting dimension over boxes of 2, 4, 8 and 16 tiles of a map of 128 x 128 tiles; the "
    "smallest of the three zooms. 95 % interval of a bootstrap over squares of 16 x 16 tiles, the "
    f"least of the lower ends above {LINE + MORE:g}; the least of the upper ends below it decides "
    "against. One seed: the interval is of this boundary, not of other seeds, and the claim is "
    "outside the family and has no power."
)
CLAIMS = [
    Claim(
        "rough",
        "The boundary between solved, unsolved and diverged has a dimension above 1 by more than "
        "0.1 in every zoom.",
        TEST,
        rough,
        confirmatory=False,
    ),
    Claim(
        "divergence",
        "The boundary between diverged and all else alone has a dimension above 1 by more than 0.1 "
        "in every zoom.",
        TEST,
        divergence,
        confirmatory=False,
    ),
]
