"""The two trainability maps, under a multiple of theory's length."""

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

from . import analysis
from .analysis import SCALES, TITLES

BOUNDARY = "#D55E00"
NODES = 41


def of_sweep(sweep: str, results: Results) -> pd.DataFrame:
    """The networks of a map."""
    return results.summary[results.summary["sweep"] == sweep]


def border(ax: Axes, rows: pd.DataFrame, fit: "pd.Series[float]") -> None:
    """On a heat map the line lag = m xi, and its interval as a band."""
    scales, lags = sorted(rows["scale"].unique()), sorted(rows["lag_max"].astype(float).unique())
    if len(scales) < 2 or len(lags) < 2 or not math.isfinite(fit["frontier"]):
        return
    places = np.linspace(0, len(scales) - 1, NODES)
    between = np.interp(places, np.arange(len(scales)), scales)
    one: dict[Any, Any] = rows.to_dict("records")[-1]
    axis = SCALES[one["sweep"]][0]
    xi = np.array([analysis.memory({**one, axis: scale}) for scale in between])

    def height(m: float) -> np.ndarray:
        """A heat map's y runs downward; beyond the tested lags the line leaves the map."""
        tested = np.log(lags)
        steps = np.arange(len(lags)) + 0.5
        at = np.log(np.maximum(m * xi, 1e-9))
        return len(lags) - np.interp(at, tested, steps, left=-0.2, right=len(lags) + 0.2)

    m, low, high = (float(fit[c]) for c in ("frontier", "low", "high"))
    ax.plot(places + 0.5, height(m), color=BOUNDARY, linewidth=2, label=f"theory: {m:.1f} ξ")
    ax.fill_between(
        places + 0.5, height(low), height(high), color=BOUNDARY, alpha=0.25, linewidth=0
    )
    ax.set_ylim(len(lags), 0)


def plane(sweep: str, results: Results, ax: Axes) -> None:
    """Success over the initial scale and the lag, under theory's boundary."""
    rows = analysis.networks(results, sweep)
    ax.set_title(TITLES[sweep])
    panels.heatmap(ax, stats.success(rows, ["scale", "lag_max"]), "scale", "lag_max", numbers=False)
    if rows.empty:
        return
    if sweep == "vanilla":
        panels.mark_column(ax, sorted(rows["scale"].unique()), panels.PYTORCH_GAIN)
    border(ax, rows, analysis.multiple(rows))
    ax.set(xlabel=SCALES[sweep][1], ylabel=panels.lag_label(rows))
    composition.legend(ax, panels.share_handles())


def named_panels(results: Results) -> list[Panel]:
    """A map without and a map with a gate."""
    shown = {
        "vanilla": "without a gate, over the initial gain and the lag",
        "gated": "with a gate (minimalRNN), over the gate's initial bias and the lag",
    }
    return [
        Panel(
            sweep,
            partial(plane, sweep),
            f"Share of networks that solve temporal order {words}, under theory's boundary",
            partial(of_sweep, sweep),
            "band: 95 % profile-likelihood interval",
            "Orange: lag = m ξ, where ξ is mean field's length over which a network forgets at its "
            "start, and m is fitted over the whole map.",
        )
        for sweep, words in shown.items()
    ]


def figure(results: Results) -> Figure:
    """Two maps."""
    return composition.compose(results, named_panels(results), height=2.6)


def caption(results: Results) -> str:
    """What is drawn, with the multiples and whether they order the scales."""
    said = []
    for sweep, title in TITLES.items():
        rows = analysis.networks(results, sweep)
        fit = analysis.multiple(rows)
        if not math.isfinite(fit["frontier"]):
            continue
        rank = analysis.agreement(rows)
        solved = int((rows["status"] == "solved").sum())
        said.append(
            f"{composition.capital(title)}: m {fit['censored'] or '='} {fit['frontier']:.1f} "
            f"({fit['low']:.1f} to {fit['high']:.1f}), {solved} of {len(rows)} networks solved"
            + (f", rank correlation of frontier and ξ {rank:.2f}" if math.isfinite(rank) else "")
            + "."
        )
    return (
        "**Trainability over initial scale and lag, after Chen, Pennington & Schoenholz 2018.** "
        f"{composition.describe(named_panels(results))} Orange: lag = m ξ, where ξ is mean field's "
        "length over which a network forgets at its start, and m the half point of a logistic fit "
        "of success on ln(lag / ξ). Triangle: the scale of PyTorch's default, σ_w = 1/√3. "
        f"{' '.join(said)}{' ' if said else ''}{describe_networks(results)}"
    )
