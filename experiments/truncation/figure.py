"""Success over K x lag in two modes, the two controls, and the final measure over K / lag."""

import json

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from throughtime.analysis import columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

MODES = ("chunked", "sliding")
PANELS = (*MODES, "frozen W_hh", "state reset")


def networks(summary: pd.DataFrame, panel: str) -> pd.DataFrame:
    """The rows of a panel; full depth is the same network whatever the mode, and is in the panels
    of both.
    """
    frozen, carried = summary["frozen"], summary["border"] == "carry"
    keep = {
        **{m: summary["mode"].isin([m, "full"]) & ~frozen & carried for m in MODES},
        "frozen W_hh": frozen,
        "state reset": ~carried,
    }[panel]
    return columns.with_depth(summary[keep])


def variants(summary: pd.DataFrame) -> "pd.Series[str]":
    """The row of panels that each network belongs to: its task, and copy's payload and alphabet."""

    def words(task: str, args: str) -> str:
        own = json.loads(args)
        return f"copy, {own['payload']} of {own['alphabet']}" if "payload" in own else task

    pairs = zip(summary["task"], summary["task_args"], strict=True)
    return pd.Series([words(*pair) for pair in pairs], summary.index, dtype=str)


def says_nothing(summary: pd.DataFrame) -> set[tuple[int, float]]:
    """(lag, K) at which a frozen network solves the task: they say nothing about K."""
    frozen = columns.with_full(networks(summary, "frozen W_hh"))
    solved = frozen[frozen["status"] == "solved"]
    return set(solved[["lag_max", "depth"]].itertuples(index=False, name=None))


def plane(ax: Axes, rows: pd.DataFrame, hatched: set[tuple[int, float]]) -> None:
    """Success over lag x K, and the borders K = lag of the longest and of the shortest dependency
    of a sequence; hatched: grid points that say nothing about K.
    """
    rates = stats.success(columns.with_full(rows), ["lag_max", "depth"])
    panels.heatmap(ax, rates, "lag_max", "depth", infinite=("none", "full"))
    if len(rates):
        lags, depths = sorted(rates["lag_max"].unique()), sorted(rates["depth"].unique())
        panels.staircase(ax, lags, depths, dict(zip(lags, lags, strict=True)))
        for lag, depth in hatched:
            if lag in lags and depth in depths:
                corner = (lags.index(lag), len(depths) - 1 - depths.index(depth))
                ax.add_patch(
                    Rectangle(
                        corner,
                        1,
                        1,
                        fill=False,
                        hatch="////",
                        edgecolor="0.6",
                        linewidth=0,
                        zorder=1.5,
                    )
                )
        shortest = rows.groupby("lag_max")["lag_min"].min()
        if list(shortest) != lags:
            panels.staircase(
                ax, lags, depths, dict(zip(lags, shortest, strict=True)), linestyle=(0, (1, 1))
            )


def finals(ax: Axes, summary: pd.DataFrame) -> None:
    """The median final measure of every grid point over K / lag: where the border is K = lag, the
    change is at 1.
    """
    ax.set_xscale("log", base=2)
    for series, panel in enumerate(PANELS):
        rows = networks(summary, panel)
        rows = rows.assign(ratio=rows["K"] / rows["lag_max"].astype(float))
        panels.points(
            ax,
            stats.summarize(rows, ["ratio", "lag_max"]),
            "ratio",
            "value",
            series,
            panel,
            shift=0.04 * (series - 1.5),
        )
    ax.axvline(1, color="#D55E00", linewidth=1.5, zorder=1)
    measure, chance = summary["measure"].iloc[0], summary["chance"].iloc[0]
    ax.axhline(chance, color="0.4", linestyle=":", linewidth=1)
    aside = (0, -7 if measure == "mse" else 2)
    ax.annotate(
        "chance",
        (0.02, chance),
        aside,
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize=6,
    )
    ax.set(
        ylabel=f"median final {panels.UNITS[measure]}",
        xlabel="K / lag",
        yscale="log" if measure == "mse" else "linear",
    )
    low = (summary["K"] / summary["lag_max"].astype(float)).min()
    ticks = [2.0**-i for i in range(8) if 2.0**-i >= low / 1.2]
    ax.set_xticks(ticks, ["1" if t == 1 else f"1/{1 / t:.0f}" for t in ticks])
    ax.minorticks_off()


def figure(results: Results) -> Figure:
    """A row a task: two modes, two controls, the final measure."""
    rows_of = variants(results.summary)
    tasks = columns.task_order(rows_of) or [""]
    fig = Figure(figsize=(12, 1.1 + 2.2 * len(tasks)), layout="constrained")
    axes = fig.subplots(len(tasks), len(PANELS) + 1, squeeze=False, width_ratios=[1, 1, 1, 1, 1.25])
    for row, task in zip(axes, tasks, strict=True):
        summary = results.summary[rows_of == task]
        hatched = says_nothing(summary)
        for ax, panel in zip(row, PANELS, strict=False):
            plane(ax, networks(summary, panel), hatched if panel in MODES else set())
            ax.set(
                title=f"{panels.title_case(task)}\n{'' if panel in MODES else 'control: '}{panel}",
                xlabel=panels.LAG,
                ylabel="",
            )
        row[0].set_ylabel("truncation length K, steps")
        if len(summary):
            finals(row[-1], summary)
    if axes[-1, -1].get_legend_handles_labels()[0]:
        axes[-1, -1].legend(loc="upper center", bbox_to_anchor=(0.5, -0.35), ncols=2, fontsize=7)
    panels.colorbar(
        fig, axes[:, :-1], "share solved (tiles: solved / n; grey: not run)", location="bottom"
    )
    return add_header(fig, results)


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    within = results.summary["reach"] >= results.summary["lag_max"].fillna(0)

    def share(panel: str, inside: bool) -> str:
        rows = networks(results.summary[within == inside], panel)
        return f"{(rows['status'] == 'solved').sum()} of {len(rows)}"

    return (
        "**Share of networks that solve the task, over the lag of the dependency and the "
        "truncation length K.** K counts the "
        "steps a loss reaches, its own included; in `chunked` mode windows are disjoint and "
        "aligned to the end, in `sliding` "
        "mode (k1 = 1) every loss sees K steps; the row full is K = T, and is repeated where K > "
        "T. The orange line is K = lag "
        "of the longest dependency in a sequence, dotted: of the shortest. Controls: recurrent "
        "weights frozen at their "
        "initial values; state reset to zero at the borders. Right: median final measure of every "
        "grid point, with bootstrap "
        "intervals, diverged networks ranked worst. Hatched: some frozen network solves this grid "
        "point, so that it says nothing about K. Chunked or at full depth with every dependency in "
        f"reach {share('chunked', inside=True)} trained networks are solved, and "
        f"{share('frozen W_hh', inside=True)} frozen ones; otherwise "
        f"{share('chunked', inside=False)} trained ones, {share('frozen W_hh', inside=False)} "
        f"frozen ones and {share('state reset', inside=False)} with the state reset. "
        f"{describe_networks(results)}"
    )
