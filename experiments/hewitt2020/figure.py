"""The share of positions at which the right bracket gets the mass, over the distance."""

from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

from .analysis import CELLS, SETS, by_distance, scores

TITLES = {
    "theirs": "Their sampler, 2 types",
    "eight": "Their sampler, 8 types",
    "ours": "Our sampler, 2 types",
    "to_forty": "Their sampler, trained to length 40",
}
LINES = {"train": "-", "long": "--"}
WORDS = {"train": "trained lengths", "long": "longer strings"}


def of_sweep(sweep: str, results: Results) -> pd.DataFrame:
    """The networks of a sweep."""
    return results.summary[results.summary["sweep"] == sweep]


def finding(sweep: str, results: Results) -> str:
    """The title: the median score of both cells on longer strings."""
    table = scores(results)
    own = table[(table["sweep"] == sweep) & (table["data"] == "long")]
    medians = own.groupby("cell")["score"].median().dropna()
    said = " and ".join(f"{medians[c]:.2f} ({c})" for c in CELLS if c in medians.index)
    return f"{TITLES[sweep]}: {said} on longer strings" if said else TITLES[sweep]


def draw(sweep: str, results: Results, ax: Axes) -> None:
    """The share right over the distance: medians over seeds, and the range on trained lengths."""
    ax.set_title(finding(sweep, results))
    drawn = False
    for data in SETS:
        rows = by_distance(results, data)
        rows = rows[rows["sweep"] == sweep]
        for series, cell in enumerate(CELLS):
            seeds = rows[rows["cell"] == cell].groupby("index")["value"]
            if not seeds.ngroups:
                continue
            table, color = seeds.agg(["median", "min", "max"]), panels.SERIES[series]["color"]
            label = f"{cell}, {WORDS[data]}"
            ax.plot(table.index + 1, table["median"], LINES[data], color=color, lw=1.2, label=label)
            if data == "train":
                ax.fill_between(
                    table.index + 1, table["min"], table["max"], color=color, alpha=0.15, lw=0
                )
            drawn = True
    if not drawn:
        panels.empty_panel(ax, "no networks")
        return
    ax.set(ylim=(-0.03, 1.05), xlabel="steps since the bracket opened")
    ax.set_ylabel("share right")
    ax.set_xscale("log")
    composition.legend(ax)


def named_panels(results: Results) -> list[Panel]:
    """One panel per sweep."""
    here = set(results.summary["sweep"])
    return [
        Panel(
            sweep.replace("_", "-"),
            partial(draw, sweep),
            f"Share of positions at which the matching bracket has more than .8 of the mass on "
            f"closings, over the steps since it opened: {title[0].lower()}{title[1:]}",
            partial(of_sweep, sweep),
            "bands: all seeds, on strings of the trained lengths",
            "Lines: medians over seeds. Dashed: strings longer than all of training.",
        )
        for sweep, title in TITLES.items()
        if sweep in here or not here
    ]


def figure(results: Results) -> Figure:
    """All sweeps."""
    return composition.compose(results, named_panels(results))


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    return (
        "**Which bracket has to close, by the distance to its opening, after Hewitt et al. 2020.** "
        f"{composition.describe(named_panels(results))} Lines are medians over seeds; dashed: on "
        "strings longer than all of training. Bands hold all seeds, on strings of the trained "
        "lengths. A network that diverged has no line. The title has the mean over distances, the "
        f"paper's score. {describe_networks(results)}"
    )
