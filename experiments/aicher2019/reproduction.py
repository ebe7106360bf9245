"""What was measured, beside published.csv."""

import math
from typing import Any

import pandas as pd

from throughtime.analysis.verdicts import mean
from throughtime.results.load import Results

from . import analysis


def measure(results: Results) -> pd.DataFrame:
    """Mean test perplexity over seeds at each K, with the paper's coupling, of two layers where
    there are any.
    """
    rows = [at(K, analysis.as_the_paper(results, K)) for K in analysis.LENGTHS]
    none = {"value": math.nan, "low": math.nan, "high": math.nan, "n": 0, "n_diverged": 0}
    rows.append({"quantity": "ppl_adaptive", **none, "why": "adaptive K is not implemented"})
    return pd.DataFrame(rows)


def at(K: int, rows: pd.DataFrame) -> dict[str, Any]:
    """The row of one K."""
    value, low, high, _ = mean(rows["perplexity"])
    diverged = int((rows["status"] == "diverged").sum())
    own = {"value": value, "low": low, "high": high, "n": len(rows), "n_diverged": diverged}
    return {"quantity": f"ppl_{K}", **own, "why": "; ".join(differences(rows))}


def differences(rows: pd.DataFrame) -> list[str]:
    """Why networks are not comparable with the paper's."""
    read = int((rows["updates"] * rows["steps"]).max()) if len(rows) else 0
    found = []
    if read < analysis.STREAM:
        found.append(
            f"a smaller budget: {read:,} steps of each stream, the paper up to {analysis.STREAM:,}"
        )
    streams = int(rows["batch"].max()) if len(rows) else 0
    if streams < analysis.STREAMS:
        found.append(f"fewer streams: {streams}, the paper {analysis.STREAMS}")
    if (rows["series"] == "coupled").any():
        found.append("one layer of LSTM, the paper two")
    return found
