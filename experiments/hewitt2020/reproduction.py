"""Our numbers beside those of published.csv. No torch.

An interval runs from the smallest to the largest seed. Of six seeds it holds the median with 97 %.
"""

import math

import pandas as pd

from throughtime.results.load import Results

from .analysis import CELLS, scores

COLUMNS = ["quantity", "value", "low", "high", "n", "n_diverged", "why"]
WHY = {
    "score": "the paper's number is a point of a figure, which could not be fetched",
    "strings": "another language and network there, and the number could not be found",
}
FORTY = "another task there, and the number could not be found"


def measure(results: Results) -> pd.DataFrame:
    """The score and the share of strings that are wholly right, by sweep, strings and cell: what
    the papers report. Other networks and our own sampler are in the figure alone.
    """
    table = scores(results)
    asked = [
        *((sweep, data, "lstm") for sweep in ("theirs", "eight") for data in ("train", "long")),
        *(("to_forty", "long", cell) for cell in CELLS),
    ]
    names, rows = {"theirs": "k2", "eight": "k8", "to_forty": "forty"}, []
    for sweep, data, cell in asked:
        own = table[(table["sweep"] == sweep) & (table["data"] == data) & (table["cell"] == cell)]
        for quantity, why in WHY.items():
            told = FORTY if sweep == "to_forty" else why
            rows.append(row(f"{names[sweep]}_{data}_{quantity}_{cell}", own, own[quantity], told))
    return pd.DataFrame(rows, columns=COLUMNS)


def row(
    quantity: str, networks: pd.DataFrame, values: "pd.Series[float]", why: str
) -> tuple[str, float, float, float, int, int, str]:
    """The median over seeds, as in the paper, and the range."""
    if networks.empty:
        return quantity, math.nan, math.nan, math.nan, 0, 0, "no networks"
    diverged = int((networks["status"] == "diverged").sum())
    return quantity, values.median(), values.min(), values.max(), len(networks), diverged, why
