"""Test perplexity by K, with and without the paper's coupling. No torch."""

import numpy as np
import pandas as pd

from throughtime.results.load import Results

LENGTHS = (5, 10, 15, 20, 30)
STREAM = 840_000  # steps of each stream that the paper reads: 210 epochs of 4,000


def perplexities(results: Results) -> pd.DataFrame:
    """The summary with ``perplexity``, 2 to the bits per step (chance where it diverged), and
    ``coupled``.
    """
    rows = results.summary
    bits = rows["final"].fillna(rows["chance"])
    coupled = rows["sweep"].str.startswith("coupled")
    return rows.assign(perplexity=np.exp2(bits.astype(float)), coupled=coupled)
