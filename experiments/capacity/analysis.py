"""Bits of the payload that networks recall. No torch.

A payload of P symbols of an alphabet of A holds P log2 A bits. Where a network names a symbol
rightly with probability p and any other symbol with equal probabilities, what it writes holds

    log2 A - H2(1 - p) - (1 - p) log2(A - 1)

bits of it, H2 the binary entropy. This is taken of the mean accuracy over positions; it is convex
in p, so positions that differ hold more than it says.
"""

import json

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from throughtime.analysis import stats
from throughtime.results.load import Results

MODELS = {"tanh": "tanh", "lstm": "LSTM", "gru": "GRU", "lru": "LRU", "attention": "attention"}


def information(accuracy: ArrayLike, alphabet: ArrayLike) -> NDArray[np.float64]:
    """Bits per symbol, see the module; 0 at chance and below.

    >>> information([1.0, 0.5, 0.125], 8).round(3).tolist()
    [3.0, 0.596, 0.0]
    """
    A = np.asarray(alphabet, float)
    p = np.clip(np.asarray(accuracy, float), 1 / A, 1.0)
    wrong = 1 - p
    entropy = -p * np.log2(p) - wrong * np.log2(np.where(wrong > 0, wrong, 1.0))
    return np.maximum(np.log2(A) - entropy - wrong * np.log2(A - 1), 0.0)


def recalled(results: Results) -> pd.DataFrame:
    """The trained networks with ``model``, ``offered`` (bits of the payload), ``bits`` recalled,
    and ``per_parameter`` and ``per_unit``; a diverged network recalls none.
    """
    rows = stats.trained(results.summary)
    args = [json.loads(a) for a in rows["task_args"]]
    payload = np.array([a.get("payload", 0) for a in args], float)
    alphabet = np.array([a.get("alphabet", 2) for a in args], float)
    bits = payload * information(rows["final"].fillna(rows["chance"]), alphabet)
    return rows.assign(
        model=rows["cell"].map(MODELS).fillna(rows["cell"]),
        payload=payload,
        offered=payload * np.log2(alphabet),
        bits=bits,
        per_parameter=bits / rows["parameters"],
        per_unit=bits / rows["hidden"],
    )


def taken_up(rows: pd.DataFrame) -> pd.DataFrame:
    """Of the bits by which the largest payload is larger than the second largest, the share that a
    network recalls more: model, hidden, dtype, seed, share.

    Args:
        rows: of ``recalled``; models with one payload have none.
    """
    by = ["model", "hidden", "dtype", "seed"]
    parts = []
    for key, own in rows.groupby(by):
        ends = own.drop_duplicates("offered").sort_values("offered").tail(2)
        if len(ends) == 2:
            offered, bits = ends["offered"].diff().iloc[1], ends["bits"].diff().iloc[1]
            parts.append((*key, bits / offered))
    return pd.DataFrame(parts, columns=[*by, "share"])


def most(rows: pd.DataFrame, value: str) -> pd.DataFrame:
    """The largest mean over seeds that a model, width and precision has at any payload: model,
    hidden, dtype, offered, and what stats.summarize says of it.
    """
    by = ["model", "hidden", "dtype"]
    table = stats.summarize(rows, [*by, "offered"], value, "mean")
    return table.sort_values("value", ascending=False, kind="stable").drop_duplicates(by)
