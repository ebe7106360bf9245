"""Test perplexity over K, with the paper's coupling, without, and of K that adapts, beside the
paper's; and K that adapts over training.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import verdicts
from throughtime.analysis.reproductions import PUBLISHED, read_published
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

from . import analysis

SHORT = {"two_layers": "two layers", "coupled": "one layer", "fixed": "one layer, fixed"}
NAMES = {
    "two_layers": "two layers, rate √K, clip 1/K",
    "coupled": "one layer, rate √K, clip 1/K",
    "fixed": "one layer, rate and clip fixed",
}

BESIDE = {0.9: 37.0, 0.5: 43.0, 0.1: 49.0}  # delta -> where it is drawn, right of all K


def over_K(results: Results, ax: Axes) -> None:
    """Mean perplexity over K with Student's interval."""
    table = analysis.perplexities(results)
    said: list[str] = []
    for series, name in enumerate(analysis.SERIES):
        own = table[table["series"] == name]
        found = [verdicts.mean(own["perplexity"][own["K"] == K]) for K in analysis.LENGTHS]
        rows = [(K, *f[:3]) for K, f in zip(analysis.LENGTHS, found, strict=True) if f[3]]
        if rows:
            means = pd.DataFrame(rows, columns=["K", "value", "low", "high"])
            pair = composition.extremes(means)
            if pair and name != "fixed":  # a title has room for two
                ends = [f"{row['value']:.3g} at K = {row['K']:g}" for row in reversed(pair)]
                said.append(f"{' to '.join(ends)} ({SHORT[name]})")
            x, value, low, high = (list(c) for c in zip(*rows, strict=True))
            bars = [
                [max(v - a, 0) if a == a else 0 for v, a in zip(value, low, strict=True)],
                [max(b - v, 0) if b == b else 0 for v, b in zip(value, high, strict=True)],
            ]
            style = panels.SERIES[series]
            place = [k + 0.3 * series for k in x]
            label = NAMES[name]
            ax.errorbar(place, value, yerr=bars, label=label, capsize=2, markersize=4, **style)
    paper = read_published(Path(__file__).parent / PUBLISHED)
    dotted: dict[str, Any] = {"color": "0.2", "marker": "x", "linestyle": ":", "linewidth": 1}
    told = [paper[f"ppl_{K}"]["value"] for K in analysis.LENGTHS]
    ax.plot(analysis.LENGTHS, told, label="paper, 2 layers", **dotted)
    draw_adaptive(results, ax, paper["ppl_adaptive"])
    ax.axvline(10, color="0.6", linewidth=0.8, linestyle="--", label="lag")
    ax.set(
        xlabel="truncation length K, steps; right: adaptive, δ",
        ylabel="test perplexity (mean)",
        title="Streaming copy, lag 10: perplexity " + (", ".join(said) or "over K"),
    )
    ticks = {float(K): str(K) for K in analysis.LENGTHS}
    ticks |= {place: f"{delta:g}" for delta, place in BESIDE.items()}
    ax.set_xticks(list(ticks), list(ticks.values()))
    composition.legend(ax)


def draw_adaptive(results: Results, ax: Axes, published: dict[str, Any]) -> None:
    """Of each delta the mean perplexity with Student's interval, right of all K; the paper's range
    over its settings as a band.
    """
    table = analysis.adaptive(results)
    for delta, place in BESIDE.items():
        own = table[table["adapt"] == delta]
        if own.empty:
            continue
        value, low, high, _ = verdicts.mean(own["perplexity"])
        bar = [[value - low], [high - value]] if low == low else None
        label = "adaptive K" if delta == min(table["adapt"]) else None
        style = {**panels.SERIES[3], "linestyle": "none"}
        ax.errorbar([place], [value], yerr=bar, label=label, capsize=2, markersize=4, **style)
    span: dict[str, Any] = {"color": "0.8", "zorder": 0, "label": "paper, adaptive"}
    ax.axhspan(published["low"], published["high"], **span)


def over_updates(results: Results, ax: Axes) -> None:
    """K in use over updates, of each delta: the mean over seeds, and from the smallest to the
    largest.
    """
    for series, (delta, own) in enumerate(analysis.lengths(results).groupby("adapt")):
        rows = own.groupby("step")["K"].agg(["mean", "min", "max"]).reset_index()
        end = rows.tail(1).assign(step=own["updates"].max())  # the last K serves until then
        rows = pd.concat([rows, end])
        style = {**panels.SERIES[series], "marker": ""}
        ax.step(rows["step"], rows["mean"], where="post", label=f"δ = {delta:g}", **style)
        ax.fill_between(
            rows["step"], rows["min"], rows["max"], step="post", alpha=0.15, color=style["color"]
        )
    ax.axhline(10, color="0.6", linewidth=0.8, linestyle="--", label="lag")
    ax.set(xlabel="updates", ylabel="K in use, steps", title="K that adapts, over training")
    composition.legend(ax)


def named_panels(results: Results) -> list[Panel]:
    """Perplexity over K, and K over training."""
    return [
        Panel(
            "perplexity",
            over_K,
            "Test perplexity of streaming copy over K (mode buffered), with the paper's coupling "
            "of K with learning rate and clip (two layers of 50 units, and one), with both fixed, "
            "and of K that adapts to a relative bias of at most δ, beside the paper's numbers",
            interval="bars: Student's 95 % intervals over seeds",
        ),
        Panel(
            "length",
            over_updates,
            "K in use over updates, of networks whose K adapts, as means over seeds",
            behind=analysis.adaptive,
            interval="bands: smallest to largest over seeds",
        ),
    ]


def figure(results: Results) -> Figure:
    """Both panels."""
    return composition.compose(results, named_panels(results), height=3.0)


def caption(results: Results) -> str:
    """What is drawn, with the means over seeds."""
    table = analysis.perplexities(results)
    said = []
    for name in ("two_layers", "coupled"):
        means = table[table["series"] == name].groupby("K")["perplexity"].mean()
        each = ", ".join(f"K = {K}: {v:.3f}" for K, v in means.items()) or "none"
        said.append(f"of {SHORT[name]} with the coupling {each}")
    adaptive = analysis.adaptive(results)
    told = [
        f"δ = {delta:g}: {adaptive['perplexity'][adaptive['adapt'] == delta].mean():.3f} "
        f"(mean K {analysis.mean_length(results, delta):.3g})"
        for delta in BESIDE
        if (adaptive["adapt"] == delta).any()
    ]
    said.append(f"of K that adapts {', '.join(told) or 'none'}")
    return (
        "**Truncation length on streaming copy (Aicher, Foti & Fox 2019).** "
        f"{composition.describe(named_panels(results))} Mean perplexity: {'; '.join(said)}. "
        f"{describe_networks(results)}"
    )
