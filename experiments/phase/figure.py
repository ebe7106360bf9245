"""Success over initial scale x lag with theory's boundary on top, and success over lag / xi with
the fitted multiple.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import predictions, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

from . import analysis

BOUNDARY = "#D55E00"
DRIVES = [("copy", 1.0), ("copy", 0.3), ("adding", 1.0)]


def groups(summary: pd.DataFrame) -> list[tuple[str, float]]:
    """Task and input gain of the rows of panels: those of DRIVES that are there, or the first."""
    present = set(summary[["task", "input_gain"]].itertuples(index=False, name=None))
    return [d for d in DRIVES if d in present] + sorted(present - set(DRIVES)) or DRIVES[:1]


def border(ax: Axes, rows: pd.DataFrame, multiple: float, low: float, high: float) -> None:
    """The line lag = multiple x xi(gain) on a heat map, its interval as a band, and the critical
    gain.
    """
    gains, lags = sorted(rows["gain"].unique()), sorted(rows["lag_max"].unique())
    if len(gains) < 2 or len(lags) < 2:
        return
    name = rows[["task", "task_args", "input_gain"]].iloc[-1]
    fine = np.geomspace(gains[0], gains[-1], 121)
    xi = np.array([predictions.memory(*name, float(g)) for g in fine])
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

    ax.plot(x, height(multiple), color=BOUNDARY, linewidth=2, zorder=5)
    ax.fill_between(x, height(low), height(high), color=BOUNDARY, alpha=0.25, linewidth=0, zorder=4)
    ax.set_ylim(len(lags), 0)
    critical = predictions.critical_gain(*name)
    if gains[0] <= critical <= gains[-1]:
        at = np.interp(np.log(critical), np.log(gains), np.arange(len(gains)) + 0.5)
        ax.axvline(at, color="white", linestyle=(0, (4, 2)), linewidth=1.4, zorder=4)


def plane(ax: Axes, rows: pd.DataFrame, fit: pd.Series) -> None:
    """Success over gain x lag, PyTorch's default, and theory's boundary."""
    rates = stats.success(rows, ["gain", "lag_max"])
    panels.heatmap(ax, rates, "gain", "lag_max")
    gains = sorted(rates["gain"].unique())
    if (
        gains
        and gains[0] <= panels.PYTORCH_GAIN + 0.001
        and gains[-1] >= panels.PYTORCH_GAIN - 0.001
    ):
        panels.mark_column(ax, gains, panels.PYTORCH_GAIN)
    if math.isfinite(fit["frontier"]):
        border(ax, rows, *(float(fit[c]) for c in ("frontier", "low", "high")))
    ax.set(xlabel="gain g = σ_w", ylabel=panels.lag_label(rows))


def collapse(ax: Axes, rows: pd.DataFrame, fit: pd.Series) -> None:
    """Share solved over lag / xi, one marker per grid point, on either side of the critical
    gain; the fitted
    multiple.
    """
    for series, (side, part) in enumerate(analysis.sides(rows).items()):
        rates = stats.success(part[np.isfinite(part["ratio"])], ["gain", "lag_max", "ratio"])
        nudge = 0.012 * (2 * series - 1)  # so that equal shares of the two sides are both seen
        style = {**panels.SERIES[series], "linestyle": "none", "markersize": 3.5, "alpha": 0.8}
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
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=6, loc="center left")


def lengths(ax: Axes, rows: pd.DataFrame, fit: pd.Series) -> None:
    """Frontier over gain, beside the boundary and xi itself."""
    panels.lag_axis(ax, rows["lag_max"])
    ax.set_xscale("log")
    panels.frontiers(ax, stats.frontier(rows, ["gain"]), "gain", 0, "frontier: half the seeds")
    gains = sorted(rows["gain"].unique())
    if gains and math.isfinite(fit["frontier"]):
        name = rows[["task", "task_args", "input_gain"]].iloc[-1]
        fine = np.geomspace(gains[0], gains[-1], 121)
        xi = np.array([predictions.memory(*name, float(g)) for g in fine])
        ax.plot(
            fine, fit["frontier"] * xi, color=BOUNDARY, linewidth=1.8, label="fitted multiple × ξ"
        )
        ax.plot(fine, 6 * xi, color="0.4", linewidth=1, linestyle=":", label="6 ξ (feed-forward)")
    ax.set_xticks(gains, [panels.format_number(g) for g in gains], fontsize=5.5)
    ax.minorticks_off()
    ax.set(xlabel="gain g = σ_w")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=5.5, loc="lower right")


def budgets(row: Sequence[Axes], found: list[analysis.Budget]) -> None:
    """The exponent and the multiple that are fitted at each number of updates."""
    updates = [b.updates for b in found]
    for ax, name, words in zip(
        row, ("exponent", "multiple"), ("exponent b of lag ~ ξ^b", "multiple m of ξ"), strict=True
    ):
        change = np.exp if name == "multiple" else np.asarray
        fits = [getattr(b, name) for b in found]
        ends = change(np.clip([fit.interval() for fit in fits], -1, 6).T)
        value = change([fit.value for fit in fits])
        ax.plot(updates, value, marker="o", markersize=4, color=BOUNDARY)
        ax.vlines(updates, *ends, color=BOUNDARY, linewidth=1.5)
        ax.set(xscale="log", xlabel="updates", ylabel=words, title="copy: over the budget")
        ax.set_xticks(updates, [f"{u:,}" for u in updates])
        ax.minorticks_off()
    row[0].axhline(1, color="0.4", linestyle=":", linewidth=1)
    row[1].axhline(6, color="0.4", linestyle=":", linewidth=1)
    row[1].set_ylim(bottom=0)


def of_the_map(results: Results) -> pd.DataFrame:
    """The networks of the sweep ``map``, with xi: all of one budget."""
    return analysis.with_ratio(results.summary[results.summary["sweep"] == "map"])


def figure(results: Results) -> Figure:
    """A row a task and drive: the map, the collapse, the frontier; below, where several budgets
    were trained, what is fitted at each.
    """
    rows = of_the_map(results)
    found = groups(rows)
    several = analysis.by_budget(results)
    lines = len(found) + bool(several)
    fig = Figure(figsize=(13, 1.2 + 2.5 * lines), layout="constrained")
    axes = fig.subplots(lines, 3, squeeze=False, width_ratios=[1.5, 1, 1])
    if several:
        axes[-1, 0].set_axis_off()
        budgets(list(axes[-1, 1:]), several)
    for line, (task, input_gain) in zip(axes, found, strict=False):
        own = rows[(rows["task"] == task) & (rows["input_gain"] == input_gain)]
        fit = analysis.multiple(own)
        plane(line[0], own, fit)
        line[0].set_title(
            f"{task}, input gain {input_gain:g}: "
            f"{'identical blanks' if task == 'copy' else 'independent inputs'}",
            pad=9,
        )
        collapse(line[1], own, fit)
        lengths(line[2], own, fit)
        line[1].set_title("over lag / ξ")
        line[2].set_title("frontier and boundary")
    panels.colorbar(fig, axes[:, :1], "share solved (tiles: solved / n)", location="left")
    return add_header(fig, results)


def caption(results: Results) -> str:
    """What is drawn, with the fitted multiples."""
    rows = of_the_map(results)
    by_budget = "; ".join(
        f"{b.updates:,}: m = {math.exp(b.multiple.value):.1f}, b = {b.exponent.value:.2f}"
        for b in analysis.by_budget(results)
        if math.isfinite(b.multiple.value)
    )
    fits = {
        d: analysis.multiple(rows[(rows["task"] == d[0]) & (rows["input_gain"] == d[1])])
        for d in groups(rows)
    }
    words = "; ".join(
        f"{t}, input gain {i:g}: {analysis.format_frontier(f)}"
        for (t, i), f in fits.items()
        if math.isfinite(f["frontier"])
    )
    return (
        "**Share of networks that solve the task over the initial scale σ_w and the lag, under "
        "theory's boundary.** Gaussian "
        "W_hh, full depth. Orange: lag = m ξ, where ξ = ξ_c is mean field's length over which two "
        "sequences of the task forget "
        "what told them apart, and m the half point of a logistic fit of success on ln(lag / ξ) "
        "over all gains, with its 95 % "
        "profile-likelihood interval (band). White, dashed: the critical gain, at which ξ of "
        "identical inputs (copy's blanks) "
        "is infinite; adding's inputs differ, and its ξ is finite everywhere. Triangle: the scale "
        "of PyTorch's default, σ_w = "
        "1/√3. Right: the lag that half the seeds solve at each gain, with its interval. Fitted "
        f"m: {words or 'no fit'}. "
        + (
            "Below: copy's multiple and the exponent of lag ~ ξ^b (dotted: 6 and 1) by updates, "
            f"gains below the critical one, intervals by seed. {by_budget}. "
            if by_budget
            else ""
        )
        + f"{describe_networks(results)}"
    )
