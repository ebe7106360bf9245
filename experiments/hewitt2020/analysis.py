"""The score by distance, and its mean, from the tables of probe ``closing``. No torch."""

import numpy as np
import pandas as pd

from throughtime.results.load import Results

CELLS = ("lstm", "tanh")
SETS = {"train": "", "long": "long_"}  # data -> what the probe's quantities begin with


def by_distance(results: Results, data: str) -> pd.DataFrame:
    """The share of positions that are right, column ``value``, over the steps since the bracket
    was read, column ``index``; beside the summary's columns.
    """
    return results.probe("closing", f"{SETS[data]}closing", "last")


def scores(results: Results) -> pd.DataFrame:
    """The summary of every network that the probe measured, with columns data (train or long),
    score, which is the mean over distances of the share right, and strings, the share of strings
    that are wholly right.

    Networks that diverged have neither: both are 0, the worst there is.
    """
    tables = []
    for data, prefix in SETS.items():
        score = by_distance(results, data).groupby("run_key")["value"].mean()
        whole = results.probe("closing", f"{prefix}strings", "last")
        strings = whole.set_index("run_key")["value"]
        own = results.summary
        diverged = own["status"] == "diverged"
        tables.append(
            own.assign(
                data=data,
                score=np.where(diverged, 0.0, own["run_key"].map(score)),
                strings=np.where(diverged, 0.0, own["run_key"].map(strings)),
            )
        )
    return pd.concat(tables, ignore_index=True)
