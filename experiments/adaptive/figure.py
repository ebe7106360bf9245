"""Frontiers of the full grid and of rounds, the networks used, and where rounds looked."""

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, capital
from throughtime.results.load import Results

from .analysis import FULL, ROUNDS, frontiers, of_task

NAMES = {FULL: "full grid", ROUNDS: "rounds"}
TENTH, THIRD = 0.1, 1 / 3
BARS = "bars: 95 % intervals, open where they reach beyond the grid"


def ticks(ax: Axes, table: pd.DataFrame) -> None:
    """Tasks from top to bottom."""
    ax.set_yticks(range(len(table)), [capital(panels.title_case(t)) for t in table["task"]])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")


def lags_on_x(ax: Axes, lags: pd.Series, text: str) -> None:
    """A logarithmic axis of x over the tested lags, with powers of two for ticks."""
    low, high = float(lags.min()) / 1.15, float(lags.max()) * 1.15
    ax.set_xscale("log", base=2)
    ax.set(xlim=(low, high), xlabel=text)
    powers = [2.0**i for i in range(12) if low <= 2**i <= high]
    ax.set_xticks(powers, [panels.format_number(power) for power in powers])


def draw_frontiers(results: Results, ax: Axes) -> None:
    """Of each task both frontiers with their intervals."""
    table = frontiers(results)
    ax.set(xlabel="frontier: lag that half the seeds solve (steps)")
    ax.set_title("The frontier, by the full grid and by rounds")
    if table.empty:
        panels.empty_panel(ax, "no networks")
        return
    lags = results.summary["lag_max"].dropna().astype(float)
    for series, (sweep, name) in enumerate(NAMES.items()):
        x = table[f"frontier_{sweep}"].to_numpy(float)
        low = np.maximum(table[f"low_{sweep}"].to_numpy(float), lags.min())
        high = np.minimum(table[f"high_{sweep}"].to_numpy(float), lags.max())
        style = {k: v for k, v in panels.SERIES[series].items() if k != "linestyle"}
        places = np.arange(len(table)) + 0.3 * (series - 0.5)
        reach = np.clip([x - low, high - x], 0, None)
        ax.errorbar(
            x, places, xerr=reach, capsize=2, linestyle="none", label=name,
            markersize=panels.marker_size(), **style,
        )  # fmt: skip
    lags_on_x(ax, lags, "frontier: lag that half the seeds solve (steps)")
    ticks(ax, table)
    composition.legend(ax)


def draw_networks(results: Results, ax: Axes) -> None:
    """Of each task the share of the full grid's networks that rounds have trained."""
    table = frontiers(results)
    ax.set(xlabel="share of the full grid's networks")
    if table.empty:
        ax.set_title("Networks that rounds train")
        panels.empty_panel(ax, "no networks")
        return
    share = table["n_rounds"] / table["n_full"]
    used, of = int(table["n_rounds"].sum()), int(table["n_full"].sum())
    ax.set_title(f"Rounds train {used:,} networks, the full grid {of:,}")
    ax.barh(range(len(table)), share, height=0.5, color=panels.SERIES[1]["color"])
    for place, (n, most) in enumerate(zip(table["n_rounds"], table["n_full"], strict=True)):
        ax.annotate(f" {n} of {most}", (share[place], place), va="center", fontsize="small")
    for line, dashes, name in ((TENTH, (0, (1, 2)), "1/10"), (THIRD, (0, (4, 2)), "1/3")):
        ax.axvline(line, color="0.45", linestyle=dashes, linewidth=0.9, label=name)
    ax.set_xlim(0, max(0.5, 1.3 * float(share.max())))
    ticks(ax, table)
    composition.legend(ax)


def draw_places(task: str, results: Results, ax: Axes) -> None:
    """Success over lag in the full grid, and how many networks rounds have trained at each lag."""
    full, part = of_task(results, FULL, task), of_task(results, ROUNDS, task)
    name = capital(panels.title_case(task))
    ax.set_title(f"{name}: where rounds look")
    if full.empty or part.empty:
        panels.empty_panel(ax, "no networks")
        return
    rates = stats.success(full, ["lag_max"])
    panels.band(ax, rates, "lag_max", "rate", 0, "full grid: share solved")
    used = part.groupby("lag_max").size() / full.groupby("lag_max").size()
    used = used.fillna(0)
    color = panels.SERIES[1]["color"]
    ax.vlines(used.index.to_numpy(float), 0, used, color=color, linewidth=4, alpha=0.5,
              label="rounds: share of the seeds trained")  # fmt: skip
    ax.axhline(0.5, color="0.45", linestyle=(0, (1, 2)), linewidth=0.9)
    ax.set(ylim=(-0.03, 1.03), ylabel="share")
    lags_on_x(ax, rates["lag_max"].astype(float), panels.lag_label(full))
    composition.legend(ax)


def of_both(task: str, results: Results) -> pd.DataFrame:
    """The networks of a task in both sweeps."""
    return results.summary[results.summary["task"] == task]


def named_panels(results: Results) -> list[Panel]:
    """Frontiers, networks used, and a panel per task."""
    there = [t for t in columns.TASKS if t in set(results.summary["task"])] or ["copy"]
    return [
        Panel(
            "frontiers",
            draw_frontiers,
            "The longest lag that half the seeds solve, by the full grid and by rounds",
            interval=BARS,
        ),
        Panel(
            "networks", draw_networks, "Share of the full grid's networks that rounds have trained"
        ),
        *(
            Panel(
                composition.slug("where", task),
                partial(draw_places, task),
                f"Share solved over the lag of {panels.title_case(task)} in the full grid, and the "
                "share of its seeds that rounds have trained",
                partial(of_both, task),
                "bands: Wilson's 95 % intervals",
            )
            for task in there
        ),
    ]


def figure(results: Results) -> Figure:
    """All panels."""
    return composition.compose(results, named_panels(results)[: composition.MOST])


def caption(results: Results) -> str:
    """What is drawn, with both frontiers of each task."""
    words = []
    for row in frontiers(results).to_dict("records"):
        ends = [
            f"{NAMES[s]} {row[f'censored_{s}']} {row[f'frontier_{s}']:.1f} "
            f"[{row[f'low_{s}']:.1f}, {row[f'high_{s}']:.1f}] of {row[f'n_{s}']} networks"
            for s in (FULL, ROUNDS)
        ]
        words.append(f"{panels.title_case(row['task'])}: {', '.join(ends)}".replace("  ", " "))
    return (
        "**The longest lag that half the seeds solve, by the full grid and by rounds that train "
        f"only what finds it.** {composition.describe(named_panels(results)[: composition.MOST])} "
        "The full grid's frontier is the maximum of the likelihood with its profile interval, "
        "that of rounds the median of its posterior with its 95 % interval, which ends the search "
        "where its ends are a factor of 2 apart. The networks of rounds are the same ones as in "
        f"the full grid. Frontiers, steps: {'; '.join(words) or 'none'}. "
        f"{describe_networks(results)}"
    )
