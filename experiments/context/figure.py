"""Loss against the true context in the state, per training K; and the effective context against
K.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

from .analysis import TOLERANCE, effective, losses

CONTEXT = "n, characters of true context"
LOWEST = 0.005  # bits: excess below this is drawn at the edge


def probed(results: Results) -> Results:
    """The networks that the probe measured: those that `language` trains with different K."""
    return results.select(experiment="language", sweep="K")


def behind(results: Results) -> pd.DataFrame:
    """The summary of the networks that are drawn."""
    return probed(results).summary


def center(rows: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Mean, smallest and largest over the seeds of a grid point: columns value, low, high."""
    return rows.groupby(by)[value].agg(value="mean", low="min", high="max").reset_index()


def drawable(table: pd.DataFrame) -> pd.DataFrame:
    """With excess that a log axis can show: what is below LOWEST, or negative, ends just below the
    edge.
    """
    return table.assign(excess=table["excess"].clip(lower=0.8 * LOWEST))


def over_context(ax: Axes, table: pd.DataFrame, value: str) -> None:
    """Loss, or its excess, over n with the state reset n characters before; a line a K."""
    rows = drawable(table[table["quantity"] == "reset"])
    if rows.empty:
        panels.empty_panel(ax, "nothing was probed")
        return
    for series, (depth, part) in enumerate(rows.groupby("depth")):
        panels.band(
            ax,
            center(part, ["n"], value),
            "n",
            "value",
            series % 7,
            f"K={panels.format_number(depth, 'full')}",
        )
    octaves(ax, rows["n"])
    ax.legend(fontsize=6)


def octaves(ax: Axes, values: pd.Series) -> None:
    """A log axis in powers of two."""
    ax.set_xscale("log", base=2)
    ticks = [2**i for i in range(12) if 2**i <= values.max() * 1.01]
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.minorticks_off()


def excess_axis(ax: Axes) -> None:
    """A log axis of excess with the tolerance marked."""
    ax.set_yscale("log")
    ax.set(ylim=(LOWEST, 4), ylabel="bits above the loss with all context")
    ax.axhline(TOLERANCE, color="#D55E00", linestyle=":", linewidth=1.2)
    ax.annotate(
        f"{TOLERANCE:g} bits",
        (0.01, TOLERANCE),
        (0, 2),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize=6,
    )


def kinds(ax: Axes, table: pd.DataFrame) -> None:
    """Reset, shuffled and replaced beyond n, at full depth and at the smallest K."""
    if table.empty:
        panels.empty_panel(ax, "nothing was probed")
        return
    table = drawable(table)
    depths = sorted({table["depth"].min(), table["depth"].max()})
    for series, (kind, depth) in enumerate(
        (k, d) for d in depths for k in ("reset", "shuffled", "replaced")
    ):
        rows = table[(table["quantity"] == kind) & (table["depth"] == depth)]
        panels.band(
            ax,
            center(rows, ["n"], "excess"),
            "n",
            "value",
            series,
            f"{kind}, K={panels.format_number(depth, 'full')}",
        )
    octaves(ax, table["n"])
    excess_axis(ax)
    ax.set(xlabel=CONTEXT, title="what stands before the n true characters")
    ax.legend(fontsize=6)


def against_depth(ax: Axes, table: pd.DataFrame) -> None:
    """The effective context of every network over K, medians joined, and the line where the two are
    equal.
    """
    found = effective(table)
    if found.empty:
        panels.empty_panel(ax, "nothing was probed")
        return
    for series, (kind, shift) in enumerate(
        {"reset": 0.97, "shuffled": 1.0, "replaced": 1.03}.items()
    ):
        rows = effective(table, kind)
        style = panels.SERIES[series]
        ax.plot(
            rows["K"] * shift,
            rows["effective"],
            linestyle="none",
            marker=style["marker"],
            color=style["color"],
            markersize=4,
            alpha=0.6,
        )
        ax.plot(
            rows.groupby("K")["effective"].median(),
            color=style["color"],
            linestyle=style["linestyle"],
            label=kind,
        )
    top = float(found["K"].max())
    ax.plot([1, top], [1, top], color="#D55E00", linewidth=1.5, label="effective = K")
    octaves(ax, found["K"])
    ax.set_yscale("log", base=2)
    ticks = [2**i for i in range(8)]
    ax.set_yticks(ticks, [str(t) for t in ticks])
    ax.set(
        xlabel="K trained with, steps (last: full)",
        ylabel="effective context, characters",
        title="effective context learned",
    )
    ax.legend(fontsize=6)


def figure(results: Results) -> Figure:
    """Four panels."""
    results = probed(results)
    fig = Figure(figsize=(9.5, 6.8), layout="constrained")
    axes = fig.subplots(2, 2)
    table = losses(results.probes, results.summary)
    over_context(axes[0, 0], table, "bits")
    axes[0, 0].set(
        xlabel=CONTEXT, ylabel="bits per character", title="the state reset n characters before"
    )
    over_context(axes[0, 1], table, "excess")
    axes[0, 1].set(xlabel=CONTEXT, title="the same, above the loss with all context")
    if len(table):
        excess_axis(axes[0, 1])
    kinds(axes[1, 0], table)
    against_depth(axes[1, 1], table)
    return add_header(fig, results)


def caption(results: Results) -> str:
    """What is drawn, with the medians."""
    results = probed(results)
    table = losses(results.probes, results.summary)
    medians = effective(table).groupby("K")["effective"].median()
    bits = stats.summarize(columns.with_depth(results.summary), ["depth"])
    final = ", ".join(
        f"{panels.format_number(r.depth, 'full')}: {r.value:.2f}"
        for r in bits[np.isfinite(bits["value"].astype(float))].itertuples()
    )
    longest = int(np.nanmax(table["n"])) if len(table) else 0
    return (
        "**Loss of a character language model against the characters of true context that its "
        "state holds, by the K it was "
        "trained with.** Upper row: the network starts n characters before the scored one. Lower "
        "left: before the n true "
        f"characters the network reads nothing (reset), the {longest} characters before them in "
        "random order (shuffled; n + "
        f"shuffled = {longest}), or other text (replaced). Lower right: the effective context, the "
        "smallest n from which on "
        f"the loss stays within {TOLERANCE:g} bits of that with all context (n = {longest}), for "
        "each network; lines join "
        "medians. Means over seeds, bands from the smallest to the largest. Median effective "
        "context by K: "
        f"{', '.join(f'{K}: {v:.1f}' for K, v in medians.items()) or 'none'}. Median final bits "
        "per character by K: "
        f"{final or 'none'}. {describe_networks(results)}"
    )
