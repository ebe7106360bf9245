"""Gradient norm by lag beside theory's, before and after training; its slope over the gain;
spectral radius; who diverges.
"""

import math
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from throughtime.analysis import predictions, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, capital
from throughtime.results.load import Results
from throughtime.theory import gradients

TASKS = ("copy", "adding")
INITS = ("gaussian", "orthogonal")
DECADES = math.log(10)
FEWEST, MOST = -16, 8  # decades of gradient norm that are drawn
LINES = 5  # gains drawn as curves
BORDER: dict[str, Any] = {"color": "#D55E00", "linewidth": 1.3, "label": "critical gain"}
DEFAULT: dict[str, Any] = {
    "color": "#D55E00",
    "linewidth": 1,
    "linestyle": ":",
    "label": "PyTorch's default",
}
SWEEPS: dict[str, tuple[str, Literal["first", "last"]]] = {
    "before training": ("initial", "first"),
    "after training": ("trained", "last"),
}


def gradient(results: Results, moment: str) -> pd.DataFrame:
    """Norms by lag of the networks before or after training."""
    sweep, step = SWEEPS[moment]
    return results.select(sweep=sweep).probe("gradient_by_lag", "log_gradient_rms", step)


@lru_cache(maxsize=4)  # theory's curves are slow, and several panels ask for them
def slopes_of(results: Results, moment: str) -> pd.DataFrame:
    """Measured and predicted slopes of the networks before or after training."""
    return predictions.slopes(gradient(results, moment))


def shown(gains: pd.Series) -> list[float]:
    """At most LINES gains, evenly spread over those there are."""
    found = sorted(gains.unique())
    places = np.linspace(0, max(len(found) - 1, 0), min(LINES, len(found))).round().astype(int)
    return [float(found[i]) for i in dict.fromkeys(places.tolist())]


def by_lag(ax: Axes, rows: pd.DataFrame) -> None:
    """Norm over that at lag 0, decades: the median of seeds and their range, and theory dashed."""
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    first = rows[rows["index"] == 0].set_index("run_key")["value"]
    rows = rows.assign(decades=(rows["value"] - rows["run_key"].map(first)) / DECADES)
    for series, gain in enumerate(shown(rows["gain"])):
        own = rows[(rows["gain"] == gain) & np.isfinite(rows["decades"])]
        if own.empty:
            continue
        color = panels.SERIES[series]["color"]
        seeds = own.groupby("index")["decades"].agg(["median", "min", "max"])
        ax.plot(
            seeds.index,
            seeds["median"],
            color=color,
            linewidth=1.3,
            label=f"g = {panels.format_number(gain)}",
        )
        ax.fill_between(
            seeds.index, seeds["min"], seeds["max"], color=color, alpha=0.18, linewidth=0
        )
        name = own[["task", "task_args", "input_gain"]].iloc[0]
        curve = predictions.curve(*name, gain, int(own["steps"].iloc[0])) / DECADES
        ax.plot(curve, color=color, linestyle=(0, (3, 2)), linewidth=1.1)
    low, high = ax.get_ylim()
    ax.set(ylim=(max(low, FEWEST), min(high, MOST)), xlabel="lag k, steps")
    ax.set_ylabel("gradient norm over that\nat lag 0, decades")
    ax.axhline(0, color="0.5", linewidth=0.8)
    theory = Line2D([], [], color="0.3", linestyle=(0, (3, 2)), linewidth=1.1, label="theory")
    composition.legend(ax, [theory])


def curves(task: str, init: str, moment: str, results: Results, ax: Axes) -> None:
    """The panel of a task and distribution at a moment."""
    rows = gradient(results, moment)
    rows = rows[(rows["task"] == task) & (rows["init"] == init)]
    by_lag(ax, rows)
    words = f"{capital(task)}, {init}, {moment}"
    table = slopes_of(results, moment)
    table = table[(table["task"] == task) & (table["init"] == init)]
    off = table["off"][np.isfinite(table["off"])]
    said = f"slopes differ from theory by {off.median():.3f} nats per step" if len(off) else ""
    ax.set_title(f"{words}: {said or 'gradient norm by lag'}")


def over_gain(task: str, results: Results, ax: Axes) -> None:
    """Slope over gain: theory, networks before and after training, the critical gain and PyTorch's
    default.
    """
    slopes = {m: slopes_of(results, m) for m in SWEEPS}
    before, after = (table[table["task"] == task] for table in slopes.values())
    off = [table["off"][np.isfinite(table["off"])] for table in (before, after)]
    far = [f"{rows.median():.2f}" for rows in off if len(rows)]
    ax.set_title(
        f"{capital(task)}: slopes are {far[0]} from theory before training, {far[1]} after (median)"
        if len(far) > 1
        else f"{capital(task)}: slope of the gradient over lag"
    )
    ax.set_xscale("log")
    for series, init in enumerate(INITS):
        for moment, table, fill in zip(SWEEPS, (before, after), ("full", "none"), strict=True):
            rows = table[(table["init"] == init) & np.isfinite(table["slope"])]
            seeds = rows.groupby("gain")["slope"].agg(["median", "min", "max"])
            place = (
                seeds.index.to_numpy(float)
                * (1 + 0.03 * (2 * series - 1))
                * (1.0 if fill == "full" else 1.02)
            )
            bars = [seeds["median"] - seeds["min"], seeds["max"] - seeds["median"]]
            style = {
                **panels.SERIES[series],
                "linestyle": "none",
                "fillstyle": fill,
                "markersize": 4,
                "elinewidth": 0.7,
            }
            ax.errorbar(place, seeds["median"], yerr=bars, label=f"{init}, {moment}", **style)
    every = pd.concat([before, after])
    if every.empty:
        return
    name = every[["task", "task_args", "input_gain"]].iloc[0]
    s, critical = predictions.drive(*name).s, predictions.critical_gain(*name)
    fine = np.geomspace(every["gain"].min(), every["gain"].max(), 60)
    ax.plot(
        fine,
        [gradients.slope(g, s) for g in fine],
        color="0.15",
        linewidth=1.2,
        label="theory: ln(χ₁) / 2",
    )
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.axvline(critical, **BORDER)
    ax.axvline(panels.PYTORCH_GAIN, **DEFAULT)
    ticks = sorted(every["gain"].unique())
    ax.set_xticks(ticks, [panels.format_number(g) for g in ticks])
    ax.minorticks_off()
    ax.set(xlabel="initial gain g", ylabel="slope of ln norm,\nnats per step")
    composition.legend(ax)


def radius(results: Results, ax: Axes) -> None:
    """Spectral radius of W_hh after training over the initial gain."""
    summary = results.select(sweep="trained").summary
    table = pd.concat(
        [
            stats.summarize(summary[summary["init"] == i], ["gain"], "radius_end").assign(init=i)
            for i in INITS
        ]
    )
    for series, init in enumerate(INITS):
        panels.points(
            ax,
            table[table["init"] == init],
            "gain",
            "value",
            series,
            init,
            shift=0.03 * (2 * series - 1),
        )
    gains = sorted(summary["gain"].unique())
    ax.plot(gains, gains, color="0.15", linewidth=1, linestyle="--", label="initial, orthogonal")
    ax.set(xlabel="initial gain g", ylabel="spectral radius of W_hh")
    ends = table.sort_values("gain", kind="stable")
    least, most = ends[ends["gain"] == ends["gain"].min()], ends[ends["gain"] == ends["gain"].max()]
    # what lies apart: both ends' intervals of both distributions, each on its side of the gain
    grown, shrunk = (least["low"] > least["gain"]).all(), (most["high"] < most["gain"]).all()
    if len(ends) and gains[0] < gains[-1] and grown and shrunk:
        first, last = least["value"].min(), most["value"].max()
        title = (
            f"Training draws spectral radii together: at least {first:.2f} from gain "
            f"{gains[0]:g}, at most {last:.2f} from {gains[-1]:g}"
        )
    elif len(ends) and grown:
        title = (
            f"Training raises the spectral radius of gain {gains[0]:g} to "
            f"{least['value'].min():.2f} or more"
        )
    else:
        title = "Spectral radius after training, over the initial gain"
    ax.set_title(title)
    composition.legend(ax)


def diverged(results: Results, ax: Axes) -> None:
    """Share of diverged networks over gain without clipping."""
    summary = results.select(sweep="unclipped").summary
    title = "Adding, SGD, no clipping: share of diverged networks"
    for series, init in enumerate(INITS):
        rows = summary[summary["init"] == init]
        rates = stats.success(rows, ["gain"])
        low, high = stats.wilson(rates["n_diverged"], rates["n"])
        rates = rates.assign(share=rates["n_diverged"] / rates["n"], low=low, high=high)
        panels.points(
            ax, rates, "gain", "share", series, init, shift=0.05 * (2 * series - 1), line=True
        )
    if len(summary):
        critical = predictions.critical_gain(*summary[["task", "task_args", "input_gain"]].iloc[0])
        ax.axvline(critical, **BORDER)
        lost = (summary["status"] == "diverged").groupby(summary["gain"] >= critical)
        counted = lost.agg(["sum", "size"]).reindex([False, True], fill_value=0)
        low, high = stats.wilson(counted["sum"], counted["size"])
        if low[1] > high[0]:
            below, beyond = (f"{r['sum']} of {r['size']}" for _, r in counted.iterrows())
            title = f"Unclipped adding: {beyond} diverge beyond the critical gain, {below} below"
    ax.set(xlabel="initial gain g", ylabel="share of networks", ylim=(-0.03, 1.03), title=title)
    composition.legend(ax)


def of_sweep(sweep: str, results: Results) -> pd.DataFrame:
    """The networks of a sweep."""
    return results.select(sweep=sweep).summary


def of_curve(task: str, init: str, moment: str, results: Results) -> pd.DataFrame:
    """The networks of a panel of curves."""
    rows = of_sweep(SWEEPS[moment][0], results)
    return rows[(rows["task"] == task) & (rows["init"] == init)]


def of_slopes(task: str, results: Results) -> pd.DataFrame:
    """The networks of a panel of slopes."""
    return results.select(sweep=["initial", "trained"], task=task).summary


def named_panels(results: Results) -> list[Panel]:
    """Of both tasks curves by lag and slopes; spectral radius; who diverges."""
    bands = "lines: median of the seeds, bands: their range, dashed: mean field theory"
    made = []
    for task in TASKS:
        for init, moment in (
            *((i, "before training") for i in INITS),
            ("gaussian", "after training"),
        ):
            made.append(
                Panel(
                    f"{task}-{init}" if moment == "before training" else f"{task}-trained",
                    partial(curves, task, init, moment),
                    f"Norm of dL/dh at lag k over that at lag 0, {task}, {init} W_hh, {moment}",
                    partial(of_curve, task, init, moment),
                    bands,
                    "Root mean square over 100 sequences; theory for the initial gain and the "
                    "task's drive.",
                )
            )
        made.append(
            Panel(
                f"{task}-slope",
                partial(over_gain, task),
                f"Slope of the ln norm over lag by initial gain, {task}, before and after "
                "training, with theory's ln(χ₁) / 2",
                partial(of_slopes, task),
                "bars: range of the seeds",
            )
        )
    made.append(
        Panel(
            "radius",
            radius,
            "Median spectral radius of W_hh after training, over the initial gain",
            partial(of_sweep, "trained"),
            "bars: 95 % bootstrap intervals over seeds",
        )
    )
    made.append(
        Panel(
            "diverged",
            diverged,
            "Share of networks that diverge without clipping (adding, SGD), over the initial gain",
            partial(of_sweep, "unclipped"),
            "bars: 95 % Wilson intervals",
        )
    )
    return made


OVERVIEW = ("copy-gaussian", "copy-trained", "copy-slope", "adding-slope", "radius", "diverged")


def overview(results: Results) -> list[Panel]:
    """Copy's gradient before and after training, slopes, radius, divergence."""
    return composition.choose(named_panels(results), OVERVIEW)


def figure(results: Results) -> Figure:
    """Six panels."""
    return composition.compose(results, overview(results), height=2.5)


def caption(results: Results) -> str:
    """What is drawn, with the counts and differences from theory of the tables."""
    parts = []
    for words in SWEEPS:
        table = slopes_of(results, words)
        off = table["off"][np.isfinite(table["off"])]
        small = table["off"][np.isfinite(table["off"]) & (table["gain"] < 1)]
        if len(off):
            below = f" ({small.median():.3f} at gains below 1)" if len(small) else ""
            parts.append(f"{words} {off.median():.3f}{below}")
    return (
        "**Gradient norm by lag, measured and predicted.** "
        f"{composition.describe(overview(results))} Norms are root mean squares over 100 "
        "sequences; theory is for the initial gain and the task's drive, its slope ln(χ₁) / 2. "
        "Orange: theory's critical gain; dotted: the scale of PyTorch's default. Networks "
        '"before training" had 0 updates. Further panels: `throughtime figure gradient_flow '
        "--list`. Median difference of measured and predicted slope, nats per step: "
        f"{', '.join(parts) or 'none measured'}. {describe_networks(results)}"
    )
