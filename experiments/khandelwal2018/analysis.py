"""The effective context as the paper has it: in perplexity. No torch.

It is the smallest n of the probe's ladder from which on context further back changes the perplexity
by no more than ONE_PERCENT. The perplexity with all context is that at the largest n of probe
``context``.
"""

import math

import pandas as pd

from throughtime.analysis.columns import with_depth
from throughtime.results.load import Results

ONE_PERCENT = 0.01
QUANTITIES = {"reset": "dropped", "shuffled": "in random order"}  # what is further back is ..


def excess(results: Results) -> pd.DataFrame:
    """Per network, quantity and n: the increase of the perplexity, as a share, beside the summary's
    columns, depth (K, infinite in mode full) and n (characters of true context).
    """
    tables = []
    for quantity in QUANTITIES:
        rows = results.probe("context", f"loss_{quantity}", "last")
        tables.append(with_depth(rows).assign(kind=quantity, n=rows["index"]))
    rows = pd.concat(tables, ignore_index=True)
    reset = rows[rows["kind"] == "reset"].sort_values("n")
    whole = reset.groupby("run_key")["value"].last()
    nats = rows["value"] - rows["run_key"].map(whole).astype(float)
    return rows.assign(excess=nats.map(math.expm1).astype(float))


def effective(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The summary's columns of every network and its effective context, characters.

    >>> made = {"n": [1, 2, 4, 8], "excess": [0.5, 0.009, 0.02, 0.0], "kind": "reset"}
    >>> table = pd.DataFrame({**made, "run_key": "a"})
    >>> int(effective(table, "reset")["effective"].iloc[0])
    8
    """
    rows = table[table["kind"] == kind].sort_values("n")
    outside = rows[rows["excess"] > ONE_PERCENT].groupby("run_key")["n"].max()
    last = rows["run_key"].map(outside).astype(float).fillna(0)
    inside = rows[rows["n"] > last].drop_duplicates("run_key")
    return inside.assign(effective=inside["n"].astype(float))
