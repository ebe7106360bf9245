"""Of every task the frontier of the full grid, and the one that rounds have found."""

from typing import Any

import pandas as pd

from throughtime.analysis import adaptive, columns, stats
from throughtime.results.load import Results

FULL, ROUNDS = "full", "rounds"  # sweeps


def of_task(results: Results, sweep: str, task: str) -> pd.DataFrame:
    """The trained networks of a task in a sweep."""
    rows = results.summary
    return stats.trained(rows[(rows["sweep"] == sweep) & (rows["task"] == task)])


def frontiers(results: Results, level: float = stats.LEVEL) -> pd.DataFrame:
    """The tasks of which both sweeps have networks.

    Returns:
        task, and of each sweep (suffixes _full, _rounds) frontier, low, high (steps; low 0 and high
        infinite beyond the grid), censored, n (networks).
    """
    rows = []
    for task in columns.TASKS:
        full, part = (of_task(results, sweep, task) for sweep in (FULL, ROUNDS))
        if full.empty or part.empty:
            continue
        whole: dict[Any, Any] = stats.frontier(full, [], level=level).iloc[0].to_dict()
        found = vars(adaptive.estimate(part, sorted(full["lag_max"].unique()), level))
        row: dict[Any, Any] = {"task": task}
        for name in ("frontier", "low", "high", "censored", "n"):
            row |= {f"{name}_full": whole[name], f"{name}_rounds": found[name]}
        rows.append(row)
    return pd.DataFrame(rows)
