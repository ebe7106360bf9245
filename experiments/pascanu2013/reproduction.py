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
    table = table[table["length"] == LENGTH].set_index(["scheme", "method"])
    updates = int(results.summary["updates"].max()) if len(results.summary) else 0
    made = []
    for scheme in SCHEMES:
        for method in METHODS:
            name = f"solved_{scheme.replace('-', '_')}_{method}_{LENGTH}"
            if (scheme, method) not in table.index:
                made.append(missing(name, f"no network of length {LENGTH} in this preset"))
                continue
            found = table.loc[(scheme, method)]
            numbers = [float(found[column]) for column in ("rate", "low", "high")]
            counts = [int(found[column]) for column in ("n", "n_diverged")]
            made.append((name, *numbers, *counts, why(updates)))
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
