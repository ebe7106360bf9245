"""Do rounds find the frontier of the full grid, with a third of its networks at most?"""

import numpy as np
import pandas as pd

from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.verdicts import all_within, below, unknown
from throughtime.results.load import Results

from .analysis import frontiers

TASKS = 3
WIDTH, THIRD = 2.0, 1 / 3


def same(results: Results, level: float = LEVEL) -> Evidence:
    """Of each task ln of the rounds' frontier over the full grid's."""
    table = frontiers(results, 1 - (1 - level) / TASKS)
    if len(table) < TASKS:
        return unknown("needs three tasks in both sweeps", float(np.log(WIDTH)))
    with np.errstate(divide="ignore"):  # an end beyond the grid is 0 or infinite
        logs = np.log(table.drop(columns=["task", "censored_full", "censored_rounds"]))
    ratio = logs["frontier_rounds"] - logs["frontier_full"]
    down = np.hypot(logs["frontier_rounds"] - logs["low_rounds"],
                    logs["high_full"] - logs["frontier_full"])  # fmt: skip
    up = np.hypot(logs["high_rounds"] - logs["frontier_rounds"],
                  logs["frontier_full"] - logs["low_full"])  # fmt: skip
    points = pd.DataFrame(
        {"task": table["task"], "n": table["n_rounds"], "mean": ratio, "low": ratio - down}
    ).assign(high=ratio + up)
    return all_within(points, float(np.log(WIDTH)))


def few(results: Results) -> Evidence:
    """The largest share of the full grid's networks over the tasks."""
    table = frontiers(results)
    if len(table) < TASKS:
        return unknown("needs three tasks in both sweeps", THIRD)
    share = table["n_rounds"] / table["n_full"]
    words = "; ".join(
        f"{row.task}: {row.n_rounds} of {row.n_full}" for row in table.itertuples(index=False)
    )
    most = float(share.max())
    return below(most, most, most, THIRD, int(table["n_full"].sum()), words)


CLAIMS = [
    Claim(
        "same_frontier",
        f"On each of three tasks rounds find the full grid's frontier to within a factor of "
        f"{WIDTH:g}.",
        "ln of the rounds' frontier (median of its posterior) over that of the full grid (maximum "
        "of the likelihood); its interval is made of both intervals as if the networks were "
        "independent (they are the same ones, so it is too wide), at 1 - .05 / 3 each; within "
        f"+-ln {WIDTH:g} on all three tasks. It is a test of the instrument, outside the family, "
        "and no power is told of it.",
        same,
        confirmatory=False,
    ),
    Claim(
        "a_third_at_most",
        "On each of them rounds train a third of the full grid's networks at most.",
        "The largest of the three shares, an exact number, below 1/3; it has no power to be told.",
        few,
        confirmatory=False,
    ),
]
