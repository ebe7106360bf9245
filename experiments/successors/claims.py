"""Do gates, orthogonal matrices and attention reach farther than a plain network of as many
weights, and do time steps have to run one after another?
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.lines import line
from throughtime.analysis.power import Power
from throughtime.analysis.verdicts import above, below, mean, more_solved, pairs, unknown, within
from throughtime.results.load import Results

from .analysis import FRONTIER, closed, parameter, reported, score, times

SAME = ["task", "task_args", "seed"]
PLAIN = "tanh"
TOLERANCE = 0.05  # of the score: 1 is all symbols right, 0 chance
SERIAL = 0.9  # exponent of T, as in the experiment cost
BATCH = 1.0  # sequences, where one step alone cannot fill a processor


def against(
    rows: pd.DataFrame, model: str, other: str, level: float
) -> tuple[float, float, float, int, str]:
    """``model`` (a) beside ``other`` (b), of the same task, lag and seed: verdicts.more_solved."""
    return more_solved(
        pairs(rows[rows["model"] == model], rows[rows["model"] == other], SAME), level
    )


def reaches(results: Results, model: str, level: float, sweeps: Any = FRONTIER) -> Evidence:
    """A model beside plain tanh, over all tasks and lags of some sweeps."""
    difference, low, high, n, words = against(reported(results, *sweeps), model, PLAIN, level)
    if not n:
        return unknown(f"no pair of {model} and {PLAIN}", 0.0)
    return above(difference, low, high, 0.0, n, words)


def closes_gap(results: Results, level: float = LEVEL) -> Evidence:
    """Orthogonal first weights beside Gaussian ones, where the LSTM is ahead of these."""
    rows = reported(results, *FRONTIER)
    difference, low, high, n, words = against(rows, "orthogonal start", PLAIN, level)
    gap, _, _, pairs_of_lstm, _ = against(rows, "LSTM", PLAIN, level)
    if not n or not pairs_of_lstm:
        return unknown("needs tanh with both first weights, and the LSTM", 0.0)
    if gap <= 0:
        return unknown(f"the LSTM is not ahead of tanh ({gap:+.2f}): there is no gap", 0.0)
    share = closed(0.0, gap, difference)
    told = f"{words}; the LSTM is {gap:.2f} ahead of tanh, so {share:.0%} of the gap is closed"
    return above(difference, low, high, 0.0, n, told)


def forget(results: Results, level: float = LEVEL) -> Evidence:
    """Score at forget bias 1 less score at 0, at the longest lag."""
    rows = reported(results, "forget")
    rows = rows[rows["lag_max"] == rows["lag_max"].max()]
    rows = rows.assign(bias=parameter(rows, "forget_bias"), score=score(rows))
    one, zero = (rows[rows["bias"] == bias] for bias in (1.0, 0.0))
    both = pairs(one, zero, SAME)
    if both.empty:
        return unknown("needs forget bias 0 and 1", 0.0)
    found = both["score_a"] - both["score_b"]
    words = f"score {both['score_a'].mean():.2f} at bias 1, {both['score_b'].mean():.2f} at 0"
    return above(*mean(found, level)[:3], 0.0, len(both), words)


def no_matter(results: Results, level: float = LEVEL) -> Evidence:
    """Attention on copy, at full depth: the shortest lag less the longest."""
    rows = reported(results, "copy_attention")
    if rows["lag_max"].nunique() < 2:
        return unknown("needs attention at two lags", TOLERANCE)
    ends = rows["lag_max"].min(), rows["lag_max"].max()
    rows = rows.assign(score=score(rows))
    short, long = (rows[rows["lag_max"] == end] for end in ends)
    both = pairs(short, long, ["seed"])
    solved = ", ".join(
        f"{(both[f'status_{side}'] == 'solved').sum()} of {len(both)} at lag {end}"
        for side, end in zip("ab", ends, strict=True)
    )
    lost = both["score_a"] - both["score_b"]
    return within(*mean(lost, level)[:3], TOLERANCE, len(both), f"solved {solved}")


def exponent(results: Results, series: str, level: float) -> tuple[float, float, float, int]:
    """Of T in the time of an update."""
    rows = times(results)
    rows = rows[(rows["series"] == series) & (rows["batch"] == BATCH)]
    fit = line(np.log(rows["T"]), np.log(rows["ms"]), level)
    return fit.slope, fit.slope_low, fit.slope_high, fit.n


def parallel(results: Results, series: str, level: float) -> Evidence:
    """Its exponent, beside that of the recurrence."""
    slope, low, high, n = exponent(results, series, level)
    if math.isnan(low):
        return unknown("fewer than three lengths measured", SERIAL)
    told = f"exponent of the recurrence {exponent(results, 'recurrence', level)[0]:.2f}"
    return below(slope, low, high, SERIAL, n, told)


PAIRS = (
    "Pairs of networks of the same task, lag and seed, over all tasks and lags (brackets as a "
    "whole), each model with the learning rate that was chosen for it on other seeds: share that "
    "only {a} solves less share that only {b} solves; 95 % interval of the sign-flip test over "
    "seeds, nowhere shorter than Newcombe's, above 0. Widths differ, so that all have as many "
    "parameters within 5 %."
)
# LRUs had been trained on copy before this claim was written, and were seen to solve it.
OTHERS = "over all tasks but copy"
SUPPOSED = "supposed: no such networks were trained before"
# Not confirmatory: times of 32 and 512 steps were seen while compute.py was written.
TIMED = (
    "Slope of ln(time of an update) against ln T, one sequence, one thread; Student's 95 % "
    f"interval below {SERIAL:g}, the threshold of the experiment cost: a loop over time has 1. No "
    "power is stated: the spread of times is the machine's."
)

CLAIMS = [
    Claim(
        "lstm_reaches_farther",
        "At the same parameters and updates LSTMs solve tasks and lags that plain tanh networks do "
        "not, more often than the other way round.",
        PAIRS.format(a="the LSTM", b="tanh (Gaussian W_hh)"),
        lambda results, level=LEVEL: reaches(results, "LSTM", level),
        power=Power(0.2, 0.12, 10, "flips", basis=SUPPOSED),
    ),
    Claim(
        "gru_reaches_farther",
        "At the same parameters and updates GRUs solve tasks and lags that plain tanh networks do "
        "not, more often than the other way round.",
        PAIRS.format(a="the GRU", b="tanh (Gaussian W_hh)"),
        lambda results, level=LEVEL: reaches(results, "GRU", level),
        power=Power(0.2, 0.12, 10, "flips", basis=SUPPOSED),
    ),
    Claim(
        "lru_reaches_farther",
        "At the same parameters and updates LRUs solve adding, temporal order and brackets at lags "
        "that plain tanh networks do not, more often than the other way round.",
        PAIRS.format(a="the LRU", b="tanh (Gaussian W_hh)").replace("over all tasks", OTHERS),
        lambda results, level=LEVEL: reaches(results, "LRU", level, FRONTIER[2:]),
        power=Power(0.2, 0.12, 10, "flips", basis=SUPPOSED),
    ),
    Claim(
        "orthogonal_closes_gap",
        "A tanh network that begins at an orthogonal W_hh closes a part of the gap between a tanh "
        "network with Gaussian W_hh and an LSTM.",
        PAIRS.format(a="orthogonal W_hh", b="Gaussian W_hh")
        + " Undecided where the LSTM is not ahead of tanh. How much of the gap is closed, the "
        "detail says: the ratio of the two differences, without an interval.",
        closes_gap,
        power=Power(0.15, 0.1, 10, "flips", basis=SUPPOSED),
    ),
    Claim(
        "forget_bias_helps",
        "At a long lag an LSTM whose forget gates begin with a bias of 1 ends nearer to the "
        "solution of adding than one whose gates begin with 0.",
        "Sweep forget, its longest sequences: score (1 - error / error of chance; diverged: 0) at "
        "bias 1 less score at bias 0, same seed; Student's 95 % interval over seeds above 0. "
        "Whether a network is solved would say little at the longest lag.",
        forget,
        power=Power(0.3, 0.3, 10, basis=SUPPOSED),
    ),
    Claim(
        "attention_ignores_lag",
        "Within its window attention recalls as much of copy at a long lag as at a short one.",
        "Sweep copy_attention, K full: score (0: chance, 1: all symbols right) at the shortest lag "
        "less score at the longest, same seed; Student's 95 % interval over seeds between "
        f"-{TOLERANCE:g} and {TOLERANCE:g}.",
        no_matter,
        power=Power(TOLERANCE, 0.03, 10, basis="no difference at all; the spread is supposed"),
    ),
    Claim(
        "scan_is_parallel",
        "A linear recurrence that is computed by a scan spends less time per step the longer the "
        "sequence, where a loop over time spends the same.",
        f"Series scan. {TIMED}",
        lambda results, level=LEVEL: parallel(results, "scan", level),
        confirmatory=False,
    ),
    Claim(
        "attention_is_parallel",
        "Attention spends less time per step the longer the sequence, up to 512 steps.",
        f"Series attention. {TIMED}",
        lambda results, level=LEVEL: parallel(results, "attention", level),
        confirmatory=False,
    ),
]
