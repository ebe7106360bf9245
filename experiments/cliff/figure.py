"""Above, the wall of the one-unit network and descents on it; below, spikes of the gradient in
training, and the loss around them.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

from .analysis import FACTOR, SMALLEST, THROWN, WINDOW, places, profile, spikes
from .claims import CLIP
from .claims import thrown as thrown_back

GOOD = 0.01  # loss of the one-unit network that counts as the minimum
UNITS = "loss / loss at chance"
COLOURS = "cividis_r"  # light is a small error: light is good in every map
ERROR = "error |σ(x₅₀) − 0.7|"


def thresholds(results: Results, kind: str) -> dict[str, str]:
    """Threshold as the series says it -> series, smallest first."""
    found = {
        s.partition(" ")[2]: s
        for s in results.computed["series"].unique()
        if s.startswith(f"{kind} ")
    }
    return dict(sorted(found.items(), key=lambda item: float(item[0])))


def paths(results: Results) -> dict[str, pd.DataFrame]:
    """Threshold -> w, b and loss, a row an update."""
    table = results.computed
    return {
        clip: table[table["series"] == series].pivot(index="x", columns="quantity", values="value")
        for clip, series in thresholds(results, "path").items()
    }


def error(results: Results) -> pd.DataFrame:
    """The error (ERROR) over the bias (rows) and the recurrent weight; empty: not computed."""
    table = results.computed
    loss = table[(table["series"] == "surface") & (table["quantity"] == "loss")]
    return loss.pivot(index="y", columns="x", values="value") ** 0.5


def steepest(grid: pd.DataFrame) -> tuple[float, float]:
    """The largest change of the error between two neighbours in b, and their distance.

    >>> steepest(pd.DataFrame({4.0: [0.1, 0.2, 0.7]}, index=[-3.0, -2.9, -2.8]))
    (0.5, 0.1)
    """
    jumps = np.abs(np.diff(grid.to_numpy(float), axis=0)).max(axis=1)
    at = int(jumps.argmax())
    step = np.diff(grid.index.to_numpy(float))[at]
    return round(float(jumps[at]), 6), round(float(step), 6)


def series_style(place: int) -> dict[str, Any]:
    """Of a descent: the same in the plane and over updates."""
    return {k: v for k, v in panels.SERIES[(place + 3) % 7].items() if k != "marker"}


def surface(results: Results, ax: Axes) -> None:
    """The loss over w and b, and the paths on it; what leaves the surface is not drawn."""
    grid = error(results)
    ax.set_title("One unit, 50 steps: the wall in the loss, and descents")
    if grid.empty:
        panels.empty_panel(ax, "no surface computed")
        return
    mesh = ax.pcolormesh(
        grid.columns, grid.index, grid, cmap=COLOURS, shading="nearest", rasterized=True
    )
    figure: Any = ax.get_figure()
    figure.colorbar(mesh, ax=ax, label=ERROR, pad=0.01)
    left: list[str] = []
    for series, (clip, path) in enumerate(paths(results).items()):
        style, label = series_style(series), f"clip {panels.format_number(clip)}"
        ax.plot(path["w"], path["b"], color="white", linewidth=2.2)
        ax.plot(path["w"], path["b"], linewidth=1.2, label=label, **style)
        marker = panels.SERIES[(series + 3) % 7]["marker"]
        look: dict[str, Any] = {"marker": marker, "markeredgecolor": "white", "markersize": 6}
        ax.plot(path["w"].iloc[-1:], path["b"].iloc[-1:], color=style["color"], **look)
        within = path["w"].between(grid.columns.min(), grid.columns.max())
        within &= path["b"].between(grid.index.min(), grid.index.max())
        left += [] if within.all() else [label]
    if left:
        ax.set_title(f"At the wall a descent is thrown out of the map ({', '.join(left)})")
    ax.grid(visible=False)
    ax.set(xlim=(grid.columns.min(), grid.columns.max()), ylim=(grid.index.min(), grid.index.max()))
    ax.set(xlabel="recurrent weight w", ylabel="bias b")
    composition.legend(ax)


def wall(results: Results, ax: Any) -> None:
    """The same surface in three dimensions, without paths, which it would hide."""
    grid = error(results)
    ax.set_title("The error of one unit over w and b")
    if grid.empty:
        ax.set_axis_off()
        ax.text2D(0.5, 0.5, "no surface computed", transform=ax.transAxes, ha="center")
        return
    x, y = np.meshgrid(grid.columns.to_numpy(float), grid.index.to_numpy(float))
    ax.plot_surface(
        x, y, grid.to_numpy(float), cmap=COLOURS, rcount=60, ccount=60, linewidth=0, rasterized=True
    )
    jump, step = steepest(grid)
    ax.set_title(f"The wall: the error jumps by {jump:.2f} where b moves by {step:.2g}")
    ax.view_init(elev=28, azim=-125)
    ax.set(xlabel="weight w", ylabel="bias b", zlabel="error")
    ax.locator_params(nbins=4)
    ax.tick_params(pad=-2)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.labelpad = -3
    ax.set_box_aspect(None, zoom=0.85)


def descents(results: Results, ax: Axes) -> None:
    """Loss over updates along the same paths."""
    found = paths(results)
    for series, (clip, path) in enumerate(found.items()):
        style = series_style(series)
        ax.plot(path["loss"], label=f"clip {panels.format_number(clip)}", **style)
    if not found:
        panels.empty_panel(ax, "no descents computed")
        return
    ax.set_yscale("log")
    ax.set(ylim=(1e-6, 1), xlabel="updates", ylabel="loss")
    ended: dict[bool, list[str]] = {True: [], False: []}
    for clip, path in found.items():
        free = "no clipping" if clip == "inf" else f"clip {clip}"
        ended[bool(path["loss"].iloc[-1] < GOOD)].append(free)
    ax.set_title(
        f"Descents with {composition.listed(ended[True])} reach the minimum, those with "
        f"{composition.listed(ended[False])} do not"
        if all(ended.values())
        else "Loss on the way of the same descents"
    )
    dotted: dict[str, Any] = {"color": "0.4", "linewidth": 0.8, "linestyle": ":"}
    ax.axhline(GOOD, label=f"{GOOD:g}: counts as the minimum", **dotted)
    composition.legend(ax)


def starts(results: Results, ax: Axes) -> None:
    """The share of descents that end at the minimum, by threshold, with Wilson's intervals."""
    rows = []
    for clip, series in thresholds(results, "start").items():
        loss = results.computed.loc[results.computed["series"] == series, "value"]
        low, high = stats.wilson((loss < GOOD).sum(), len(loss))
        rows.append(
            {
                "clip": clip,
                "rate": (loss < GOOD).mean(),
                "low": float(low),
                "high": float(high),
                "n": len(loss),
            }
        )
    if not rows:
        panels.empty_panel(ax, "no descents computed")
        return
    table = pd.DataFrame(rows).assign(place=range(len(rows)))
    panels.points(ax, table, "place", "rate", 0, "_descents", line=True)
    ax.set_xticks(table["place"], [panels.format_number(c) for c in table["clip"]])
    ax.set(ylim=(0, 1), xlabel="clip threshold", ylabel=f"share ending below {GOOD:g}")
    ax.set_title(f"Descents from {rows[0]['n']} starts all over the surface")
    free, rest = table.iloc[-1], table.iloc[:-1]
    best = rest.iloc[int(rest["rate"].argmax())] if len(rest) else free
    if math.isinf(float(free["clip"])) and best["low"] > free["high"]:
        ax.set_title(
            f"{100 * best['rate']:.0f} % of descents reach the minimum with clip "
            f"{panels.format_number(best['clip'])}, {100 * free['rate']:.0f} % without clipping"
        )


def example(results: Results, ax: Axes) -> None:
    """Gradient norms of the unclipped network with the most spikes, and of the same network clipped
    at 1.
    """
    norms = results.probe("updates", "log_grad_norm")
    free = norms[np.isinf(norms["clip"])]
    counted = {
        key: len(places(np.exp(rows.sort_values("index")["value"].to_numpy())))
        for key, rows in free.groupby("run_key")
    }
    if not counted:
        panels.empty_panel(ax, "no unclipped network was probed")
        return
    chosen = free[free["run_key"] == max(sorted(counted), key=lambda k: counted[k])]
    same = (
        (norms["task"] == chosen["task"].iloc[0])
        & (norms["gain"] == chosen["gain"].iloc[0])
        & (norms["seed"] == chosen["seed"].iloc[0])
    )
    many: dict[float, int] = {}
    for series, (clip, rows) in enumerate(
        norms[same & norms["clip"].isin([1, math.inf])].groupby("clip", sort=False)
    ):
        values = np.exp(rows.sort_values("index")["value"].to_numpy())
        found, style = places(values), panels.SERIES[series]
        many[float(str(clip))] = len(found)
        ax.plot(
            np.arange(1, len(values) + 1), values, color=style["color"], linewidth=0.5, alpha=0.8
        )
        ax.plot(
            np.array(found) + 1,
            values[found],
            linestyle="none",
            marker=style["marker"],
            color=style["color"],
            markersize=4.5,
            label=f"clip {panels.format_number(clip)}: {len(found)} spikes",
        )
    ax.set_yscale("log")
    ax.set(xlabel="updates", ylabel="gradient norm before clipping")
    task = composition.capital(panels.title_case(chosen["task"].iloc[0]))
    start = f"{task}, gain {chosen['gain'].iloc[0]:g}: one network"
    ax.set_title(
        f"{start} has {many[math.inf]} spikes without clipping, {many[1.0]} with clip 1"
        if len(many) > 1
        else f"{start} with and without clipping"
    )
    composition.legend(ax)


def around(results: Results, ax: Axes) -> None:
    """The loss around a spike: the median over spikes of the change since before, by threshold."""
    ax.set_title("The loss around a spike of the gradient (median, quartiles)")
    table = profile(results.probe("updates", "loss"), results.probe("updates", "log_grad_norm"))
    for series, (clip, rows) in enumerate(table.groupby("clip")):
        middle = rows.groupby("offset")["change"].quantile(np.array([0.25, 0.5, 0.75])).unstack()
        style = panels.SERIES[series]
        ax.plot(middle[0.5], label=f"clip {panels.format_number(clip)}", markersize=2.5, **style)
        ax.fill_between(
            middle.index.to_numpy(float),
            middle[0.25],
            middle[0.75],
            color=style["color"],
            alpha=0.12,
            linewidth=0,
        )
    if table.empty:
        panels.empty_panel(ax, "no spikes")
        return
    ax.axvline(0, color="0.4", linewidth=0.8)
    ax.set(xlabel="updates since the spike", ylabel=f"change of\n{UNITS}")
    ax.set_ylim(-0.4, 0.8)
    composition.legend(ax)


def thrown(results: Results, ax: Axes) -> None:
    """The share of a network's spikes that throw it back, by threshold, for every task."""
    ax.set_title(f"Spikes that throw a network back ({UNITS} up by {THROWN:g})")
    found = spikes(results.probe("updates", "loss"), results.probe("updates", "log_grad_norm"))
    if found.empty:
        panels.empty_panel(ax, "no spikes")
        return
    found = found.assign(measure="", value=found["thrown"].astype(float))
    clips = sorted(results.summary["clip"].unique())
    own = (
        found.groupby(["task", "clip", "run_key", "status", "measure"])["value"]
        .mean()
        .reset_index()
    )
    own = own.assign(place=own["clip"].map({c: i for i, c in enumerate(clips)}))
    for series, task in enumerate(columns.task_order(own["task"])):
        table = stats.summarize(own[own["task"] == task], ["place"], "value", "mean")
        panels.points(
            ax,
            table,
            "place",
            "value",
            series,
            panels.title_case(task),
            shift=0.08 * (series - 1),
            line=True,
        )
    less = thrown_back(results)
    if less.verdict == "supported":
        shares = found.groupby(["clip", "run_key"])["thrown"].mean().astype(float)
        means = shares.groupby("clip").mean()
        free, clipped = means[math.inf], means[CLIP]
        ax.set_title(
            f"{free:.0%} of an unclipped network's spikes throw it back, {clipped:.0%} of one's "
            f"clipped at {CLIP:g}"
        )
    counted = found.groupby("clip").size().reindex(clips, fill_value=0)
    ax.set_xticks(
        range(len(clips)), [f"{panels.format_number(c)}\n{n} spikes" for c, n in counted.items()]
    )
    ax.set(ylim=(-0.03, 1.03), xlabel="clip threshold", ylabel="share of spikes (mean)")
    composition.legend(ax)


def nothing(results: Results) -> pd.DataFrame:
    """No networks: what is drawn was computed."""
    return results.summary.iloc[:0]


def named_panels(results: Results) -> list[Panel]:
    """The wall, in the plane and in three dimensions, and descents; spikes in training."""
    one = "the one-unit network of Pascanu, Mikolov & Bengio 2013 (no input, 50 steps)"
    rule = (
        f"A spike is an update whose norm before clipping is more than {FACTOR:g} times the median "
        f"of the {WINDOW} before and above {SMALLEST:g}."
    )
    return [
        Panel("wall", wall, f"The error of {one}, in three dimensions", nothing, projection="3d"),
        Panel(
            "descents",
            surface,
            f"The error of {one}, and gradient descent with and without clipping",
            nothing,
            details="Learning rate 0.05, 300 updates; light is a small error. Paths of smaller "
            "thresholds overlap where they do not bite.",
        ),
        Panel(
            "starts",
            starts,
            f"Share of descents that end below {GOOD:g}, by clip threshold",
            nothing,
            "bars: 95 % Wilson intervals over starts",
        ),
        Panel("loss", descents, "Loss on the way of four descents from one start", nothing),
        Panel(
            "spikes",
            example,
            "Gradient norms of the unclipped network with the most spikes, and of the same clipped "
            "at 1",
            details=rule,
        ),
        Panel(
            "around",
            around,
            "Change of the loss around spikes, less its mean over the 10 updates before",
            interval="bands: quartiles over spikes",
            details=rule,
        ),
        Panel(
            "thrown",
            thrown,
            f"Share of spikes after which the mean loss of 10 updates is higher by {THROWN:g} of "
            "chance, or the network diverges, by clip threshold",
            interval="bars: 95 % bootstrap intervals over seeds",
            details=rule,
        ),
    ]


OVERVIEW = ("wall", "descents", "starts", "spikes", "around", "thrown")


def overview(results: Results) -> list[Panel]:
    """The wall in two views, descents, and spikes."""
    return composition.choose(named_panels(results), OVERVIEW)


def figure(results: Results) -> Figure:
    """Six panels."""
    return composition.compose(results, overview(results), height=2.5)


def caption(results: Results) -> str:
    """What is drawn, with the counts."""
    found = spikes(results.probe("updates", "loss"), results.probe("updates", "log_grad_norm"))
    shares = ", ".join(
        f"{panels.format_number(clip)}: {int(rows['thrown'].sum())} of {len(rows)}"
        for clip, rows in found.groupby("clip")
    )
    return (
        "**The wall in the loss of one unit, what clipping does there, and spikes of the gradient "
        f"in training.** {composition.describe(overview(results))} Descents: learning rate 0.05, "
        "300 updates; light is a small error. A spike is an update whose norm before clipping is "
        f"more than {FACTOR:g} times the median of the {WINDOW} before and above {SMALLEST:g}. "
        f"Thrown back by threshold: {shares or 'none'}. {describe_networks(results)}"
    )
