"""The report's interactive atlas as compact, JSON-ready values: every grid point in a heat map, and
the curves of its networks. No torch.

A panel is one task of one sweep, with all but two of the axes in which its grid points differ held
fixed; the two with most values are x and y.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from throughtime.analysis.grid_points import grid_point_key, places, text
from throughtime.results import tables
from throughtime.results.parameters import ARGS, parameter_columns

CURVES = 5_000  # networks whose curves are in the page, at most: some 450 bytes each
OPENING = "copy"  # the task that is shown first
LINES = ("loss", "eval_measure", "grad_norm")  # a network's curves, in this order
DIGITS = 4  # significant ones, of all numbers
FIRST = (
    "lag",
    "length",
    "K",
    "gain",
    "clip",
    "mode",
    "init",
    "input_gain",
    "optimizer",
    "lr",
    "border",
    "frozen",
    "hidden",
)  # as axes
TITLES = {
    "lag": "lag of the dependency, steps",
    "length": "length of the task",
    "K": "truncation length K, steps",
    "gain": "initial gain g of W_hh",
    "clip": "clip threshold",
    "mode": "truncation mode",
    "input_gain": "gain of W_xh",
    "lr": "learning rate",
    "border": "state at a border",
    "frozen": "W_hh frozen",
    "hidden": "hidden units N",
}
AFTER = ("full", "none")  # these follow all numbers on an axis


def explore(
    frames: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], preset: str, most: int = CURVES
) -> dict[str, Any]:
    """What the page's script is given.

    Args:
        frames: experiment -> its tables ``summary`` and ``curves``.
        preset: the name of the preset that asked for the networks.
        most: networks whose curves are kept: the lowest seeds of all grid points first.

    Returns:
        ``sweeps``: name, experiment and panels; a panel: what is fixed, titles and values of x and
        y, the measure, and grid points; a grid point: place in x and y, key, and its networks; a
        network: seed, status, failure, final measure, update of divergence, and its LINES, each as
        the place of its steps in ``steps`` and its values. ``start``: the places of the sweep and
        the panel that are shown first. ``networks`` and ``curves``: how many there are, and how
        many have curves.
    """
    steps: dict[tuple[int, ...], int] = {}
    chosen = _chosen([summary for summary, _ in frames.values()], most)
    sweeps: list[dict[str, Any]] = []
    for experiment, (summary, curves) in frames.items():
        lines = _lines(curves[curves["run_key"].isin(chosen)], steps)
        networks = _networks(summary, lines)
        heads = summary.assign(place=places(summary)).drop_duplicates("place")
        for (sweep, task), part in heads.groupby(["sweep", "task"], sort=False):
            panels = list(_panels(part, networks, preset))
            sweeps.append({"name": f"{sweep}: {task}", "experiment": experiment, "panels": panels})
    count = sum(len(summary) for summary, _ in frames.values())
    return {
        "sweeps": sweeps,
        "start": _start(sweeps),
        "steps": [list(s) for s in steps],
        "networks": count,
        "curves": len(chosen),
    }


def _start(sweeps: list[dict[str, Any]]) -> tuple[int, int]:
    """The places of the sweep and panel to begin with: the one of copy over lag and K that has most
    grid points; else of all panels the one that has most.
    """
    lag_and_k = {title("lag"), title("K")}
    ranks = {
        (i, j): (
            sweep["name"].endswith(f": {OPENING}") and {panel["x"], panel["y"]} == lag_and_k,
            len(panel["grid_points"]),
        )
        for i, sweep in enumerate(sweeps)
        for j, panel in enumerate(sweep["panels"])
    }
    return max(ranks, key=lambda place: ranks[place], default=(0, 0))


def _chosen(summaries: Iterable[pd.DataFrame], most: int) -> set[str]:
    """The keys of the networks whose curves are kept: lowest seeds first, and among those in the
    order of their digests: a fair sample.
    """
    ranks = []
    for summary in summaries:
        ordered = summary.sort_values("seed", kind="stable")
        ranks.append(ordered[["run_key"]].assign(rank=ordered.groupby(places(ordered)).cumcount()))
    if not ranks:
        return set()
    return set(pd.concat(ranks).sort_values(["rank", "run_key"])["run_key"].head(most))


def _lines(
    curves: pd.DataFrame, steps: dict[tuple[int, ...], int]
) -> dict[tuple[str, str], list[Any]]:
    """(network, metric) -> place of its steps in ``steps``, which grows, and the values."""
    rows = curves[curves["metric"].isin(LINES)].sort_values(
        ["run_key", "metric", "step"], kind="stable"
    )
    lines: dict[tuple[str, str], list[Any]] = {}
    for (run, metric), line in rows.groupby(["run_key", "metric"], sort=False):
        at = steps.setdefault(tuple(line["step"].tolist()), len(steps))
        lines[str(run), str(metric)] = [at, [_short(v) for v in line["value"]]]
    return lines


def _networks(
    summary: pd.DataFrame, lines: dict[tuple[str, str], list[Any]]
) -> dict[int, list[Any]]:
    """Place of a grid point -> its networks, by seed."""
    names = ["run_key", "seed", "status", "failure", "final", "diverged_at"]
    ordered = (
        summary[names].assign(place=places(summary)).sort_values(["place", "seed"], kind="stable")
    )
    networks: dict[int, list[Any]] = {}
    for row in ordered.to_dict("records"):
        drawn = [lines.get((row["run_key"], metric), 0) for metric in LINES]
        at = None if pd.isna(row["diverged_at"]) else int(row["diverged_at"])
        own = [
            int(row["seed"]),
            row["status"],
            row["failure"],
            _short(row["final"]),
            at,
            drawn if any(drawn) else 0,
        ]
        networks.setdefault(int(row["place"]), []).append(own)
    return networks


def _short(value: float) -> float | int | None:
    """A number with few digits; None where it is not finite.

    >>> _short(0.123456), _short(20.0), _short(math.nan)
    (0.1235, 20, None)
    """
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 10**DIGITS else short


# Panels -------------------------------------------------------------------------------------------


def _panels(
    heads: pd.DataFrame, networks: dict[int, list[Any]], preset: str
) -> Iterator[dict[str, Any]]:
    """The panels of one task of one sweep; ``heads`` has one row per grid point."""
    labels = axis_labels(heads)
    axes = distinguishing(labels)
    order = {axis: _ordered(labels[axis]) for axis in axes}
    x, y = [*sorted(axes, key=lambda axis: -len(order[axis]))[:2], "", ""][:2]
    fixed = [axis for axis in axes if axis not in (x, y)]
    ranked = labels.assign(**{axis: labels[axis].map(order[axis].index) for axis in fixed})
    for _, part in ranked.groupby(fixed, sort=True) if fixed else [((), ranked)]:
        words, own = labels.loc[part.index], heads.loc[part.index]
        shown = {axis: _ordered(words[axis]) if axis else ["all"] for axis in (x, y)}
        yield {
            "fixed": ", ".join(f"{axis.replace('_', ' ')} {words[axis].iloc[0]}" for axis in fixed)
            or "nothing else differs",
            "measure": own["measure"].iloc[0],
            "x": title(x),
            "y": title(y),
            "xs": shown[x],
            "ys": shown[y],
            "grid_points": [
                [
                    *(shown[axis].index(word[axis]) if axis else 0 for axis in (x, y)),
                    grid_point_key(row, preset),
                    networks[row["place"]],
                ]
                for word, row in zip(words.to_dict("records"), own.to_dict("records"), strict=True)
            ],
        }


def title(axis: str) -> str:
    """What an axis says.

    >>> title("lr"), title("k1"), title("")
    ('learning rate', 'k1', '')
    """
    return TITLES.get(axis, axis.replace("_", " "))


def axis_labels(heads: pd.DataFrame) -> pd.DataFrame:
    """All that can distinguish the grid points of one task of one sweep, as words: one row per grid
    point, one column per axis, the likeliest axes first.

    A K of full depth is ``full`` whatever the length, and a mode beside ``full`` is an axis only
    where there are several.
    """
    full = heads["mode"] == "full"
    modes = heads["mode"][~full].unique()
    shown = {
        name: pd.Series([text(value) or "–" for value in heads[name]], heads.index, dtype=object)
        for name in tables.GRID_POINT
        if name not in ("task", "clip_kind", *ARGS)
    }
    shown["lag"] = shown.pop("lag_max")
    shown["K"] = shown["K"].mask(full, "full")
    shown["clip"] = shown["clip"].mask(heads["clip_kind"] == "value", "value " + shown["clip"])
    shown["mode"] = heads["mode"].mask(full, modes[0]) if len(modes) == 1 else heads["mode"]
    order = [*FIRST, *(name for name in shown if name not in FIRST)]
    own = parameter_columns(heads).map(lambda value: text(value) or "–")
    return pd.DataFrame({name: shown[name] for name in order}, heads.index).join(own)


def distinguishing(labels: pd.DataFrame) -> list[str]:
    """The fewest columns, first ones first, that tell the rows apart as well as all columns do.

    >>> distinguishing(
    ...     pd.DataFrame({"a": ["1", "1", "2"], "b": ["x", "x", "y"], "c": ["1", "2", "1"]})
    ... )
    ['a', 'c']
    """
    kept: list[str] = []
    count = 1
    for name in labels.columns[labels.nunique() > 1]:
        parts = len(labels[[*kept, name]].drop_duplicates())
        if parts > count:
            kept, count = [*kept, name], parts
    return kept


def _ordered(words: pd.Series) -> list[str]:
    """The different words: numbers by size, then what stands for infinity, then the rest as they
    appear.
    """
    different = list(dict.fromkeys(words))

    def rank(word: str) -> tuple[int, float]:
        try:
            return 0, float(word.rpartition(" ")[2])
        except ValueError:
            return (1, 0.0) if word in AFTER else (2, float(different.index(word)))

    return sorted(different, key=rank)
