"""Is a gain of 1 better than both ends, and does PyTorch's default lie on the vanishing side?"""

import pandas as pd

from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.power import Power
from throughtime.analysis.verdicts import above, more_solved, pairs, unknown
from throughtime.figures.panels import PYTORCH_GAIN
from throughtime.results.load import Results

SAME = ["task", "task_args", "updates", "init", "seed"]

BASIS = "of the laptop run: 3 seeds, hence the spread half as large again"


def against(
    results: Results, gain: float, init: str, level: float
) -> tuple[float, float, float, int, str]:
    """Gain 1 (a) beside ``gain`` (b), of the same matrix: see verdicts.more_solved."""
    summary = results.summary[results.summary["init"] == init]

    def at(g: float) -> pd.DataFrame:
        return summary[(summary["gain"] - g).abs() < 0.005]

    return more_solved(pairs(at(1.0), at(gain), SAME), level)


def default(results: Results, level: float = LEVEL) -> Evidence:
    """Gaussian matrices, as PyTorch's are without structure: gain 1 less the default's."""
    difference, low, high, n, words = against(results, PYTORCH_GAIN, "gaussian", level)
    return (
        above(difference, low, high, 0.0, n, words)
        if n
        else unknown("no pair at gain 1 and at PyTorch's default", 0.0)
    )


def peak(results: Results, level: float = LEVEL) -> Evidence:
    """Orthogonal matrices: the smaller of the two advantages of gain 1, over the smallest and the
    largest gain.
    """
    gains = results.summary.loc[results.summary["init"] == "orthogonal", "gain"]
    if gains.empty or not (gains.min() < 1 < gains.max()):
        return unknown("no gain on either side of 1", 0.0)
    sides = {f"{g:g}": against(results, g, "orthogonal", level) for g in (gains.min(), gains.max())}
    n = min(s[3] for s in sides.values())
    if not n:
        return unknown("no pair at gain 1 and another", 0.0)
    difference, low, high = (min(side) for side in list(zip(*sides.values(), strict=True))[:3])
    return above(
        difference,
        low,
        high,
        0.0,
        n,
        "; ".join(f"against {g}: {s[4]} by gain 1" for g, s in sides.items()),
    )


CLAIMS = [
    Claim(
        "default_vanishes",
        "Of the same Gaussian matrices fewer learn at PyTorch's default scale, sigma_w = 0.577, "
        "than "
        "at sigma_w = 1.",
        "Pairs of networks with the same Gaussian matrix scaled by 1 and by 0.577, over all tasks "
        "and lags: share that only "
        "gain 1 solves less share that only 0.577 solves; 95 % interval of the sign-flip test over "
        "seeds, nowhere shorter than Newcombe's, above 0, "
        "because the two are compared over "
        "one fixed set of lags, where any net loss is a shorter frontier.",
        default,
        power=Power(0.28, 0.07, 10, "flips", basis=BASIS),
    ),
    Claim(
        "gain_1_beats_both_ends",
        "Of the same orthogonal matrices more learn at gain 1 than at the smallest gain of the "
        "sweep, "
        "and more than at the largest.",
        "Pairs with the same orthogonal matrix scaled by 1 and by the smallest, and by 1 and by "
        "the largest gain of the "
        "sweep: the smaller of the two net shares that gain 1 solves; both 95 % intervals (as "
        "above) "
        "above 0. Which gain between them is best it does not say.",
        peak,
        power=Power(0.19, 0.07, 10, "flips", basis=BASIS),
    ),
]
