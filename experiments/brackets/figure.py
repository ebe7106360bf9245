"""Accuracy by distance and by depth for several K, on sequences as long as in training and
longer.
"""

from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

COLUMNS = {"train": "trained length", "long": "longer than trained"}
ROWS = {
    "distance": "distance to the matching bracket, steps",
    "depth": "depth of the bracket, levels",
}


def lines(ax: Axes, bins: pd.DataFrame) -> None:
    """Mean accuracy in each bin, a line per K."""
    for series, (depth, rows) in enumerate(columns.with_depth(bins).groupby("depth")):
        table = stats.summarize(rows, ["bin"], "value", "mean")
        label = "full depth" if depth == float("inf") else f"K={panels.format_number(depth)}"
        panels.band(ax, table, "bin", "value", series, label)


def references(ax: Axes, results: Results, by: str) -> None:
    """Chance, and the heuristic that closes what was opened last."""
    known = results.references[results.references["measure"] == "accuracy"]
    dotted: dict[str, Any] = {
        "color": "0.45",
        "linestyle": (0, (1, 2)),
        "linewidth": 1.1,
        "zorder": 1,
    }
    for name, rows in known[known["by"] == "all"].groupby("name"):
        ax.axhline(rows["value"].iloc[0], label=str(name), **dotted)
    for name, rows in known[known["by"] == by].groupby("name"):
        ordered = rows.groupby("bin", as_index=False)["value"].mean()
        style: dict[str, Any] = {
            "color": "0.35",
            "linestyle": (0, (3, 2)),
            "linewidth": 1.2,
            "zorder": 1.5,
        }
        ax.plot(ordered["bin"], ordered["value"], label=str(name), **style)


def octave(low: float) -> str:
    """The distances of a bin: those from a power of two up to the next.

    >>> octave(1), octave(4)
    ('1', '4-7')
    """
    return f"{low:.0f}" if low == 1 else f"{low:.0f}-{2 * low - 1:.0f}"


def chosen(results: Results, by: str, data: str) -> pd.DataFrame:
    """The bins of a panel."""
    bins = columns.with_depth(results.bins)
    return bins[(bins["by"] == by) & (bins["data"] == data)]


def finding(bins: pd.DataFrame, data: str) -> str:
    """The title by distance: full depth and the smallest K at the largest distance, where their
    intervals lie apart.
    """
    far = bins[bins["bin"] == bins["bin"].max()]
    table = stats.summarize(far, ["depth"], "value", "mean")
    if len(table) > 1:
        short, full = table.iloc[0], table.iloc[-1]
        if full["low"] > short["high"]:
            name = "full depth" if full["depth"] == float("inf") else f"K = {full['depth']:g}"
            return (
                f"{composition.capital(COLUMNS[data])}: at distance {octave(far['bin'].iloc[0])} "
                f"{name} is right in {100 * full['value']:.0f} %, K = {short['depth']:g} in "
                f"{100 * short['value']:.0f} %"
            )
    return f"{composition.capital(COLUMNS[data])}: accuracy by distance"


def accuracy(by: str, data: str, results: Results, ax: Axes) -> None:
    """Accuracy in each bin, with chance and the heuristic of the last opener."""
    bins = chosen(results, by, data)
    ax.set_title(
        finding(bins, data)
        if by == "distance"
        else f"{composition.capital(COLUMNS[data])}, by depth: deeper brackets lie closer together"
    )
    if bins.empty:
        panels.empty_panel(ax, "no network with an evaluation")
        return
    lines(ax, bins)
    references(ax, results, by)
    places = sorted(bins["bin"].unique())
    if by == "distance":
        ax.set_xscale("log", base=2)
    ax.set_xticks(places, [octave(d) if by == "distance" else f"{d:.0f}" for d in places])
    ax.minorticks_off()
    ax.set(ylim=(min(0.4, bins["value"].min()), 1.02), xlabel=ROWS[by], ylabel="accuracy (mean)")
    composition.legend(ax)


def named_panels(results: Results) -> list[Panel]:
    """By distance and by depth, on sequences as long as in training and longer."""
    made = []
    for by, words in ROWS.items():
        for data, length in COLUMNS.items():
            bins = chosen(results, by, data)
            n = bins.groupby("bin")["n"].median()
            names = [octave(v) if by == "distance" else f"{v:.0f}" for v in n.index]
            sizes = ", ".join(f"{b}: {v:,.0f}" for b, v in zip(names, n, strict=True))
            confounded = (
                ""
                if by == "distance"
                else "Depth is confounded with distance: a deep bracket is "
                "closed soon, so that the outermost are the hardest. "
            )
            made.append(
                Panel(
                    f"{by}-{'trained' if data == 'train' else 'longer'}",
                    partial(accuracy, by, data),
                    f"Mean accuracy of the closing bracket's type by {words.split(',')[0]}, on "
                    f"fresh sequences ({length})",
                    interval="bands: 95 % bootstrap intervals over seeds",
                    details=f"{confounded}Scored positions per network, by bin: {sizes or 'none'}.",
                )
            )
    return made


def overview(results: Results) -> list[Panel]:
    """By distance, on both lengths."""
    return composition.choose(named_panels(results), ("distance-trained", "distance-longer"))


def figure(results: Results) -> Figure:
    """Two panels."""
    return composition.compose(results, overview(results), height=2.7)


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    bins = columns.with_depth(results.bins)
    far = bins[
        (bins["by"] == "distance")
        & (bins["data"] == "train")
        & (bins["bin"] > bins["bin"].median())
    ]
    by_depth = far.groupby("depth")["value"].mean().dropna()
    means = ", ".join(f"{panels.format_number(k, 'full')}: {v:.2f}" for k, v in by_depth.items())
    return (
        "**Accuracy of the closing bracket's type, by the distance to the bracket it closes.** "
        f"{composition.describe(overview(results))} Lines are means over the networks that did "
        "not diverge; dotted: chance 1/k; dashed: always closing what was opened last. By depth "
        "(confounded: deep brackets are closed soon) it is in panels of its own "
        "(`throughtime figure brackets --list`). Mean accuracy beyond the median distance, by K: "
        f"{means or 'none'}. {describe_networks(results)}"
    )
