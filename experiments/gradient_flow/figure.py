"""Gradient norm by lag beside theory's, before and after training; its slope over the gain;
spectral radius; who diverges.
"""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import predictions, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results
from throughtime.theory import gradients

TASKS = ("copy", "adding")
INITS = ("gaussian", "orthogonal")
DECADES = math.log(10)
FEWEST, MOST = -16, 8  # decades of gradient norm that are drawn
LINES = 5  # gains drawn as curves


def shown(gains: pd.Series) -> list[float]:
    """At most LINES gains, evenly spread over those there are."""
    found = sorted(gains.unique())
    places = np.linspace(0, max(len(found) - 1, 0), min(LINES, len(found))).round().astype(int)
    return [float(found[i]) for i in dict.fromkeys(places.tolist())]


def by_lag(ax: Axes, rows: pd.DataFrame) -> None:
    """Norm over that at lag 0, decades: the median of seeds and their range, and theory dashed."""
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    first = rows[rows["index"] == 0].set_index("run_key")["value"]
    rows = rows.assign(decades=(rows["value"] - rows["run_key"].map(first)) / DECADES)
    for series, gain in enumerate(shown(rows["gain"])):
        own = rows[(rows["gain"] == gain) & np.isfinite(rows["decades"])]
        if own.empty:
            continue
        color = panels.SERIES[series]["color"]
        seeds = own.groupby("index")["decades"].agg(["median", "min", "max"])
        ax.plot(
            seeds.index,
            seeds["median"],
            color=color,
            linewidth=1.3,
            label=f"g = {panels.format_number(gain)}",
        )
        ax.fill_between(
            seeds.index, seeds["min"], seeds["max"], color=color, alpha=0.18, linewidth=0
        )
        name = own[["task", "task_args", "input_gain"]].iloc[0]
        theory = predictions.curve(*name, gain, int(own["steps"].iloc[0])) / DECADES
        ax.plot(theory, color=color, linestyle=(0, (3, 2)), linewidth=1.1)
    low, high = ax.get_ylim()
    ax.set(ylim=(max(low, FEWEST), min(high, MOST)), xlabel="lag k, steps", ylabel="")
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.legend(fontsize=5.5, loc="lower left", handlelength=1.3)


def over_gain(ax: Axes, before: pd.DataFrame, after: pd.DataFrame) -> None:
    """Slope over gain: theory, networks before and after training, the critical gain and PyTorch's
    default.
    """
    ax.set_xscale("log")
    for series, init in enumerate(INITS):
        for moment, table, fill in (("before", before, "full"), ("after training", after, "none")):
            rows = table[(table["init"] == init) & np.isfinite(table["slope"])]
            seeds = rows.groupby("gain")["slope"].agg(["median", "min", "max"])
            place = (
                seeds.index.to_numpy(float)
                * (1 + 0.03 * (2 * series - 1))
                * (1.0 if fill == "full" else 1.02)
            )
            bars = [seeds["median"] - seeds["min"], seeds["max"] - seeds["median"]]
            style = {
                **panels.SERIES[series],
                "linestyle": "none",
                "fillstyle": fill,
                "markersize": 4,
                "elinewidth": 0.7,
            }
            ax.errorbar(place, seeds["median"], yerr=bars, label=f"{init}, {moment}", **style)
    every = pd.concat([before, after])
    if every.empty:
        return
    name = every[["task", "task_args", "input_gain"]].iloc[0]
    s, critical = predictions.drive(*name).s, predictions.critical_gain(*name)
    fine = np.geomspace(every["gain"].min(), every["gain"].max(), 60)
    ax.plot(
        fine,
        [gradients.slope(g, s) for g in fine],
        color="0.15",
        linewidth=1.2,
        label="theory: ln(χ₁) / 2",
    )
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.axvline(critical, color="#D55E00", linewidth=1.3)
    ax.axvline(panels.PYTORCH_GAIN, color="#D55E00", linewidth=1, linestyle=":")
    ticks = sorted(every["gain"].unique())
    ax.set_xticks(ticks, [panels.format_number(g) for g in ticks], fontsize=6)
    ax.minorticks_off()
    ax.set(xlabel="initial gain g", ylabel="slope of ln norm, nats per step")
    ax.legend(fontsize=5.5)


def radius(ax: Axes, summary: pd.DataFrame) -> None:
    """Spectral radius of W_hh after training over the initial gain."""
    table = pd.concat(
        [
            stats.summarize(summary[summary["init"] == i], ["gain"], "radius_end").assign(init=i)
            for i in INITS
        ]
    )
    for series, init in enumerate(INITS):
        panels.points(
            ax,
            table[table["init"] == init],
            "gain",
            "value",
            series,
            init,
            shift=0.03 * (2 * series - 1),
        )
    gains = sorted(summary["gain"].unique())
    ax.plot(gains, gains, color="0.15", linewidth=1, linestyle="--", label="initial, orthogonal")
    ax.set(
        title="spectral radius after training",
        xlabel="initial gain g",
        ylabel="of W_hh, median and interval",
    )
    ax.legend(fontsize=5.5)


def diverged(ax: Axes, summary: pd.DataFrame) -> None:
    """Share of diverged networks over gain without clipping."""
    for series, init in enumerate(INITS):
        rows = summary[summary["init"] == init]
        rates = stats.success(rows, ["gain"])
        low, high = stats.wilson(rates["n_diverged"], rates["n"])
        rates = rates.assign(share=rates["n_diverged"] / rates["n"], low=low, high=high)
        panels.points(
            ax, rates, "gain", "share", series, init, shift=0.05 * (2 * series - 1), line=True
        )
    if len(summary):
        ax.axvline(
            predictions.critical_gain(*summary[["task", "task_args", "input_gain"]].iloc[0]),
            color="#D55E00",
            linewidth=1.3,
        )
        ax.legend(fontsize=5.5)
    ax.set(
        title="diverged: adding, SGD, no clipping",
        xlabel="initial gain g",
        ylabel="share of networks",
        ylim=(-0.03, 1.03),
    )


def figure(results: Results) -> Figure:
    """A row a task: by lag in two distributions before training, one after, slopes; at the right
    radius and divergence.
    """
    fig = Figure(figsize=(14.5, 5.6), layout="constrained")
    axes = fig.subplots(2, 5, width_ratios=[1, 1, 1, 1.25, 1.0])
    before = results.select(sweep="initial").probe("gradient_by_lag", "log_gradient_rms", "first")
    after = results.select(sweep="trained").probe("gradient_by_lag", "log_gradient_rms", "last")
    slopes = {"before": predictions.slopes(before), "after": predictions.slopes(after)}
    for row, task in zip(axes, TASKS, strict=True):
        untrained = before[before["task"] == task]
        for ax, init in zip(row, INITS, strict=False):
            by_lag(ax, untrained[untrained["init"] == init])
            ax.set_title(f"{task}: {init}, untrained")
        by_lag(row[2], after[(after["task"] == task) & (after["init"] == "gaussian")])
        row[2].set_title(f"{task}: gaussian, after training")
        row[0].set_ylabel("gradient norm over that at lag 0, decades")
        over_gain(row[3], *(slopes[m][slopes[m]["task"] == task] for m in ("before", "after")))
        row[3].set_title(f"{task}: slope over lag")
    radius(axes[0, 4], results.select(sweep="trained").summary)
    diverged(axes[1, 4], results.select(sweep="unclipped").summary)
    return add_header(fig, results)


def caption(results: Results) -> str:
    """What is drawn, with the counts and differences from theory of the tables."""
    parts = []
    untrained = results.select(sweep="initial").probe(
        "gradient_by_lag", "log_gradient_rms", "first"
    )
    trained = results.select(sweep="trained").probe("gradient_by_lag", "log_gradient_rms", "last")
    for words, rows in (("before", untrained), ("after training", trained)):
        table = predictions.slopes(rows)
        off = table["off"][np.isfinite(table["off"])]
        small = table["off"][np.isfinite(table["off"]) & (table["gain"] < 1)]
        if len(off):
            below = f" ({small.median():.3f} at gains below 1)" if len(small) else ""
            parts.append(f"{words} {off.median():.3f}{below}")
    return (
        "**Gradient norm by lag, measured and predicted.** Norm of dL/dh at lag k over that at lag "
        "0, root mean square over "
        "100 sequences; lines: median of the seeds, bands: their range, dashed: mean field theory "
        "for the initial gain and the "
        "task's drive. Slopes: of a straight line over all lags (markers: median, bars: range of "
        "the seeds), and theory's "
        "ln(χ₁) / 2. Orange: theory's critical gain; dotted: the scale of PyTorch's default. "
        "Networks of the panels "
        '"untrained" had 0 updates. Median difference of measured and predicted slope, nats '
        "per step: "
        f"{', '.join(parts) or 'none measured'}. {describe_networks(results)}"
    )
