"""Does a longer K pay in text: where, and how far?"""

import math

import pandas as pd

from throughtime.analysis import stats
from throughtime.analysis.claims import Claim, Evidence
from throughtime.analysis.power import Power
from throughtime.analysis.verdicts import above, below, mean, unknown, within
from throughtime.results.load import Results

from .analysis import by_bin, by_depth, gain_of_depth, main

FIRST, FEW, NEAR = 1.0, 5.0, 20.0  # values of K
BITS = 0.05  # per character; the tolerance of the experiment context too
SMALL = 0.02
FAR, NEW = 50, 0  # bins of the group repeat


def pair(bits: pd.DataFrame, a: float, b: float) -> "pd.Series[float] | None":
    """Bits at a less bits at b, per seed; None where one of them was not run."""
    return bits[a] - bits[b] if {a, b} <= set(bits.columns) else None


def over_first(results: Results, level: float = stats.LEVEL) -> Evidence:
    """What K = 5 saves over K = 1."""
    bits = by_depth(main(results).summary)
    saved = pair(bits, FIRST, FEW)
    if saved is None:
        return unknown(f"needs K={FIRST:g} and K={FEW:g}", BITS)
    means = bits[[FIRST, FEW]].mean()
    words = f"bits per character {means[FIRST]:.3f} at K={FIRST:g}, {means[FEW]:.3f} at K={FEW:g}"
    return above(*mean(saved, level)[:3], BITS, len(saved), words)


def saturates(results: Results, level: float = stats.LEVEL) -> Evidence:
    """The share of all that full depth saves which its steps beyond K = 20 save, beside what the
    logarithm of K would give.
    """
    bits = by_depth(main(results).summary)
    saved = pair(bits, FIRST, math.inf)
    if saved is None or NEAR not in bits:
        return unknown(f"needs K={FIRST:g}, K={NEAR:g} and full depth")
    window = int(main(results).summary["steps"].max())
    threshold = math.log(window / NEAR) / math.log(window / FIRST)
    if not (saved > 0).all():
        return unknown(
            f"full depth is no better than K={FIRST:g} in every seed: there is no gain to share "
            "out",
            threshold,
        )
    statistic, low, high, n = mean((bits[NEAR] - bits[math.inf]) / saved, level)
    means = ", ".join(f"{v:.3f}" for v in bits[[FIRST, NEAR, math.inf]].mean())
    words = f"bits per character {means} at K={FIRST:g}, {NEAR:g} and full ({window})"
    return below(statistic, low, high, threshold, n, words)


def nothing_beyond(results: Results, level: float = stats.LEVEL) -> Evidence:
    """The difference of K = 20 and full depth."""
    saved = pair(by_depth(main(results).summary), NEAR, math.inf)
    if saved is None:
        return unknown(f"needs K={NEAR:g} and full depth", SMALL)
    return within(*mean(saved, level)[:3], SMALL, len(saved))


def names_pay(results: Results, level: float = stats.LEVEL) -> Evidence:
    """What full depth saves over K = 20 at names that were read 50 to 199 characters before, less
    what it saves at names that were not read.
    """
    bits = by_bin(main(results), "repeat")
    needed = [(bin_, K) for bin_ in (FAR, NEW) for K in (NEAR, math.inf)]
    if not set(needed) <= set(bits.columns):
        return unknown(f"needs names at K={NEAR:g} and at full depth", 0.0)
    saved = {bin_: bits[bin_, NEAR] - bits[bin_, math.inf] for bin_ in (FAR, NEW)}
    statistic, low, high, n = mean(saved[FAR] - saved[NEW], level)
    words = f"saved {saved[FAR].mean():.3f} bits at repeated names, {saved[NEW].mean():.3f} at new"
    return above(statistic, low, high, 0.0, n, words)


def four_grams(results: Results, level: float = stats.LEVEL) -> Evidence:
    """Bits at full depth, sweep wide, against the n-gram line with three characters of context."""
    own = results.select(sweep="wide", mode="full")
    lines = own.references
    line = lines[(lines["name"] == "Kneser-Ney order 3") & (lines["by"] == "all")]["value"]
    if own.summary.empty or line.empty:
        return unknown("needs sweep wide (preset evening) and its n-gram lines")
    bits = by_depth(own.summary)[math.inf]
    return below(*mean(bits, level)[:3], float(line.iloc[0]), len(bits))


def lstm_better(results: Results, level: float = stats.LEVEL) -> Evidence:
    """Bits of tanh less bits of the LSTM, full depth, per seed."""
    tanh, lstm = (results.select(sweep=s, mode="full").summary for s in ("K", "lstm"))
    if tanh.empty or lstm.empty:
        return unknown("needs sweeps K and lstm (preset evening)", 0.0)
    both = pd.DataFrame(
        {name: by_depth(rows)[math.inf] for name, rows in (("tanh", tanh), ("lstm", lstm))}
    ).dropna()
    words = ", ".join(f"{name} {value:.3f}" for name, value in both.mean().items())
    return above(*mean(both["tanh"] - both["lstm"], level)[:3], 0.0, len(both), words)


def grows_with_budget(results: Results, level: float = stats.LEVEL) -> Evidence:
    """What full depth saves over K = 1 at the largest budget, less what it saves at the
    smallest.
    """
    gains = gain_of_depth(results)
    table = gains[gains["source"] == "final"].pivot(
        index="seed", columns="characters", values="gain"
    )
    if table.shape[1] < 2:
        return unknown("needs sweep budget (preset evening)", 0.0)
    words = ", ".join(f"{v:.3f} bits at {c:,} characters" for c, v in table.mean().items())
    statistic, low, high, n = mean(table.iloc[:, -1] - table.iloc[:, 0], level)
    return above(statistic, low, high, 0.0, n, f"full depth saves {words}")


def clip_helps(results: Results, level: float = stats.LEVEL) -> Evidence:
    """Bits without clipping less bits clipped at 1, gain 2, per seed."""
    plane = results.select(sweep="plane", gain=2.0).summary
    free, clipped = (plane[plane["clip"] == c] for c in (math.inf, 1.0))
    if free.empty or clipped.empty:
        return unknown("needs gain 2 with and without clipping at 1", 0.0)
    difference = (by_depth(free)[math.inf] - by_depth(clipped)[math.inf]).dropna()
    diverged = int((free["status"] == "diverged").sum())
    words = f"{diverged} of {len(free)} without clipping diverged"
    return above(*mean(difference, level)[:3], 0.0, len(difference), words)


MAIN = "Of the networks of sweep wide where they were run, else of sweep K. "
SEEDS = (
    "Seeds are the unit: networks of one seed share data and first weights. Student's 95 % "
    "interval of the mean over seeds"
)
DIVERGED = " Diverged networks count with the entropy of single characters."
SPREAD = 0.01  # bits between seeds: .003 to .008 in the laptop run's three seeds
BASIS = "the laptop run's difference"
SUPPOSED = "supposed: the laptop run has no such networks"

CLAIMS = [
    Claim(
        "few_steps_pay",
        f"K={FEW:g} saves more than {BITS:g} bits per character over K={FIRST:g}, after the same "
        "characters and updates.",
        f"{MAIN}Bits at K={FIRST:g} less bits at K={FEW:g}. {SEEDS} above {BITS:g}.{DIVERGED}",
        over_first,
        power=Power(0.15, SPREAD, 10, basis=BASIS),
    ),
    Claim(
        "gains_saturate",
        f"Of what full depth saves over K={FIRST:g}, the steps beyond K={NEAR:g} save a smaller "
        "share than if bits fell with the logarithm of K.",
        f"{MAIN}(bits at K={NEAR:g} - bits at full depth) / (bits at K={FIRST:g} - bits at full "
        f"depth). {SEEDS} below ln(T / {NEAR:g}) / ln(T), the share of a gain that goes on like "
        f"ln K.{DIVERGED}",
        saturates,
        power=Power(0.34, 0.03, 10, basis="the laptop run"),
    ),
    Claim(
        "nothing_beyond_20",
        f"K={NEAR:g} and full depth differ by less than {SMALL:g} bits per character.",
        f"{MAIN}Bits at K={NEAR:g} less bits at full depth. {SEEDS} between -{SMALL:g} and "
        f"{SMALL:g}.{DIVERGED}",
        nothing_beyond,
        power=Power(SMALL, SPREAD, 10, basis="no difference at all"),
    ),
    Claim(
        "names_pay",
        f"What full depth saves over K={NEAR:g} is more at names that were read 50 to 199 "
        "characters before than at names that were not read in the last 800.",
        f"{MAIN}(bits at K={NEAR:g} - bits at full depth) of the letters of repeated names but "
        f"their first, less the same of new names. {SEEDS} above 0. Networks that diverged have no "
        "bits by name and leave their seed out.",
        names_pay,
        power=Power(0.02, SPREAD, 10, basis="supposed: laptop's three seeds say -.03"),
    ),
    Claim(
        "better_than_4_grams",
        "At full depth a tanh network of 128 units predicts better than the Kneser-Ney model with "
        "three characters of context, which counted the same characters.",
        f"Final bits of sweep wide at full depth. {SEEDS} below the model's bits on the same "
        f"validation characters.{DIVERGED}",
        four_grams,
        power=Power(0.03, SPREAD, 10, basis=SUPPOSED),
    ),
    Claim(
        "lstm_better",
        "An LSTM predicts better than a tanh network of as many weights, at full depth after the "
        "same characters and updates, with the same learning rate.",
        f"Bits of sweep K less bits of sweep lstm, at full depth. {SEEDS} above 0.{DIVERGED}",
        lstm_better,
        power=Power(0.05, SPREAD, 10, basis=SUPPOSED),
    ),
    Claim(
        "gain_grows_with_budget",
        f"Full depth saves more over K={FIRST:g} after 24,000 updates than after 3,000.",
        f"(bits at K={FIRST:g} - bits at full depth) of the largest budget less that of the "
        f"smallest, sweeps budget and K. {SEEDS} above 0.{DIVERGED}",
        grows_with_budget,
        power=Power(0.03, SPREAD, 10, basis=SUPPOSED),
    ),
    Claim(
        "clipping_helps_at_gain_2",
        "At gain 2 networks clipped at 1 predict better than networks that are not clipped.",
        f"Bits without clipping less bits clipped at 1, full depth, gain 2. {SEEDS} above 0."
        f"{DIVERGED}",
        clip_helps,
        power=Power(0.79, 0.03, 10, basis=BASIS),
    ),
]
