"""The increase of the perplexity over the characters of true context."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

from .analysis import ONE_PERCENT, QUANTITIES, effective, excess

TITLES = {"reset": "Dropped", "shuffled": "Shuffled"}


def finding(kind: str, table: pd.DataFrame) -> str:
    """The title: the effective context with the smallest and the largest K."""
    medians = effective(table, kind).groupby("depth")["effective"].median()
    if medians.empty:
        return TITLES[kind]
    ends = [f"{medians[d]:.0f} (K {depth_name(d)})" for d in dict.fromkeys(medians.index[[0, -1]])]
    return f"{TITLES[kind]}: 1 % at {' to '.join(ends)}"


def depth_name(depth: Any) -> str:
    """K as words: a number or full."""
    return f"= {depth:.0f}" if np.isfinite(depth) else "full"


def draw(kind: str, results: Results, ax: Axes) -> None:
    """The increase, per cent, over n: median of the seeds and their range."""
    table = excess(results)
    ax.set_title(finding(kind, table))
    own = table[table["kind"] == kind]
    if own.empty:
        panels.empty_panel(ax, "no networks")
        return
    for series, (depth, rows) in enumerate(own.groupby("depth")):
        seeds = 100 * rows.groupby("n")["excess"].agg(["median", "min", "max"])
        color = panels.SERIES[series % len(panels.SERIES)]["color"]
        ax.plot(seeds.index, seeds["median"], color=color, lw=1.2, label=f"K {depth_name(depth)}")
        ax.fill_between(seeds.index, seeds["min"], seeds["max"], color=color, alpha=0.15, lw=0)
    ax.axhline(100 * ONE_PERCENT, color="0.3", linestyle=":", linewidth=1.1, label="1 %")
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=1)
    ax.set(xlabel="characters of true context", ylabel="increase of perplexity, %")
    composition.legend(ax)


def named_panels(results: Results) -> list[Panel]:
    """Dropped and shuffled context."""
    return [
        Panel(
            name,
            partial(draw, kind),
            "Increase of the perplexity per character where what is further back is "
            f"{QUANTITIES[kind]}, over the characters of true context",
            interval="bands: all seeds",
            details="Lines: medians over seeds. Dotted: 1 %, the paper's mark.",
        )
        for kind, name in (("reset", "dropped"), ("shuffled", "shuffled"))
    ]


def figure(results: Results) -> Figure:
    """Both."""
    return composition.compose(results, named_panels(results), height=3.0)


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    return (
        "**How far back context matters to a language model, after Khandelwal et al. 2018.** "
        f"{composition.describe(named_panels(results))} Lines are medians over seeds, and bands "
        "hold all seeds. Dotted: 1 %, the paper's mark. All context is 100 characters. "
        f"{describe_networks(results)}"
    )
