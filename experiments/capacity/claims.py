"""Does a fixed state saturate, where attention does not, and what does a gate or precision add?"""

import pandas as pd

from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.power import Power
from throughtime.analysis.verdicts import (
    above,
    all_above,
    all_below,
    mean,
    means,
    pairs,
    unknown,
    within,
)
from throughtime.results.load import Results

from .analysis import recalled, taken_up

HALF = 0.5
SMALLEST = 8  # units
PRECISE = 1.0  # bits


def shares(results: Results, *sweeps: str) -> pd.DataFrame:
    """What ``taken_up`` says of sweeps."""
    return taken_up(recalled(results.select(sweep=list(sweeps))))


def saturates(results: Results, level: float = LEVEL) -> Evidence:
    """Share of the last doubling that the narrowest networks of each cell recall."""
    rows = shares(results, "state")
    rows = rows[rows["hidden"] == rows["hidden"].min()]
    return all_below(means(rows, ["model", "hidden"], "share", level), HALF)


def reaches_past(results: Results, level: float = LEVEL) -> Evidence:
    """The same of attention."""
    rows = shares(results, "attention")
    return all_above(means(rows, ["model", "hidden"], "share", level), HALF)


def gated(results: Results, level: float = LEVEL) -> Evidence:
    """Bits per parameter of tanh less those of the LSTM, at the largest width and payload."""
    rows = recalled(results.select(sweep="state"))
    rows = rows[
        (rows["hidden"] == rows["hidden"].max()) & (rows["offered"] == rows["offered"].max())
    ]
    both = pairs(rows[rows["model"] == "tanh"], rows[rows["model"] == "LSTM"], ["seed"])
    if both.empty:
        return unknown("needs tanh and the LSTM", 0.0)
    ends = both[["per_parameter_a", "per_parameter_b"]].mean()
    words = f"bits per parameter: tanh {ends.iloc[0]:.4f}, LSTM {ends.iloc[1]:.4f}"
    found = both["per_parameter_a"] - both["per_parameter_b"]
    return above(*mean(found, level)[:3], 0.0, len(both), words)


def precise(results: Results, level: float = LEVEL) -> Evidence:
    """Bits in float64 less bits in float32, the same networks, at the largest payload."""
    double = recalled(results.select(sweep="double"))
    double = double[double["offered"] == double["offered"].max()]
    single = recalled(results.select(sweep="state"))
    both = pairs(double, single, ["cell", "hidden", "task_args", "seed"])
    if both.empty:
        return unknown("needs the same networks in float64 and in float32", PRECISE)
    ends = both[["bits_a", "bits_b"]].mean()
    words = f"bits: {ends.iloc[0]:.2f} in float64, {ends.iloc[1]:.2f} in float32"
    return within(*mean(both["bits_a"] - both["bits_b"], level)[:3], PRECISE, len(both), words)


TAKEN = (
    "Payloads of 8 and of 16 symbols of 8: bits recalled of the longer less bits recalled of the "
    "shorter, over the 24 bits by which it is longer, per seed. Student's 95 % interval over seeds "
)
SUPPOSED = "supposed: no such networks were trained before"
CLAIMS = [
    Claim(
        "state_saturates",
        f"A recurrent network of {SMALLEST} units recalls less than half of the bits by which its "
        "payload grows from 24 to 48: a fixed state is full, or cannot be taught to hold more.",
        f"{TAKEN}below {HALF:g} for tanh, the LSTM and the GRU, all at once (Bonferroni). A test "
        "of what training reaches in this budget: it cannot tell a full state from one that was "
        "not learned.",
        saturates,
        power=Power(0.3, 0.15, 10, points=3, basis=SUPPOSED),
    ),
    Claim(
        "attention_takes_up",
        "Attention, which reaches the past directly, recalls more than half of these bits.",
        f"{TAKEN}above {HALF:g}.",
        reaches_past,
        power=Power(0.3, 0.15, 5, basis=SUPPOSED),
    ),
    Claim(
        "plain_holds_more_per_parameter",
        "Per parameter a tanh network recalls more bits of the input than an LSTM of as many "
        "units.",
        "Widest networks, largest payload: bits per parameter of tanh less that of the LSTM, same "
        "seed; Student's 95 % interval over seeds above 0. An LSTM has four times the weights and "
        "twice the state.",
        gated,
        power=Power(0.003, 0.003, 10, basis=SUPPOSED),
    ),
    Claim(
        "precision_is_not_the_limit",
        f"float64 adds less than {PRECISE:g} bit to what float32 recalls.",
        f"tanh, {SMALLEST} units, payload of 48 bits: bits in float64 less bits in float32, same "
        f"seed; Student's 95 % interval over seeds between -{PRECISE:g} and {PRECISE:g}.",
        precise,
        power=Power(PRECISE, 1.0, 10, basis="no difference at all; the spread is supposed"),
    ),
]
