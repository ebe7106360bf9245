"""Models, the learning rate that is chosen for each, and how far they reach. No torch.

A model is a cell with its initial scheme: ``tanh`` is drawn from a Gaussian, ``orthogonal start``
is tanh that begins at an orthogonal matrix, and ``orthogonal cell`` stays at one.
"""

import json
import math
from functools import lru_cache

import numpy as np
import pandas as pd

from throughtime.analysis import stats
from throughtime.results.load import Results

MODELS = {
    "tanh": "tanh",
    "orthogonal start": "tanh",
    "IRNN": "irnn",
    "orthogonal cell": "orthogonal",
    "LSTM": "lstm",
    "GRU": "gru",
    "LRU": "lru",
    "attention": "attention",
}
FRONTIER = ("copy", "copy_attention", "adding", "temporal_order", "brackets")  # sweeps
TEXT = ("text", "text_attention")
RATES = tuple(f"rates_{sweep}" for sweep in FRONTIER + TEXT)
GUESSED = 0.97  # brackets: accuracy from which a distance counts as matched, as in the atlas
FEW = 100  # cases below which a distance is not judged
TOLERANCE = 0.05  # bits per character, as in the experiment context


def parameter(rows: pd.DataFrame, name: str) -> "pd.Series[float]":
    """A parameter of the cell; NaN where the cell has none of that name.

    >>> rows = pd.DataFrame({"cell_args": ['{"forget_bias": 1.0}', "{}"]})
    >>> parameter(rows, "forget_bias").tolist()
    [1.0, nan]
    """
    found = [json.loads(args).get(name, math.nan) for args in rows["cell_args"]]
    return pd.Series(found, rows.index, dtype=float)


def with_model(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with a column ``model``, a name of MODELS."""
    names = {cell: name for name, cell in reversed(MODELS.items())}
    model = summary["cell"].map(names).fillna(summary["cell"])
    begins = (summary["cell"] == "tanh") & (summary["init"] == "orthogonal")
    return summary.assign(model=model.mask(begins, "orthogonal start"))


def ordered(models: "pd.Series[str]") -> list[str]:
    """Models in the order of MODELS."""
    present = set(models)
    return [name for name in MODELS if name in present]


def score(rows: pd.DataFrame) -> "pd.Series[float]":
    """How good networks are, between 0 (chance) and 1 (perfect), whatever their measure; a
    diverged network is at chance.

    >>> one = {"measure": ["accuracy", "mse"], "chance": [0.5, 0.2], "final": [0.75, 0.05]}
    >>> score(pd.DataFrame(one)).round(6).tolist()
    [0.5, 0.75]
    """
    final = rows["final"].fillna(rows["chance"]).astype(float)
    best = (rows["measure"] == "accuracy").astype(float)
    return ((final - rows["chance"]) / (best - rows["chance"])).clip(lower=0.0) + 0.0  # no -0


def chosen(results: Results) -> pd.DataFrame:
    """The learning rate of every model and task: model, task, lr.

    It is the rate whose networks in the sweeps RATES have the largest mean ``score``, the smaller
    one of equals. The seeds of RATES are in no other sweep, and no network of RATES is in a figure
    or a claim.
    """
    rows = with_model(results.select(sweep=list(RATES)).summary)
    rows = rows.assign(score=score(rows))
    means = rows.groupby(["model", "task", "lr"])["score"].mean().reset_index()
    best = means.sort_values(["score", "lr"], ascending=[False, True], kind="stable")
    return best.drop_duplicates(["model", "task"])[["model", "task", "lr"]].reset_index(drop=True)


def reported(results: Results, *sweeps: str) -> pd.DataFrame:
    """The networks of some sweeps with ``model``, of each model and task those at the chosen rate.
    Where none was chosen for it (a partial run), all of them if they have one rate, and else none:
    which of them are meant is not known yet.
    """
    rows = with_model(results.select(sweep=list(sweeps)).summary)
    rates = chosen(results).rename(columns={"lr": "chosen"})
    rows = rows.merge(rates, on=["model", "task"], how="left")
    rows["chosen"] = rows["chosen"].astype(float)
    alone = rows.groupby(["model", "task"])["lr"].transform("nunique") == 1
    keep = np.where(rows["chosen"].isna(), alone, np.isclose(rows["lr"], rows["chosen"]))
    return rows[keep].drop(columns="chosen").reset_index(drop=True)


def absent(results: Results) -> list[str]:
    """Models, with their tasks, that no figure or claim sees: FRONTIER and TEXT have no network of
    them at the chosen rate, because the YAML holds another.
    """
    rows = reported(results, *FRONTIER, *TEXT)
    seen = set(zip(rows["model"], rows["task"], strict=True))
    rates = chosen(results)
    return [f"{r.model} on {r.task}" for r in rates.itertuples() if (r.model, r.task) not in seen]


@lru_cache(maxsize=4)
def frontiers(results: Results) -> pd.DataFrame:
    """task and model with the columns of stats.frontier; of brackets the distance that half the
    networks reach (stats.reached).
    """
    rows = reported(results, *FRONTIER)
    one = stats.frontier(rows[rows["task"] != "brackets"], ["task", "model"])
    many = stats.reached(distances(results, rows[rows["task"] == "brackets"]), ["task", "model"])
    return pd.concat([f for f in (one, many) if len(f)] or [one], ignore_index=True)


def distances(results: Results, rows: pd.DataFrame) -> pd.DataFrame:
    """A row per network of brackets and distance, ``passed`` where it matches GUESSED of them; a
    network that diverged passes nowhere.
    """
    bins = results.breakdown[
        (results.breakdown["by"] == "distance")
        & (results.breakdown["data"] == "train")
        & (results.breakdown["n"] >= FEW)
        & results.breakdown["run_key"].isin(rows["run_key"])
    ]
    lags = pd.DataFrame({"lag": sorted(bins["bin"].unique()) or [1]})
    found = bins[["run_key", "bin", "value"]].rename(columns={"bin": "lag"})
    every = rows.merge(lags, how="cross").merge(found, on=["run_key", "lag"], how="left")
    return every.assign(passed=every["value"] >= GUESSED)


def closed(worse: float, better: float, between: float) -> float:
    """The share of the gap from ``worse`` to ``better`` that ``between`` closes; NaN without one.

    >>> closed(0.2, 0.6, 0.3), closed(0.5, 0.5, 0.5)
    (0.25, nan)
    """
    return round((between - worse) / (better - worse), 12) if better > worse else math.nan


def times(results: Results) -> pd.DataFrame:
    """Measured times of an update: series (a way to compute), T, batch, ms; sorted by T."""
    rows = results.computed[results.computed["quantity"] == "update_ms"]
    named = rows.rename(columns={"x": "T", "y": "batch", "value": "ms"})
    return named[["series", "T", "batch", "ms"]].sort_values(["series", "batch", "T"])


def contexts(results: Results) -> pd.DataFrame:
    """The effective context of every reported network of text, with ``model``: the smallest n of
    the probe's ladder from which on the loss stays within TOLERANCE bits of that with all context.
    The experiment context interpolates between the n; here a step of the ladder is fine enough.
    """
    rows = results.probe("context", "loss_reset", "last").sort_values("index")
    found = []
    for key, own in rows.groupby("run_key"):
        excess = (own["value"] - own["value"].iloc[-1]).to_numpy() / math.log(2)
        outside = np.flatnonzero(excess > TOLERANCE)
        place = 0 if not outside.size else outside[-1] + 1
        found.append((key, float(own["index"].iloc[place])))
    table = pd.DataFrame(found, columns=["run_key", "effective"])
    return reported(results, *TEXT).merge(table, on="run_key")
