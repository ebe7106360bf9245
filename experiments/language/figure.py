"""Bits per character over K, over clip x gain, by position, and while training, beside n-gram
models of the same text.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

BPC = "bits per character"


def references(results: Results) -> pd.DataFrame:
    """The n-gram lines (and chance)."""
    lines = results.references
    return lines[(lines["measure"] == "bpc") & (lines["by"] == "all")]


def over_depth(ax: Axes, results: Results, sweep: Results) -> None:
    """Median final bits per character over K; full is K = T."""
    rows = sweep.summary
    ax.set_xscale("log", base=2)
    panels.points(ax, stats.summarize(rows, ["K"]), "K", "value", 0, "network", line=True)
    known = columns.with_depth(rows).drop_duplicates("K").sort_values("K")
    ax.set_xticks(
        known["K"], [f"full\n({r.K})" if r.mode == "full" else str(r.K) for r in known.itertuples()]
    )
    ax.minorticks_off()
    panels.reference_lines(ax, references(results))
    ax.set(
        xlabel="truncation length K, steps",
        ylabel=f"{BPC} (median)",
        title="after the same tokens and updates",
    )


def by_position(ax: Axes, sweep: Results) -> None:
    """Mean bits per character by position since the state was zero."""
    bins = columns.with_depth(sweep.bins)
    bins = bins[(bins["by"] == "position") & (bins["data"] == "train")]
    if bins.empty:
        panels.empty_panel(ax, "no network with an evaluation")
        return
    for series, (depth, rows) in enumerate(bins.groupby("depth")):
        table = stats.summarize(rows, ["bin"], "value", "mean")
        panels.band(ax, table, "bin", "value", series, f"K={panels.format_number(depth, 'full')}")
    ax.set_xscale("log", base=2)
    octaves = sorted(bins["bin"].unique())
    ax.set_xticks(octaves[::2], [f"{b:,}" for b in octaves[::2]])
    ax.minorticks_off()
    ax.set(
        xlabel="characters read since the state was zero (octaves)",
        ylabel=f"{BPC} (mean)",
        title="by position",
    )
    ax.legend(fontsize=6)


def while_training(ax: Axes, sweep: Results) -> None:
    """Median of the checks over updates."""
    curves = sweep.curves[sweep.curves["metric"] == "eval_measure"].merge(
        columns.with_depth(sweep.summary), on="run_key"
    )
    if curves.empty:
        panels.empty_panel(ax, "no network with a check")
        return
    for series, (depth, rows) in enumerate(curves.groupby("depth")):
        table = stats.summarize(rows, ["step"], "value")
        table = table[
            2 * table["n"] >= rows["run_key"].nunique()
        ]  # a diverged network leaves a last point of its own
        panels.band(ax, table, "step", "value", series, f"K={panels.format_number(depth, 'full')}")
    ax.set(xlabel="updates", ylabel=f"{BPC} (median)", title="while training, on fresh text")
    ax.legend(fontsize=6)


def figure(results: Results) -> Figure:
    """Four panels."""
    fig = Figure(figsize=(9.5, 6.8), layout="constrained")
    axes = fig.subplots(2, 2)
    depths, plane = results.select(sweep="K"), results.select(sweep="plane")
    over_depth(axes[0, 0], results, depths)
    panels.heatmap_lower_is_better(
        axes[0, 1], stats.summarize(plane.summary, ["clip", "gain"]), "clip", "gain"
    )
    axes[0, 1].set(xlabel="clip threshold (gradient norm)", ylabel="initial gain g of W_hh")
    axes[0, 1].set_title(f"{BPC} (median) at full depth, lighter is better")
    by_position(axes[1, 0], depths)
    while_training(axes[1, 1], depths)
    return add_header(fig, results)


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    table = stats.summarize(columns.with_depth(results.select(sweep="K").summary), ["depth"])
    values = ", ".join(
        f"{panels.format_number(r.depth, 'full')}: {r.value:.2f} [{r.low:.2f}, {r.high:.2f}]"
        for r in table.itertuples()
    )
    tokens = f"{int(results.summary['tokens'].max()):,}" if len(results.summary) else "0"
    return (
        "**Bits per character of a character language model (State of the Union addresses) after "
        "the same tokens and updates.** "
        "Upper left: over the truncation length K, beside interpolated Kneser-Ney n-gram models of "
        "the same characters "
        "(dotted). Upper right: over clip threshold and initial gain. Lower left: by the position "
        "since the state was zero. "
        "Lower right: checks on fresh text during training. Medians with bootstrap intervals over "
        "networks, diverged ones "
        "ranked worst; by position, means over those that did not diverge. Medians by K: "
        f"{values or 'none'}. At most {tokens} "
        f"characters a network. {describe_networks(results)}"
    )
