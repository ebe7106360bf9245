"""Success over gain x lag for two distributions of W_hh, and the frontier over the gain."""

from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, capital, slug
from throughtime.results.load import Results

INITS = ("orthogonal", "gaussian")
GAINS = {
    "orthogonal": "gain g (spectral radius)",
    "gaussian": "gain g = σ_w (spectral radius about g)",
}


def of_task(task: str, results: Results) -> pd.DataFrame:
    """The networks of a task."""
    return results.summary[results.summary["task"] == task]


def of_init(task: str, init: str, results: Results) -> pd.DataFrame:
    """The networks of a task and distribution."""
    return results.summary[(results.summary["task"] == task) & (results.summary["init"] == init)]


def finding(task: str, init: str, rows: pd.DataFrame) -> str:
    """The title of a plane: the gain with the longest frontier, and the smallest or largest gain,
    where their intervals lie apart.
    """
    name = f"{capital(panels.title_case(task))}, {init}"
    table = stats.frontier(rows, ["gain"]).sort_values("gain")
    if len(table) > 1:
        best, ends = table.iloc[int(table["frontier"].argmax())], table.iloc[[0, -1]]
        worst = ends.iloc[int(ends["frontier"].argmin())]
        if best["low"] > worst["high"]:
            return (
                f"{name}: half solve lag {composition.reached(best)} at gain "
                f"{panels.format_number(best['gain'])}, {composition.reached(worst)} at "
                f"{panels.format_number(worst['gain'])}"
            )
    return f"{name}: share solved over gain and lag"


def plane(task: str, init: str, results: Results, ax: Axes) -> None:
    """Success over gain x lag, with the scale of PyTorch's default marked."""
    rows = of_init(task, init, results)
    rates = stats.success(rows, ["gain", "lag_max"])
    panels.heatmap(ax, rates, "gain", "lag_max")
    gains = sorted(rates["gain"].unique())
    panels.mark_column(ax, gains, panels.PYTORCH_GAIN)
    ax.set(title=finding(task, init, rows), xlabel=GAINS[init], ylabel=panels.lag_label(rows))
    if gains:
        composition.legend(ax, panels.share_handles())


def place(row: Any) -> str:
    """A frontier and where it is."""
    gain = panels.format_number(row["gain"])
    return f"{composition.reached(row)} at gain {gain} ({row['init']})"


def frontiers(task: str, results: Results, ax: Axes) -> None:
    """The longest lag that half the seeds solve, over the gain."""
    rows = of_task(task, results)
    ax.set_xscale("log")
    panels.lag_axis(ax, rows["lag_max"], panels.lag_label(rows))
    table = stats.frontier(rows, ["init", "gain"])
    for series, init in enumerate(INITS):
        panels.frontiers(
            ax, table[table["init"] == init], "gain", series, init, shift=0.03 * (2 * series - 1)
        )
    style: dict[str, Any] = {"color": "#D55E00", "linewidth": 1, "linestyle": ":"}
    ax.axvline(panels.PYTORCH_GAIN, label="PyTorch's default", **style)
    gains = sorted(rows["gain"].unique())
    ax.set_xticks(gains, [panels.format_number(g) for g in gains])
    ax.minorticks_off()
    ax.set(xlabel="initial gain g")
    found, name = composition.extremes(table, "frontier"), capital(panels.title_case(task))
    said = (
        f"half solve lag {composition.listed([place(row) for row in found])}"
        if found
        else "the lag that half the seeds solve"
    )
    ax.set_title(f"{name}: {said}")
    composition.legend(ax)


def named_panels(results: Results) -> list[Panel]:
    """Of every task: orthogonal, gaussian, and the frontiers of both."""
    made = []
    for task in columns.task_order(results.summary["task"]) or ["copy"]:
        shown = panels.title_case(task)
        made += [
            Panel(
                slug(task, init),
                partial(plane, task, init),
                f"Share of networks that solve {shown}, over the initial gain of {init} W_hh and "
                "the lag",
                partial(of_init, task, init),
                details="Numbers: solved / n. The triangle marks the scale of PyTorch's default, "
                "U(±1/√N), σ_w = 1/√3 = 0.577.",
            )
            for init in INITS
        ]
        made.append(
            Panel(
                slug(task, "frontier"),
                partial(frontiers, task),
                f"The lag of {shown} that half the seeds solve, over the initial gain",
                partial(of_task, task),
                "bars: 95 % profile-likelihood intervals",
                "From a logistic fit in ln(lag); ≥ and < mark frontiers beyond the tested lags.",
            )
        )
    return made


def overview(results: Results) -> list[Panel]:
    """Of the first tasks the plane of orthogonal W_hh beside the frontiers of both."""
    every = named_panels(results)
    wanted = [p.name for p in every if p.name.endswith(("-orthogonal", "-frontier"))]
    return composition.choose(every, wanted)


def figure(results: Results) -> Figure:
    """A row per task."""
    return composition.compose(results, overview(results))


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    table = stats.frontier(results.summary, ["task", "init", "gain"])
    best = table.sort_values("frontier", ascending=False, kind="stable").drop_duplicates("task")
    longest = "; ".join(
        f"{panels.title_case(r.task)} {r.censored} {r.frontier:.0f} ({r.init}, g = "
        f"{panels.format_number(r.gain)})".replace("  ", " ")
        for r in best.itertuples()
    )
    return (
        "**Share of networks that solve each task, over the initial gain of W_hh and the lag of "
        f"the longest dependency.** {composition.describe(overview(results))} Orthogonal: g times "
        "a Haar-random orthogonal matrix; gaussian: N(0, g²/N). The triangle and the dotted line "
        "mark the scale of PyTorch's default, U(±1/√N), σ_w = 1/√3 = 0.577. Frontiers are from a "
        "logistic fit in ln(lag); ≥ and < mark those beyond the tested lags. Gaussian planes and "
        "further tasks are panels of their own (`throughtime figure initialization --list`). "
        f"Longest frontier of each task, in steps: {longest}. {describe_networks(results)}"
    )
