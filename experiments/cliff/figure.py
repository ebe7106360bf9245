"""Above, the wall of the one-unit network and descents on it; below, spikes of the gradient in
training, and the loss around them.
"""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results

from .analysis import FACTOR, SMALLEST, THROWN, WINDOW, places, profile, spikes

GOOD = 0.01  # loss of the one-unit network that counts as the minimum
UNITS = "loss / loss at chance"


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


def surface(ax: Axes, results: Results) -> None:
    """The loss over w and b, and the paths on it; what leaves the surface is not drawn."""
    table = results.computed[
        (results.computed["series"] == "surface") & (results.computed["quantity"] == "loss")
    ]
    if table.empty:
        panels.empty_panel(ax, "no surface computed")
        return
    grid = table.pivot(index="y", columns="x", values="value")
    mesh = ax.pcolormesh(
        grid.columns, grid.index, np.sqrt(grid), cmap="cividis", shading="nearest", rasterized=True
    )
    ax.figure.colorbar(mesh, ax=ax, label="error |σ(x₅₀) − 0.7|", pad=0.01)
    for series, path in enumerate(paths(results).values()):
        style = panels.SERIES[(series + 3) % 7]
        ax.plot(path["w"], path["b"], color="white", linewidth=2.2)
        ax.plot(
            path["w"], path["b"], color=style["color"], linestyle=style["linestyle"], linewidth=1.2
        )
        ax.plot(
            path["w"].iloc[-1:],
            path["b"].iloc[-1:],
            color=style["color"],
            marker=style["marker"],
            markeredgecolor="white",
            markersize=6,
        )
    ax.grid(visible=False)
    ax.set(xlim=(grid.columns.min(), grid.columns.max()), ylim=(grid.index.min(), grid.index.max()))
    ax.set(
        xlabel="recurrent weight w",
        ylabel="bias b",
        title="one unit, 50 steps: the wall, and descents",
    )


def descents(ax: Axes, results: Results) -> None:
    """Loss over updates along the same paths."""
    found = paths(results)
    for series, (clip, path) in enumerate(found.items()):
        style = {k: v for k, v in panels.SERIES[(series + 3) % 7].items() if k != "marker"}
        ax.plot(path["loss"], label=f"clip {panels.format_number(clip)}", **style)
    if not found:
        panels.empty_panel(ax, "no descents computed")
        return
    ax.set_yscale("log")
    ax.set(ylim=(1e-6, 1), xlabel="updates", ylabel="loss", title="loss on the way")
    ax.axhline(GOOD, color="0.4", linewidth=0.8, linestyle=":")
    ax.legend(fontsize=6)


def starts(ax: Axes, results: Results) -> None:
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
    panels.points(ax, table, "place", "rate", 0, "descents", line=True)
    ax.set_xticks(table["place"], [panels.format_number(c) for c in table["clip"]])
    ax.set(ylim=(0, 1), xlabel="clip threshold", ylabel=f"share ending below {GOOD:g}")
    ax.set_title(f"descents from {rows[0]['n']} starts all over the surface")


def example(ax: Axes, results: Results) -> None:
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
    for series, (clip, rows) in enumerate(
        norms[same & norms["clip"].isin([1, math.inf])].groupby("clip", sort=False)
    ):
        values = np.exp(rows.sort_values("index")["value"].to_numpy())
        found, style = places(values), panels.SERIES[series]
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
    ax.set_title(
        f"{panels.title_case(chosen['task'].iloc[0])}, g = {chosen['gain'].iloc[0]:g}: one "
        "network, twice"
    )
    ax.legend(fontsize=6)


def around(ax: Axes, results: Results) -> None:
    """The loss around a spike: the median over spikes of the change since before, by threshold."""
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
    ax.set(
        xlabel="updates since the spike",
        ylabel=f"change of {UNITS}",
        title="loss before and after (median, quartiles)",
    )
    ax.set_ylim(-0.4, 0.8)
    ax.legend(fontsize=6)


def thrown(ax: Axes, results: Results) -> None:
    """The share of a network's spikes that throw it back, by threshold, for every task."""
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
    counted = found.groupby("clip").size().reindex(clips, fill_value=0)
    ax.set_xticks(
        range(len(clips)), [f"{panels.format_number(c)}\n{n} spikes" for c, n in counted.items()]
    )
    ax.set(ylim=(-0.03, 1.03), xlabel="clip threshold", ylabel="share of a network's spikes (mean)")
    ax.set_title(f"thrown back: {UNITS} up by {THROWN:g}")
    ax.legend(fontsize=6)


def figure(results: Results) -> Figure:
    """Six panels."""
    fig = Figure(figsize=(12, 7), layout="constrained")
    axes = fig.subplots(2, 3)
    for ax, draw in zip(
        axes.flat, (surface, descents, starts, example, around, thrown), strict=True
    ):
        draw(ax, results)
    return add_header(fig, results)


def caption(results: Results) -> str:
    """What is drawn, with the counts."""
    found = spikes(results.probe("updates", "loss"), results.probe("updates", "log_grad_norm"))
    shares = ", ".join(
        f"{panels.format_number(clip)}: {int(rows['thrown'].sum())} of {len(rows)}"
        for clip, rows in found.groupby("clip")
    )
    return (
        "**Above: the wall in the loss of the one-unit network of Pascanu, Mikolov & Bengio 2013 "
        "(no input, 50 steps), and "
        "gradient descent with and without clipping** (learning rate 0.05, 300 updates); the three "
        "smaller thresholds' paths "
        "overlap where they do not bite. Left, the error and paths from one start; the unclipped "
        "one leaves the surface. "
        f"Middle, their loss. Right, the share of descents that end below {GOOD:g}. **Below: "
        "spikes of the gradient norm in "
        f"training**, updates whose norm before clipping is more than {FACTOR:g} times the median "
        f"of the {WINDOW} before and "
        f"above {SMALLEST:g}. Left, the network with the most spikes, and the same clipped at 1. "
        "Middle, the loss around "
        "spikes, less its mean over the 10 updates before, over the loss at chance. Right, the "
        "share of spikes after which "
        f"the mean loss of 10 updates is higher by {THROWN:g} of chance, or the network diverges; "
        "means over networks with "
        f"bootstrap intervals. Thrown back by threshold: {shares or 'none'}. "
        f"{describe_networks(results)}"
    )
