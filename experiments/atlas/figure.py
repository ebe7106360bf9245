"""One page: the frontier of every task along K, clip and scale, and how the networks behind it
end.
"""

from dataclasses import replace

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import causes, columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

AXES = {
    "depth": "truncation length K, steps",
    "clip": "clip threshold (gradient norm)",
    "gain": "initial gain g of W_hh",
}
TITLES = {
    "depth": "along truncation (chunked)",
    "clip": "along clipping (SGD, g = 1)",
    "gain": "along initial scale (orthogonal)",
}
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


def panel(ax: Axes, table: pd.DataFrame, axis: str, lags: pd.Series) -> None:
    """The frontiers of all tasks over one axis, side by side in each of its values; ``lags`` set
    the y axis, the same in all panels.
    """
    values = sorted(table[axis].unique())
    place = {v: i for i, v in enumerate(values)}
    panels.lag_axis(ax, lags, "")
    tasks = columns.task_order([*columns.TASKS, *table["task"]])  # a task keeps its colour
    for place_in_order, task in enumerate(tasks):
        rows = table[table["task"] == task]
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


def figure(results: Results) -> Figure:
    """Above, frontiers along K, clip and scale; below, how the same networks end."""
    fig = Figure(figsize=(11, 6.2), layout="constrained")
    axes = fig.subplots(2, 3, height_ratios=[1.9, 1])
    parts, known = networks(results), causes.specificity(behind(results))
    tables = {axis: frontiers(part, axis) for axis, part in parts.items()}
    lags = pd.concat([t[c] for t in tables.values() for c in ("lag_low", "lag_high")])
    for (upper, lower), (axis, part) in zip(axes.T, parts.items(), strict=True):
        upper.set_title(TITLES[axis])
        lower.set_title("how these networks end")
        if part.summary.empty:
            panels.empty_panel(upper, "no networks")
            panels.empty_panel(lower, "no networks")
            continue
        panel(upper, tables[axis], axis, lags)
        ended = causes.with_kind(part.summary, known)
        order = pd.Categorical(ended["task"], columns.task_order(ended["task"]))
        panels.failure_bars(
            lower,
            stats.shares(ended.assign(task=order), ["task"], "kind"),
            panels.title_case,
            "task",
        )
    series = {
        label: h for ax in axes[0] for h, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    axes[0, 0].set_ylabel("longest dependency that half the seeds learn, steps")
    fig.legend(
        series.values(),
        series.keys(),
        loc="outside lower left",
        ncols=5,
        fontsize=7,
        columnspacing=1.2,
    )
    fig.legend(
        handles=panels.kind_handles(),
        loc="outside lower right",
        ncols=6,
        fontsize=7,
        columnspacing=1.2,
    )
    return add_header(fig, replace(results, summary=behind(results)))


def caption(results: Results) -> str:
    """What is drawn, with the counts of the networks behind it."""
    used = behind(results)
    known = causes.specificity(used)
    ended = causes.with_kind(used, known)["kind"].value_counts()
    kinds = ", ".join(f"{kind} {ended.get(kind, 0)}" for kind in panels.KIND_STYLES)
    return (
        "**The longest dependency that half the seeds learn (steps), along truncation length, clip "
        "threshold and initial "
        "scale.** Copy, adding and temporal order: half point of a logistic fit in ln(lag), with "
        "its 95 % profile-likelihood "
        "interval. Brackets: the longest distance up to which a network's accuracy is at least "
        f"{LENIENT:g}, text: the longest "
        "context (characters) whose Kneser-Ney model a network matches; of both, what half the "
        "networks reach, with a bootstrap "
        "interval. ≥ and < mark frontiers beyond what was tested. Along scale, text is of the clip "
        "x gain plane of `language` "
        f"at clip 1. Below, how the networks above end: {kinds}. {causes.describe(known)} "
        f"{describe_networks(replace(results, summary=used))}"
    )
