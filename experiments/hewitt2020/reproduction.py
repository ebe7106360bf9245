"""Our numbers beside those of published.csv. No torch.

An interval runs from the smallest to the largest seed. Of six seeds it holds the median with 97 %.
"""

import math

import pandas as pd

from throughtime.results.load import Results

from .analysis import CELLS, scores

COLUMNS = ["quantity", "value", "low", "high", "n", "n_diverged", "why"]
# sweep -> how its quantities begin
SWEEPS = {"theirs": "k2", "eight": "k8", "ours": "walk", "to_forty": "forty"}
WHY = {
    "score": "the paper's number is a point of a figure, which could not be fetched",
    "strings": "another language and network there, and the number could not be found",
    "walk": "not of the paper: our sampler",
    "forty": "another task there, and the number could not be found",
}


def measure(results: Results) -> pd.DataFrame:
    """The score on strings of the trained lengths and on longer ones, and the share of strings that
    are wholly right, by sweep and cell.
    """
    table, rows = scores(results), []
    for sweep, name in SWEEPS.items():
        for data in ("train", "long"):
            for quantity in ("score", "strings"):
                for cell in CELLS:
                    own = table[
                        (table["sweep"] == sweep)
                        & (table["data"] == data)
                        & (table["cell"] == cell)
                    ]
                    why = WHY.get(name, WHY[quantity])
                    rows.append(row(f"{name}_{data}_{quantity}_{cell}", own, own[quantity], why))
    return pd.DataFrame(rows, columns=COLUMNS)


def row(
    quantity: str, networks: pd.DataFrame, values: "pd.Series[float]", why: str
) -> tuple[str, float, float, float, int, int, str]:
    """The median over seeds, as in the paper, and the range."""
    if networks.empty:
        return quantity, math.nan, math.nan, math.nan, 0, 0, "no networks"
    diverged = int((networks["status"] == "diverged").sum())
    return quantity, values.median(), values.min(), values.max(), len(networks), diverged, why
