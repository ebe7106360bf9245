"""Where learning fails: maps of lag x K, lag x clip and lag x gain of every task, with the cause of
failure as hue and the frontier on them; the frontiers of all tasks beside each other.
"""

import math
from dataclasses import replace
from functools import lru_cache, partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from throughtime.analysis import causes, columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, capital, slug
from throughtime.results.load import Results

AXES = {
    "depth": "truncation length K, steps",
    "clip": "clip threshold (gradient norm)",
    "gain": "initial gain g of W_hh",
}
TITLES = {
    "depth": "truncation (chunked)",
    "clip": "clipping (SGD, gain 1)",
    "gain": "initial scale (orthogonal)",
}
SHORT = {"depth": "k", "clip": "clip", "gain": "gain"}  # in names of panels
SOLVED = "#F2F2F2"
TABLES = ("summary", "curves", "breakdown", "references")
LENIENT = (
    0.99  # accuracy in a bin of distance that counts as solved, the criterion of the whole task
)
FEW = 20  # a bin with fewer scored positions says nothing


def networks(results: Results) -> dict[str, Results]:
    """The networks behind each column. Text has no initialization sweep: the plane of `language`
    stands in, at clip 1.
    """
    language = results.select(experiment="language", sweep="plane")
    scale = results.select(experiment="initialization", init="orthogonal")
    return {
        "depth": both(
            results.select(experiment="truncation", sweep="chunked", frozen=False),
            results.select(experiment=["brackets", "language"], sweep="K"),
        ),
        "clip": results.select(experiment="clipping", sweep="full", gain=1.0),
        "gain": both(scale, language.select(clip=1.0)),
    }


def behind(results: Results) -> pd.DataFrame:
    """The summary of the networks that are drawn: a part of those that are read."""
    return pd.concat([part.summary for part in networks(results).values()], ignore_index=True)


@lru_cache(maxsize=2)
def known_of(results: Results) -> pd.DataFrame:
    """What labels of failure are worth, by all networks that are drawn."""
    return causes.specificity(behind(results))


@lru_cache(maxsize=1)
def tables_of(results: Results) -> dict[str, pd.DataFrame]:
    """The frontiers along each axis; their intervals take a second or two."""
    return {axis: frontiers(part, axis) for axis, part in networks(results).items()}


def both(a: Results, b: Results) -> Results:
    """Two results, one below the other."""
    return Results(*(pd.concat([getattr(a, t), getattr(b, t)], ignore_index=True) for t in TABLES))


def frontiers(results: Results, axis: str) -> pd.DataFrame:
    """task and ``axis`` with the columns of stats.frontier, for all tasks; which frontier is a
    task's, README.md says.
    """
    by = ["task", axis]
    lagged = columns.with_depth(
        results.summary[~results.summary["task"].isin(["brackets", "text"])]
    )
    if axis == "depth":
        lagged = columns.with_full(lagged)
    within = [stats.reached(distances(results), by), stats.reached(contexts(results), by)]
    return pd.concat([stats.frontier(lagged, by), *within], ignore_index=True)


def distances(results: Results) -> pd.DataFrame:
    """Brackets: one row per distance and network of the longest trained length, passed
    where its accuracy there meets the criterion.

    A diverged network has no accuracy and passes nowhere.
    """
    own = results.select(task="brackets")
    own = own.select(length=list(own.summary["length"].dropna().sort_values().unique()[-1:]))
    bins = own.breakdown[
        (own.breakdown["by"] == "distance")
        & (own.breakdown["data"] == "train")
        & (own.breakdown["n"] >= FEW)
    ]
    lags = pd.DataFrame({"bin": sorted(bins["bin"].unique()) or [1]})
    every = columns.with_depth(own.summary).merge(lags, how="cross")
    measured = every.merge(bins[["run_key", "bin", "value"]], on=["run_key", "bin"], how="left")
    return measured.assign(lag=measured["bin"], passed=measured["value"] >= LENIENT)


def contexts(results: Results) -> pd.DataFrame:
    """Text: one row per network and n-gram model, passed where the network predicts at
    least as well; lag is the model's context.
    """
    own = results.select(task="text")
    lines = own.references[(own.references["measure"] == "bpc") & (own.references["by"] == "all")]
    order = lines["name"].str.extract(r"order (\d+)", expand=False)
    models = lines.assign(lag=pd.to_numeric(order))[order.notna() & (order != "0")]
    key = ["experiment", "task", "task_args"]
    pairs = columns.with_depth(own.summary).merge(models[[*key, "lag", "value"]], on=key)
    return pairs.assign(passed=pairs["final"] <= pairs["value"])


def part_of(axis: str, task: str, results: Results) -> pd.DataFrame:
    """The networks of a map."""
    rows = networks(results)[axis].summary
    return rows[(rows["task"] == task) & rows["lag_max"].notna()]


def judged(axis: str, task: str, results: Results, known: pd.DataFrame) -> pd.DataFrame:
    """One row per network and lag that it is judged at: ``axis``, lag, and ``kind``, solved or how
    it failed. Brackets are judged by distance, other tasks by the largest lag of a sequence.
    """
    if task == "brackets":
        rows = distances(networks(results)[axis])
    else:
        rows = columns.with_depth(part_of(axis, task, results))
        rows = columns.with_full(rows) if axis == "depth" else rows
        rows = rows.assign(lag=rows["lag_max"], passed=rows["status"] == "solved")
    rows = causes.with_kind(stats.trained(rows), known)
    missed = rows["kind"].mask(rows["kind"] == "solved", causes.NOT_SHOWN)
    return rows.assign(kind=missed.mask(rows["passed"], "solved"))


def outcomes(rows: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Of every lag and value of the axis: n, n_solved, share that failed, and the most frequent
    way of failing (``kind``; of equals the first as KINDS has them).

    Args:
        rows: of ``judged``.
        axis: the column.
    """
    found = []
    for (lag, value), own in rows.groupby(["lag", axis]):
        lost = own[own["kind"] != "solved"]["kind"].value_counts()
        order = sorted(lost.index, key=lambda k: (-lost[k], causes.KINDS.index(k)))
        n, failed = len(own), int(lost.sum())
        row = {"lag": lag, axis: value, "n": n, "n_solved": n - failed, "failed": failed / n}
        found.append({**row, "kind": order[0] if order else "solved"})
    return pd.DataFrame(found, columns=["lag", axis, "n", "n_solved", "failed", "kind"])


def tint(color: str, share: float) -> tuple[float, float, float]:
    """From light grey to ``color``, by the share that failed.

    >>> tint("#000000", 1.0)
    (0.0, 0.0, 0.0)
    """
    a, b = to_rgb(SOLVED), to_rgb(color)
    first, second, third = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return first, second, third


def map_of(axis: str, task: str, results: Results, ax: Axes) -> None:
    """Lag over an axis: light where it is learned, else the hue of how most networks fail, the
    stronger the more of them do; the line is the frontier that half the seeds reach.
    """
    known = known_of(results)
    rows = part_of(axis, task, results)
    table = outcomes(judged(axis, task, results, known), axis)
    start = f"{capital(panels.title_case(task))}, {TITLES[axis]}"
    ax.set_title(f"{start}: where learning fails")
    if table.empty:
        panels.empty_panel(ax, "no networks")
        return
    lags, values = sorted(table["lag"].unique()), sorted(table[axis].unique())
    for row in table.to_dict("records"):
        style = panels.KIND_STYLES[row["kind"]]
        color = tint(style["color"], row["failed"])
        corner = values.index(row[axis]), lags.index(row["lag"])
        # hatched as the legend, so that causes differ without colour too; no numbers, through
        # which the line would run
        hatch = style["hatch"] if row["failed"] >= 0.5 else ""
        look: dict[str, Any] = {"hatch": hatch, "edgecolor": (0, 0, 0, 0.25), "linewidth": 0}
        ax.add_patch(Rectangle(corner, 1, 1, facecolor=color, **look))
    ran = set(zip(table[axis], table["lag"], strict=True))
    places = product(enumerate(values), enumerate(lags))
    holes = [(x, y) for (x, value), (y, lag) in places if (value, lag) not in ran]
    for x, y in holes:
        ax.text(x + 0.5, y + 0.5, "–", ha="center", va="center", color="0.4")
    frontier_line(ax, tables_of(results)[axis], task, axis, lags, values)
    ax.set(xlim=(0, len(values)), ylim=(0, len(lags)), facecolor="white")
    infinite = "full" if axis == "depth" else "none"
    ax.set_xticks(np.arange(len(values)) + 0.5, [panels.format_number(v, infinite) for v in values])
    ax.set_yticks(np.arange(len(lags)) + 0.5, [panels.format_number(v) for v in lags])
    ax.grid(visible=False)
    lag = "distance of brackets, steps" if task == "brackets" else panels.lag_label(rows)
    ax.set(xlabel=AXES[axis], ylabel=lag)
    lost = table[table["failed"] > 0]
    handles: list[Artist] = [*panels.kind_handles({"solved", *lost["kind"]})]
    dash: dict[str, Any] = {"color": "0.4", "marker": "$–$", "linestyle": "none"}
    handles += [Line2D([], [], label="not run", **dash)] if holes else []
    composition.legend(ax, handles)
    ax.set_title(f"{start}: {finding(rows, known)}")


def frontier_line(
    ax: Axes, table: pd.DataFrame, task: str, axis: str, lags: list[float], values: list[float]
) -> None:
    """On a map: the frontier of a task as a step per value; a censored one lies at the edge."""
    own = table[table["task"] == task].set_index(axis)
    places: list[float] = []
    heights: list[float] = []
    for place, value in enumerate(values):
        if value not in own.index:  # the line is broken where nothing was fitted
            places, heights = [*places, math.nan], [*heights, math.nan]
            continue
        row = own.loc[value]
        inside = np.interp(
            np.log(row["frontier"]), np.log(np.array(lags, float)), np.arange(len(lags)) + 0.5
        )
        height = {">=": float(len(lags)), "<": 0.0}.get(str(row["censored"]), float(inside))
        places += [place, place + 1]
        heights += [height, height]
    ax.plot(places, heights, color="white", linewidth=3.6, clip_on=False, zorder=5)
    label = "half of the seeds solve it"
    ax.plot(places, heights, color="#D55E00", linewidth=2, clip_on=False, zorder=6, label=label)


def finding(rows: pd.DataFrame, known: pd.DataFrame) -> str:
    """How many networks of a map are solved, and what most of the others fail of, where one known
    cause has more than half of them.
    """
    kinds = causes.with_kind(stats.trained(rows), known)["kind"]
    lost = kinds[kinds != "solved"]
    said = f"{len(kinds) - len(lost)} of {len(kinds)} solved"
    named = lost[lost != causes.NOT_SHOWN].value_counts()
    if len(named) and named.iloc[0] > len(lost) / 2:
        said += f", {named.iloc[0]} of {len(lost)} failures {named.index[0]}"
    return said


def panel(ax: Axes, table: pd.DataFrame, axis: str, lags: pd.Series) -> None:
    """The frontiers of all tasks with a lag over one axis, side by side in each of its values;
    ``lags`` set the y axis, the same in all panels.
    """
    values = sorted(table[axis].unique())
    place = {v: i for i, v in enumerate(values)}
    panels.lag_axis(ax, lags, "")
    tasks = columns.task_order([*columns.TASKS, *table["task"]])  # a task keeps its colour
    for place_in_order, task in enumerate(tasks):
        rows = table[table["task"] == task]
        if rows.empty:
            continue
        panels.frontiers(
            ax,
            rows.assign(place=rows[axis].map(place)),
            "place",
            place_in_order % len(panels.SERIES),
            panels.title_case(task),
            shift=0.65 * ((place_in_order + 0.5) / len(tasks) - 0.5),
        )
    for edge in range(len(values) - 1):
        ax.axvline(edge + 0.5, color="0.8", linewidth=0.6)
    ax.grid(visible=False, axis="x")
    ax.set_xticks(
        range(len(values)),
        [panels.format_number(v, "full" if axis == "depth" else "none") for v in values],
    )
    ax.set(xlabel=AXES[axis], xlim=(-0.5, max(len(values), 1) - 0.5))
    composition.legend(ax)


def moved(table: pd.DataFrame, axis: str) -> str:
    """The tasks whose longest and shortest frontier along an axis have intervals that lie apart,
    and how many do not, as a title; empty where there are none of the first.
    """
    words: dict[bool, list[str]] = {True: [], False: []}
    for task, rows in table.groupby("task", sort=False):
        if len(rows) > 1:
            found = composition.extremes(rows, "frontier")
            words[found is not None].append(panels.title_case(str(task)))
    if not words[True]:
        return ""
    others = len(words[False])
    open_ = f"; {others} other{'s' * (others > 1)} undecided" if others else ""
    return (
        f"{capital(TITLES[axis])} moves the frontier for {composition.listed(words[True])}{open_}"
    )


def draw_frontiers(axis: str, results: Results, ax: Axes) -> None:
    """The frontiers of all tasks but text, whose contexts of n-gram models are another measure."""
    tables = {a: t[t["task"] != "text"] for a, t in tables_of(results).items()}
    ax.set_title(
        moved(tables[axis], axis)
        or f"The longest dependency that half the seeds learn, along {TITLES[axis]}"
    )
    if tables[axis].empty:
        panels.empty_panel(ax, "no networks")
        return
    lags = pd.concat([t[c] for t in tables.values() for c in ("lag_low", "lag_high")])
    panel(ax, tables[axis], axis, lags)
    ax.set_ylabel("longest dependency, steps")


def draw_text(axis: str, results: Results, ax: Axes) -> None:
    """The longest n-gram context whose model half of the networks match."""
    table = tables_of(results)[axis]
    table = table[table["task"] == "text"]
    ax.set_title(
        moved(table, axis)
        or f"Text: the longest n-gram model that half match, along {TITLES[axis]}"
    )
    if table.empty:
        panels.empty_panel(ax, "no networks")
        return
    panel(ax, table, axis, pd.concat([table["lag_low"], table["lag_high"]]))
    ax.set_ylabel("context of the model, characters")


def draw_ends(axis: str, results: Results, ax: Axes) -> None:
    """How the networks of an axis end, by task."""
    ended = causes.with_kind(networks(results)[axis].summary, known_of(results))
    ended = stats.trained(ended)
    ax.set_title(f"How networks end along {TITLES[axis]}")
    if ended.empty:
        panels.empty_panel(ax, "no networks")
        return
    order = pd.Categorical(ended["task"], columns.task_order(ended["task"]))
    said = finding(of_axis(axis, results), known_of(results))
    ax.set_title(f"{capital(TITLES[axis])}: {said}")
    table = stats.shares(ended.assign(task=order), ["task"], "kind")
    panels.failure_bars(ax, table, panels.title_case, "task")
    composition.legend(ax, panels.kind_handles(set(ended["kind"])))


def of_axis(axis: str, results: Results) -> pd.DataFrame:
    """The networks of an axis."""
    return networks(results)[axis].summary


def named_panels(results: Results) -> list[Panel]:
    """Of every task with a lag its maps; then frontiers, n-gram contexts and how networks end."""
    made = []
    used = behind(results)
    lagged = columns.task_order(used.loc[used["lag_max"].notna(), "task"]) or ["copy"]
    legend = (
        "Light: solved; else the hue of the most frequent way of failing, the stronger the more "
        "networks fail. Orange: the lag that half the seeds solve. "
        + causes.describe_hidden(known_of(results))
    )
    for task in lagged:
        made += [
            Panel(
                slug(task, SHORT[axis]),
                partial(map_of, axis, task),
                f"How networks end on {panels.title_case(task)}, over lag and "
                f"{AXES[axis].partition(',')[0]}",
                partial(part_of, axis, task),
                details=legend,
            )
            for axis in AXES
        ]
    for axis in AXES:
        own = partial(of_axis, axis)
        made += [
            Panel(
                f"frontier-{SHORT[axis]}",
                partial(draw_frontiers, axis),
                f"The longest dependency that half the seeds learn, along {TITLES[axis]}, by task",
                own,
                "bars: 95 % intervals (profile likelihood; brackets: bootstrap over seeds)",
                "≥ and < mark frontiers beyond what was tested.",
            ),
            Panel(
                f"text-{SHORT[axis]}",
                partial(draw_text, axis),
                "The longest context whose Kneser-Ney model half of the networks match, along "
                f"{TITLES[axis]}",
                own,
                "bars: 95 % bootstrap intervals over seeds",
            ),
            Panel(
                f"ends-{SHORT[axis]}",
                partial(draw_ends, axis),
                f"How networks end along {TITLES[axis]}, by task",
                own,
            ),
        ]
    return made


def overview(results: Results) -> list[Panel]:
    """The maps of the first two tasks: rows are K, clip and gain."""
    every = named_panels(results)
    names = [p.name for p in every if p.name.endswith(tuple(f"-{s}" for s in SHORT.values()))]
    tasks = [n.removesuffix("-k") for n in names if n.endswith("-k")][:2]
    return composition.choose(every, [f"{t}-{s}" for s in SHORT.values() for t in tasks])


def figure(results: Results) -> Figure:
    """Six maps, under the counts of the networks behind all maps."""
    drawn = replace(results, summary=behind(results))
    return composition.compose(drawn, overview(results), height=2.4)


def caption(results: Results) -> str:
    """What is drawn, with the counts of the networks behind it."""
    used = behind(results)
    known = known_of(results)
    ended = causes.with_kind(used, known)["kind"].value_counts()
    kinds = ", ".join(f"{kind} {ended.get(kind, 0)}" for kind in panels.KIND_STYLES)
    return (
        "**Where learning fails: over lag and truncation length, clip threshold and initial "
        f"scale.** {composition.describe(overview(results))} Light tiles are solved; others have "
        "the hue of the most frequent way of failing, the stronger the more networks fail. "
        "Orange: the lag that half the seeds solve, the half point of a "
        "logistic fit in ln(lag), at the edge where it lies beyond what was tested. The maps of "
        "other tasks, frontiers of all tasks beside each other and n-gram contexts of text are "
        "panels of their own (`throughtime figure atlas --list`). Brackets: the longest distance "
        f"up to which a network's accuracy is at least {LENIENT:g}; text along scale is of the "
        "clip x gain plane of `language` at clip 1. How all networks of the three axes end: "
        f"{kinds}. {causes.describe(known)} {describe_networks(replace(results, summary=used))}"
    )
