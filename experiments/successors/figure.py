"""The lag that each model learns, by task; how its gradient decays; what K, gates' first bias and
clipping change; bits of text; and how time grows with T.
"""

import math
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, capital, slug
from throughtime.results.load import Results

from .analysis import (
    FRONTIER,
    RATES,
    TEXT,
    absent,
    chosen,
    contexts,
    frontiers,
    ordered,
    parameter,
    reported,
    score,
    times,
)
from .claims import PLAIN, forget

DECADES = math.log(10)
FEWEST = -12  # decades of gradient norm that are drawn
WAYS = {
    "recurrence": "recurrence (tanh)",
    "loop": "LRU, loop",
    "scan": "LRU, scan",
    "attention": "attention",
}
SCORE = "score (0: chance, 1: perfect)"
NEUTRAL = "the longest lag that half the seeds solve"
BOOTSTRAP = "bars: 95 % bootstrap intervals over seeds"
PROFILE = "bars: 95 % profile-likelihood intervals"
BEYOND = "≥ and < mark frontiers beyond the tested lags."
GAIN_AND_CLIP = "initial gain, and below it the clip threshold"
NO_GAIN = "In the orthogonal cell, the LRU and attention the gain does nothing."


def of_task(task: str, results: Results) -> pd.DataFrame:
    """The reported networks of a task."""
    rows = reported(results, *FRONTIER)
    return rows[rows["task"] == task]


def of_sweeps(sweeps: tuple[str, ...], results: Results) -> pd.DataFrame:
    """The reported networks of some sweeps."""
    return reported(results, *sweeps)


def all_reported(results: Results) -> pd.DataFrame:
    """All networks but those on which the learning rate was chosen, or whose rate was not."""
    return reported(results, *(set(results.summary["sweep"]) - set(RATES)))


def model_axis(ax: Axes, models: list[str]) -> None:
    """A y axis of models, the first above."""
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.5, -0.5)


def bars(ax: Axes, place: float, value: float, low: float, high: float, series: int) -> None:
    """One marker with its interval, along x."""
    style = {k: v for k, v in panels.SERIES[series].items() if k != "linestyle"}
    reach = [[max(value - low, 0.0)], [max(high - value, 0.0)]]
    ax.errorbar(
        [value], [place], xerr=np.nan_to_num(reach), capsize=1.5, elinewidth=0.8,
        linestyle="none", markersize=panels.marker_size(), **style,
    )  # fmt: skip


def compared(table: pd.DataFrame, above: str, below: str, neutral: str = NEUTRAL) -> str:
    """The models whose interval lies above and below that of tanh, as a title.

    Args:
        table: a row per model, its index; with low and high.
        above, below: what there is with the first and with the second.
        neutral: the title where no interval lies apart from tanh's.
    """
    higher, lower = composition.beside(table, PLAIN)
    parts = [
        f"{words} with {composition.listed(names)}"
        for names, words in ((higher, above), (lower, below))
        if names
    ]
    return f"{', '.join(parts)} than with {PLAIN}" if parts else neutral


def frontier(task: str, results: Results, ax: Axes) -> None:
    """The lag that half the seeds solve, of each model."""
    name = capital(panels.title_case(task))
    ax.set_title(f"{name}: {NEUTRAL}")
    table = frontiers(results)
    table = table[table["task"] == task].set_index("model")
    models = ordered(pd.Series(table.index))
    if not models:
        panels.empty_panel(ax, "no networks")
        return
    ax.set_xscale("log", base=2)
    first, last = table["lag_low"].min(), table["lag_high"].max()
    for place, model in enumerate(models):
        row: Any = table.loc[model]
        low = row["low"] if row["low"] > 0 else first / panels.BEYOND
        high = row["high"] if row["high"] < math.inf else row["lag_high"] * panels.BEYOND
        bars(ax, place, row["frontier"], low, high, min(place, 6))
        if sign := {">=": "≥", "<": "<"}.get(str(row["censored"]), ""):
            ax.annotate(sign, (row["frontier"], place), (0, 3), textcoords="offset points",
                        fontsize="small", ha="center")  # fmt: skip
    ax.set_title(f"{name}: {compared(table, 'longer lags', 'shorter lags')}")
    model_axis(ax, models)
    ticks = [2.0**i for i in range(12) if first / 1.6 <= 2**i <= last * 1.6]
    ax.set_xlim(first / 1.6, last * 1.6)
    ax.set_xticks(ticks, [panels.format_number(t) for t in ticks])
    ax.minorticks_off()
    of = "distance" if task == "brackets" else "largest lag"
    ax.set_xlabel(f"{of}, steps")


def gradient(moment: str, results: Results, ax: Axes) -> None:
    """Gradient norm over lag on the longest copy, over that at lag 0: medians of seeds."""
    ax.set_title(f"Copy: gradient by lag {moment} training")
    own = reported(results, "copy")
    own = own[own["lag_max"] == own["lag_max"].max()]
    step: Literal["first", "last"] = "first" if moment == "before" else "last"
    rows = results.probe("gradient_by_lag", "log_gradient_rms", step)
    rows = rows.merge(own[["run_key", "model"]], on="run_key")
    if rows.empty:
        panels.empty_panel(ax, "nothing probed")
        return
    first = rows[rows["index"] == 0].set_index("run_key")["value"]
    rows = rows.assign(decades=(rows["value"] - rows["run_key"].map(first)) / DECADES)
    rows = rows[np.isfinite(rows["decades"])]
    for series, model in enumerate(ordered(rows["model"])):
        style = {k: v for k, v in panels.SERIES[series].items() if k != "marker"}
        line = rows[rows["model"] == model].groupby("index")["decades"].median()
        ax.plot(line.index, line, label=model, linewidth=1.2, **style)
    ends = {
        model: own[own["index"] == own["index"].max()]["decades"].agg(["min", "max"])
        for model, own in rows.groupby("model")
        if own["run_key"].nunique() > 1
    }
    table = pd.DataFrame({m: {"low": e["min"], "high": e["max"]} for m, e in ends.items()}).T
    more, less = (f"{much} gradient left at the longest lag" for much in ("more", "less"))
    said = compared(table, more, less, "gradient by lag")
    ax.set_title(f"Copy, {moment} training: {said}")
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, FEWEST), high)
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.set(xlabel="lag, steps", ylabel="gradient norm over that at lag 0, decades")
    composition.legend(ax)


def over_bias(results: Results, ax: Axes) -> None:
    """Score of the LSTM on adding, over its first forget bias."""
    ax.set_title("LSTM on adding: final score over the first forget bias")
    rows = reported(results, "forget")
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    rows = rows.assign(bias=parameter(rows, "forget_bias"), score=score(rows))
    for series, (lag, own) in enumerate(rows.groupby("lag_max")):
        table = stats.summarize(own, ["bias"], "score", "mean")
        shift = 0.03 * (2 * series - 1)
        panels.points(ax, table, "bias", "value", series, f"lag {lag}", shift, line=True)
    better = forget(results)
    if better.verdict == "supported":
        ax.set_title(f"LSTM on adding, longest lag: {better.detail}")
    ax.set(xlabel="first bias of the forget gate", ylabel=SCORE, ylim=(-0.05, 1.05))
    ax.set_xticks(sorted(rows["bias"].unique()))
    composition.legend(ax)


def windowed(results: Results) -> pd.DataFrame:
    """The networks of sweep window, and those of copy at full depth beside them, with ``place``: of
    their K among all, full depth the last. Where K holds the whole sequence no network is trained
    for it: those at full depth are the same, and stand there too.
    """
    short = reported(results, "window")
    full = reported(results, "copy", "copy_attention")
    full = full[full["lag_max"].isin(short["lag_max"]) & full["model"].isin(short["model"])]
    depths = sorted(short["K"].unique())
    places = [depths.index(k) for k in short["K"]]
    parts = [short.assign(place=places), full.assign(place=len(depths))]
    parts += [full[full["steps"] <= k].assign(place=i, K=k) for i, k in enumerate(depths)]
    return pd.concat(parts, ignore_index=True)


def all_windowed(results: Results) -> pd.DataFrame:
    """What ``frontier_over_window`` draws, each network once."""
    return windowed(results).drop_duplicates("run_key")


def at_middle(rows: pd.DataFrame) -> pd.DataFrame:
    """Those at the middle one of the lags."""
    lags = sorted(rows["lag_max"].unique())
    return rows[rows["lag_max"] == lags[len(lags) // 2]] if lags else rows


def windowed_at_middle(results: Results) -> pd.DataFrame:
    """What ``over_window`` draws."""
    return at_middle(windowed(results))


def plane_at_middle(results: Results) -> pd.DataFrame:
    """What ``over_plane`` draws."""
    return at_middle(plane(results))


def over_window(results: Results, ax: Axes) -> None:
    """Score on copy at one lag, over K, of every model that has a short K."""
    ax.set_title("Copy: final score over the truncation length K")
    rows = windowed_at_middle(results)
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    lag = int(rows["lag_max"].iloc[0])
    ax.set_title(f"Copy, lag {lag}: final score over the truncation length K")
    rows = rows.assign(score=score(rows))
    needy: list[str] = []
    for series, model in enumerate(ordered(rows["model"])):
        table = stats.summarize(rows[rows["model"] == model], ["K"], "score", "mean")
        shift = 0.1 * (series - 3)
        panels.points(ax, table, "K", "value", series, model, shift, line=True)
        found = composition.ends(table)
        needy += [model] if found and composition.apart(found[1], found[0]) else []
    ax.axvline(lag + 1, color="#D55E00", linewidth=1, linestyle=":", label=f"lag {lag} in reach")
    if needy:
        models = composition.listed(needy)
        ax.set_title(f"Copy, lag {lag}: the shortest K costs {models} score against full depth")
    ax.set(xlabel="K, steps", ylabel=SCORE, ylim=(-0.05, 1.05))
    composition.legend(ax)


def frontier_over(ax: Axes, rows: pd.DataFrame, names: list[str]) -> dict[str, pd.DataFrame]:
    """The frontier of every model at each ``place`` of ``names``; what is drawn, by model."""
    tables = {}
    panels.lag_axis(ax, rows["lag_max"], panels.lag_label(rows))
    for series, model in enumerate(ordered(rows["model"])):
        own = stats.frontier(rows[rows["model"] == model], ["place"])
        panels.frontiers(ax, own, "place", series, model, 0.09 * (series - 3), line=False)
        tables[model] = own
    ax.set_xticks(range(len(names)), names)
    composition.legend(ax)
    return tables


def frontier_over_window(results: Results, ax: Axes) -> None:
    """The lag of copy that half the seeds solve, over K, of every model."""
    ax.set_title(f"Copy: {NEUTRAL}, over K")
    rows = windowed(results)
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    names = [f"{k:g}" for k in sorted(rows["K"][rows["mode"] != "full"].unique())]
    tables = frontier_over(ax, rows, [*names, "full"])
    every = {m: t for m, t in tables.items() if len(t) == len(names) + 1}
    found = {model: composition.ends(table) for model, table in every.items()}
    needy = [model for model, both in found.items() if both and composition.apart(both[1], both[0])]
    if needy:
        ax.set_title(
            f"Copy: K = {names[0]} reaches shorter lags than full depth with "
            f"{composition.listed(needy)}"
        )
    ax.set_xlabel("K, steps")


def plane(results: Results) -> pd.DataFrame:
    """The networks of sweep plane, and those of adding at the gain and the threshold that all else
    has, with ``place``: of their gain and clip threshold among all.
    """
    rows = reported(results, "plane")
    usual = reported(results, "adding")
    usual = usual[usual["lag_max"].isin(rows["lag_max"]) & usual["model"].isin(rows["model"])]
    rows = pd.concat([rows, usual], ignore_index=True)
    pairs = list(zip(rows["gain"], rows["clip"], strict=True))
    every = sorted(set(pairs))
    return rows.assign(place=[every.index(pair) for pair in pairs])


def name_places(rows: pd.DataFrame) -> list[str]:
    """What ``plane`` calls its places: the gain, and the threshold below it."""
    each = rows.drop_duplicates("place").sort_values("place")
    return [f"{row.gain:g}\n{panels.format_number(row.clip)}" for row in each.itertuples()]


def over_plane(results: Results, ax: Axes) -> None:
    """Score on adding at one lag, over clip threshold and gain, of every model."""
    ax.set_title("Adding: final score over clip threshold and gain")
    rows = plane_at_middle(results)
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    lag = int(rows["lag_max"].iloc[0])
    ax.set_title(f"Adding, lag {lag}: final score over clip threshold and gain")
    rows = rows.assign(score=score(rows))
    every = stats.summarize(rows, ["model", "gain", "clip"], "score", "mean")
    if found := composition.extremes(every):
        said = [
            f"{r['model']} scores {r['value']:.2f} at gain {r['gain']:g}, clip "
            f"{panels.format_number(r['clip'])}"
            for r in found
        ]
        ax.set_title(f"Adding, lag {lag}: {said[0]}; {said[1]}")
    for series, model in enumerate(ordered(rows["model"])):
        table = stats.summarize(rows[rows["model"] == model], ["place"], "score", "mean")
        panels.points(ax, table, "place", "value", series, model, 0.09 * (series - 3))
    names = name_places(rows)
    ax.set_xticks(range(len(names)), names)
    ax.set(xlabel=GAIN_AND_CLIP, ylabel=SCORE, ylim=(-0.05, 1.05))
    composition.legend(ax)


def frontier_over_plane(results: Results, ax: Axes) -> None:
    """The lag of adding that half the seeds solve, over clip threshold and gain, of every model."""
    ax.set_title(f"Adding: {NEUTRAL}, over clip threshold and gain")
    rows = plane(results)
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    tables = frontier_over(ax, rows, name_places(rows))
    moved = [model for model, own in tables.items() if composition.extremes(own, "frontier")]
    if moved:
        models = composition.listed(moved)
        ax.set_title(f"Adding: gain or clip threshold moves the frontier of {models}")
    ax.set_xlabel(GAIN_AND_CLIP)


def text_rows(results: Results) -> pd.DataFrame:
    """The networks of text, with ``label``: model, and the window where it is not all."""
    return labelled(reported(results, *TEXT))


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """With ``label``: model, and the window where it is not all."""
    short = rows["mode"] != "full"
    return rows.assign(
        label=rows["model"].where(~short, rows["model"] + ", K = " + rows["K"].astype(str))
    )


def labels(rows: pd.DataFrame) -> list[str]:
    """The labels that ``labelled`` gave, in the order of the models."""
    return [
        label
        for model in ordered(rows["model"])
        for label in sorted(set(rows["label"][rows["model"] == model]))
    ]


def text(results: Results, ax: Axes) -> None:
    """Final bits per character of every model."""
    ax.set_title("Text: bits per character")
    rows = text_rows(results)
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    table = stats.summarize(rows, ["label"]).set_index("label").loc[labels(rows)]
    said = compared(table, "more bits per character", "fewer bits", "bits per character")
    ax.set_title(f"Text: {said}")
    finite = table[["value", "low", "high"]].replace(math.inf, math.nan).stack()
    for place, (_, row) in enumerate(table.iterrows()):
        if math.isfinite(row["value"]):  # a bound that diverged networks reach is drawn to the edge
            bars(ax, place, row["value"], row["low"], min(row["high"], finite.max()), min(place, 6))
    counts = [f" ({n}×)" if n else "" for n in table["n_diverged"]]
    model_axis(ax, [f"{label}{n}" for label, n in zip(table.index, counts, strict=True)])
    ax.set_xlabel("bits per character (median)")


def context(results: Results, ax: Axes) -> None:
    """Effective context of every model of text."""
    ax.set_title("Text: effective context")
    table = labelled(contexts(results))
    if table.empty:
        panels.empty_panel(ax, "nothing probed")
        return
    for place, label in enumerate(labels(table)):
        own = table[table["label"] == label]["effective"]
        bars(ax, place, own.median(), own.min(), own.max(), min(place, 6))
    model_axis(ax, labels(table))
    ax.set_xlabel("characters of context (median, range)")


def speed(results: Results, ax: Axes) -> None:
    """Steps per second over T, one sequence."""
    rows = times(results)
    rows = rows[rows["batch"] == rows["batch"].min()]
    ax.set_title("One sequence, one thread: steps of training per second")
    if rows.empty:
        panels.empty_panel(ax, "nothing measured")
        return
    rate = rows.assign(rate=rows["T"] * rows["batch"] / rows["ms"] * 1e3)
    gains = {}
    for series, (way, name) in enumerate(WAYS.items()):
        own = rate[rate["series"] == way]
        ax.plot(own["T"], own["rate"], label=name, markersize=4.5, **panels.SERIES[series])
        gains[way] = own["rate"].iloc[-1] / own["rate"].iloc[0]
    span = rate["T"].max() / rate["T"].min()
    ax.set_title(
        f"Steps per second at {span:.3g} times the T: scan × {gains['scan']:.2g}, recurrence × "
        f"{gains['recurrence']:.2g}"
    )
    ax.set(xscale="log", yscale="log", xlabel="T, steps", ylabel="steps per second")
    ticks = sorted(rate["T"].unique())
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    composition.legend(ax)


def named_panels(results: Results) -> list[Panel]:
    """The frontier of every task first, then what explains it."""
    tasks = columns.task_order(of_task_names(results)) or ["copy"]
    made = [
        Panel(
            slug(task, "frontier"),
            partial(frontier, task),
            f"The longest lag of {panels.title_case(task)} that half the seeds solve, by model",
            partial(of_task, task),
            BOOTSTRAP if task == "brackets" else PROFILE,
            BEYOND,
        )
        for task in tasks
    ]
    copy, forget = partial(of_sweeps, ("copy",)), partial(of_sweeps, ("forget",))
    of_text = partial(of_sweeps, TEXT)
    told = "No networks are trained for it; the sizes are those of copy."
    return [
        *made,
        Panel(
            "gradient-after", partial(gradient, "after"),
            "Gradient norm by lag over that at lag 0 on the longest copy, after training: medians "
            "over seeds", copy, "",
        ),
        Panel("speed", speed, "Steps per second of forward and backward of one sequence, over T",
              nothing, "", told),
        Panel(
            "gradient-before", partial(gradient, "before"),
            "Gradient norm by lag over that at lag 0 on the longest copy, before training: medians "
            "over seeds", copy, "",
        ),
        Panel("forget-bias", over_bias, "Final score of LSTMs on adding over their first forget "
              "bias", forget, BOOTSTRAP),
        Panel("window", over_window, "Final score on copy over K in sliding windows, at the middle "
              "lag", windowed_at_middle, BOOTSTRAP),
        Panel("window-frontier", frontier_over_window, "The longest lag of copy that half the "
              "seeds solve, over K in sliding windows", all_windowed, PROFILE, BEYOND),
        Panel("plane", over_plane, "Final score on adding over gain and clip threshold, at the "
              "middle lag", plane_at_middle, BOOTSTRAP, NO_GAIN),
        Panel("plane-frontier", frontier_over_plane, "The longest lag of adding that half the "
              "seeds solve, over gain and clip threshold", plane, PROFILE, f"{NO_GAIN} {BEYOND}"),
        Panel("text", text, "Bits per character of text, by model", of_text, BOOTSTRAP),
        Panel("text-context", context, "Effective context of text, by model", of_text,
              "bars: range over seeds"),
    ]  # fmt: skip


def of_task_names(results: Results) -> "pd.Series[str]":
    """The tasks of the frontier."""
    return results.select(sweep=list(FRONTIER)).summary["task"]


def nothing(results: Results) -> pd.DataFrame:
    """Programs were measured."""
    return results.summary.iloc[:0]


def overview(results: Results) -> list[Panel]:
    """The frontiers, the gradient after training, and speed."""
    every = named_panels(results)
    wanted = [p.name for p in every if p.name.endswith("-frontier")]
    return composition.choose(every, [*wanted[:4], "gradient-after", "speed"])


def figure(results: Results) -> Figure:
    """Six panels."""
    return composition.compose(results, overview(results), height=2.5)


def caption(results: Results) -> str:
    """What is drawn, with the frontiers and the chosen rates."""
    table = frontiers(results)
    said = [
        f"{panels.title_case(task)}: "
        + ", ".join(
            f"{own.loc[m, 'model']} {own.loc[m, 'censored']} {own.loc[m, 'frontier']:.0f}".replace(
                "  ", " "
            )
            for m in own.index
        )
        for task, own in table.groupby("task")
    ]
    rates = chosen(results)
    left_out = absent(results)
    gone = f"Without a network at that rate: {composition.listed(left_out)}. " if left_out else ""
    told = "; ".join(
        f"{panels.title_case(task)} " + ", ".join(f"{r.model} {r.lr:g}" for r in own.itertuples())
        for task, own in rates.groupby("task")
    )
    return (
        "**The longest lag that models learn at matched parameters and updates, and how their "
        f"gradients and their time grow with it.** {composition.describe(overview(results))} "
        "Models of a task have as many parameters within 5 %, and the same updates, data and "
        "clipping; all read all steps (K = T). Each has the learning rate that was the better one "
        f"on other seeds ({told or 'none chosen'}); all other networks are left out of figure and "
        f"claims, and are counted below. {gone}Steps per second are of one thread, and differ from "
        "machine to machine. What K, gain, clipping and the forget bias change, and text, are "
        "panels of their own (`throughtime figure successors --list`). "
        f"Frontiers in steps: {'; '.join(said) or 'none'}. {describe_networks(results)}"
    )
