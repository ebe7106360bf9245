"""Bits per character over K, over clip x gain, while training, by position, by word and by name,
beside n-gram models of the same text; and what the networks write.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from throughtime.analysis import columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

from .analysis import above_full, characters, gain_of_depth, interval, main, writing

BPC = "bits per character"
READ = "characters read in training"
WORD = {1: "first letter of a word", 2: "second", 3: "later letters", 0: "no letter"}
REPEAT = {0: "new name", 1: "read 1 to 49 before", 50: "50 to 199 before", 200: "200 to 799 before"}
OVER_DEPTH = {"K": "tanh", "wide": "tanh", "lstm": "LSTM"}  # sweeps over K, and their cells
LINES = 2  # of a text that is shown
LETTER = 0.62  # of the size of a fixed-width font: how wide a letter is


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


def ngrams(ax: Axes, results: Results) -> None:
    """A dotted line per n-gram model, with its order at the right end; one entry of the legend."""
    known = references(results).drop_duplicates("name")
    own = known[known["name"].str.startswith("Kneser-Ney")]
    for place, (name, value) in enumerate(zip(own["name"], own["value"], strict=True)):
        label = "n-gram model by order (Kneser-Ney)" if place == 0 else None
        ax.axhline(value, color="0.45", linestyle=(0, (1, 2)), linewidth=0.9, zorder=1, label=label)
        order = name.removeprefix("Kneser-Ney order ")
        ax.annotate(
            order,
            (1.01, value),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize="small",
            color="0.3",
        )


def over_depth(results: Results, ax: Axes) -> None:
    """Median final bits per character over K, of each sweep over K; full is K = T."""
    for series, (sweep, cell) in enumerate(OVER_DEPTH.items()):
        rows = results.select(sweep=sweep).summary
        if len(rows):
            read = f"{int(characters(rows).max()) / 1e6:.3g}M characters"
            name = f"{cell}, N = {rows['hidden'].iloc[0]}, {read}"
            table = stats.summarize(rows, ["K"])
            panels.points(ax, table, "K", "value", series, name, line=True)
    depth_axis(ax, results.select(sweep=list(OVER_DEPTH)).summary)
    ngrams(ax, results)
    ax.set(ylabel=f"{BPC} (median)", title=depth_finding(main(results)))
    composition.legend(ax)


def depth_finding(own: Results) -> str:
    """The title over K: the smallest K whose median is within the interval of full depth."""
    table = stats.summarize(columns.with_depth(own.summary), ["depth"]).sort_values("depth")
    if len(table) > 1 and math.isinf(table["depth"].iloc[-1]):
        full, first = table.iloc[-1], table.iloc[0]
        if first["low"] > full["high"]:
            return (
                f"Full depth ends at {full['value']:.2f} bits, K = {first['depth']:g} at "
                f"{first['value']:.2f}"
            )
    return "Bits per character at the end, over K"


def plane(results: Results, ax: Axes) -> None:
    """Median final bits per character over clip threshold and gain, at full depth."""
    table = stats.summarize(results.select(sweep="plane").summary, ["clip", "gain"])
    panels.heatmap_lower_is_better(ax, table, "clip", "gain")
    ax.set(xlabel="clip threshold (gradient norm)", ylabel="initial gain g of W_hh")
    ax.set_title("Full depth: median bits per character")
    if table.empty:
        return
    best, worst = panels.shades(table["value"])
    ends = f"at least {worst:.2f} bits (worst)", f"{best:.2f} bits (best)"
    composition.legend(ax, panels.scale_handles(*ends))
    value = table["value"]
    least, most = table.iloc[int(value.argmin())], table.iloc[int(value.argmax())]
    if most["low"] > least["high"]:
        free = math.isinf(most["clip"])
        clip = "without clipping" if free else f"at clip {panels.format_number(most['clip'])}"
        ax.set_title(
            f"Full depth: gain {most['gain']:g} {clip} is worst, {most['value']:.2f} bits "
            f"against {least['value']:.2f}"
        )


def by_position(results: Results, ax: Axes) -> None:
    """Mean bits per character by position since the state was zero."""
    results = main(results)
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
        xlabel="characters since the state was zero",
        ylabel=f"{BPC} (mean)",
    )
    first = stats.summarize(bins[bins["depth"] == bins["depth"].max()], ["bin"], "value", "mean")
    found = composition.ends(first)
    ax.set_title(
        f"At {'full depth' if math.isinf(bins['depth'].max()) else 'the longest K'} the first "
        f"character costs {found[0]['value']:.2f} bits, the last ones {found[1]['value']:.2f}"
        if found and composition.apart(*found)
        else "Bits per character by position"
    )
    composition.legend(ax)


def read_axis(ax: Axes, read: "pd.Series[Any]") -> None:
    """A log axis of characters, in thousands and millions."""
    ax.set_xscale("log")
    ticks = [m * 10**e for e in range(12) for m in (1, 2, 5)]
    shown = [t for t in ticks if read.min() / 1.2 <= t <= 1.2 * read.max()]
    ax.set_xticks(shown, [f"{t / 1e6:g}M" if t >= 100_000 else f"{t:,}" for t in shown])
    ax.minorticks_off()
    ax.set(xlabel=READ)


def while_training(results: Results, ax: Axes) -> None:
    """Bits above full depth of the same seed, in checks over the characters read: what K loses is
    small beside what all of them learn, and would not be seen in the bits themselves.
    """
    results = main(results)
    curves = results.curves[results.curves["metric"] == "eval_measure"].merge(
        columns.with_depth(results.summary), on="run_key"
    )
    curves = curves.assign(read=characters(curves, "step"))
    table = curves[curves["read"] > 0].pivot_table(
        index=["read", "seed"], columns="depth", values="value"
    )
    ax.set_title("While training: bits above full depth of the same seed")
    if math.inf not in table or table.shape[1] < 2:
        panels.empty_panel(ax, "no checks beside full depth")
        return
    costly: dict[bool, list[str]] = {True: [], False: []}
    for series, depth in enumerate(
        sorted(d for d in table if isinstance(d, float) and math.isfinite(d))
    ):
        above = (table[depth] - table[math.inf]).rename("above").dropna().reset_index()
        found = interval(above, ["read"], "above")
        last = found.iloc[-1] if len(found) else None
        costly[bool(last is not None and 0 < last["low"] < last["value"])].append(f"{depth:g}")
        if len(found):
            panels.band(ax, found, "read", "value", series, label(depth))
    ax.axhline(0, color="0.45", linewidth=0.8)
    read_axis(ax, curves.loc[curves["read"] > 0, "read"])
    ax.set(ylabel=f"{BPC}\nabove full depth")
    if costly[True]:
        rest = f"; undecided for {composition.listed(costly[False])}" if costly[False] else ""
        ax.set_title(
            f"While training: full depth ends ahead of K = {composition.listed(costly[True])}{rest}"
        )
    composition.legend(ax)


def what_depth_saves(by: str, names: Mapping[int, str], results: Results, ax: Axes) -> None:
    """How many bits each K loses against full depth of the same seed, by a group."""
    results = main(results)
    found = above_full(results, by)
    words = {"word": "by place in a word", "repeat": "at names, by when they were read"}[by]
    ax.set_title(f"What a shorter K loses, {words}")
    if found.empty:
        panels.empty_panel(ax, "no pairs with full depth")
        return
    table = interval(found, ["bin", "depth"], "loss")
    for series, (bin_, name) in enumerate(names.items()):
        rows = table[table["bin"] == bin_]
        if len(rows):
            panels.points(ax, rows, "depth", "value", series, name, 0.03 * series, line=True)
    shortest = table[(table["depth"] == table["depth"].min()) & table["bin"].isin(list(names))]
    if found_ends := composition.extremes(shortest[shortest["low"] < shortest["value"]]):
        most, least = found_ends
        ax.set_title(
            f'K = {most["depth"]:g} loses most at "{names[most["bin"]]}" ({most["value"]:.2f} '
            f'bits), least at "{names[least["bin"]]}" ({least["value"]:.2f})'
        )
    depth_axis(ax, results.select(mode="chunked").summary)
    ax.axhline(0, color="0.45", linewidth=0.8)
    ax.set(ylabel="bits per character\nabove full depth")
    composition.legend(ax)


def over_budget(results: Results, ax: Axes) -> None:
    """What full depth saves over K = 1, by characters read."""
    ax.set_title("What full depth saves over K = 1, as training goes on")
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
            if gained := composition.ends(table[table["low"] < table["value"]]):
                first, last = (f"{r['value']:.2f} bits" for r in gained)
                read = [f"{r['characters'] / 1e6:.2g}M" for r in gained]
                ax.set_title(
                    f"Full depth saves {first} over K = 1 after {read[0]} characters, {last} after "
                    f"{read[1]}"
                )
    read_axis(ax, found["characters"])
    ax.set(ylabel="bits per character saved")
    composition.legend(ax)


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


def write_samples(results: Results, ax: Axes) -> None:
    """What networks wrote, a few lines per K."""
    ax.set_axis_off()
    ax.set_title("What a network of each K writes after the same 100 characters (¶: line end)")
    texts = list(samples(main(results)))
    if not texts:
        panels.empty_panel(ax, "nothing was written")
    figure: Any = ax.get_figure(root=True)
    size = FontProperties(size="small").get_size_in_points()
    width = max(12, int(figure.get_figwidth() * 72 * 0.84 / (LETTER * size)))
    for place, (name, text) in enumerate(texts):
        height = 1 - (place + 0.1) / len(texts)
        words = "\n".join(textwrap.wrap(text, width)[:LINES])
        for x, shown, family in ((0, name, "DejaVu Sans"), (0.15, words, "DejaVu Sans Mono")):
            drawn = ax.text(x, height, shown, va="top", fontsize="small", family=family)
            drawn.set(transform=ax.transAxes, parse_math=False)
            drawn.set_in_layout(False)  # a long line takes no room from the panels


def by_name(results: Results, ax: Axes) -> None:
    """Mean bits per character at names, by how far back they were read, over K."""
    results = main(results)
    bins = columns.with_depth(results.bins)
    bins = bins[(bins["by"] == "repeat") & (bins["data"] == "train")]
    ax.set_title("Letters of names but their first: bits by K")
    if bins.empty:
        panels.empty_panel(ax, "no names")
        return
    for series, (bin_, name) in enumerate(REPEAT.items()):
        rows = bins[bins["bin"] == bin_]
        if len(rows):
            table = stats.summarize(rows, ["K"], "value", "mean")
            panels.points(ax, table, "K", "value", series, name, 0.03 * series, line=True)
    deepest = bins[(bins["depth"] == bins["depth"].max()) & bins["bin"].isin(list(REPEAT))]
    if found := composition.extremes(stats.summarize(deepest, ["bin"], "value", "mean")):
        said = [f'{row["value"]:.2f} ("{REPEAT[row["bin"]]}")' for row in found]
        ax.set_title(f"Letters of names but their first, longest K: {said[0]} to {said[1]} bits")
    depth_axis(ax, results.summary)
    ax.set(ylabel=f"{BPC} (mean)")
    composition.legend(ax)


def of_main(results: Results) -> pd.DataFrame:
    """The networks over K."""
    return main(results).summary


def of_sweeps(names: list[str], results: Results) -> pd.DataFrame:
    """The networks of some sweeps."""
    return results.select(sweep=names).summary


def named_panels(results: Results) -> list[Panel]:
    """Over K, over clip x gain, while training, by position, by word, by name, over budgets; and
    what networks write.
    """
    student = "bars and bands: Student's 95 % intervals over seeds"
    bootstrap = "bars: 95 % bootstrap intervals over seeds"
    names = (
        "Names: words of 4 letters or more with a capital within a sentence, by how many "
        "characters before the same name was read."
    )
    return [
        Panel(
            "depth",
            over_depth,
            "Median final bits per character over the truncation length K, beside n-gram models "
            "of the same characters",
            partial(of_sweeps, list(OVER_DEPTH)),
            bootstrap,
            "Diverged networks rank worst.",
        ),
        Panel(
            "plane",
            plane,
            "Median final bits per character at full depth, over clip threshold and initial gain",
            partial(of_sweeps, ["plane"]),
            details="Lighter is better; a value beyond Tukey's upper fence has the darkest colour.",
        ),
        Panel(
            "training",
            while_training,
            "Bits per character of each K above full depth of the same seed, by the characters "
            "read, on fresh text",
            of_main,
            student,
        ),
        Panel(
            "budget",
            over_budget,
            "Bits that full depth saves over K = 1, by the characters read: checks while training, "
            "and networks trained with that budget",
            partial(of_sweeps, ["K", "budget"]),
            student,
        ),
        Panel(
            "word",
            partial(what_depth_saves, "word", WORD),
            "Bits that a shorter K loses against full depth of the same seed, by the place in a "
            "word",
            of_main,
            student,
        ),
        Panel(
            "names",
            partial(what_depth_saves, "repeat", REPEAT),
            "Bits that a shorter K loses against full depth of the same seed, at the letters but "
            "the first of names",
            of_main,
            student,
            names,
        ),
        Panel(
            "names-bits",
            by_name,
            "Mean bits per character at the letters but the first of names, over K",
            of_main,
            bootstrap,
            names,
        ),
        Panel(
            "position",
            by_position,
            "Mean bits per character by the position since the state was zero",
            of_main,
            "bands: 95 % bootstrap intervals over seeds",
        ),
        Panel(
            "samples",
            write_samples,
            "What the network of the smallest seed writes after 100 characters of validation text, "
            "by K",
            of_main,
            details="Each character is drawn from its distribution, with the same random numbers "
            "for all.",
        ),
    ]


def overview(results: Results) -> list[Panel]:
    """The first six; position, bits at names and samples are panels of their own."""
    return composition.choose(named_panels(results), ())


def figure(results: Results) -> Figure:
    """Six panels."""
    return composition.compose(results, overview(results), height=2.5)


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
        f"the same characters and updates.** {composition.describe(overview(results))} Dotted: "
        f"modified Kneser-Ney n-gram models of the same characters ({models or 'none'}). Names are "
        "words of 4 letters or more with a capital within a sentence, by how many characters "
        "before the same name was read. Final bits: medians, diverged networks ranked worst; "
        "differences: means over seeds; the rest: means over networks that did not diverge. Bits "
        "by position, at names, and what the networks write are panels of their own (`throughtime "
        f"figure language --list`). Medians by K ({width}): {values or 'none'}. At most {tokens} "
        f"characters per network. {describe_networks(results)}"
    )
