"""Bits recalled over the bits of the payload, by width and cell, and per parameter and unit."""

import math
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.analysis import stats
from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

from .analysis import MODELS, most, recalled

COLLINS = 5.0  # bits of a task per parameter, about: abstract of Collins et al. 2017
BOOTSTRAP = "bands: 95 % bootstrap intervals over seeds"
BARS = "bars: 95 % bootstrap intervals over seeds"
STATE = ("state", "lru", "attention")


def widths(results: Results) -> list[int]:
    """Widths of the recurrent networks, ascending."""
    return sorted(int(n) for n in results.select(sweep=["state", "lru"]).summary["hidden"].unique())


def of_width(width: int, results: Results) -> pd.DataFrame:
    """The networks of a width, and attention."""
    rows = results.select(sweep=list(STATE)).summary
    return rows[(rows["hidden"] == width) | (rows["cell"] == "attention")]


def over_payload(width: int, results: Results, ax: Axes) -> None:
    """Mean bits recalled over bits offered, of every model."""
    ax.set_title(f"{width} units: bits recalled over bits offered")
    rows = recalled(results.select(sweep=list(STATE)))
    rows = rows[rows["run_key"].isin(of_width(width, results)["run_key"])]
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    for series, model in enumerate(MODELS.values()):
        own = rows[rows["model"] == model]
        if own.empty:
            continue
        table = stats.summarize(own, ["offered"], "bits", "mean")
        name = f"{model}, N = {own['hidden'].iloc[0]}" if model == "attention" else model
        panels.band(ax, table, "offered", "value", series, name)
    ends = np.array([0.0, float(rows["offered"].max())])
    ax.plot(ends, ends, color="0.45", linestyle=(0, (1, 2)), linewidth=0.9, label="all of it")
    ax.set(xlabel="bits of the payload", ylabel="bits recalled (mean)", ylim=(0, None))
    means = stats.summarize(rows, ["model", "offered"], "bits", "mean")
    tops = means.sort_values("value", ascending=False, kind="stable").drop_duplicates("model")
    if found := composition.extremes(tops):
        said = [f"{row['model']} at most {row['value']:.1f}" for row in found]
        ax.set_title(f"{width} units: bits recalled of any payload: {said[0]}, {said[1]}")
    composition.legend(ax)


def precision(results: Results, ax: Axes) -> None:
    """The same of two precisions."""
    ax.set_title("tanh, narrowest: float64 beside float32")
    rows = recalled(results.select(sweep=["state", "double"]))
    double = rows[rows["sweep"] == "double"]
    rows = rows[rows["cell"].isin(double["cell"]) & rows["hidden"].isin(double["hidden"])]
    rows = rows[rows["offered"].isin(double["offered"])]
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    for series, (dtype, own) in enumerate(rows.groupby("dtype")):
        table = stats.summarize(own, ["offered"], "bits", "mean")
        panels.points(ax, table, "offered", "value", series, str(dtype), 0.4 * (2 * series - 1))
    ax.set(xlabel="bits of the payload", ylabel="bits recalled (mean)", ylim=(0, None))
    composition.legend(ax)


def densest(value: str, results: Results, ax: Axes) -> None:
    """The most bits per parameter or unit that a model and width recall at any payload."""
    what = value.removeprefix("per_")
    ax.set_title(f"Most bits recalled per {what}")
    rows = recalled(results.select(sweep=list(STATE)))
    if rows.empty:
        panels.empty_panel(ax, "no networks")
        return
    table = most(rows, value)
    if found := composition.extremes(table):
        said = [f"{r['value']:.2g} ({r['model']}, N = {r['hidden']})" for r in found]
        ax.set_title(f"Most bits recalled per {what}: {said[0]} to {said[1]}")
    order = list(MODELS.values())
    table = table.assign(place=[order.index(m) if m in order else 99 for m in table["model"]])
    table = table.sort_values(["place", "hidden"], kind="stable").reset_index(drop=True)
    row: Any
    for place, row in enumerate(table.itertuples()):
        if not math.isfinite(row.value):
            continue
        style = {k: v for k, v in panels.SERIES[row.place % 7].items() if k != "linestyle"}
        reach = np.nan_to_num(np.clip([[row.value - row.low], [row.high - row.value]], 0, None))
        ax.errorbar(
            [row.value], [place], xerr=reach, capsize=1.5, elinewidth=0.8, linestyle="none",
            markersize=panels.marker_size(), **style,
        )  # fmt: skip
    ax.set_yticks(range(len(table)), [f"{r.model}, N = {r.hidden}" for r in table.itertuples()])
    ax.set_ylim(len(table) - 0.5, -0.5)
    label = f"bits per {what}"
    if value == "per_parameter":
        if (table["value"] > 0).any():
            ax.set_xscale("log")
        text = f"about {COLLINS:g}: a task's bits (Collins 2017)"
        ax.axvline(COLLINS, color="0.45", linestyle=(0, (1, 2)), linewidth=0.9, label=text)
        composition.legend(ax)
    ax.set_xlabel(label)


def of_state(results: Results) -> pd.DataFrame:
    """All networks but those in float64."""
    return results.select(sweep=list(STATE)).summary


def of_precision(results: Results) -> pd.DataFrame:
    """Those in float64, and all that they are beside."""
    return results.select(sweep=["state", "double"]).summary


def named_panels(results: Results) -> list[Panel]:
    """Bits over the payload for every width, bits per parameter and unit, and precision."""
    line = (
        f"The line is what Collins, Sohl-Dickstein & Sussillo 2017 find for a task that parameters "
        f"memorise (about {COLLINS:g} bits per parameter): another quantity than the input that a "
        "state holds, and not comparable."
    )
    return [
        *(
            Panel(
                f"recall-{width}",
                partial(over_payload, width),
                f"Bits recalled of the payload of copy over its bits, {width} units",
                partial(of_width, width),
                BOOTSTRAP,
            )
            for width in widths(results) or [8]
        ),
        Panel("per-unit", partial(densest, "per_unit"),
              "Most bits per unit that are recalled at any payload", of_state, BARS),
        Panel("per-parameter", partial(densest, "per_parameter"),
              "Most bits per parameter that are recalled at any payload", of_state, BARS, line),
        Panel("precision", precision, "Bits recalled in float32 and in float64", of_precision,
              BARS),
    ]  # fmt: skip


def overview(results: Results) -> list[Panel]:
    """The narrowest and the widest, and what they hold per unit and parameter."""
    own = widths(results) or [8]
    names = [f"recall-{w}" for w in dict.fromkeys((own[0], own[-1]))]
    return composition.choose(named_panels(results), [*names, "per-unit", "per-parameter"])


def figure(results: Results) -> Figure:
    """Up to four panels."""
    return composition.compose(results, overview(results), height=2.5)


def caption(results: Results) -> str:
    """What is drawn, with the most bits of every model."""
    table = most(recalled(results), "bits").sort_values(["model", "hidden", "dtype"])
    rows: list[Any] = list(table[np.isfinite(table["value"].astype(float))].itertuples())
    said = "; ".join(
        f"{r.model}, N = {r.hidden}, {r.dtype}: {r.value:.1f} of {r.offered:.0f}" for r in rows
    )
    return (
        "**How many bits of its input a network recalls, over how many it is given.** "
        f"{composition.describe(overview(results))} Copy with an alphabet of 8: 3 bits per symbol. "
        "Bits recalled are those of a symmetric channel with the accuracy measured. "
        "What is trained in this budget is a lower bound of what a state can hold. "
        "Attention keeps all steps and has no state: the reference. "
        f"Dotted in bits per parameter: about {COLLINS:g} bits of a task that parameters memorise "
        "(Collins, Sohl-Dickstein & Sussillo 2017, abstract), another quantity, not comparable. "
        f"Most bits recalled: {said or 'none'}. {describe_networks(results)}"
    )
