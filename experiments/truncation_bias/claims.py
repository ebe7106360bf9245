"""Does bias decay at the Lyapunov rate, and do runs with little bias learn?"""

from dataclasses import replace
from functools import lru_cache, partial

import pandas as pd

from throughtime.analysis import verdicts
from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.power import Power
from throughtime.results.load import Results

from . import analysis

TOLERANCE = 0.05  # nats per step: e over 20 steps
SMALL = 0.1  # of delta
SHARE = 0.9  # of what full depth learns
# of chance: what a network at full depth must have gained for a share of it to mean something
LEAST = 0.1
SAME = ["task", "task_args", "gain", "seed"]


@lru_cache(maxsize=4)
def rates(results: Results, of: str) -> pd.DataFrame:
    """See analysis.rates."""
    return analysis.rates(results, of)


def lyapunov_rate(
    results: Results, level: float = LEVEL, *, of: str = "mean", moment: str = "before"
) -> Evidence:
    """Decay less exponent, at the grid points whose gradients vanish."""
    table = rates(results, of)
    table = table[table["moment"] == moment].assign(off=table["decay"] - table["lyapunov"])
    points = verdicts.means(table, ["task", "gain"], "lyapunov", level)
    vanishing = points[points["high"] < 0][["task", "gain"]]
    if vanishing.empty:
        return verdicts.unknown(
            "no grid point whose largest Lyapunov exponent is below 0", TOLERANCE
        )
    points = verdicts.means(table.merge(vanishing), ["task", "gain"], "off", level)
    return verdicts.all_within(points, TOLERANCE, " nats per step")


def small_bias(results: Results, level: float = LEVEL) -> Evidence:
    """What runs with little bias learn, as a share of what the same network learns at full
    depth.
    """
    table = shares(results)
    # one value per seed: networks of one seed are not independent
    each = table.groupby(["task", "seed"])[["share"]].mean().reset_index()
    found = verdicts.all_above(verdicts.means(each, ["task"], "share", level), SHARE)
    return replace(found, detail=f"{found.detail}; {len(table)} networks")


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


RATE = (
    "Slope of ln delta(K) over K (analysis.decay: W_hh's gradient, {which}; mode sliding, where "
    "every loss sees exactly K; from where delta "
    "stays below 1/2; on brackets, scored at every step, 1 - K/T divided out) less the network's "
    "largest Lyapunov exponent; "
    "mean over seeds at each grid point (task, gain) whose exponent's interval is below 0, t "
    "intervals "
    "that hold together at 95 % "
    f"(Bonferroni) all within ±{TOLERANCE:g} nats per step: a factor e over 20 steps. Where the "
    "exponent is not below 0 nothing "
    "decays and there is no rate. Chunked and buffered have no such rate: there some losses see "
    "less than K. "
)
BEFORE = Power(0.045, 0.11, 120, points=10, basis="every grid point like the laptop run's worst")
AFTER = Power(0.05, 0.17, 10, points=4, basis="no difference at all; the laptop run's spread")
CLAIMS = [
    *[
        Claim(
            f"{of}_decays_at_lyapunov_rate{suffix}",
            f"In sliding mode the truncation bias of {words} decays at the rate of the largest "
            f"Lyapunov exponent{', in trained networks too' if suffix else ''}.",
            RATE.format(which=which) + when,
            partial(lyapunov_rate, of=of, moment=moment),
            power=BEFORE if moment == "before" else AFTER,
        )
        for of, words, which in (
            ("mean", "the gradient of a batch's mean loss", "of the mean over 4 batches"),
            (
                "sequence",
                "single sequences' gradients",
                "mean over 8 sequences of each one's own, as an exponent is of one trajectory",
            ),
        )
        for suffix, moment, when in (
            ("", "before", "Before training."),
            (
                "_after_training",
                "after",
                "After training: exponents are those of long runs, and trained networks need not "
                "forget at one rate.",
            ),
        )
    ],
    Claim(
        "small_bias_learns",
        "Runs whose truncation bias before training is below a tenth learn what the same networks "
        "learn at full depth.",
        "Final measure's distance from chance, over that of the same network (task, gain, seed) at "
        "full depth; mean over the "
        f"truncated runs of a seed whose mode and K have delta(K) < {SMALL:g} in the untrained "
        "network, in "
        "each task; t intervals over seeds that "
        f"hold together at 95 % all above {SHARE:g}: nine tenths of it, as the gradient lacks less "
        "than one. Networks that gain "
        f"less than {LEAST:g} of chance at full depth are left out, diverged runs have learned "
        "nothing. Aicher, Foti & Fox 2019 "
        "choose K such that delta stays below a bound of this kind; but the bias before training "
        "need not be that of later.",
        small_bias,
        power=Power(0.13, 0.15, 10, points=2, basis="the laptop run"),
    ),
]
