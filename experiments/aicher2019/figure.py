"""Test perplexity over K, with the paper's coupling and without, beside the paper's."""

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
    ax.axvline(10, color="0.6", linewidth=0.8, linestyle="--", label="lag")
    ax.set(
        xlabel="truncation length K, steps",
        ylabel="test perplexity (mean)",
        title="Streaming copy, lag 10: perplexity " + (", ".join(said) or "over K"),
        xticks=list(analysis.LENGTHS),
    )
    composition.legend(ax)


def named_panels(results: Results) -> list[Panel]:
    """Perplexity over K."""
    return [
        Panel(
            "perplexity",
            over_K,
            "Test perplexity of streaming copy over K (mode buffered), with the paper's coupling "
            "of K with learning rate and clip (two layers of 50 units, and one), and with both "
            "fixed, beside the paper's numbers",
            interval="bars: Student's 95 % intervals over seeds",
        )
    ]


def figure(results: Results) -> Figure:
    """One panel."""
    return composition.compose(results, named_panels(results), height=3.0)


def caption(results: Results) -> str:
    """What is drawn, with the means over seeds."""
    table = analysis.perplexities(results)
    said = ""
    for name in ("two_layers", "coupled"):
        means = table[table["series"] == name].groupby("K")["perplexity"].mean()
        each = ", ".join(f"K = {K}: {v:.3f}" for K, v in means.items()) or "none"
        said += f"Mean perplexity of {SHORT[name]} with the coupling: {each}. "
    return (
        "**Truncation length on streaming copy (Aicher, Foti & Fox 2019).** "
        f"{composition.describe(named_panels(results))} {said}"
        f"{describe_networks(results)}"
    )
