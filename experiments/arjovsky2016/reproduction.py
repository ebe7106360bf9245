"""Our numbers beside those of published.csv. No torch.

An interval runs from the smallest to the largest seed. Of six seeds it holds the median with 97 %.
"""

import math

import pandas as pd

from throughtime.results.load import Results
from throughtime.tasks.adding import Adding
from throughtime.tasks.copy import Copy

from .analysis import CELLS, departures

COLUMNS = ["quantity", "value", "low", "high", "n", "n_diverged", "why"]
COPY_LENGTHS = (100, 200, 300, 500)
FIGURE = "the paper's number is a curve in a figure, which could not be fetched"


def measure(results: Results) -> pd.DataFrame:
    """Baselines, which are exact, and the updates after which each model leaves them."""
    rows = [exact(f"baseline_copy_{t}", Copy(length=t, score="whole")) for t in COPY_LENGTHS]
    rows.append(exact("baseline_adding", Adding()))
    table = departures(results)
    for name, chosen in (
        ("copy", table["problem"].str.startswith("copy, whole")),
        ("adding", table["task"] == "adding"),
    ):
        own = table[chosen]
        longest = own[own["length"] == own["length"].max()]
        rows += [left(f"left_{name}_{cell}", longest[longest["cell"] == cell]) for cell in CELLS]
    return pd.DataFrame(rows, columns=COLUMNS)


def exact(quantity: str, task: Copy | Adding) -> tuple[str, float, float, float, int, int, str]:
    """The loss of a task's memoryless strategy."""
    value = task.chance_loss
    return quantity, value, value, value, 0, 0, ""


def left(quantity: str, rows: pd.DataFrame) -> tuple[str, float, float, float, int, int, str]:
    """The median of the updates after which networks leave the baseline."""
    if rows.empty:
        return quantity, math.nan, math.nan, math.nan, 0, 0, "no networks"
    steps = rows["left"]
    why = f"{FIGURE}; here T = {rows['length'].iloc[0]}, {rows['updates'].iloc[0]:,} updates"
    diverged = int((rows["status"] == "diverged").sum())
    return quantity, steps.median(), steps.min(), steps.max(), len(rows), diverged, why
