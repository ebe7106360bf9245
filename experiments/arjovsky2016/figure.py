"""Learning curves of copy, over the whole sequence and over recall alone, and of adding."""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, capital, slug
from throughtime.results.load import Results

from .analysis import CELLS, courses, departures, with_problem


def of_problem(name: str, results: Results) -> pd.DataFrame:
    """The networks of a problem."""
    return results.summary[with_problem(results.summary)["problem"] == name]


def finding(name: str, results: Results) -> str:
    """The title: how many models leave the baseline in half of their seeds or more."""
    table = departures(results)
    own = table[table["problem"] == name]
    medians = own.groupby("cell")["left"].median()
    return f"{capital(name)}: {np.isfinite(medians).sum()} of {len(medians)} models have memory"


def draw(name: str, results: Results, ax: Axes) -> None:
    """The loss on check data over the updates: median of the seeds and their range."""
    rows = courses(results)
    rows = rows[rows["problem"] == name]
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        ax.set_title(f"{capital(name)}: loss over updates")
        return
    ax.set_title(finding(name, results))
    for series, cell in enumerate(CELLS):
        seeds = rows[rows["cell"] == cell].groupby("step")["value"].agg(["median", "min", "max"])
        if seeds.empty:
            continue
        color = panels.SERIES[series]["color"]
        ax.plot(seeds.index, seeds["median"], color=color, linewidth=1.2, label=cell)
        ax.fill_between(
            seeds.index, seeds["min"], seeds["max"], color=color, alpha=0.15, linewidth=0
        )
    line = rows["baseline"].iloc[0]
    ax.axhline(line, color="0.3", linestyle=":", linewidth=1.1, label="memoryless strategy")
    unit = "squared error" if rows["measure"].iloc[0] == "mse" else "loss, nats per scored step"
    ax.set(xlabel="updates", ylabel=unit, ylim=(0, 1.5 * line))
    composition.legend(ax)


def named_panels(results: Results) -> list[Panel]:
    """One panel per problem."""
    names = list(dict.fromkeys(with_problem(results.summary)["problem"])) or ["copy"]
    return [
        Panel(
            slug(*name.replace("=", "").replace(",", "").split()),
            partial(draw, name),
            f"Loss on fresh sequences of {name}, over the updates",
            partial(of_problem, name),
            "bands: all seeds",
            "Lines: medians over seeds. Dotted: the loss of a strategy without memory.",
        )
        for name in names
    ]


def figure(results: Results) -> Figure:
    """All problems."""
    return composition.compose(results, named_panels(results)[: composition.MOST], height=3.0)


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    shown = composition.describe(named_panels(results)[: composition.MOST])
    return (
        "**Learning curves of copy and adding, after Arjovsky, Shah & Bengio 2016 and Le, Jaitly & "
        f"Hinton 2015.** {shown} Lines are medians over seeds, and bands hold all seeds. Dotted: "
        "the loss of a strategy without memory, 10 ln 8 / (T + 20) for copy over the whole "
        "sequence, ln 8 for recall alone and 1/6 for adding. The paper's unitary network is "
        f"another one: here W_hh is a real orthogonal matrix. {describe_networks(results)}"
    )
