"""Our numbers beside those of published.csv. No torch."""

import math

import pandas as pd

from throughtime.analysis import stats
from throughtime.results.load import Results

from .analysis import LONGER, METHODS, SCHEMES, by_length, networks_of_many_lengths, rates

COLUMNS = ["quantity", "value", "low", "high", "n", "n_diverged", "why"]
LENGTH = 50
UPDATES = 5_000_000  # of the paper, at most
RANGE = (50, 200)  # of one model for many lengths
FAR = 5000  # the length at which it is judged too
FARTHEST = max(LONGER, key=LONGER.__getitem__)  # of ours

Made = tuple[str, float, float, float, int, int, str]


def measure(results: Results) -> pd.DataFrame:
    """Share of networks that solve length 50, for each scheme and method, with Wilson's interval;
    of networks of many lengths with basic tanh units and Omega, the share that solves their range,
    and what is wrong of longer sequences.
    """
    table = rates(results)
    updates = int(results.summary["updates"].max()) if len(results.summary) else 0
    made: list[Made] = []
    for scheme in SCHEMES:
        for method in METHODS:
            name = f"solved_{scheme.replace('-', '_')}_{method}_{LENGTH}"
            own = (table["scheme"] == scheme) & (table["method"] == method)
            found = table[own & (table["length"] == LENGTH)].to_dict("records")
            if not found:
                made.append(missing(name, f"no network of length {LENGTH} in this preset"))
            for row in found:
                share = float(row["rate"]), float(row["low"]), float(row["high"])
                made.append((name, *share, int(row["n"]), int(row["n_diverged"]), why(updates)))
    return pd.DataFrame([*made, *one_model(results)], columns=COLUMNS)


def one_model(results: Results) -> list[Made]:
    """Both numbers of one model for lengths 50 to 200."""
    names = "one_model_50_to_200", "one_model_wrong_at_5000"
    table = by_length(results)
    own = networks_of_many_lengths(results)
    own = own[(own["scheme"] == "basic-tanh") & (own["method"] == "omega")]
    judged = table[table["run_key"].isin(own["run_key"])]
    if judged.empty:
        return [missing(name, "no network of many lengths in this preset") for name in names]
    trained = int(own["shortest"].min()), int(own["length"].max())
    budget = why(int(own["updates"].max()))
    ranged = "" if trained == RANGE else "lengths {} to {}".format(*trained)
    row = stats.success(own.assign(all=0), ["all"]).iloc[0]
    share = float(row["rate"]), float(row["low"]), float(row["high"])
    counted = int(row["n"]), int(row["n_diverged"])
    solved = (names[0], *share, *counted, "; ".join(filter(None, [ranged, budget])))
    far = judged[(judged["data"] == FARTHEST) & (judged["status"] == "solved")]
    if far.empty:
        return [solved, missing(names[1], "no network solves its range")]
    mean = stats.summarize(far.assign(wrong=1 - far["value"]), [], "wrong", "mean").iloc[0]
    wrong = float(mean["value"]), float(mean["low"]), float(mean["high"])
    length = int(far["length"].max())
    reasons = [f"at length {length:,} and not {FAR:,}", ranged, budget]
    return [solved, (names[1], *wrong, len(far), 0, "; ".join(filter(None, reasons)))]


def why(updates: int) -> str:
    """What keeps a share from being the paper's."""
    return f"{updates:,} updates, the paper allows {UPDATES:,}" if updates < UPDATES else ""


def missing(quantity: str, reason: str) -> Made:
    """A number that is not measured."""
    return quantity, math.nan, math.nan, math.nan, 0, 0, reason
