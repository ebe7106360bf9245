"""Bias and cosine of truncated gradients over K in each mode, decay beside Lyapunov exponent, who
learns, influence balancing.
"""

import math
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import columns, stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel, capital
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


def ends_of(rows: pd.DataFrame) -> tuple[Any, Any] | None:
    """A quantity at the smallest and at the largest K, where the ranges of seeds lie apart; None
    for one seed, which has no range.
    """
    by_K = rows.groupby("index")["value"]
    found = by_K.agg(value="median", low="min", high="max", n="size").sort_index()
    table = pd.DataFrame(found).rename_axis("K").reset_index().iloc[[0, -1]]
    return composition.ends(table) if (table["n"] > 1).all() else None


def gain_shown(results: Results) -> float:
    """The gain of the curves: the nearest to GAIN that there is."""
    gains = sorted(results.select(sweep="initial").summary["gain"].unique())
    return float(min(gains, key=lambda g: abs(g - GAIN))) if gains else GAIN


def untrained(task: str, results: Results) -> Results:
    """The networks of the curves over K."""
    return results.select(sweep="initial", task=task, gain=gain_shown(results))


def over_K(task: str, quantity: str, log: bool, results: Results, ax: Axes) -> None:
    """A quantity of probe truncation_bias in each mode; with ``log``, exp(lambda_1 K) beside it."""
    part = untrained(task, results)
    words = "bias of the gradient over K" if log else "direction of the truncated gradient"
    gain = panels.format_number(gain_shown(results))
    ax.set_title(f"{capital(task)}, gain {gain}, before training: {words}")
    for mode in MODES:
        rows = part.probe("truncation_bias", f"{quantity}_{mode}", "first")
        if len(rows):
            curve(ax, rows, mode, SERIES[mode], log)
            if mode == "sliding" and (found := ends_of(rows)):
                short, long = (np.exp(r["value"]) if log else r["value"] for r in found)
                K = [f"{row['K']:.0f}" for row in found]
                what = "bias δ" if log else "cosine with the full gradient"
                ax.set_title(
                    f"{capital(task)}, gain {gain}, before training: {what} {short:.2g} at K = "
                    f"{K[0]}, {long:.2g} at K = {K[1]} (sliding)"
                )
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
    composition.legend(ax)


def rates(results: Results, ax: Axes) -> None:
    """Fitted decay over the Lyapunov exponent, a marker per network; on the diagonal they are the
    same.
    """
    table = analysis.rates(results)
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
    ax.plot([low, 0.1], [low, 0.1], color="0.15", linewidth=1, label="the same")
    ax.set(
        xlabel="largest Lyapunov exponent λ₁, nats per step",
        ylabel="decay of ln δ(K), nats per step",
    )
    ordered = table[table["lyapunov"] < 0]
    off = (ordered["decay"] - ordered["lyapunov"]).dropna()
    ax.set_title(
        f"Bias decays like the Lyapunov exponent says, but for {off.median():.3f} nats (median)"
        if len(off)
        else "Decay of the bias beside the Lyapunov exponent"
    )
    composition.legend(ax)


def learning(task: str, results: Results, ax: Axes) -> None:
    """Final measure of biased runs over their bias at the start; full depth at the left."""
    table = analysis.learned(results)
    ax.set_title(f"{capital(task)}: what is learned with a biased gradient")
    rows = table[(table["task"] == task) & (table["sweep"] != "initial")]
    if rows.empty:
        panels.empty_panel(ax, "nothing was trained with a biased gradient")
        return
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
    )
    measure = rows["measure"].iloc[0]
    ax.set(ylabel=f"final {panels.UNITS[measure]}", yscale="log" if measure == "mse" else "linear")
    style: dict[str, Any] = {"color": "0.4", "linestyle": ":", "linewidth": 1}
    ax.axhline(rows["chance"].iloc[0], label="chance", **style)
    composition.legend(ax)


def paths(mode: str, results: Results, ax: Axes) -> None:
    """theta in online descent: lines exact, markers measured."""
    rows = results.computed[results.computed["series"] == mode]
    ax.set_title(f"Influence balancing, {mode}: θ in online descent, by K")
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
    dashed: dict[str, Any] = {"color": "#D55E00", "linewidth": 1, "linestyle": "--"}
    ax.axhline(Balancing().optimum, label="optimum", **dashed)
    exact = rows[rows["quantity"] == "theta exact"].sort_values("x").groupby("y")["value"]
    gone = (exact.last() - Balancing().optimum).abs() > (exact.first() - Balancing().optimum).abs()
    away, toward = ([f"{K:.0f}" for K in gone.index[gone == side]] for side in (True, False))
    if away and toward:
        ax.set_title(
            f"Influence balancing, {mode}: K = {composition.listed(away)} lead away from the "
            f"optimum, K = {composition.listed(toward)} to it"
        )
    ax.set(ylim=(-0.6, 2.0), xlabel="update", ylabel="parameter θ")
    composition.legend(ax)


def last_wrong(rows: pd.DataFrame) -> float:
    """The largest K at which a mode's derivative has the wrong sign; 0: none has, or not computed.

    >>> K = {"quantity": "derivative", "x": [1.0, 2.0, 3.0], "value": [0.1, -0.2, -0.3]}
    >>> last_wrong(pd.DataFrame(K))
    1.0
    """
    found = rows[(rows["quantity"] == "derivative") & (rows["value"] * Balancing().total < 0)]
    return float(found["x"].max()) if len(found) else 0.0


def signs(results: Results, ax: Axes) -> None:
    """What a truncated gradient takes for ds_0 / dtheta over K; the smallest K with the right sign
    in each mode.
    """
    computed = results.computed
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
    dashed: dict[str, Any] = {"color": "#D55E00", "linewidth": 1, "linestyle": "--"}
    ax.axhline(Balancing().total, label="full gradient", **dashed)
    ax.set(xlabel="truncation length K, steps", ylabel="∂s₀/∂θ seen at rest")
    longest = {m: last_wrong(computed[computed["series"] == m]) for m in MODES}
    names = {m: K for m, K in longest.items() if K}
    ax.set_title(
        "Influence balancing: wrong sign up to K = "
        + ", ".join(f"{K:.0f} ({m})" for m, K in names.items())
        if names
        else "Influence balancing: the derivative at rest over K"
    )
    composition.legend(ax)


def solved(results: Results, ax: Axes) -> None:
    """Share of networks solved over K by mode, all tasks and gains of the truncated sweep."""
    rows = columns.with_depth(results.select(sweep="truncated").summary)
    title = "Share solved over K, all tasks and gains"
    for mode in MODES:
        rates = stats.success(rows[rows["mode"] == mode], ["depth"])
        if mode == "chunked" and (found := composition.ends(rates)):
            said = [f"{r['n_solved']} of {r['n']} solved at K = {r['depth']:g}" for r in found]
            title = f"All tasks and gains, chunked: {said[0]}, {said[1]}"
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
        title=title,
    )
    composition.legend(ax)


def of_curves(task: str, results: Results) -> pd.DataFrame:
    """The networks of the curves over K."""
    return untrained(task, results).summary


def of_runs(task: str, results: Results) -> pd.DataFrame:
    """The networks that were trained on a task."""
    rows = results.summary[results.summary["task"] == task]
    return rows[rows["sweep"] != "initial"]


def of_solved(results: Results) -> pd.DataFrame:
    """The networks of the truncated sweep, and those at full depth with the same gains."""
    rows = results.select(sweep="truncated").summary
    full = results.select(sweep="full").summary
    return pd.concat([rows, full[full["gain"].isin(set(rows["gain"]))]], ignore_index=True)


def nothing(results: Results) -> pd.DataFrame:
    """No networks: what is drawn was computed."""
    return results.summary.iloc[:0]


def named_panels(results: Results) -> list[Panel]:
    """Of both tasks bias, direction and what is learned; rates; who solves; influence balancing."""
    made = []
    for task in TASKS:
        own = partial(of_curves, task)
        ranges = "lines: median of the seeds, bands: their range"
        made += [
            Panel(
                f"{task}-bias",
                partial(over_K, task, "log_delta_hh", True),
                f"δ(K) = ‖E g_K − g‖ / ‖g‖ of W_hh's gradient over K, {task}, untrained networks, "
                "by mode, beside exp(λ₁ K)",
                own,
                ranges,
                "λ₁ is the largest Lyapunov exponent.",
            ),
            Panel(
                f"{task}-direction",
                partial(over_K, task, "cosine_hh", False),
                f"Cosine of the truncated and the full gradient of W_hh over K, {task}, untrained "
                "networks, by mode",
                own,
                ranges,
            ),
            Panel(
                f"{task}-learning",
                partial(learning, task),
                f"Final measure of {task} over the bias that its K has before training, a marker "
                "per network; full depth at the left end",
                partial(of_runs, task),
            ),
        ]
    made += [
        Panel(
            "rates",
            rates,
            "Decay of δ(K) in mode sliding, fitted where δ < 1/2, over the largest Lyapunov "
            "exponent, a marker per network",
        ),
        Panel(
            "solved",
            solved,
            "Share of networks that are solved over K, by mode, all tasks and gains",
            of_solved,
            "bars: 95 % Wilson intervals",
        ),
    ]
    made += [
        Panel(
            f"balancing-{mode}",
            partial(paths, mode),
            f"θ of influence balancing (Tallec & Ollivier) in online descent, mode {mode}: exact "
            "(lines) and run on the engine (markers)",
            nothing,
        )
        for mode in MODES
    ]
    made.append(
        Panel(
            "signs",
            signs,
            "The derivative that a truncated gradient of influence balancing sees at rest, over K, "
            "by mode: exact (lines) and run on the engine (markers)",
            nothing,
        )
    )
    return made


OVERVIEW = ("adding-bias", "brackets-bias", "rates", "solved", "balancing-sliding", "signs")


def overview(results: Results) -> list[Panel]:
    """Bias, its rate, who solves, and influence balancing."""
    return composition.choose(named_panels(results), OVERVIEW)


def figure(results: Results) -> Figure:
    """Six panels."""
    return composition.compose(results, overview(results), height=2.5)


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
        "**Bias of truncated gradients: δ(K) = ‖E g_K − g‖ / ‖g‖ of the gradient of W_hh, what it "
        f"does to learning, and influence balancing.** {composition.describe(overview(results))} "
        "Sliding: k1 = 1. Adding has one loss, at the end, so that chunked and sliding are the "
        "same; brackets have one at every step. Median difference of the decay and λ₁ where "
        f"λ₁ < 0, nats per step: {words}. Smallest K with the right sign of influence balancing: "
        f"{found}. Cosines, what is learned at each bias, and other modes are panels of their own "
        f"(`throughtime figure truncation_bias --list`). {describe_networks(results)}"
    )
