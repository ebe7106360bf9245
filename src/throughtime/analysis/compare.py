"""Two result folders, grid point by grid point: which differ beyond their intervals."""

from pathlib import Path

import numpy as np
import pandas as pd

from throughtime.analysis import stats
from throughtime.core.errors import UserError
from throughtime.results import tables

SIDES = ("a", "b")
COUNTS = ("networks", "n", "solved", "diverged")


def compare(a: Path, b: Path, level: float = stats.LEVEL) -> pd.DataFrame:
    """Compare the summaries of all experiments of two result folders.

    Args:
        a, b: folders with EXPERIMENT/summary.parquet, e.g. ``results`` and ``results/reference``.
        level: of the intervals.

    Returns:
        One row per grid point: the columns of tables.GRID_POINT; networks_a, n_a (those of them
        that were trained), solved_a, diverged_a and the same of b; rate_difference (a - b) with
        rate_low and rate_high (Newcombe), final_difference with final_low and final_high (Welch,
        over networks that did not diverge; missing bounds with fewer than two of them on a side);
        verdict: ``same`` (both intervals hold 0), ``rate``, ``final`` or ``rate, final`` (those
        that do not), ``only a``, ``only b``.

    Raises:
        UserError: a folder has no summary, or a table is damaged.
    """
    sides = [_summaries(path) for path in (a, b)]
    points = _count(sides[0]).merge(
        _count(sides[1]), on=list(tables.GRID_POINT), how="outer", suffixes=("_a", "_b")
    )
    points = points.fillna({f"{c}_{s}": 0 for c in COUNTS for s in SIDES})
    points = points.astype({f"{c}_{s}": "int64" for c in COUNTS for s in SIDES})
    return _judge(_differences(points, level)).drop(columns=["finals_a", "finals_b"])


def summarize(table: pd.DataFrame, level: float = stats.LEVEL) -> str:
    """One paragraph on what ``compare`` found, with the number of differences that chance alone
    would make.
    """
    both = table[~table["verdict"].str.startswith("only")]
    differ = both[both["verdict"] != "same"]
    single = int(both["final_low"].isna().sum())
    text = [
        f"{len(both):,} grid points in both, {len(differ):,} differ beyond their {level:.0%} "
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
            f"At {single:,} grid points a side has fewer than two networks that did not diverge; "
            "their "
            "final measures are not judged."
        )
    for side in SIDES:
        missing = table[table["verdict"] == f"only {side}"]
        if len(missing):
            text.append(
                f"{len(missing):,} grid points are only in {side} "
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


def _count(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per grid point: networks, n (trained), solved, diverged and the final measures."""
    flags = summary.assign(
        trained=summary["status"] != "untrained",
        solved=summary["status"] == "solved",
        diverged=summary["status"] == "diverged",
    )
    groups = flags.groupby(list(tables.GRID_POINT), dropna=False)
    return groups.agg(
        networks=("status", "size"),
        n=("trained", "sum"),
        solved=("solved", "sum"),
        diverged=("diverged", "sum"),
        finals=("final", list),
    ).reset_index()


def _differences(points: pd.DataFrame, level: float) -> pd.DataFrame:
    low, high = stats.newcombe(
        points["solved_a"], points["n_a"], points["solved_b"], points["n_b"], level
    )
    both = (points["n_a"] > 0) & (points["n_b"] > 0)
    rate = points["solved_a"] / points["n_a"].where(both) - points["solved_b"] / points[
        "n_b"
    ].where(both)
    pairs = zip(points["finals_a"], points["finals_b"], strict=True)
    final = [
        stats.welch(x, y, level) if isinstance(x, list) and isinstance(y, list) else (np.nan,) * 3
        for x, y in pairs
    ]
    named = pd.DataFrame(
        final,
        columns=["final_difference", "final_low", "final_high"],
        index=points.index,
        dtype=float,
    )
    return points.assign(
        rate_difference=rate,
        rate_low=np.where(both, low, np.nan),
        rate_high=np.where(both, high, np.nan),
    ).join(named)


def _judge(points: pd.DataFrame) -> pd.DataFrame:
    rate = (points["rate_low"] > 0) | (points["rate_high"] < 0)
    final = (points["final_low"] > 0) | (points["final_high"] < 0)
    beyond = np.select([rate & final, rate, final], ["rate, final", "rate", "final"], "same")
    return points.assign(
        verdict=np.select(
            [points["networks_b"] == 0, points["networks_a"] == 0], ["only a", "only b"], beyond
        )
    )
