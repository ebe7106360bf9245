"""Success over initial scale x lag with theory's boundary on top, and success over lag / xi with
the fitted multiple.
"""

import math
from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

from throughtime.analysis import predictions, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, slug
from throughtime.results.load import Results

from . import analysis

NODES = 17  # between them xi is within half a percent
BOUNDARY = "#D55E00"
DRIVES = [("copy", 1.0), ("copy", 0.3), ("adding", 1.0)]


def groups(summary: pd.DataFrame) -> list[tuple[str, float]]:
    """Task and input gain of the rows of panels: those of DRIVES that are there, or the first."""
    present = set(summary[["task", "input_gain"]].itertuples(index=False, name=None))
    return [d for d in DRIVES if d in present] + sorted(present - set(DRIVES)) or DRIVES[:1]


def memories(name: Iterable[Any], gains: np.ndarray) -> np.ndarray:
    """xi at every gain. That of a drive that varies is slow to compute and smooth in the gain: it
    is computed at NODES gains, with a cubic spline between them.
    """
    task, task_args, input_gain = name
    memory = partial(predictions.memory, task, task_args, input_gain)
    if not predictions.varying_drive(task, task_args, input_gain):
        return np.array([memory(float(g)) for g in gains])
    nodes = np.geomspace(gains[0], gains[-1], NODES)
    known = CubicSpline(np.log(nodes), np.log([memory(float(g)) for g in nodes]))
    return np.exp(known(np.log(gains)))


def border(ax: Axes, rows: pd.DataFrame, multiple: float, low: float, high: float) -> None:
    """The line lag = multiple x xi(gain) on a heat map, and its interval as a band."""
    gains, lags = sorted(rows["gain"].unique()), sorted(rows["lag_max"].unique())
    if len(gains) < 2 or len(lags) < 2:
        return
    name = rows[["task", "task_args", "input_gain"]].iloc[-1]
    fine = np.geomspace(gains[0], gains[-1], 121)
    xi = memories(name, fine)
    x = np.interp(np.log(fine), np.log(gains), np.arange(len(gains)) + 0.5)

    def height(m: float) -> np.ndarray:
        """A heat map's y runs downward; beyond the tested lags the line leaves the map."""
        known = np.log(np.array(lags, float))
        place = np.interp(
            np.log(np.maximum(m * xi, 1e-9)),
            known,
            np.arange(len(lags)) + 0.5,
            left=-0.2,
            right=len(lags) + 0.2,
        )
        return len(lags) - place

    ax.plot(
        x,
        height(multiple),
        color=BOUNDARY,
        linewidth=2,
        zorder=5,
        label=f"theory: {multiple:.0f} ξ",
    )
    ax.fill_between(x, height(low), height(high), color=BOUNDARY, alpha=0.25, linewidth=0, zorder=4)
    ax.set_ylim(len(lags), 0)


def words_of(task: str, input_gain: float) -> str:
    """A task and its drive as titles say it."""
    return f"{composition.capital(panels.title_case(task))}, input gain {input_gain:g}"


def own_of(task: str, input_gain: float, results: Results) -> pd.DataFrame:
    """The networks of a row of panels, with xi."""
    rows = of_the_map(results)
    return rows[(rows["task"] == task) & (rows["input_gain"] == input_gain)]


@lru_cache(maxsize=8)
def fit_of(task: str, input_gain: float, results: Results) -> pd.Series:
    """The multiple of xi at which half of the networks are solved, with its interval."""
    return analysis.multiple(own_of(task, input_gain, results))


def plane(task: str, input_gain: float, results: Results, ax: Axes) -> None:
    """Success over gain x lag, PyTorch's default, the critical gain, and theory's boundary."""
    rows = own_of(task, input_gain, results)
    fit = fit_of(task, input_gain, results)
    rates = stats.success(rows, ["gain", "lag_max"])
    panels.heatmap(ax, rates, "gain", "lag_max", numbers=False)
    gains = sorted(rates["gain"].unique())
    title = f"{words_of(task, input_gain)}: share solved over gain and lag"
    if gains:
        panels.mark_column(ax, gains, panels.PYTORCH_GAIN)
        critical = predictions.critical_gain(*rows[["task", "task_args", "input_gain"]].iloc[-1])
        panels.mark_column(ax, gains, critical, "critical gain", below=True)
    if math.isfinite(fit["frontier"]):
        border(ax, rows, *(float(fit[c]) for c in ("frontier", "low", "high")))
        title = (
            f"{words_of(task, input_gain)}: best fit, lag = {fit['frontier']:.0f} ξ "
            f"({fit['low']:.0f} to {fit['high']:.0f})"
        )
    ax.set(xlabel="initial gain g = σ_w", ylabel=panels.lag_label(rows), title=title)
    if gains:
        composition.legend(ax, panels.share_handles())


def collapse(task: str, input_gain: float, results: Results, ax: Axes) -> None:
    """Share solved over lag / xi, one marker per grid point, on either side of the critical gain;
    the fitted multiple.
    """
    rows = own_of(task, input_gain, results)
    fit = fit_of(task, input_gain, results)
    for series, (side, part) in enumerate(analysis.sides(rows).items()):
        rates = stats.success(part[np.isfinite(part["ratio"])], ["gain", "lag_max", "ratio"])
        nudge = 0.012 * (2 * series - 1)  # so that equal shares of the two sides are both seen
        style = {**panels.SERIES[series], "linestyle": "none", "markersize": 3.5, "alpha": 0.8}
        if rates.empty:
            continue
        ax.plot(rates["ratio"], rates["rate"] + nudge, label=side, **style)
    ax.set_xscale("log")
    ax.set(ylim=(-0.05, 1.05), xlabel="lag / ξ", ylabel="share solved")
    if math.isfinite(fit["frontier"]):
        ax.axvline(
            fit["frontier"],
            color=BOUNDARY,
            linewidth=1.6,
            label=f"fitted: {analysis.format_frontier(fit)}",
        )
        ax.axvspan(
            max(fit["low"], 1e-3), min(fit["high"], 1e4), color=BOUNDARY, alpha=0.2, linewidth=0
        )
    fitted = f"best fit, lag = {fit['frontier']:.0f} ξ"
    said = fitted if math.isfinite(fit["frontier"]) else "success against lag / ξ"
    ax.set_title(f"{words_of(task, input_gain)}: {said}")
    composition.legend(ax)


def lengths(task: str, input_gain: float, results: Results, ax: Axes) -> None:
    """Frontier over gain, beside the boundary and xi itself."""
    rows = own_of(task, input_gain, results)
    fit = fit_of(task, input_gain, results)
    panels.lag_axis(ax, rows["lag_max"], panels.lag_label(rows) if len(rows) else panels.LAG)
    ax.set_xscale("log")
    table = stats.frontier(rows, ["gain"])
    panels.frontiers(ax, table, "gain", 0, "frontier: half the seeds")
    gains = sorted(rows["gain"].unique())
    if gains and math.isfinite(fit["frontier"]):
        name = rows[["task", "task_args", "input_gain"]].iloc[-1]
        fine = np.geomspace(gains[0], gains[-1], 121)
        xi = memories(name, fine)
        ax.plot(
            fine, fit["frontier"] * xi, color=BOUNDARY, linewidth=1.8, label="fitted multiple × ξ"
        )
        ax.plot(fine, 6 * xi, color="0.4", linewidth=1, linestyle=":", label="6 ξ (feed-forward)")
    ax.set_xticks(gains, [panels.format_number(g) for g in gains])
    ax.minorticks_off()
    ax.set(xlabel="initial gain g = σ_w")
    said = "measured frontier and theory's ξ"
    if found := composition.extremes(table, "frontier"):
        best, worst = found
        name = rows[["task", "task_args", "input_gain"]].iloc[-1]
        two = np.sort([best["gain"], worst["gain"]])
        near, far = memories(name, two)[:: 1 if best["gain"] > worst["gain"] else -1]
        said = (
            f"half solve lag {composition.reached(best)} at gain {best['gain']:g} (ξ = {far:.2g}), "
            f"{composition.reached(worst)} at {worst['gain']:g} (ξ = {near:.2g})"
        )
    ax.set_title(f"{words_of(task, input_gain)}: {said}")
    composition.legend(ax)


def budget(name: str, results: Results, ax: Axes) -> None:
    """The exponent, or the multiple, that is fitted at each number of updates."""
    found = analysis.by_budget(results)
    words = {"exponent": "exponent b of lag ~ ξ^b", "multiple": "multiple m of ξ"}[name]
    ax.set_title(f"Copy: the fitted {name} by the number of updates")
    if not found:
        panels.empty_panel(ax, "one budget alone was trained")
        return
    change = np.exp if name == "multiple" else np.asarray
    updates, fits = [b.updates for b in found], [getattr(b, name) for b in found]
    ends = change(np.clip([fit.interval() for fit in fits], -1, 6).T)
    value = change([fit.value for fit in fits])
    first, last = (dict(zip(("low", "high"), pair, strict=True)) for pair in ends.T[[0, -1]])
    if composition.apart(first, last) or composition.apart(last, first):
        verb = "falls" if composition.apart(first, last) else "rises"
        ax.set_title(
            f"Copy: the fitted {name} {verb} from {value[0]:.2g} after {updates[0]:,} updates to "
            f"{value[-1]:.2g} after {updates[-1]:,}"
        )
    ax.plot(updates, value, marker="o", markersize=4, color=BOUNDARY, label="fitted")
    ax.vlines(updates, *ends, color=BOUNDARY, linewidth=1.5)
    known, label = (1, "1: lag ~ ξ") if name == "exponent" else (6, "6: feed-forward networks")
    ax.axhline(known, color="0.4", linestyle=":", linewidth=1, label=label)
    ax.set(xscale="log", xlabel="updates", ylabel=words)
    ax.set_xticks(updates, [f"{u:,}" for u in updates])
    ax.minorticks_off()
    if name == "multiple":
        ax.set_ylim(bottom=0)
    composition.legend(ax)


@lru_cache(maxsize=1)  # xi is slow, and all panels of these results ask for it
def of_the_map(results: Results) -> pd.DataFrame:
    """The networks of the sweep ``map``, with xi: all of one budget."""
    return analysis.with_ratio(results.summary[results.summary["sweep"] == "map"])


def named_panels(results: Results) -> list[Panel]:
    """Of every task and drive the map, the collapse and the frontier; then the budgets."""
    made = []
    for task, input_gain in groups(of_the_map(results)):
        name = slug(task) if input_gain == 1 else slug(task, f"input {input_gain:g}")
        drive = "identical blanks" if task == "copy" else "independent inputs"
        shown = f"{panels.title_case(task)}, input gain {input_gain:g} ({drive})"
        own = partial(own_of, task, input_gain)
        made += [
            Panel(
                f"{name}-map",
                partial(plane, task, input_gain),
                f"Share of networks that solve {shown}, over the initial gain and the lag, under "
                "theory's boundary",
                own,
                "band: 95 % profile-likelihood interval",
                "Orange: lag = m ξ, where ξ is mean field's length over which two sequences of "
                "the task forget what told them apart, and m is fitted over all gains.",
            ),
            Panel(
                f"{name}-collapse",
                partial(collapse, task, input_gain),
                f"Share of networks that solve {shown}, over lag / ξ, a marker per grid point",
                own,
                "band: 95 % profile-likelihood interval of the fitted multiple",
                "The two sides are moved apart by 2 % so that equal shares are both seen.",
            ),
            Panel(
                f"{name}-frontier",
                partial(lengths, task, input_gain),
                f"The lag of {shown} that half the seeds solve, over the initial gain, beside "
                "theory",
                own,
                "bars: 95 % profile-likelihood intervals",
            ),
        ]
    made += [
        Panel(
            f"budget-{name}",
            partial(budget, name),
            f"Copy's {name} of ξ by the number of updates, gains below the critical one",
            interval="bars: 95 % intervals by seed",
        )
        for name in ("exponent", "multiple")
    ]
    return made


def overview(results: Results) -> list[Panel]:
    """Of every drive the map beside the frontier."""
    every = named_panels(results)
    return composition.choose(
        every, [p.name for p in every if p.name.endswith(("-map", "-frontier"))]
    )


def figure(results: Results) -> Figure:
    """A row per task and drive."""
    return composition.compose(results, overview(results))


def caption(results: Results) -> str:
    """What is drawn, with the fitted multiples."""
    rows = of_the_map(results)
    by_budget = "; ".join(
        f"{b.updates:,}: m = {math.exp(b.multiple.value):.1f}, b = {b.exponent.value:.2f}"
        for b in analysis.by_budget(results)
        if math.isfinite(b.multiple.value)
    )
    fits = {d: fit_of(*d, results) for d in groups(rows)}
    words = "; ".join(
        f"{t}, input gain {i:g}: {analysis.format_frontier(f)}"
        for (t, i), f in fits.items()
        if math.isfinite(f["frontier"])
    )
    return (
        "**Share of networks that solve the task over the initial scale σ_w and the lag, under "
        f"theory's boundary.** {composition.describe(overview(results))} Gaussian W_hh, full "
        "depth. Orange: lag = m ξ, where ξ = ξ_c is mean field's length over which two sequences "
        "of the task forget what told them apart, and m the half point of a logistic fit of "
        "success on ln(lag / ξ) over all gains. White triangle: the critical gain, at which ξ of "
        "identical inputs (copy's blanks) is infinite; adding's inputs differ, and its ξ is finite "
        "everywhere. Orange triangle: the scale of PyTorch's default, σ_w = 1/√3. Success over "
        "lag / ξ is in panels of its own (`throughtime figure phase --list`). Fitted m: "
        f"{words or 'no fit'}. "
        + (
            f"Copy's m and the exponent b of lag ~ ξ^b by updates: {by_budget}. "
            if by_budget
            else ""
        )
        + f"{describe_networks(results)}"
    )
