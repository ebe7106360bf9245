"""Two result folders, grid cell by grid cell: which differ beyond their intervals."""

from pathlib import Path

import numpy as np
import pandas as pd

from throughtime.analysis import stats
from throughtime.core.errors import UserError
from throughtime.results import tables

SIDES = ("a", "b")


def compare(a: Path, b: Path, level: float = stats.LEVEL) -> pd.DataFrame:
    """Compare the summaries of all experiments of two result folders.

    Args:
        a, b: folders with EXPERIMENT/summary.parquet, e.g. ``results`` and ``results/reference``.
        level: of the intervals.

    Returns:
        A row a grid cell: the columns of tables.GRID_POINT; n_a, solved_a, diverged_a and the same
        of b; rate_difference (a - b) with rate_low and rate_high (Newcombe), final_difference with
        final_low and final_high (Welch, over networks that did not diverge; missing bounds with
        fewer than two of them on a side); verdict: ``same`` (both intervals hold 0), ``rate``,
        ``final`` or ``rate, final`` (those that do not), ``only a``, ``only b``.

    Raises:
        UserError: a folder has no summary, or a table is damaged.
    """
    sides = [_summaries(path) for path in (a, b)]
    cells = _cells(sides[0]).merge(
        _cells(sides[1]), on=list(tables.GRID_POINT), how="outer", suffixes=("_a", "_b")
    )
    cells = cells.fillna({f"{c}_{s}": 0 for c in ("n", "solved", "diverged") for s in SIDES})
    cells = cells.astype({f"{c}_{s}": "int64" for c in ("n", "solved", "diverged") for s in SIDES})
    return _judge(_differences(cells, level)).drop(columns=["finals_a", "finals_b"])


def summarize(table: pd.DataFrame, level: float = stats.LEVEL) -> str:
    """One paragraph on what ``compare`` found, with the number of differences that chance alone
    would make.
    """
    both = table[~table["verdict"].str.startswith("only")]
    differ = both[both["verdict"] != "same"]
    single = int(both["final_low"].isna().sum())
    text = [
        f"{len(both):,} grid cells in both, {len(differ):,} differ beyond their {level:.0%} "
        "intervals"
    ]
    text.append(
        f"(success rate {_naming(differ, 'rate')}, final measure {_naming(differ, 'final')};"
    )
    text.append(
        f"were nothing different, up to {1 - level:.0%} of the comparisons would by chance)."
    )
    for experiment, rows in differ.groupby("experiment"):
        text.append(
            f"{experiment}: {len(rows):,} of {int((both['experiment'] == experiment).sum()):,}."
        )
    if single:
        text.append(
            f"In {single:,} cells a side has fewer than two networks that did not diverge; their "
            "final measures are not judged."
        )
    for side in SIDES:
        missing = table[table["verdict"] == f"only {side}"]
        if len(missing):
            text.append(
                f"{len(missing):,} cells are only in {side} "
                f"({', '.join(sorted(missing['experiment'].unique()))})."
            )
    return " ".join(text)


def _naming(rows: pd.DataFrame, what: str) -> int:
    return int(rows["verdict"].str.contains(what).sum())


def _summaries(folder: Path) -> pd.DataFrame:
    paths = sorted(folder.glob("*/summary.parquet"))
    if not paths:
        raise UserError(f"{folder}: no EXPERIMENT/summary.parquet in it; name a results folder")
    return pd.concat([tables.read("summary", p) for p in paths], ignore_index=True)


def _cells(summary: pd.DataFrame) -> pd.DataFrame:
    """A row a cell: n, solved, diverged and the list of final measures."""
    flags = summary.assign(
        solved=summary["status"] == "solved", diverged=summary["status"] == "diverged"
    )
    groups = flags.groupby(list(tables.GRID_POINT), dropna=False)
    return groups.agg(
        n=("status", "size"),
        solved=("solved", "sum"),
        diverged=("diverged", "sum"),
        finals=("final", list),
    ).reset_index()


def _differences(cells: pd.DataFrame, level: float) -> pd.DataFrame:
    low, high = stats.newcombe(
        cells["solved_a"], cells["n_a"], cells["solved_b"], cells["n_b"], level
    )
    known = (cells["n_a"] > 0) & (cells["n_b"] > 0)
    rate = cells["solved_a"] / cells["n_a"].where(known) - cells["solved_b"] / cells["n_b"].where(
        known
    )
    pairs = zip(cells["finals_a"], cells["finals_b"], strict=True)
    final = [
        stats.welch(x, y, level) if isinstance(x, list) and isinstance(y, list) else (np.nan,) * 3
        for x, y in pairs
    ]
    named = pd.DataFrame(
        final,
        columns=["final_difference", "final_low", "final_high"],
        index=cells.index,
        dtype=float,
    )
    return cells.assign(
        rate_difference=rate,
        rate_low=np.where(known, low, np.nan),
        rate_high=np.where(known, high, np.nan),
    ).join(named)


def _judge(cells: pd.DataFrame) -> pd.DataFrame:
    rate = (cells["rate_low"] > 0) | (cells["rate_high"] < 0)
    final = (cells["final_low"] > 0) | (cells["final_high"] < 0)
    beyond = np.select([rate & final, rate, final], ["rate, final", "rate", "final"], "same")
    return cells.assign(
        verdict=np.select([cells["n_b"] == 0, cells["n_a"] == 0], ["only a", "only b"], beyond)
    )
