"""Success over K x lag in two modes, the two controls, and the final measure over K / lag."""

import json
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from throughtime.analysis import columns, stats
from throughtime.analysis.verdicts import more_solved, pairs
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, capital, slug
from throughtime.results.load import Results

from .claims import SAME

MODES = ("chunked", "sliding")
PANELS = (*MODES, "frozen W_hh", "state reset")
NAMES = dict(zip(PANELS, ("chunked", "sliding", "frozen", "reset"), strict=True))


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


def tasks(summary: pd.DataFrame) -> list[str]:
    """The variants that there are: copy with most symbols first, which its control does not
    solve; then the tasks in the order of panels.
    """

    def place(variant: str) -> tuple[int, int, str]:
        name, _, size = variant.partition(", ")
        known = name in columns.TASKS
        symbols = int(size.split()[0]) if size else 0
        return columns.TASKS.index(name) if known else len(columns.TASKS), -symbols, variant

    return sorted(set(variants(summary)), key=place)


def says_nothing(summary: pd.DataFrame) -> set[tuple[int, float]]:
    """(lag, K) at which a frozen network solves the task: they say nothing about K."""
    frozen = columns.with_full(networks(summary, "frozen W_hh"))
    solved = frozen[frozen["status"] == "solved"]
    return set(solved[["lag_max", "depth"]].itertuples(index=False, name=None))


def plane(
    ax: Axes, rows: pd.DataFrame, hatched: set[tuple[int, float]], below: bool = True
) -> None:
    """Success over lag x K, and the borders K = lag of the longest and of the shortest dependency
    of a sequence; hatched: grid points that say nothing about K. With ``below``, their legend.
    """
    rates = stats.success(columns.with_full(rows), ["lag_max", "depth"])
    panels.heatmap(ax, rates, "lag_max", "depth", infinite=("none", "full"))
    ax.set(xlabel=panels.lag_label(rows), ylabel="truncation length K, steps")
    if rates.empty:
        return
    lags, depths = sorted(rates["lag_max"].unique()), sorted(rates["depth"].unique())
    shortest = rows.groupby("lag_max")["lag_min"].min()
    one = list(shortest) == lags
    longest = dict(zip(lags, lags, strict=True))
    panels.staircase(ax, lags, depths, longest, label="K = lag" if one else "K = longest lag")
    if not one:
        limit = dict(zip(lags, shortest, strict=True))
        panels.staircase(ax, lags, depths, limit, linestyle=(0, (1, 1)), label="K = shortest lag")
    seen = [(lag, depth) for lag, depth in hatched if lag in lags and depth in depths]
    for lag, depth in seen:
        corner = (lags.index(lag), len(depths) - 1 - depths.index(depth))
        look: dict[str, Any] = {"hatch": "////", "edgecolor": "0.6", "linewidth": 0, "zorder": 1.5}
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, **look))
    if below:
        key = Patch(facecolor="none", edgecolor="0.6", hatch="////", label="frozen solves it too")
        missing = len(rates) < len(lags) * len(depths)
        handles = [*panels.share_handles(missing), *([key] if seen else [])]
        composition.legend(ax, handles)


def finding(task: str, panel: str, rows: pd.DataFrame, hatched: set[tuple[int, float]]) -> str:
    """The title of a plane: what is solved within the reach of K and beyond it, where the tables
    tell them apart; grid points that a frozen network solves are left out.
    """
    name = capital(panels.title_case(task))
    if panel == "frozen W_hh":
        return f"{name}, control: {composition.solved(rows)} solved with frozen W_hh"
    pairs = zip(rows["lag_max"], rows["depth"], strict=True)
    rows = rows.loc[[pair not in hatched for pair in pairs]]
    within = rows["reach"] >= rows["lag_max"].fillna(0)
    inside, outside = composition.solved(rows[within]), composition.solved(rows[~within])
    if panel == "state reset":
        return f"{name}, control: {outside} solved beyond the reach of K with the state reset"
    if rows.empty:
        return f"{name}, {panel}: frozen networks solve it too, so it says nothing about K"
    if composition.differ(rows[within], rows[~within]) > 0:
        return (
            f"{name}, {panel}: {inside} solved where K reaches the lag, {outside} where it does not"
        )
    if lost := against_full(rows[~within], rows[rows["mode"] == "full"]):
        return f"{name}, {panel}: {lost}"
    return f"{name}, {panel}: share solved over lag and K"


def against_full(short: pd.DataFrame, full: pd.DataFrame) -> str:
    """What K below the lag costs against the same networks at full depth, by the test of the claim
    ``below_lag_costs``; empty where it does not decide.
    """
    both = [pairs(full, own, SAME) for _, own in short.groupby("K")]
    if not sum(map(len, both)):
        return ""
    found = pd.concat(both, ignore_index=True)
    if more_solved(found, stats.LEVEL)[1] <= 0:
        return ""
    alone = found.drop_duplicates(SAME)  # a network at full depth is beside one of every K
    less, more = (found["status_b"] == "solved").sum(), (alone["status_a"] == "solved").sum()
    return (
        f"{less} of {len(found)} solved where K does not reach the lag, {more} of {len(alone)} at "
        "full depth"
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
    ax.axvline(1, color="#D55E00", linewidth=1.5, zorder=1, label="K = lag")
    measure, chance = summary["measure"].iloc[0], summary["chance"].iloc[0]
    ax.axhline(chance, color="0.4", linestyle=":", linewidth=1, label="chance")
    ax.set(
        ylabel=f"median final {panels.UNITS[measure]}",
        xlabel="K / lag",
        yscale="log" if measure == "mse" else "linear",
    )
    low = (summary["K"] / summary["lag_max"].astype(float)).min()
    ticks = [2.0**-i for i in range(8) if 2.0**-i >= low / 1.2]
    ax.set_xticks(ticks, ["1" if t == 1 else f"1/{1 / t:.0f}" for t in ticks])
    ax.minorticks_off()


def draw_plane(task: str, panel: str, results: Results, ax: Axes) -> None:
    """The panel of a task in a mode, or of a control."""
    own = results.summary[variants(results.summary) == task]
    rows, hatched = networks(own, panel), says_nothing(own) if panel in MODES else set()
    plane(ax, rows, hatched)
    ax.set_title(finding(task, panel, rows, hatched))


def below_lag(own: pd.DataFrame) -> str:
    """The title over K / lag: the median final measure below 1 and from 1 on, where their intervals
    lie apart; disjoint windows, not the controls.
    """
    rows = networks(own, "chunked")
    beyond = rows["K"] >= rows["lag_max"].astype(float)
    table = stats.summarize(rows.assign(beyond=beyond), ["beyond"])
    if found := composition.ends(table):
        short, long = (f"{row['value']:.2g}" for row in found)
        measure = panels.UNITS[own["measure"].iloc[0]]
        return f"median {measure} {short} where K is shorter than the lag, {long} elsewhere"
    return "final measure over K / lag"


def draw_finals(task: str, results: Results, ax: Axes) -> None:
    """The panel of a task's final measure over K / lag."""
    own = results.summary[variants(results.summary) == task]
    ax.set_title(f"{capital(panels.title_case(task))}, chunked: {below_lag(own)}")
    if own.empty:
        panels.empty_panel(ax, "no networks")
        return
    finals(ax, own)
    composition.legend(ax)


def of_panel(task: str, panel: str, results: Results) -> pd.DataFrame:
    """The networks of a plane."""
    return networks(results.summary[variants(results.summary) == task], panel)


def of_task(task: str, results: Results) -> pd.DataFrame:
    """The networks of a task."""
    return results.summary[variants(results.summary) == task]


def named_panels(results: Results) -> list[Panel]:
    """Of every task: two modes, two controls, and the final measure over K / lag."""
    words = {
        "chunked": "in disjoint windows of K",
        "sliding": "with every loss seeing K steps",
        "frozen W_hh": "with recurrent weights frozen at their initial values (control)",
        "state reset": "with the state set to zero at the borders (control)",
    }
    made, copies = [], 0
    for task in tasks(results.summary) or ["copy"]:
        copy = task.startswith("copy")
        name = "copy" if copy and not copies else slug(task)
        copies += copy
        shown = panels.title_case(task)
        made += [
            Panel(
                f"{name}-{NAMES[panel]}",
                partial(draw_plane, task, panel),
                f"Share of networks that solve {shown}, over lag and truncation length K, "
                f"{words[panel]}",
                partial(of_panel, task, panel),
                details="Numbers: solved / n. K counts the steps a loss reaches, its own included; "
                "full is K = T, and is repeated where K > T. Hatched: a frozen network solves this "
                "grid point, and the title leaves it out.",
            )
            for panel in PANELS
        ]
        made.append(
            Panel(
                f"{name}-ratio",
                partial(draw_finals, task),
                f"Median final measure of every grid point of {shown}, over K / lag",
                partial(of_task, task),
                "bars: 95 % bootstrap intervals over seeds",
                "A diverged network ranks worst.",
            )
        )
    return made


def overview(results: Results) -> list[Panel]:
    """Of every task the chunked mode beside its frozen control."""
    every = named_panels(results)
    names = [p.name for p in every if p.name.endswith(("-chunked", "-frozen"))]
    return composition.choose(every, names)


def figure(results: Results) -> Figure:
    """A row per task: trained in chunks, and the control."""
    return composition.compose(results, overview(results))


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    within = results.summary["reach"] >= results.summary["lag_max"].fillna(0)

    def share(panel: str, inside: bool) -> str:
        rows = networks(results.summary[within == inside], panel)
        return f"{(rows['status'] == 'solved').sum()} of {len(rows)}"

    return (
        "**Share of networks that solve the task, over the lag of the dependency and the "
        "truncation length K, beside a control with frozen recurrent weights.** "
        f"{composition.describe(overview(results))} Numbers: solved / n. K counts the steps a loss "
        "reaches, its own included; the row full is K = T, and is repeated where K > T. Orange: "
        "K = lag of the longest dependency in a sequence, dotted: of the shortest. Hatched: some "
        "frozen network solves this grid point, so that it says nothing about K. Sliding windows, "
        "the control with the state reset, and final measures are panels of their own "
        "(`throughtime figure truncation --list`). Chunked or at full depth with every dependency "
        f"in reach {share('chunked', inside=True)} trained networks are solved, and "
        f"{share('frozen W_hh', inside=True)} frozen ones; otherwise "
        f"{share('chunked', inside=False)} trained ones, {share('frozen W_hh', inside=False)} "
        f"frozen ones and {share('state reset', inside=False)} with the state reset. "
        f"{describe_networks(results)}"
    )
