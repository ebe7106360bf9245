"""How runs of influence balancing end, and bits per character by method. No torch."""

import numpy as np
import pandas as pd

from throughtime.results.load import Results
from throughtime.theory.influence import Balancing

OPTIMUM = Balancing().optimum
NEAR = 0.05  # of theta's distance from the optimum: a run has converged
METHODS = {
    "full": "full",
    "chunked": "truncated",
    "randomized": "ARTBP",
    "tail 6": "ARTBP, tail 6",
    "tail 4": "ARTBP, tail 4",
}
CONSTANT = "randomized"  # the method whose chance of a cut is the same at all steps
FALLING = ("tail 6", "tail 4")  # those whose chance falls with the time since the last cut


def thetas(results: Results) -> pd.DataFrame:
    """The trajectories of influence balancing, in the order of updates."""
    rows = results.computed
    return rows[rows["quantity"] == "theta"].sort_values("x")


def ends(results: Results) -> pd.DataFrame:
    """A row per run of influence balancing: series, y, first and last distance from the optimum,
    whether it ``converged`` (within NEAR) and whether it ``left`` (ended farther off than it
    began).
    """
    rows = thetas(results)
    rows = rows.assign(distance=(rows["value"] - OPTIMUM).abs())
    found = rows.groupby(["series", "y"])["distance"].agg(["first", "last"]).reset_index()
    return found.assign(converged=found["last"] < NEAR, left=found["last"] > found["first"])


def scatter(results: Results) -> pd.DataFrame:
    """The standard deviation of theta over the runs of ARTBP: a row per update, a column per law of
    cuts.
    """
    rows = thetas(results)
    rows = rows[rows["series"].isin([CONSTANT, *FALLING])]
    table = rows.pivot_table(index="x", columns="series", values="value", aggfunc="std")
    return table.reindex(columns=[CONSTANT, *FALLING]).astype(float)


def method(summary: pd.DataFrame) -> "pd.Series[str]":
    """Of each network: its mode, or ``tail`` and the exponent where it has one."""
    names = [
        mode if np.isinf(tail) else f"tail {tail:g}"
        for mode, tail in zip(summary["mode"], summary["tail"], strict=True)
    ]
    return pd.Series(names, summary.index, dtype=str)


def bits(results: Results) -> pd.DataFrame:
    """Final bits per character: a row per seed, a column per method. A diverged network has its
    task's chance.
    """
    rows = results.summary
    rows = rows.assign(bits=rows["final"].fillna(rows["chance"]), method=method(rows))
    table = rows.pivot_table(index="seed", columns="method", values="bits")
    return table.reindex(columns=list(METHODS)).astype(float)
