"""Success over clip x gain for every task, at full depth and truncated, and with Adam; failures;
what clipping costs.
"""

import math
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import causes, columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, capital, slug
from throughtime.results.load import Results

from .claims import SMALL, USUAL, slows

CLIP, GAIN = "clip threshold (gradient norm)", "initial gain g of W_hh"


def same_lengths(summary: pd.DataFrame) -> pd.DataFrame:
    """The networks at the lengths of the truncated sweep (without it: each task's longest), so that
    panels compare like with like.
    """
    lengths = summary["length"].astype(float).fillna(0)
    short = lengths[summary["sweep"] == "short"].groupby(summary["task"]).max()
    chosen = summary["task"].map(lengths.groupby(summary["task"]).max().to_dict() | short.to_dict())
    return summary[lengths == chosen]


def chosen(task: str, sweep: str, results: Results) -> pd.DataFrame:
    """The networks of a plane."""
    rows = same_lengths(results.summary) if sweep != "adam" else results.summary
    return rows[(rows["task"] == task) & (rows["sweep"] == sweep)]


def plane(task: str, sweep: str, results: Results, ax: Axes) -> None:
    """Success over clip x gain; where success is not the measure (text), the median final
    measure.
    """
    rows = chosen(task, sweep, results)
    ax.set(xlabel=CLIP, ylabel=GAIN, title=finding(task, sweep, rows))
    if len(rows) and rows["measure"].iloc[0] == "bpc":
        table = stats.summarize(rows, ["clip", "gain"])
        panels.heatmap_lower_is_better(ax, table, "clip", "gain")
        best, worst = panels.shades(table["value"])
        ends = f"at least {worst:.2f} bits (worst)", f"{best:.2f} bits (best)"
        composition.legend(ax, panels.scale_handles(*ends))
    else:
        panels.heatmap(ax, stats.success(rows, ["clip", "gain"]), "clip", "gain")
        if len(rows):
            composition.legend(ax, panels.share_handles())
    ax.set(xlabel=CLIP, ylabel=GAIN)


def finding(task: str, sweep: str, rows: pd.DataFrame) -> str:
    """The title of a plane: what is solved with and without clipping, where the tables tell them
    apart.
    """
    start = capital(panels.title_case(task))
    if len(rows):
        first = rows.iloc[0]
        lag = "" if pd.isna(first["lag_max"]) else f", lag {first['lag_max']}"
        modes, Ks = "/".join(rows["mode"].unique()), "/".join(map(str, rows["K"].unique()))
        depth = {"full": "full depth", "adam": "full depth, Adam"}.get(sweep, f"{modes} K={Ks}")
        start += f"{lag}, {depth}"
        if first["measure"] == "bpc":
            found = composition.extremes(stats.summarize(rows, ["clip", "gain"]))
            if not found:
                return f"{start}: bits over clip and gain"
            where = [
                ("no clipping" if math.isinf(row["clip"]) else f"clip {row['clip']:g}")
                + f", gain {row['gain']:g} ({row['value']:.2f})"
                for row in found
            ]
            return f"{start}: fewest bits at {where[1]}, most at {where[0]}"
    free = rows["clip_kind"] == "none"
    if (sign := composition.differ(rows[~free], rows[free])) != 0:
        words = composition.solved(rows[~free]), composition.solved(rows[free])
        verb = "rescues" if sign > 0 else "hurts"
        return f"{start}: clipping {verb}, {words[0]} solved with it, {words[1]} without"
    return f"{start}: share solved over clip and gain"


def failures(by: str, label: str, results: Results, ax: Axes) -> None:
    """How networks end, by one axis of the plane."""
    rows = stats.trained(causes.with_kind(full(results)))
    ax.set_title(f"How networks end, by {label} (full depth, all tasks and lags)")
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    panels.failure_bars(ax, stats.shares(rows, [by], "kind"), panels.format_number, by)
    ax.set(ylabel=label)
    composition.legend(ax, panels.kind_handles(set(rows["kind"])))
    free = rows["clip_kind"] == "none"
    lost, n = (
        rows["status"].eq("diverged").groupby(free).agg(f).reindex([True, False], fill_value=0)
        for f in ("sum", "size")
    )
    low, high = stats.wilson(lost, n)
    found = composition.extremes(stats.success(rows, [by]), "rate")
    if by == "gain" and found:
        said = [
            f"{row['n_solved']:.0f} of {row['n']:.0f} at gain {panels.format_number(row[by])}"
            for row in found
        ]
        ax.set_title(f"Solved at full depth: {said[0]}, {said[1]}")
    if by == "clip" and low[0] > high[1]:
        ax.set_title(
            f"{lost[True]} of {n[True]} unclipped networks diverge, {lost[False]} of {n[False]} "
            "clipped ones"
        )


def cost(results: Results, ax: Axes) -> None:
    """Updates until the criterion was first met, over the threshold: small steps are slow steps."""
    summary = results.select(sweep="full").summary
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
    ax.set(xlabel=CLIP, ylabel="updates (median)")
    slower = slows(results)
    ax.set_title(
        f"A threshold of {SMALL:g} takes {math.exp(slower.statistic):.1f} times the updates of "
        f"{USUAL:g} (gain 1)"
        if slower.verdict == "supported"
        else "Updates until a solved network first met its criterion (full depth)"
    )
    if len(solved):
        ax.set_ylim(0, None)
        composition.legend(ax)


def full(results: Results) -> pd.DataFrame:
    """The networks at full depth."""
    return results.select(sweep="full").summary


def named_panels(results: Results) -> list[Panel]:
    """Of every task its planes; with Adam; how networks end; what clipping costs."""
    made = []
    for task in columns.task_order(results.summary["task"]) or ["copy"]:
        shown = panels.title_case(task)
        for sweep, words in {"full": "at full depth", "short": "truncated"}.items():
            what = "Median final bits per character" if task == "text" else "Share of networks"
            verb = "of text" if task == "text" else f"that solve {shown}"
            made.append(
                Panel(
                    slug(task, sweep),
                    partial(plane, task, sweep),
                    f"{what} {verb} {words}, over clip threshold and initial gain of W_hh",
                    partial(chosen, task, sweep),
                    details="Thresholds are of the global gradient norm of a mean loss, SGD.",
                )
            )
    adam = Panel(
        "copy-adam",
        partial(plane, "copy", "adam"),
        "Share of networks that solve copy with Adam, over clip threshold and initial gain",
        partial(chosen, "copy", "adam"),
    )
    ends = [
        Panel(
            f"ends-by-{by}",
            partial(failures, by, label),
            f"How networks end at full depth, by {label}",
            full,
            details="Several causes can hold of one network; the first of diverged, truncated, "
            "vanishing, clipped, still learning, plateau is drawn. "
            + causes.describe_hidden(causes.specificity(full(results))),
        )
        for by, label in (("clip", "clip threshold"), ("gain", "initial gain"))
    ]
    slow = Panel(
        "cost",
        cost,
        "Median update at which networks that ever met the criterion did so first, over the clip "
        "threshold",
        full,
        "bars: 95 % bootstrap intervals over seeds",
    )
    return [*made, adam, *ends, slow]


OVERVIEW = ("copy-full", "adding-full", "temporal-order-full", "text-full", "ends-by-clip", "cost")


def overview(results: Results) -> list[Panel]:
    """Planes at full depth, how networks end, and what clipping costs."""
    return composition.choose(named_panels(results), OVERVIEW)


def figure(results: Results) -> Figure:
    """Six panels."""
    return composition.compose(results, overview(results))


def caption(results: Results) -> str:
    """What is drawn, with the counts of the tables."""
    rows = full(results)
    clipped = rows["clip_kind"] != "none"

    def share(rows: pd.DataFrame) -> str:
        return f"{int((rows['status'] == 'diverged').sum())} of {len(rows)}"

    return (
        "**What clipping rescues: networks that solve each task, over clip threshold and initial "
        f"gain of W_hh.** {composition.describe(overview(results))} Numbers: solved / n, for text "
        "the median bits per character, lighter is better. Thresholds are of the global gradient "
        "norm of a mean loss. Truncated planes and those of other tasks are panels of their own "
        "(`throughtime figure clipping --list`). Several causes can hold of one network, the first "
        "of diverged, truncated, vanishing, clipped, still learning, plateau is drawn. "
        f"{causes.describe_hidden(causes.specificity(rows))} At full depth {share(rows[clipped])} "
        f"clipped and {share(rows[~clipped])} unclipped networks diverged. "
        f"{describe_networks(results)}"
    )
