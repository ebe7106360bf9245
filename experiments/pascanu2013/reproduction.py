"""Our numbers beside those of published.csv. No torch."""

import math

import pandas as pd

from throughtime.results.load import Results

from .analysis import METHODS, SCHEMES, rates

COLUMNS = ["quantity", "value", "low", "high", "n", "n_diverged", "why"]
LENGTH = 50
UPDATES = 5_000_000  # of the paper, at most
ONE_MODEL = "not trained: the networks of a job have one length"


def measure(results: Results) -> pd.DataFrame:
    """Share of networks that solve length 50, for each scheme and method, with Wilson's interval;
    and what is said of one model for many lengths, which is not trained here.
    """
    table = rates(results)
    updates = int(results.summary["updates"].max()) if len(results.summary) else 0
    made: list[tuple[str, float, float, float, int, int, str]] = []
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
    made += [
        missing(name, ONE_MODEL) for name in ("one_model_50_to_200", "one_model_wrong_at_5000")
    ]
    return pd.DataFrame(made, columns=COLUMNS)


def why(updates: int) -> str:
    """What keeps a share from being the paper's."""
    return f"{updates:,} updates, the paper allows {UPDATES:,}" if updates < UPDATES else ""


def missing(quantity: str, reason: str) -> tuple[str, float, float, float, int, int, str]:
    """A number that is not measured."""
    return quantity, math.nan, math.nan, math.nan, 0, 0, reason
