"""Bias and cosine of truncated gradients over K in each mode, decay beside Lyapunov exponent, who
learns, influence balancing.
"""

import math
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.draw import add_header
from throughtime.results.load import Results
from throughtime.theory.influence import Balancing

from . import analysis

TASKS = ("adding", "brackets")
MODES = ("chunked", "sliding", "buffered")
SERIES = {mode: i for i, mode in enumerate(MODES)}
GAIN = 0.8  # of the curves over K: ordered, but not so far that everything is short
LOWEST = 1e-6


def curve(ax: Axes, rows: pd.DataFrame, label: str, series: int, log: bool) -> None:
    """Median of seeds and their range over K."""
    value = np.exp(rows["value"]) if log else rows["value"]
    seeds = value.groupby(rows["index"]).agg(["median", "min", "max"])
    style = panels.SERIES[series]
    ax.plot(seeds.index, seeds["median"], label=label, markersize=3, **style)
    ax.fill_between(
        seeds.index, seeds["min"], seeds["max"], color=style["color"], alpha=0.15, linewidth=0
    )


def over_K(ax: Axes, part: Results, quantity: str, log: bool) -> None:
    """A quantity of probe truncation_bias in each mode; with ``log``, exp(lambda_1 K) beside it."""
    for mode in MODES:
        rows = part.probe("truncation_bias", f"{quantity}_{mode}", "first")
        if len(rows):
            curve(ax, rows, mode, SERIES[mode], log)
    ax.set(xlabel="truncation length K, steps")
    if not ax.lines:
        panels.empty_panel(ax, "no networks")
        return
    if log:
        ax.set(yscale="log", ylabel="δ(K) of W_hh's gradient")
        first = part.probe("jacobian", "lyapunov", "first")
        rate = first[first["index"] == 0]["value"].median()
        if math.isfinite(rate):
            Ks = np.arange(1, part.summary["steps"].max())
            ax.plot(
                Ks,
                np.exp(rate * Ks),
                color="#D55E00",
                linewidth=1.3,
                label=f"exp(λ₁ K), λ₁ = {rate:.2f}",
            )
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, LOWEST), min(high, 30))
    else:
        ax.axhline(0, color="0.5", linewidth=0.8)
        ax.set(ylabel="cosine with the full gradient", ylim=(-1.05, 1.05))
    ax.legend(fontsize=5.5)


def rates(ax: Axes, table: pd.DataFrame) -> None:
    """Fitted decay over the Lyapunov exponent, a marker a network; on the diagonal they are the
    same.
    """
    for series, (task, moment) in enumerate(product(TASKS, analysis.MOMENTS)):
        rows = table[(table["task"] == task) & (table["moment"] == moment)]
        fill = "full" if moment == "before" else "none"
        style = {
            **panels.SERIES[series // 2],
            "linestyle": "none",
            "fillstyle": fill,
            "markersize": 3.5,
            "alpha": 0.8,
        }
        ax.plot(rows["lyapunov"], rows["decay"], label=f"{task}, {moment} training", **style)
    low = (
        float(np.nanmin([table["lyapunov"].min(), table["decay"].min(), -0.1]))
        if len(table)
        else -1.0
    )
    ax.plot([low, 0.1], [low, 0.1], color="0.15", linewidth=1)
    ax.set(
        xlabel="largest Lyapunov exponent λ₁",
        ylabel="decay rate of ln δ(K), sliding",
        title="decay beside λ₁, nats per step",
    )
    ax.legend(fontsize=5.5)


def learning(ax: Axes, table: pd.DataFrame, task: str) -> None:
    """Final measure of biased runs over their bias at the start; full depth at the left."""
    rows = table[(table["task"] == task) & (table["sweep"] != "initial")]
    for mode in MODES:
        own = rows[(rows["mode"] == mode) & rows["final"].notna() & rows["delta"].notna()]
        ax.plot(
            own["delta"].clip(lower=1e-3),
            own["final"],
            label=mode,
            **{**panels.SERIES[SERIES[mode]], "linestyle": "none"},
            markersize=3.5,
            alpha=0.7,
        )
    full = rows[(rows["mode"] == "full") & rows["final"].notna()]
    ax.plot(
        np.full(len(full), 6e-4),
        full["final"],
        label="full",
        **{**panels.SERIES[4], "linestyle": "none"},
        markersize=3.5,
        alpha=0.7,
    )
    ax.set(
        xscale="log",
        xlabel="δ(K) before training (below .001: at .001)",
        title=f"{task}: biased runs",
    )
    if len(rows):
        measure = rows["measure"].iloc[0]
        ax.set(
            ylabel=f"final {panels.UNITS[measure]}", yscale="log" if measure == "mse" else "linear"
        )
        ax.axhline(rows["chance"].iloc[0], color="0.4", linestyle=":", linewidth=1)
        ax.legend(fontsize=5.5)


def paths(ax: Axes, computed: pd.DataFrame, mode: str) -> None:
    """theta in online descent: lines exact, markers measured."""
    rows = computed[computed["series"] == mode]
    if rows.empty:
        panels.empty_panel(ax, "not computed")
        return
    for series, K in enumerate(sorted(rows[rows["quantity"] == "theta"]["y"].unique())):
        exact, found = (
            rows[(rows["quantity"] == q) & (rows["y"] == K)] for q in ("theta exact", "theta")
        )
        style = panels.SERIES[series]
        ax.plot(
            exact["x"], exact["value"], color=style["color"], linewidth=1.3, label=f"K = {K:.0f}"
        )
        ax.plot(
            found["x"].iloc[::5],
            found["value"].iloc[::5],
            color=style["color"],
            marker=style["marker"],
            linestyle="none",
            markersize=3,
        )
    ax.axhline(Balancing().optimum, color="#D55E00", linewidth=1, linestyle="--")
    ax.set(ylim=(-0.6, 2.0), xlabel="update", ylabel="θ", title=f"influence balancing: {mode}")
    ax.legend(fontsize=5.5, loc="upper left")


def signs(ax: Axes, computed: pd.DataFrame) -> None:
    """What a truncated gradient takes for ds_0 / dtheta over K; the smallest K with the right sign
    in each mode.
    """
    for mode in MODES:
        rows = computed[computed["series"] == mode]
        exact, found = (rows[rows["quantity"] == q] for q in ("derivative exact", "derivative"))
        if found.empty:
            continue
        style = panels.SERIES[SERIES[mode]]
        smallest = rows[rows["quantity"] == "smallest K"]["value"].iloc[0]
        label = (
            f"{mode}: right from K = {smallest:.0f}"
            if smallest
            else f"{mode}: wrong up to {found['x'].max():.0f}"
        )
        ax.plot(exact["x"], exact["value"], color=style["color"], linewidth=1.3, label=label)
        ax.plot(
            found["x"].iloc[::8],
            found["value"].iloc[::8],
            color=style["color"],
            marker=style["marker"],
            linestyle="none",
            markersize=3,
        )
    ax.axhline(0, color="0.3", linewidth=0.9)
    ax.axhline(Balancing().total, color="#D55E00", linewidth=1, linestyle="--")
    ax.set(
        xlabel="truncation length K, steps",
        ylabel="∂s₀/∂θ seen at rest",
        title="influence balancing: sign",
    )
    if ax.lines[2:]:
        ax.legend(fontsize=5.5)


def figure(results: Results) -> Figure:
    """A row a task: delta, cosine, learning, and the rates; below, influence balancing."""
    fig = Figure(figsize=(13.5, 8.2), layout="constrained")
    axes = fig.subplots(3, 4)
    untrained = results.select(sweep="initial")
    gains = sorted(untrained.summary["gain"].unique())
    gain = min(gains, key=lambda g: abs(g - GAIN)) if gains else GAIN
    runs = analysis.learned(results)
    for row, task in zip(axes, TASKS, strict=False):
        part = untrained.select(task=task, gain=gain)
        over_K(row[0], part, "log_delta_hh", log=True)
        over_K(row[1], part, "cosine_hh", log=False)
        for ax, words in zip(row, ("bias", "direction"), strict=False):
            ax.set_title(f"{task}, g = {panels.format_number(gain)}, untrained: {words}")
        learning(row[2], runs, task)
    rates(axes[0, 3], analysis.rates(results))
    solved(axes[1, 3], results)
    for ax, mode in zip(axes[2], MODES, strict=False):
        paths(ax, results.computed, mode)
    signs(axes[2, 3], results.computed)
    return add_header(fig, results)


def solved(ax: Axes, results: Results) -> None:
    """Share of networks solved over K by mode, all tasks and gains of the truncated sweep."""
    rows = columns.with_depth(results.select(sweep="truncated").summary)
    for mode in MODES:
        rates = stats.success(rows[rows["mode"] == mode], ["depth"])
        if len(rates):
            panels.points(
                ax,
                rates,
                "depth",
                "rate",
                SERIES[mode],
                mode,
                shift=0.25 * (SERIES[mode] - 1),
                line=True,
            )
    wanted = set(rows["gain"])
    full = results.select(sweep="full").summary
    full = stats.trained(full[full["gain"].isin(wanted)])
    if len(full):
        ax.axhline(
            (full["status"] == "solved").mean(),
            color="0.2",
            linestyle="--",
            linewidth=1,
            label="full, same gains",
        )
    ax.set(
        ylim=(-0.03, 1.03),
        xlabel="truncation length K, steps",
        ylabel="share solved",
        title="all tasks and gains: solved",
    )
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=5.5)


def caption(results: Results) -> str:
    """What is drawn, with the differences of rates and the smallest K."""
    table = analysis.rates(results)
    table = table[table["lyapunov"] < 0]
    off = (
        (table["decay"] - table["lyapunov"]).groupby(table["moment"], sort=False).median().dropna()
    )
    words = ", ".join(f"{moment} training {value:.3f}" for moment, value in off.items()) or "none"
    smallest = results.computed[results.computed["quantity"] == "smallest K"]
    exact = dict(
        results.computed[results.computed["quantity"] == "smallest K exact"][["series", "value"]]
        .to_numpy()
        .tolist()
    )
    pairs = smallest[["series", "value"]].to_numpy().tolist()
    found = (
        ", ".join(f"{mode} {K:.0f} (exact {exact[mode]:.0f})" for mode, K in pairs)
        or "not computed"
    )
    return (
        "**Bias of truncated gradients.** δ(K) = ‖E g_K − g‖ / ‖g‖ of the gradient of W_hh and the "
        "cosine between the two, in "
        "modes chunked, sliding (k1 = 1) and buffered, on untrained networks; lines: median of the "
        "seeds, bands: their range; "
        "orange: exp(λ₁ K), λ₁ the largest Lyapunov exponent. Adding has one loss, at the end, so "
        "that chunked and sliding are "
        "the same; brackets have one at every step. Upper right: the decay of δ in mode sliding, "
        "fitted where δ < 1/2, beside "
        f"λ₁ (median difference where λ₁ < 0, nats per step: {words}). Biased runs: the final "
        "measure over the bias that their K "
        "has before training, at full depth at the left end. Below: influence balancing (Tallec & "
        "Ollivier), θ in online "
        "descent, exact (lines) and run on the engine (markers), and the derivative that a "
        "truncated gradient sees at rest; "
        f"smallest K with the right sign: {found}. {describe_networks(results)}"
    )
