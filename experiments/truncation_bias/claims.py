"""Does bias decay at the Lyapunov rate, do runs with little bias learn, is influence balancing's
smallest K the exact one?
"""

import pandas as pd

from throughtime.analysis import verdicts
from throughtime.analysis.claims import Claim, Evidence
from throughtime.results.load import Results

from . import analysis

TOLERANCE = 0.05  # nats a step: e over 20 steps
SMALL = 0.1  # of delta
SHARE = 0.9  # of what full depth learns
# of chance: what a network at full depth must have gained for a share of it to mean something
LEAST = 0.1
SAME = ["task", "task_args", "gain", "seed"]


def lyapunov_rate(results: Results, moment: str) -> Evidence:
    """Decay less exponent, at the grid points whose gradients vanish."""
    table = analysis.rates(results)
    table = table[table["moment"] == moment].assign(off=table["decay"] - table["lyapunov"])
    points = verdicts.means(table, ["task", "gain"], "lyapunov")
    vanishing = points[points["high"] < 0][["task", "gain"]]
    if vanishing.empty:
        return verdicts.unknown(
            "no grid point whose largest Lyapunov exponent is below 0", TOLERANCE
        )
    return verdicts.all_within(
        verdicts.means(table.merge(vanishing), ["task", "gain"], "off"), TOLERANCE, " nats a step"
    )


def small_bias(results: Results) -> Evidence:
    """What runs with little bias learn, as a share of what the same network learns at full
    depth.
    """
    return verdicts.all_above(verdicts.means(shares(results), ["task"], "share"), SHARE)


def shares(results: Results) -> pd.DataFrame:
    """A row a truncated run with a bias below SMALL: ``share`` of the way from chance that the same
    network at full depth goes.
    """
    runs = analysis.learned(results)
    full = runs[runs["sweep"] == "full"][[*SAME, "final"]].rename(columns={"final": "full"})
    pairs = runs[(runs["sweep"] == "truncated") & (runs["delta"] < SMALL)].merge(full, on=SAME)
    pairs = pairs[(pairs["full"] - pairs["chance"]).abs() > LEAST * pairs["chance"]]
    return pairs.assign(
        share=((pairs["final"] - pairs["chance"]) / (pairs["full"] - pairs["chance"])).fillna(0.0)
    )


def balancing(results: Results) -> Evidence:
    """Measured less exact smallest K, the largest difference of the three modes."""
    rows = results.computed[results.computed["quantity"].isin(["smallest K", "smallest K exact"])]
    wide = rows.pivot_table(index="series", columns="quantity", values="value")
    if wide.shape != (3, 2) or (wide["smallest K"] == 0).any():
        return verdicts.unknown("not computed up to the exact K in all three modes", 0.0)
    off = float((wide["smallest K"] - wide["smallest K exact"]).abs().max())
    detail = ", ".join(
        f"{mode} {row['smallest K']:.0f} (exact {row['smallest K exact']:.0f})"
        for mode, row in wide.iterrows()
    )
    return Evidence("supported" if off == 0 else "not supported", off, off, off, 0.0, 3, detail)


RATE = (
    "Slope of ln delta(K) over K (fits.decay: W_hh's gradient, mode sliding, where every loss sees "
    "exactly K; from where delta "
    "stays below 1/2; on brackets, scored at every step, 1 - K/T divided out) less the network's "
    "largest Lyapunov exponent; "
    "mean over seeds at each grid point (task, gain) whose exponent's interval is below 0, t "
    "intervals "
    "that hold together at 95 % "
    f"(Bonferroni) all within ±{TOLERANCE:g} nats a step: a factor e over 20 steps. Where the "
    "exponent is not below 0 nothing "
    "decays and there is no rate. Chunked and buffered have no such rate: there some losses see "
    "less than K. "
)
CLAIMS = [
    Claim(
        "decay_is_lyapunov_rate",
        "In sliding mode, truncation bias decays at the rate of the largest Lyapunov exponent.",
        RATE + "Before training.",
        lambda r: lyapunov_rate(r, "before"),
    ),
    Claim(
        "decay_is_lyapunov_rate_after_training",
        "In sliding mode, truncation bias decays at the rate of the largest Lyapunov exponent, in "
        "trained networks too.",
        RATE + "After training: exponents are those of long runs, "
        "and trained networks need not forget at one rate.",
        lambda r: lyapunov_rate(r, "after"),
    ),
    Claim(
        "small_bias_learns",
        "Runs whose truncation bias before training is below a tenth learn what the same networks "
        "learn at full depth.",
        "Final measure's distance from chance, over that of the same network (task, gain, seed) at "
        "full depth; mean over "
        f"truncated runs whose mode and K have delta(K) < {SMALL:g} in the untrained network, in "
        "each task; t intervals that "
        f"hold together at 95 % all above {SHARE:g}: nine tenths of it, as the gradient lacks less "
        "than one. Networks that gain "
        f"less than {LEAST:g} of chance at full depth are left out, diverged runs have learned "
        "nothing. Aicher, Foti & Fox 2019 "
        "choose K such that delta stays below a bound of this kind; but the bias before training "
        "need not be that of later.",
        small_bias,
    ),
    Claim(
        "influence_balancing_exact",
        "In influence balancing the smallest K with the right sign is the exact one in each mode.",
        "The engine's truncated gradient at rest, for K = 1, 2, ..: the K from which on its sign "
        "is right, less theory's; the "
        "largest difference of the three modes is 0. Nothing is random here, so that there is "
        "neither interval nor tolerance.",
        balancing,
    ),
]
