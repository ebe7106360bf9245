"""Claims that must hold in every cell of a grid: intervals that hold together, and the verdict of the weakest cell.

Of a single cell ``verdicts`` decides. One refuted cell refutes the claim; else one undecided cell leaves it open. Where a claim is about
several cells, their intervals are made wider (Bonferroni), so that with the stated confidence all of them hold together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from throughtime.analysis import verdicts
from throughtime.analysis.claims import Evidence

LEVEL = 0.95
ORDER = ("not supported", "undecided", "supported")


def means(frame: pd.DataFrame, by: Sequence[str], value: str, level: float = LEVEL) -> pd.DataFrame:
    """The mean of ``value`` in each cell, with Student's t interval; all intervals hold together with confidence ``level``.

    Args:
        frame: a row a network; rows without a finite value are left out.
        by: the columns that name a cell.
        value: the column.
        level: with which all intervals cover at once, at least.

    Returns:
        ``by`` and n, mean, low, high. A cell of one network has an interval without ends.

    >>> means(pd.DataFrame({"g": [1, 1, 1], "v": [1.0, 2.0, 3.0]}), ["g"], "v").round(3).to_numpy().tolist()
    [[1.0, 3.0, 2.0, -0.484, 4.484]]
    """
    finite = frame[np.isfinite(frame[value].astype(float))]
    cells = finite.groupby(list(by), observed=True)[value].agg(["size", "mean", "std"]).reset_index()
    n = cells["size"].to_numpy(float)
    t = stats.t.ppf(1 - (1 - level) / 2 / max(len(cells), 1), np.maximum(n - 1, 1))
    half = np.where(n < 2, math.inf, t * cells["std"].fillna(0) / np.sqrt(n))
    return cells.assign(n=cells["size"], low=cells["mean"] - half, high=cells["mean"] + half)[[*by, "n", "mean", "low", "high"]]


def all_above(cells: pd.DataFrame, threshold: float, unit: str = "") -> Evidence:
    """Whether every cell of ``means`` lies above the threshold; the cell that reaches lowest is the statistic."""
    return _weakest(cells, verdicts.above, -cells["low"], threshold, unit)


def all_below(cells: pd.DataFrame, threshold: float, unit: str = "") -> Evidence:
    """Whether every cell of ``means`` lies below the threshold; the cell that reaches highest is the statistic."""
    return _weakest(cells, verdicts.below, cells["high"], threshold, unit)


def all_within(cells: pd.DataFrame, tolerance: float, unit: str = "") -> Evidence:
    """Whether every cell of ``means`` is zero but for the tolerance; the cell that reaches farthest is the statistic."""
    return _weakest(cells, verdicts.within, cells[["low", "high"]].abs().max(axis=1), tolerance, unit)


def _weakest(cells: pd.DataFrame, judge: Callable[..., Evidence], badness: pd.Series, threshold: float, unit: str) -> Evidence:
    """The evidence of the worst cell among those of the deciding verdict, with all cells' networks as n."""
    if cells.empty:
        return verdicts.unknown("no network that the claim is about", threshold)
    numbers = cells[["mean", "low", "high"]].astype(float).itertuples(index=False, name=None)
    found = [judge(*row, threshold, int(cells["n"].sum())) for row in numbers]
    reached = [e.verdict for e in found]
    verdict = next(v for v in ORDER if v in reached)
    place = max((i for i, v in enumerate(reached) if v == verdict), key=lambda i: badness.iloc[i])
    worst = found[place]
    counts = ", ".join(f"{reached.count(v)} {v}" for v in reversed(ORDER) if v in reached)
    numbers_said = f"{worst.statistic:.3g} [{worst.low:.3g}, {worst.high:.3g}]{unit}"
    return replace(worst, detail=f"{counts} of {len(cells)} cells; decided by {_name(cells.iloc[place])}: {numbers_said}")


def _name(row: pd.Series) -> str:
    """A cell's columns as words.

    >>> _name(pd.Series({"task": "copy", "gain": 0.5, "n": 3, "mean": 0.0, "low": 0.0, "high": 0.0}))
    'task copy, gain 0.5'
    """
    own = row.drop(["n", "mean", "low", "high"])
    return ", ".join(f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in own.items())
