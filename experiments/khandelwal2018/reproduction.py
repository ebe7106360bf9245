"""Our numbers beside those of published.csv. No torch.

An interval runs from the smallest to the largest seed. Of six seeds it holds the median with 97 %.
"""

import math

import pandas as pd

from throughtime.results.load import Results

from .analysis import effective, excess

COLUMNS = ["quantity", "value", "low", "high", "n", "n_diverged", "why"]
WHY = (
    "characters here, words there; at most 100 characters are measured, a fraction of their words; "
    "a small network, trained once on other text"
)
# quantity -> what is further back, and whether it is of the largest K or of the smallest
MEASURED = {
    "context_ptb": ("reset", max),
    "context_wiki": ("reset", max),
    "context": ("reset", max),
    "context_short_k": ("reset", min),
    "order": ("shuffled", max),
}


def measure(results: Results) -> pd.DataFrame:
    """The effective context, characters, of full depth and of the shortest K."""
    table = excess(results)
    diverged = results.summary[results.summary["status"] == "diverged"]
    rows = []
    for quantity, (kind, which) in MEASURED.items():
        found = effective(table, kind)
        own = found[found["depth"] == which(found["depth"], default=math.nan)]
        n, values = len(own), own["effective"]
        lost = len(diverged)
        numbers = (values.median(), values.min(), values.max()) if n else (math.nan,) * 3
        rows.append((quantity, *numbers, n, lost, WHY if n else "no networks"))
    return pd.DataFrame(rows, columns=COLUMNS)
