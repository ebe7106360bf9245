"""Influence balancing in online descent, and text, by truncated BPTT, ARTBP and full depth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis.verdicts import mean
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

from . import analysis

LEAST = 1e-6  # of the distance that is drawn
LAWS = {analysis.CONSTANT: "constant chance", "tail 6": "tail 6", "tail 4": "tail 4"}


def balancing(results: Results, ax: Axes) -> None:
    """Distance of theta from the optimum over updates; of ARTBP with a constant chance of a cut
    every run.
    """
    rows = results.computed[results.computed["quantity"] == "theta"]
    ax.set_title("Influence balancing: distance from the optimum")
    if rows.empty:
        panels.empty_panel(ax, "not computed")
        return
    ends = analysis.ends(results)
    drawn = 0
    for series in ("full", "chunked", analysis.CONSTANT):
        name = analysis.METHODS[series]
        own = rows[rows["series"] == series]
        for place, (y, path) in enumerate(own.groupby("y")):
            path = path.sort_values("x")
            distance = (path["value"] - analysis.OPTIMUM).abs().clip(lower=LEAST)
            label = f"truncated, K = {y:.0f}" if series == "chunked" else name
            style = panels.SERIES[drawn % len(panels.SERIES)]
            many = series == analysis.CONSTANT
            ax.plot(
                path["x"],
                distance,
                color=style["color"],
                linestyle=style["linestyle"],
                linewidth=0.6 if many else 1.4,
                alpha=0.6 if many else 1.0,
                label=label if place == 0 or not many else None,
            )
            drawn += 0 if many else 1
    artbp = ends[ends["series"] == analysis.CONSTANT]
    ax.set(yscale="log", xlabel="update", ylabel="|θ − optimum|")
    if len(artbp):
        converged = int(artbp["converged"].sum())
        ax.set_title(f"Influence balancing: {converged} of {len(artbp)} runs of ARTBP converge")
    composition.legend(ax)


def laws(results: Results, ax: Axes) -> None:
    """How far runs of ARTBP lie apart, over updates, by the law of cuts."""
    ax.set_title("ARTBP: how far runs lie apart")
    apart = analysis.scatter(results).dropna(axis=1, how="all")
    if apart.empty:
        panels.empty_panel(ax, "not computed")
        return
    for series in apart:
        place = list(analysis.METHODS).index(str(series))
        style = {k: v for k, v in panels.SERIES[place].items() if k != "marker"}
        ax.plot(apart.index, apart[series], **style, label=LAWS[str(series)])
    ax.set(xlabel="update", ylabel="standard deviation of θ over runs", ylim=(0, None))
    composition.legend(ax)


def text(results: Results, ax: Axes) -> None:
    """Final bits per character by method, a marker per seed and the mean with its interval."""
    ax.set_title("Text: final bits per character")
    bits = analysis.bits(results).dropna(axis=1, how="all")
    if bits.empty:
        panels.empty_panel(ax, "no networks")
        return
    rows = [(analysis.METHODS[str(mode)], *mean(bits[mode])[:3]) for mode in bits]
    if pair := composition.extremes(pd.DataFrame(rows, columns=["name", "value", "low", "high"])):
        said = [f"{row['value']:.2f} ({row['name']})" for row in reversed(pair)]
        ax.set_title(f"Text: {' to '.join(said)} bits per character")
    for place, (_, value, low, high) in enumerate(rows):
        style = {**panels.SERIES[place], "linestyle": "none"}
        ax.plot(
            np.full(len(bits), place - 0.15), bits.iloc[:, place], **style, markersize=3, alpha=0.5
        )
        bars = np.nan_to_num([[value - low], [high - value]])
        ax.errorbar([place + 0.1], [value], yerr=bars, capsize=2, **style)
    ax.set_xticks(range(len(bits.columns)), [analysis.METHODS[str(mode)] for mode in bits])
    ax.set(xlim=(-0.5, len(bits.columns) - 0.5), ylabel="bits per character", xlabel="gradient")


def nothing(results: Results) -> pd.DataFrame:
    """No networks: what is drawn was computed."""
    return results.summary.iloc[:0]


def named_panels(results: Results) -> list[Panel]:
    """Influence balancing, and text."""
    return [
        Panel(
            "balancing",
            balancing,
            "Distance of θ from the optimum of influence balancing in online descent, by updates; "
            "of ARTBP (mean length 16, a constant chance of a cut) a line per run",
            nothing,
        ),
        Panel(
            "laws",
            laws,
            "Standard deviation of θ over the runs of ARTBP, with a constant chance of a cut and "
            "with lengths whose probability falls with the exponent 6 or 4 (tail)",
            nothing,
        ),
        Panel(
            "text",
            text,
            "Final bits per character with the full gradient, truncated (mode chunked) and with "
            "ARTBP (mode randomized) of the same mean length and three laws of cuts, a small "
            "marker per seed",
            interval="bars: Student's 95 % intervals over seeds",
        ),
    ]


def figure(results: Results) -> Figure:
    """Three panels."""
    return composition.compose(results, named_panels(results), height=2.5)


def caption(results: Results) -> str:
    """What is drawn, with the means over seeds."""
    bits = analysis.bits(results).mean().dropna()
    said = ", ".join(f"{analysis.METHODS[str(m)]} {v:.3f}" for m, v in bits.items()) or "none"
    ends = analysis.ends(results)
    runs = {name: ends["converged"][ends["series"] == series] for series, name in LAWS.items()}
    near = ", ".join(f"{name} {int(own.sum())} of {len(own)}" for name, own in runs.items())
    return (
        "**Truncated gradients without bias (Tallec & Ollivier 2017).** "
        f"{composition.describe(named_panels(results))} "
        f"Runs of ARTBP that converge: {near}. Mean bits per character: {said}. "
        f"{describe_networks(results)}"
    )
