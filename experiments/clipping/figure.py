"""Success over clip x gain for every task, at full depth and truncated; one panel with Adam;
failures; what clipping costs.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import causes, columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

CLIP, GAIN = "clip threshold (gradient norm)", "initial gain g of W_hh"


def same_lengths(summary: pd.DataFrame) -> pd.DataFrame:
    """The networks at the lengths of the truncated sweep (without it: each task's longest), so that
    panels compare like with like.
    """
    lengths = summary["length"].astype(float).fillna(0)
    short = lengths[summary["sweep"] == "short"].groupby(summary["task"]).max()
    chosen = summary["task"].map(lengths.groupby(summary["task"]).max().to_dict() | short.to_dict())
    return summary[lengths == chosen]


def plane(ax: Axes, rows: pd.DataFrame) -> None:
    """Success over clip x gain; where success is not the measure (text), the median final
    measure.
    """
    if len(rows) and rows["measure"].iloc[0] == "bpc":
        panels.heatmap_lower_is_better(ax, stats.summarize(rows, ["clip", "gain"]), "clip", "gain")
    else:
        panels.heatmap(ax, stats.success(rows, ["clip", "gain"]), "clip", "gain")
    ax.set(xlabel=CLIP, ylabel="")


def name(rows: pd.DataFrame, depth: str) -> str:
    """What a panel's title says: task, lag, depth."""
    first = rows.iloc[0]
    lag = "bits per character" if pd.isna(first["lag_max"]) else f"lag {first['lag_max']}"
    return f"{panels.title_case(first['task'])}, {lag}\n{depth}"


def failures(ax: Axes, summary: pd.DataFrame, by: str, label: str) -> None:
    """How networks end, by one axis of the plane."""
    rows = causes.with_kind(summary)
    panels.failure_bars(ax, stats.shares(rows, [by], "kind"), panels.format_number, by)
    ax.set(ylabel=label, title=f"how networks end, by {by} (full depth, all lags)")


def cost(ax: Axes, summary: pd.DataFrame) -> None:
    """Updates until the criterion was first met, over the threshold: small steps are slow steps."""
    thresholds = sorted(summary["clip"].unique())
    solved = summary[summary["first_solved_at"].notna()].astype({"first_solved_at": float})
    solved = solved.assign(place=solved["clip"].map({c: i for i, c in enumerate(thresholds)}))
    for series, task in enumerate(columns.task_order(solved["task"])):
        table = stats.summarize(solved[solved["task"] == task], ["place"], "first_solved_at")
        panels.points(
            ax,
            table,
            "place",
            "value",
            series,
            panels.title_case(task),
            shift=0.06 * (series - 2),
            line=True,
        )
    ax.set_xticks(range(len(thresholds)), [panels.format_number(c) for c in thresholds])
    ax.set(xlabel=CLIP, ylabel="updates (median)", title="criterion first met (full depth)")
    if len(solved):
        ax.set_ylim(0, 1.4 * ax.get_ylim()[1])
        ax.legend(fontsize=6, ncols=2, loc="upper center")


def figure(results: Results) -> Figure:
    """Above, the planes of every task, full and truncated; below, Adam, failures by threshold and
    by gain, cost.
    """
    same, tasks = same_lengths(results.summary), columns.task_order(results.summary["task"])
    fig = Figure(figsize=(12, 7.6), layout="constrained")
    upper, lower = np.asarray(fig.subfigures(2, 1, height_ratios=[2, 1.15]))
    axes = upper.subplots(2, max(len(tasks), 1), squeeze=False)
    for column, task in enumerate(tasks):
        for ax, sweep in zip(axes[:, column], ("full", "short"), strict=True):
            rows = same[(same["task"] == task) & (same["sweep"] == sweep)]
            plane(ax, rows)
            depth = (
                "full depth"
                if sweep == "full"
                else f"{'/'.join(rows['mode'].unique())} K={'/'.join(map(str, rows['K'].unique()))}"
            )
            ax.set_title(name(rows, depth) if len(rows) else f"{panels.title_case(task)}\n{sweep}")
    for ax in axes[:, 0]:
        ax.set_ylabel(GAIN)
    panels.colorbar(
        upper, axes, "share solved (tiles: solved / n; text: bits per character)", location="right"
    )
    below = lower.subplots(1, 4, width_ratios=[1, 1.3, 1.3, 1.3])
    adam, full = results.select(sweep="adam").summary, results.select(sweep="full").summary
    plane(below[0], adam)
    below[0].set(title=name(adam, "full depth, Adam") if len(adam) else "Adam", ylabel=GAIN)
    failures(below[1], full, "clip", "clip threshold")
    failures(below[2], full, "gain", "initial gain g")
    cost(below[3], full)
    lower.legend(handles=panels.kind_handles(), loc="outside lower center", ncols=6, fontsize=7)
    return add_header(fig, results)


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    full = results.select(sweep="full").summary
    clipped = full["clip_kind"] != "none"

    def share(rows: pd.DataFrame) -> str:
        return f"{int((rows['status'] == 'diverged').sum())} of {len(rows)}"

    return (
        "**Share of networks that solve each task, over clip threshold and initial gain of W_hh.** "
        "Upper row at full depth, "
        "middle row truncated (mode and K in the titles); for text the median final bits per "
        "character, lighter is better. "
        "Thresholds are of the global gradient norm of a mean loss. Lower left: the same with "
        "Adam. Lower middle: how networks "
        "end; several causes can hold of one network, the first of diverged, truncated, vanishing, "
        "clipped, still learning, plateau is drawn. "
        f"{causes.describe_hidden(causes.specificity(full))} "
        "Lower right: the median update at which networks that ever met the criterion did so "
        "first, with bootstrap intervals. At full "
        f"depth {share(full[clipped])} clipped and {share(full[~clipped])} unclipped networks "
        "diverged. "
        f"{describe_networks(results)}"
    )
