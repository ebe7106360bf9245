"""What was measured, beside published.csv."""

from typing import Any

import pandas as pd

from throughtime.analysis.verdicts import mean
from throughtime.results.load import Results

from . import analysis


def measure(results: Results) -> pd.DataFrame:
    """Mean test perplexity over seeds at each K, with the paper's coupling, of two layers where
    there are any; and of adaptive K over its settings.
    """
    rows = [at(f"ppl_{K}", analysis.as_the_paper(results, K)) for K in analysis.LENGTHS]
    return pd.DataFrame([*rows, over_settings(analysis.adaptive(results))])


def over_settings(rows: pd.DataFrame) -> dict[str, Any]:
    """The row of adaptive K, as the paper's range over its settings: the mean of their means, and
    from the lowest end of their intervals to the highest.
    """
    name = "ppl_adaptive"
    settings = pd.DataFrame([at(name, own) for _, own in rows.groupby("adapt")])
    if settings.empty:
        return at(name, rows)
    means = {"value": settings["value"].mean()}
    ends = {"low": settings["low"].min(), "high": settings["high"].max()}
    return at(name, rows) | means | ends


def at(quantity: str, rows: pd.DataFrame) -> dict[str, Any]:
    """The row of these networks."""
    value, low, high, _ = mean(rows["perplexity"])
    diverged = int((rows["status"] == "diverged").sum())
    own = {"value": value, "low": low, "high": high, "n": len(rows), "n_diverged": diverged}
    return {"quantity": quantity, **own, "why": "; ".join(differences(rows))}


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
    if (rows["cell"] == "lstm").any():
        found.append("one layer of LSTM, the paper two")
    return found
