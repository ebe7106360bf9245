"""The length over which theory says that a network forgets, beside what it learns. No torch."""

import json
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from throughtime.analysis import predictions, stats
from throughtime.results.load import Results
from throughtime.tasks import tasks
from throughtime.theory import minimal

DISTRACTORS = 4  # kinds of symbols between what is to be remembered and the answer
# sweep -> what is varied before training, and what it is called
SCALES = {"vanilla": ("gain", "initial gain g = σ_w"), "gated": ("update_bias", "gate's bias μ_b")}
TITLES = {"vanilla": "Without a gate (tanh)", "gated": "With a gate (minimalRNN)"}


@cache
def gated_memory(inputs: int, input_gain: float, gain: float, bias: float) -> float:
    """xi of the minimalRNN, steps."""
    return minimal.xi_c(gain, bias, minimal.distractors(inputs, DISTRACTORS, input_gain))


def memory(row: Mapping[Any, Any]) -> float:
    """xi in steps: the length over which a network of a row of ``networks`` forgets, at its
    start.
    """
    task, args = row["task"], row["task_args"]
    gain, input_gain = float(row["gain"]), float(row["input_gain"])
    if row["cell"] != "minimal":
        return predictions.memory(task, args, input_gain, gain)
    inputs = tasks()[task](**json.loads(args)).inputs
    return gated_memory(inputs, input_gain, gain, float(row["update_bias"]))


def networks(results: Results, sweep: str) -> pd.DataFrame:
    """Trained networks of a map, with ``scale`` (what SCALES names), ``xi`` (steps) and ``ratio`` =
    lag / xi.
    """
    rows = stats.trained(results.summary[results.summary["sweep"] == sweep])
    biases = [json.loads(args).get("update_bias", 0.0) for args in rows["cell_args"]]
    rows = rows.assign(update_bias=np.array(biases, float))
    rows = rows.assign(scale=rows[SCALES[sweep][0]].astype(float))
    xi = np.array([memory(row) for row in rows.to_dict("records")], float)
    return rows.assign(xi=xi, ratio=rows["lag_max"].astype(float) / xi)


def multiple(rows: pd.DataFrame) -> "pd.Series[float]":
    """The lag / xi that half of the networks solve, with its interval: columns of stats.frontier;
    NaN where nothing can be fitted.
    """
    table = stats.frontier(rows, [], "ratio")
    if len(table):
        return table.iloc[0]
    return pd.Series({**dict.fromkeys(stats.FRONTIER, math.nan), "n": 0, "n_diverged": 0})


def frontiers(rows: pd.DataFrame) -> pd.DataFrame:
    """A row per scale: the lag that half of the seeds solve (stats.frontier), and ``xi``."""
    return stats.frontier(rows, ["scale"]).merge(
        rows.groupby("scale", as_index=False)["xi"].first(), on="scale"
    )


def agreement(rows: pd.DataFrame) -> float:
    """Spearman's rank correlation, over scales, of the lag that half of the seeds solve and xi; NaN
    where either does not vary.
    """
    table = frontiers(rows)
    if table["frontier"].nunique() < 2 or table["xi"].nunique() < 2:
        return math.nan
    # a bound below the shortest lag is below all others
    reached = table["frontier"].where(table["censored"] != "<", 0.0)
    return float(reached.corr(table["xi"], method="spearman"))
