"""Test perplexity by K, of one layer and two, with and without the paper's coupling, and of K that
adapts. No torch.
"""

import math

import numpy as np
import pandas as pd

from throughtime.results.load import Results

LENGTHS = (5, 10, 15, 20, 30)
STREAM = 840_000  # steps of each stream that the paper reads: 210 epochs of 4,000
STREAMS = 64  # that the paper reads at once
SERIES = ("two_layers", "coupled", "fixed")  # how names of sweeps begin


def perplexities(results: Results) -> pd.DataFrame:
    """Networks whose K stays: the summary with ``perplexity``, 2 to the bits per step (chance where
    it diverged), and ``series``, of SERIES.
    """
    rows = _with_perplexity(results.summary)
    series = rows["sweep"].str.replace(r"_\d+$", "", regex=True)
    return rows.assign(series=series)[rows["adapt"] == 0]


def adaptive(results: Results) -> pd.DataFrame:
    """Networks whose K adapts: the summary with ``perplexity``."""
    rows = _with_perplexity(results.summary)
    return rows[rows["adapt"] > 0]


def _with_perplexity(rows: pd.DataFrame) -> pd.DataFrame:
    bits = rows["final"].fillna(rows["chance"])
    return rows.assign(perplexity=np.exp2(bits.astype(float)))


def as_the_paper(results: Results, K: int) -> pd.DataFrame:
    """``perplexities`` of the networks at K that are nearest to the paper's: with its coupling, of
    two layers where there are any, else of one.
    """
    table = perplexities(results)
    own = table[table["K"] == K]
    two = own[own["series"] == "two_layers"]
    return two if len(two) else own[own["series"] == "coupled"]


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
