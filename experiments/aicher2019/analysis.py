"""Test perplexity by K, with and without the paper's coupling, and of K that adapts. No torch."""

import math

import numpy as np
import pandas as pd

from throughtime.results.load import Results

LENGTHS = (5, 10, 15, 20, 30)
STREAM = 840_000  # steps of each stream that the paper reads: 210 epochs of 4,000


def perplexities(results: Results) -> pd.DataFrame:
    """Networks whose K stays: the summary with ``perplexity``, 2 to the bits per step (chance where
    it diverged), and ``coupled``.
    """
    rows = _with_perplexity(results.summary)
    return rows[rows["adapt"] == 0].assign(coupled=rows["sweep"].str.startswith("coupled"))


def adaptive(results: Results) -> pd.DataFrame:
    """Networks whose K adapts: the summary with ``perplexity``."""
    rows = _with_perplexity(results.summary)
    return rows[rows["adapt"] > 0]


def _with_perplexity(rows: pd.DataFrame) -> pd.DataFrame:
    bits = rows["final"].fillna(rows["chance"])
    return rows.assign(perplexity=np.exp2(bits.astype(float)))


def lengths(results: Results) -> pd.DataFrame:
    """K in use of every network that adapts: run_key, adapt, step, K, and ``during``, for how many
    updates.
    """
    points = results.curves[results.curves["metric"] == "K"].rename(columns={"value": "K"})
    own = adaptive(results)[["run_key", "adapt", "updates"]]
    found = points.merge(own, on="run_key").sort_values(["run_key", "step"])
    until = found.groupby("run_key")["step"].shift(-1).fillna(found["updates"])
    return found.assign(during=until - found["step"])


def mean_length(results: Results, delta: float) -> float:
    """Mean K over the updates of the networks with this delta; NaN without any."""
    own = lengths(results)
    own = own[own["adapt"] == delta]
    updates = own["during"].sum()
    return float((own["K"] * own["during"]).sum() / updates) if updates else math.nan
