"""Test perplexity by K, of one layer and two, with and without the paper's coupling. No torch."""

import numpy as np
import pandas as pd

from throughtime.results.load import Results

LENGTHS = (5, 10, 15, 20, 30)
STREAM = 840_000  # steps of each stream that the paper reads: 210 epochs of 4,000
STREAMS = 64  # that the paper reads at once
SERIES = ("two_layers", "coupled", "fixed")  # how names of sweeps begin


def perplexities(results: Results) -> pd.DataFrame:
    """The summary with ``perplexity``, 2 to the bits per step (chance where it diverged), and
    ``series``, of SERIES.
    """
    rows = results.summary
    bits = rows["final"].fillna(rows["chance"])
    series = rows["sweep"].str.replace(r"_\d+$", "", regex=True)
    return rows.assign(perplexity=np.exp2(bits.astype(float)), series=series)


def as_the_paper(results: Results, K: int) -> pd.DataFrame:
    """``perplexities`` of the networks at K that are nearest to the paper's: with its coupling, of
    two layers where there are any, else of one.
    """
    table = perplexities(results)
    own = table[table["K"] == K]
    two = own[own["series"] == "two_layers"]
    return two if len(two) else own[own["series"] == "coupled"]
