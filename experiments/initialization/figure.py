"""Success over gain x lag for two distributions of W_hh, and the frontier over the gain."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

INITS = ("orthogonal", "gaussian")
GAINS = {
    "orthogonal": "gain g (spectral radius)",
    "gaussian": "gain g = σ_w (spectral radius about g)",
}


def plane(ax: Axes, rows: pd.DataFrame) -> None:
    """Success over gain x lag, with the scale of PyTorch's default marked."""
    rates = stats.success(rows, ["gain", "lag_max"])
    panels.heatmap(ax, rates, "gain", "lag_max")
    gains = sorted(rates["gain"].unique())
    if (
        gains
        and gains[0] <= panels.PYTORCH_GAIN + 0.001
        and gains[-1] >= panels.PYTORCH_GAIN - 0.001
    ):
        panels.mark_column(ax, gains, panels.PYTORCH_GAIN)


def frontiers(ax: Axes, rows: pd.DataFrame) -> None:
    """The longest lag that half the seeds solve, over the gain."""
    ax.set_xscale("log")
    panels.lag_axis(ax, rows["lag_max"])
    table = stats.frontier(rows, ["init", "gain"])
    for series, init in enumerate(INITS):
        panels.frontiers(
            ax, table[table["init"] == init], "gain", series, init, shift=0.03 * (2 * series - 1)
        )
    ax.axvline(
        panels.PYTORCH_GAIN,
        color="#D55E00",
        linewidth=1,
        linestyle=":",
        label="PyTorch's default (▼)",
    )
    gains = sorted(rows["gain"].unique())
    ax.set_xticks(gains, [panels.format_number(g) for g in gains])
    ax.minorticks_off()
    ax.set(
        title="frontier: half the seeds solve it", ylabel=panels.lag_label(rows), xlabel="gain g"
    )


def figure(results: Results) -> Figure:
    """A row a task: orthogonal, gaussian, frontiers."""
    tasks = columns.task_order(results.summary["task"]) or [""]
    fig = Figure(figsize=(10.5, 1.2 + 2.0 * len(tasks)), layout="constrained")
    axes = fig.subplots(len(tasks), 3, squeeze=False, width_ratios=[1, 1, 1.1])
    for row, task in zip(axes, tasks, strict=True):
        summary = results.summary[results.summary["task"] == task]
        for ax, init in zip(row, INITS, strict=False):
            plane(ax, summary[summary["init"] == init])
            ax.set_title(f"{panels.title_case(task)}: {init}", pad=9)
            ax.set(xlabel=GAINS[init], ylabel=panels.lag_label(summary))
        frontiers(row[2], summary)
    if axes[0, 2].get_legend_handles_labels()[0]:
        axes[0, 2].legend(fontsize=6)
    panels.colorbar(fig, axes, "share solved (tiles: solved / n)", location="right")
    return add_header(fig, results)


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
        "the longest dependency.** "
        "Orthogonal: g times a Haar-random orthogonal matrix; gaussian: N(0, g²/N). The triangle "
        "marks the scale of PyTorch's "
        "default, U(±1/√N), σ_w = 1/√3 = 0.577. Right: the frontier, the lag that half the seeds "
        "solve, from a logistic fit in "
        "ln(lag) with its 95 % profile-likelihood interval; ≥ and < mark frontiers beyond the "
        "tested lags. Longest frontier of "
        f"each task, in steps: {longest}. {describe_networks(results)}"
    )
