"""Accuracy by distance and by depth for several K, on sequences as long as in training and
longer.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from throughtime.analysis import columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

COLUMNS = {"train": "trained length", "long": "longer than trained"}
ROWS = {
    "distance": "distance to the matching bracket, steps",
    "depth": "depth of the bracket, levels",
}


def lines(ax: Axes, bins: pd.DataFrame) -> None:
    """Mean accuracy in each bin, a line a K."""
    for series, (depth, rows) in enumerate(columns.with_depth(bins).groupby("depth")):
        table = stats.summarize(rows, ["bin"], "value", "mean")
        panels.band(ax, table, "bin", "value", series, f"K={panels.format_number(depth, 'full')}")


def references(ax: Axes, results: Results, by: str) -> None:
    """Chance, and the heuristic that closes what was opened last."""
    known = results.references[results.references["measure"] == "accuracy"]
    panels.reference_lines(ax, known[known["by"] == "all"])
    for name, rows in known[known["by"] == by].groupby("name"):
        ordered = rows.groupby("bin", as_index=False)["value"].mean()
        ax.plot(
            ordered["bin"],
            ordered["value"],
            color="0.35",
            linestyle=(0, (3, 2)),
            linewidth=1.2,
            label=name,
            zorder=1.5,
        )


def sizes(ax: Axes, bins: pd.DataFrame, by: str) -> None:
    """Scored positions a network in each bin."""
    n = bins.groupby("bin")["n"].median()
    place = n.index.to_numpy(float)
    ax.bar(place, n.to_numpy(float), width=0.4 * (place if by == "distance" else 1), color="0.65")
    ax.set(
        yscale="log", ylim=(max(n.min() / 3, 0.5), n.max() * 2), ylabel="n per net", xlabel=ROWS[by]
    )
    if by == "distance":
        ax.set_xscale("log", base=2)
    ax.set_xticks(place, [octave(d) if by == "distance" else f"{d:.0f}" for d in place])
    ax.yaxis.set_major_locator(LogLocator(numticks=3))
    ax.minorticks_off()
    ax.grid(visible=False)


def octave(low: float) -> str:
    """The distances of a bin: those from a power of two up to the next.

    >>> octave(1), octave(4)
    ('1', '4-7')
    """
    return f"{low:.0f}" if low == 1 else f"{low:.0f}-{2 * low - 1:.0f}"


def figure(results: Results) -> Figure:
    """Rows: by distance, by depth; columns: trained length, longer; below every panel its n."""
    fig = Figure(figsize=(9.5, 7.2), layout="constrained")
    axes = fig.subplots(4, 2, squeeze=False, height_ratios=[4, 1, 4, 1])
    bins = results.bins
    for place, by in enumerate(ROWS):
        for column, data in enumerate(COLUMNS):
            upper, lower = axes[2 * place, column], axes[2 * place + 1, column]
            rows = bins[(bins["by"] == by) & (bins["data"] == data)]
            upper.set_title(f"by {by}, {COLUMNS[data]}")
            if rows.empty:
                panels.empty_panel(upper, "no network with an evaluation")
                lower.set_axis_off()
                continue
            lines(upper, rows)
            upper.set(ylim=(min(0.4, rows["value"].min()), 1.02), ylabel="accuracy (mean)")
            references(upper, results, by)
            sizes(lower, rows, by)
            upper.set(xscale=lower.get_xscale(), xlim=lower.get_xlim())
            upper.set_xticks(lower.get_xticks(), [])
            upper.minorticks_off()
    handles = {
        label: h
        for ax in axes[::2].flat
        for h, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    if handles:
        fig.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=len(handles),
            fontsize=7,
        )
    return add_header(fig, results)


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
        "**Accuracy of the closing bracket's type, by the distance to the bracket it closes "
        "(above) and by its depth (below).** "
        "Left on fresh sequences of the trained length, right on longer ones. Lines are means over "
        "the networks that did not "
        "diverge, bands 95 % bootstrap intervals over networks; dotted: chance 1/k; dashed: always "
        "closing what was opened "
        "last. The bars give the scored positions a network in each bin. Mean accuracy beyond the "
        "median distance, by K: "
        f"{means or 'none'}. {describe_networks(results)}"
    )
