"""What was measured, beside published.csv."""

import math
from typing import Any

import pandas as pd

from throughtime.analysis.verdicts import mean
from throughtime.results.load import Results

from . import analysis


def measure(results: Results) -> pd.DataFrame:
    """Mean test perplexity over seeds at each K, of the sweeps with the paper's coupling."""
    table = analysis.perplexities(results)
    table = table[table["coupled"]]
    rows = [at(K, table[table["K"] == K]) for K in analysis.LENGTHS]
    none = {"value": math.nan, "low": math.nan, "high": math.nan, "n": 0, "n_diverged": 0}
    rows.append({"quantity": "ppl_adaptive", **none, "why": "adaptive K is not implemented"})
    return pd.DataFrame(rows)


def at(K: int, rows: pd.DataFrame) -> dict[str, Any]:
    """The row of one K."""
    value, low, high, _ = mean(rows["perplexity"])
    diverged = int((rows["status"] == "diverged").sum())
    read = int((rows["updates"] * rows["steps"]).max()) if len(rows) else 0
    why = (
        f"a smaller budget: {read:,} steps of each stream, the paper up to {analysis.STREAM:,}"
        if read < analysis.STREAM
        else ""
    )
    own = {"value": value, "low": low, "high": high, "n": len(rows), "n_diverged": diverged}
    return {"quantity": f"ppl_{K}", **own, "why": why}
