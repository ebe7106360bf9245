"""Bits per character over K, over clip x gain, while training, by position, by word and by name,
beside n-gram models of the same text; and what the networks write.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

from .analysis import above_full, characters, gain_of_depth, interval, main, writing

BPC = "bits per character"
READ = "characters read in training"
WORD = {1: "first letter of a word", 2: "second", 3: "later ones", 0: "no letter"}
REPEAT = {0: "new name", 1: "read 1 to 49 before", 50: "50 to 199 before", 200: "200 to 799 before"}
OVER_DEPTH = {"K": "tanh", "wide": "tanh", "lstm": "LSTM"}  # sweeps over K, and their cells
WIDTH, LINES = 185, 2  # of a text that is shown, letters and lines


def references(results: Results) -> pd.DataFrame:
    """The n-gram lines (and chance)."""
    lines = results.references
    return lines[(lines["measure"] == "bpc") & (lines["by"] == "all")]


def label(depth: Any) -> str:
    """A K as legends have it."""
    return f"K={panels.format_number(depth, 'full')}"


def depth_axis(ax: Axes, summary: pd.DataFrame) -> None:
    """A log axis of K whose last tick is full depth, at T."""
    ax.set_xscale("log", base=2)
    known = columns.with_depth(summary).drop_duplicates("K").sort_values("K")
    ax.set_xticks(
        known["K"], [f"full\n({r.K})" if r.mode == "full" else str(r.K) for r in known.itertuples()]
    )
    ax.minorticks_off()
    ax.set(xlabel="truncation length K, steps")


def over_depth(ax: Axes, results: Results) -> None:
    """Median final bits per character over K, of each sweep over K; full is K = T."""
    for series, (sweep, cell) in enumerate(OVER_DEPTH.items()):
        rows = results.select(sweep=sweep).summary
        if len(rows):
            name = f"{cell}, N={rows['hidden'].iloc[0]}, {int(characters(rows).max()) / 1e6:.3g}M"
            table = stats.summarize(rows, ["K"])
            panels.points(ax, table, "K", "value", series, name, line=True)
    depth_axis(ax, results.select(sweep=list(OVER_DEPTH)).summary)
    panels.reference_lines(ax, references(results))
    ax.set(ylabel=f"{BPC} (median)", title="at the end; M: million characters read")
    legend(ax)


def legend(ax: Axes) -> None:
    """Of what has a name."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=6)


def by_position(ax: Axes, results: Results) -> None:
    """Mean bits per character by position since the state was zero."""
    bins = columns.with_depth(results.bins)
    bins = bins[(bins["by"] == "position") & (bins["data"] == "train")]
    if bins.empty:
        panels.empty_panel(ax, "no network with an evaluation")
        return
    for series, (depth, rows) in enumerate(bins.groupby("depth")):
        table = stats.summarize(rows, ["bin"], "value", "mean")
        panels.band(ax, table, "bin", "value", series, label(depth))
    ax.set_xscale("log", base=2)
    octaves = sorted(bins["bin"].unique())
    ax.set_xticks(octaves[::3], [f"{b:,}" for b in octaves[::3]])
    ax.minorticks_off()
    ax.set(
        xlabel="characters read since the state was zero (octaves)",
        ylabel=f"{BPC} (mean)",
        title="by position",
    )
    legend(ax)


def read_axis(ax: Axes, read: "pd.Series[Any]") -> None:
    """A log axis of characters, in thousands and millions."""
    ax.set_xscale("log")
    ticks = [m * 10**e for e in range(12) for m in (1, 2, 5)]
    shown = [t for t in ticks if read.min() / 1.2 <= t <= 1.2 * read.max()]
    ax.set_xticks(shown, [f"{t / 1e6:g}M" if t >= 100_000 else f"{t:,}" for t in shown])
    ax.minorticks_off()
    ax.set(xlabel=READ)


def while_training(ax: Axes, results: Results) -> None:
    """Median of the checks over the characters read."""
    curves = results.curves[results.curves["metric"] == "eval_measure"].merge(
        columns.with_depth(results.summary), on="run_key"
    )
    curves = curves.assign(read=characters(curves, "step"))
    curves = curves[curves["read"] > 0]
    if curves.empty:
        panels.empty_panel(ax, "no network with a check")
        return
    for series, (depth, rows) in enumerate(curves.groupby("depth")):
        table = stats.summarize(rows, ["read"], "value")
        # a diverged network leaves a last point of its own
        table = table[2 * table["n"] >= rows["run_key"].nunique()]
        panels.band(ax, table, "read", "value", series, label(depth))
    read_axis(ax, curves["read"])
    ax.set(ylabel=f"{BPC} (median)", title="while training, on fresh text")
    legend(ax)


def what_depth_saves(ax: Axes, results: Results, by: str, names: Mapping[int, str]) -> None:
    """How many bits each K loses against full depth of the same seed, by a group."""
    found = above_full(results, by)
    if found.empty:
        panels.empty_panel(ax, "no pairs with full depth")
        return
    table = interval(found, ["bin", "depth"], "loss")
    for series, (bin_, name) in enumerate(names.items()):
        rows = table[table["bin"] == bin_]
        if len(rows):
            panels.points(ax, rows, "depth", "value", series, name, 0.03 * series, line=True)
    depth_axis(ax, results.select(mode="chunked").summary)
    ax.axhline(0, color="0.45", linewidth=0.8)
    ax.set(ylabel="bits per character above full depth")
    legend(ax)


def over_budget(ax: Axes, results: Results) -> None:
    """What full depth saves over K = 1, by characters read."""
    found = gain_of_depth(results)
    if found.empty:
        panels.empty_panel(ax, "no pairs of K=1 and full depth")
        return
    for series, (source, rows) in enumerate(found.groupby("source")):
        table = interval(rows, ["characters"], "gain")
        if source == "check":
            panels.band(ax, table, "characters", "value", series, "checks while training")
        else:
            panels.points(ax, table, "characters", "value", series, "networks of that budget")
    read_axis(ax, found["characters"])
    ax.set(ylabel="bits saved by full depth over K=1", title="what more budget changes")
    legend(ax)


def samples(results: Results) -> Iterable[tuple[str, str]]:
    """Of each K the name and what its network of the smallest seed wrote."""
    for depth, rows in writing(results).sort_values("seed").groupby("depth"):
        yield label(depth), plain(str(rows["text"].iloc[0]))


def plain(text: str) -> str:
    r"""A text on one line.

    >>> plain("a $5\nbill")
    'a $5¶bill'
    """
    return "".join("¶" if c == "\n" else c if c.isprintable() else "\ufffd" for c in text)


def write_samples(ax: Axes, results: Results) -> None:
    """What networks wrote, a few lines per K."""
    ax.set_axis_off()
    ax.set_title("what a network of each K writes after the same 100 characters (¶: line end)")
    texts = list(samples(results))
    if not texts:
        panels.empty_panel(ax, "nothing was written")
    for place, (name, text) in enumerate(texts):
        height = 1 - (place + 0.1) / len(texts)
        words = "\n".join(textwrap.wrap(text, WIDTH)[:LINES])
        for x, shown, family in ((0, name, "DejaVu Sans"), (0.04, words, "DejaVu Sans Mono")):
            drawn = ax.text(x, height, shown, va="top", fontsize=6.5, family=family)
            drawn.set(transform=ax.transAxes, parse_math=False)
            drawn.set_in_layout(False)  # a long line takes no room from the panels


def figure(results: Results) -> Figure:
    """Eight panels, and texts below."""
    fig = Figure(figsize=(12.5, 13.2), layout="constrained")
    grid = fig.add_gridspec(4, 6, height_ratios=[1, 1, 1, 0.95])
    axes = [fig.add_subplot(grid[i // 3, 2 * (i % 3) : 2 * (i % 3) + 2]) for i in range(6)]
    axes += [fig.add_subplot(grid[2, 3 * i : 3 * i + 3]) for i in range(2)]
    own, plane = main(results), results.select(sweep="plane")
    over_depth(axes[0], results)
    panels.heatmap_lower_is_better(
        axes[1], stats.summarize(plane.summary, ["clip", "gain"]), "clip", "gain"
    )
    axes[1].set(xlabel="clip threshold (gradient norm)", ylabel="initial gain g of W_hh")
    axes[1].set_title(f"{BPC} (median) at full depth, lighter is better")
    while_training(axes[2], own)
    by_position(axes[3], own)
    what_depth_saves(axes[4], own, "word", WORD)
    axes[4].set_title("what a shorter K loses, by place in a word")
    what_depth_saves(axes[5], own, "repeat", REPEAT)
    axes[5].set_title("what a shorter K loses, at names")
    over_budget(axes[6], results)
    by_name(axes[7], own)
    write_samples(fig.add_subplot(grid[3, :]), own)
    return add_header(fig, results)


def by_name(ax: Axes, results: Results) -> None:
    """Mean bits per character at names, by how far back they were read, over K."""
    bins = columns.with_depth(results.bins)
    bins = bins[(bins["by"] == "repeat") & (bins["data"] == "train")]
    if bins.empty:
        panels.empty_panel(ax, "no names")
        return
    for series, (bin_, name) in enumerate(REPEAT.items()):
        rows = bins[bins["bin"] == bin_]
        if len(rows):
            table = stats.summarize(rows, ["K"], "value", "mean")
            panels.points(ax, table, "K", "value", series, name, 0.03 * series, line=True)
    depth_axis(ax, results.summary)
    ax.set(ylabel=f"{BPC} (mean)", title="letters of names but their first")
    legend(ax)


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    own = main(results)
    table = stats.summarize(columns.with_depth(own.summary), ["depth"])
    values = ", ".join(
        f"{panels.format_number(r.depth, 'full')}: {r.value:.2f} [{r.low:.2f}, {r.high:.2f}]"
        for r in table.itertuples()
        if math.isfinite(float(str(r.value)))
    )
    lines = references(results).drop_duplicates("name")
    models = ", ".join(
        f"{name.removeprefix('Kneser-Ney ')}: {value:.2f}"
        for name, value in zip(lines["name"], lines["value"], strict=True)
        if name.startswith("Kneser-Ney")
    )
    tokens = f"{int(results.summary['tokens'].max()):,}" if len(results.summary) else "0"
    width = f"N = {own.summary['hidden'].iloc[0]}" if len(own.summary) else "no networks"
    return (
        "**Bits per character of a character language model (State of the Union addresses) after "
        "the same characters and updates.** Row by row. First row: over the truncation length K, "
        "beside modified Kneser-Ney n-gram models of the same characters (dotted; "
        f"{models or 'none'}); over clip threshold and initial gain; checks on fresh text during "
        f"training ({width} here and below). Second row: by the position since the state was zero; "
        "how much more a shorter K needs than full depth of the same seed, by the place in a word, "
        "and at the letters but the first of names (words of 4 letters or more with a capital "
        "within a sentence), by how many characters before the same name was read. Third row: what "
        "full depth saves over K = 1 by the characters read, in checks of sweep K and of networks "
        "trained with that budget; bits at names over K. Below: what the network of the smallest "
        "seed writes after 100 characters of validation text, each character drawn from its "
        "distribution, with the same random numbers for all. Final bits: medians with bootstrap "
        "intervals over networks, diverged ones ranked worst; differences: means over seeds with "
        "Student's intervals; by position and at names: means over networks that did not diverge. "
        f"Medians by K ({width}): {values or 'none'}. At most {tokens} characters per network. "
        f"{describe_networks(results)}"
    )
