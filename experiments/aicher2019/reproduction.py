"""What was measured, beside published.csv."""

from typing import Any

import pandas as pd

from throughtime.analysis.verdicts import mean
from throughtime.results.load import Results

from . import analysis


def measure(results: Results) -> pd.DataFrame:
    """Mean test perplexity over seeds at each K, of the sweeps with the paper's coupling, and of
    adaptive K over its settings.
    """
    table = analysis.perplexities(results)
    table = table[table["coupled"]]
    rows = [at(f"ppl_{K}", table[table["K"] == K]) for K in analysis.LENGTHS]
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
    read = int((rows["updates"] * rows["steps"]).max()) if len(rows) else 0
    why = (
        f"a smaller budget: {read:,} steps of each stream, the paper up to {analysis.STREAM:,}"
        if read < analysis.STREAM
        else ""
    )
    own = {"value": value, "low": low, "high": high, "n": len(rows), "n_diverged": diverged}
    return {"quantity": quantity, **own, "why": why}
