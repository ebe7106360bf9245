"""Loss against the true context in the state, per training K; and the effective context against
K.
"""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
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


def probed_losses(results: Results) -> pd.DataFrame:
    """The losses by context of the networks that are drawn."""
    own = probed(results)
    return losses(own.probes, own.summary)


def over_context(value: str, results: Results, ax: Axes) -> None:
    """Loss, or its excess, over n with the state reset n characters before; a line per K."""
    table = probed_losses(results)
    rows = drawable(table[table["quantity"] == "reset"])
    ax.set_title(
        "Loss with the state reset n characters before"
        if value == "bits"
        else "Loss above that with all context, state reset n before"
    )
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
    ax.set(xlabel=CONTEXT)
    if value == "excess":
        excess_axis(ax)
        found = effective(table)
        deepest = found[found["K"] == found["K"].max()]["effective"]
        if len(deepest):
            ax.set_title(
                f"Trained with the longest K, {deepest.median():.0f} characters come within "
                f"{TOLERANCE:g} bits of all context (median)"
            )
    else:
        ax.set_ylabel("bits per character")
        deepest = rows[rows["depth"] == rows["depth"].max()]
        if deepest["seed"].nunique() > 1 and (
            found_ends := composition.ends(center(deepest, ["n"], value))
        ):
            said = [f"{row['value']:.2f} bits at n = {row['n']:g}" for row in found_ends]
            ax.set_title(f"Trained with the longest K: {said[0]}, {said[1]}")
    composition.legend(ax)


def octaves(ax: Axes, values: pd.Series) -> None:
    """A log axis in powers of two."""
    ax.set_xscale("log", base=2)
    ticks = [2**i for i in range(12) if 2**i <= values.max() * 1.01]
    ax.set_xticks(ticks, [str(t) for t in ticks])
    ax.minorticks_off()


def excess_axis(ax: Axes) -> None:
    """A log axis of excess with the tolerance marked."""
    ax.set_yscale("log")
    ax.set(ylim=(LOWEST, 4), ylabel="bits above the loss\nwith all context")
    ax.axhline(
        TOLERANCE, color="#D55E00", linestyle=":", linewidth=1.2, label=f"{TOLERANCE:g} bits"
    )


def kinds(results: Results, ax: Axes) -> None:
    """Reset, shuffled and replaced beyond n, at full depth and at the smallest K."""
    table = probed_losses(results)
    ax.set_title("What stands before the n true characters")
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
    ax.set(xlabel=CONTEXT)
    composition.legend(ax)


def against_depth(results: Results, ax: Axes) -> None:
    """The effective context of every network over K, medians joined, and the line where the two are
    equal.
    """
    table = probed_losses(results)
    ax.set_title("The context that networks use, by the K they were trained with")
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
    ax.set(xlabel="K trained with, steps (last: full)", ylabel="effective context, characters")
    composition.legend(ax)
    medians = found.groupby("K")["effective"].median()
    if len(medians) > 1:
        ax.set_title(
            f"Trained with K = {medians.index[0]:g} networks use {medians.iloc[0]:.0f} characters, "
            f"at full depth {medians.iloc[-1]:.0f} (medians)"
        )


def named_panels(results: Results) -> list[Panel]:
    """Effective context; loss over context in bits and above the least; what stands before."""
    ranges = "bands: from the smallest to the largest seed"
    return [
        Panel(
            "effective",
            against_depth,
            "Effective context of every network over the K it was trained with; lines join medians",
            behind,
            details=f"The smallest n from which on the loss stays within {TOLERANCE:g} bits of "
            "that with all context. Reset: nothing is read before; shuffled: the characters before "
            "in random order; replaced: other text.",
        ),
        Panel(
            "excess",
            partial(over_context, "excess"),
            "Mean loss above that with all context, with the state reset n characters before",
            behind,
            ranges,
        ),
        Panel(
            "bits",
            partial(over_context, "bits"),
            "Mean bits per character with the state reset n characters before the scored one",
            behind,
            ranges,
        ),
        Panel(
            "kinds",
            kinds,
            "Mean loss above that with all context, by what stands before the n true characters: "
            "nothing (reset), the same characters shuffled, or other text (replaced)",
            behind,
            ranges,
        ),
    ]


def overview(results: Results) -> list[Panel]:
    """All four."""
    return composition.choose(named_panels(results), ())


def figure(results: Results) -> Figure:
    """Four panels, under the counts of the networks that were probed."""
    return composition.compose(probed(results), overview(results), height=2.6)


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
        f"state holds, by the K it was trained with.** {composition.describe(overview(results))} "
        f"Shuffled: the characters before the n true ones, n + shuffled = {longest}. The effective "
        f"context is the smallest n from which on the loss stays within {TOLERANCE:g} bits of that "
        f"with all context (n = {longest}). Median effective context by K: "
        f"{', '.join(f'{K}: {v:.1f}' for K, v in medians.items()) or 'none'}. Median final bits "
        f"per character by K: {final or 'none'}. {describe_networks(results)}"
    )
