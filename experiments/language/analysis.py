"""Which networks of the experiment say what, and differences within seeds. No torch."""

import math

import numpy as np
import pandas as pd

from throughtime.analysis.columns import with_depth
from throughtime.analysis.verdicts import mean
from throughtime.results.load import Results

SEED = ["seed", "depth"]


def main(results: Results) -> Results:
    """The networks over K that the figure and the claims are about: sweep ``wide`` where it was
    run, else sweep ``K``.
    """
    wide = results.select(sweep="wide")
    return wide if len(wide.summary) else results.select(sweep="K")


def characters(rows: pd.DataFrame, updates: str = "updates") -> pd.Series:
    """Characters read after so many updates: updates x B x T."""
    return rows[updates] * rows["batch"] * rows["steps"]


def by_depth(summary: pd.DataFrame) -> pd.DataFrame:
    """Final bits per character: one row per seed, one column per K (inf: full). A diverged network
    has its task's chance.

    >>> rows = {"seed": [0, 0], "K": [1, 9], "mode": ["chunked", "full"], "final": [3.0, math.nan]}
    >>> by_depth(pd.DataFrame(rows | {"chance": 4.0})).loc[0].tolist()
    [3.0, 4.0]
    """
    rows = with_depth(summary)
    rows = rows.assign(bits=rows["final"].fillna(rows["chance"]))
    return rows.pivot_table(index="seed", columns="depth", values="bits").sort_index(axis=1)


def by_bin(results: Results, by: str) -> pd.DataFrame:
    """Bits per character by a group of the evaluation, as ``by_depth`` with columns (bin, depth);
    diverged networks have none.
    """
    rows = with_depth(results.bins)
    rows = rows[(rows["by"] == by) & (rows["data"] == "train")]
    return rows.pivot_table(index="seed", columns=["bin", "depth"], values="value").sort_index(
        axis=1
    )


def above_full(results: Results, by: str) -> pd.DataFrame:
    """How many bits each K loses against full depth of the same seed, by a group of the evaluation:
    bin, depth, seed, loss; K below full.
    """
    table = by_bin(results, by)
    parts = []
    for bin_ in table.columns.unique("bin"):
        own = table[bin_]
        if math.inf in own:
            loss = own.drop(columns=math.inf).sub(own[math.inf], axis=0)
            parts.append(loss.melt(ignore_index=False, value_name="loss").reset_index())
            parts[-1]["bin"] = bin_
    columns = ["bin", "depth", "seed", "loss"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns, dtype=float)


def gain_of_depth(results: Results) -> pd.DataFrame:
    """What full depth saves over K = 1 in bits per character, by characters read: characters, seed,
    gain, and source: ``check`` (while training, sweep K) or ``final`` (networks with that budget,
    sweeps K and budget).

    The learning rate is constant, so a check is what a network of that budget would score on the
    check's characters.
    """
    own = with_depth(results.select(sweep=["K", "budget"], cell="tanh").summary)
    own = own[own["depth"].isin([1.0, math.inf])]
    final = own.assign(characters=characters(own), bits=own["final"].fillna(own["chance"]))
    curves = results.curves[results.curves["metric"] == "eval_measure"]
    check = curves.merge(own[own["sweep"] == "K"], on="run_key")
    check = check.assign(characters=characters(check, "step"), bits=check["value"])
    parts = []
    for source, rows in (("check", check[check["step"] > 0]), ("final", final)):
        table = rows.pivot_table(index=["characters", "seed"], columns="depth", values="bits")
        gain = table.reindex(columns=[1.0, math.inf]).astype(float)
        found = (gain[1.0] - gain[math.inf]).rename("gain").dropna().reset_index()
        parts.append(found.assign(source=source))
    return pd.concat(parts, ignore_index=True)


def writing(results: Results) -> pd.DataFrame:
    """What networks wrote: depth, seed, prompt, text; of the networks that ``generated``
    measured.
    """
    rows = results.probes[results.probes["probe"] == "generated"].sort_values("index")
    letters = rows.assign(letter=[chr(int(v)) for v in rows["value"]])
    texts = letters.groupby(["run_key", "quantity"])["letter"].agg("".join).unstack("quantity")
    texts = texts.reindex(columns=["prompt", "character"]).rename(columns={"character": "text"})
    return with_depth(results.summary).merge(texts, on="run_key")[[*SEED, "prompt", "text"]]


def interval(rows: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Mean over seeds with Student's 95 % interval: ``by``, value, low, high."""
    found = [
        (*(key if isinstance(key, tuple) else (key,)), *mean(own[value])[:3])
        for key, own in rows.groupby(by)
    ]
    table = pd.DataFrame(found, columns=[*by, "value", "low", "high"])
    one = table["low"].isna()  # of one seed
    return table.assign(
        low=np.where(one, table["value"], table["low"]),
        high=np.where(one, table["value"], table["high"]),
    )
