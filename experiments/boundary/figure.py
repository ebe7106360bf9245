"""Maps of outcomes over gain and learning rate at four zooms, the map of clipping, and the boxes on
their boundaries.
"""

from functools import partial

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from throughtime.figures import composition, panels
from throughtime.figures.captions import describe_networks
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

from . import analysis

KINDS = [kind for kind in panels.KIND_STYLES if kind not in ("cause not shown", "not applicable")]
COLORS = {**{kind: panels.KIND_STYLES[kind]["color"] for kind in KINDS}, "solved": "#FFFFFF"}
TITLES = {
    "whole": "Whole map",
    "zoom1": "Zoom 2 x",
    "zoom2": "Zoom 4 x",
    "zoom3": "Zoom 8 x",
    "clip": "Clip at lr 0.3",
}
WINDOW = "#0072B2"


def edges(values: np.ndarray) -> np.ndarray:
    """Where pixels of logarithmically spaced values begin and end."""
    logs = np.log(values)
    step = (logs[-1] - logs[0]) / (len(logs) - 1) if len(logs) > 1 else 0.1
    return np.exp(np.append(logs - step / 2, logs[-1] + step / 2))


def draw_map(sweep: str, results: Results, ax: Axes) -> None:
    """Outcomes by colour; a square where the next zoom lies."""
    table = analysis.outcomes(results.summary, sweep, "failure")
    y = "clip threshold" if sweep == "clip" else "learning rate"
    ax.set(xlabel="initial gain g", ylabel=y, title=TITLES[sweep])
    if table.empty:
        panels.empty_panel(ax, "no networks")
        return
    codes = table.map(lambda kind: KINDS.index("solved" if kind == "none" else kind), "ignore")
    x, heights = (edges(axis.to_numpy(float)) for axis in (table.columns, table.index))
    ax.pcolormesh(
        x,
        heights,
        codes.to_numpy(float),
        cmap=ListedColormap([COLORS[kind] for kind in KINDS]),
        vmin=-0.5,
        vmax=len(KINDS) - 0.5,
        rasterized=True,
    )
    ax.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), ylim=(heights[0], heights[-1]))
    ax.grid(visible=False)
    place = analysis.MAPS.index(sweep) if sweep in analysis.MAPS else len(analysis.MAPS)
    for later in analysis.MAPS[place + 1 : place + 2]:
        inner = analysis.outcomes(results.summary, later)
        if len(inner):
            across, up = inner.columns.to_numpy(float), inner.index.to_numpy(float)
            corner, sides = (across.min(), up.min()), (np.ptp(across), np.ptp(up))
            ax.add_patch(Rectangle(corner, *sides, fill=False, edgecolor=WINDOW))
    found = analysis.dimension(analysis.boundary(analysis.outcomes(results.summary, sweep)))
    if np.isfinite(found.value):
        low, high = found.interval()
        ax.set_title(f"{TITLES[sweep]}: D = {found.value:.2f} ({low:.2f} to {high:.2f})")
    for axis, values in ((ax.xaxis, table.columns), (ax.yaxis, table.index)):
        marks = np.geomspace(float(values.min()), float(values.max()), 5)
        axis.set_major_locator(mpl.ticker.FixedLocator(list(marks)))
        axis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:.2g}"))
        axis.set_minor_locator(mpl.ticker.NullLocator())


def draw_counts(results: Results, ax: Axes) -> None:
    """N(s) of every map, beside a line's and a plane's slope."""
    found = analysis.dimensions(results)
    sizes = np.array(analysis.SIZES, float)
    for (sweep, own), style in zip(found.items(), panels.SERIES, strict=False):
        if own.counts[0]:
            counts = np.where(np.array(own.counts) > 0, own.counts, np.nan)
            ax.plot(sizes, counts, label=TITLES[sweep].split(" at")[0], **style)
    if len(ax.lines):
        top = max(max(own.counts) for own in found.values())
        for power, dashes in ((1, (0, (1, 2))), (2, (0, (4, 2)))):
            ax.plot(sizes, top * sizes**-power, color="0.6", linestyle=dashes, label=f"D = {power}")
        ax.set(xscale="log", yscale="log")
        ax.set_xticks(sizes, [f"{s:g}" for s in sizes])
        ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        composition.legend(ax, ncols=2)
    else:
        panels.empty_panel(ax, "no boundary")
    ax.set(
        xlabel="side of a box (tiles of the map)",
        ylabel="boxes on the boundary",
        title="Boxes that hold a piece of the boundary",
    )


def draw_legend_map(sweep: str, results: Results, ax: Axes) -> None:
    """A map with the legend of all colours."""
    draw_map(sweep, results, ax)
    present = (
        set(results.summary["failure"].replace("none", "solved")) if len(results.summary) else set()
    )
    handles = [h for h in panels.kind_handles(present) if h.get_label() in KINDS]
    for handle in handles:
        handle.set(facecolor=COLORS[str(handle.get_label())], hatch="")
    if handles:
        composition.legend(ax, handles)


def of_map(sweep: str, results: Results) -> pd.DataFrame:
    """The networks of a map."""
    return results.summary[results.summary["sweep"] == sweep]


def named_panels(results: Results) -> list[Panel]:
    """A map per sweep, and the boxes."""
    made = [
        Panel(
            f"map-{sweep}",
            partial(draw_legend_map if sweep == "clip" else draw_map, sweep),
            f"How each network of the map {TITLES[sweep][0].lower()}{TITLES[sweep][1:]} ended",
            partial(of_map, sweep),
            "D: box-counting dimension with its 95 % bootstrap interval over squares of the map",
        )
        for sweep in TITLES
    ]
    made.append(Panel("boxes", draw_counts, "Boxes on the boundary over their side"))
    return made


def figure(results: Results) -> Figure:
    """All panels."""
    return composition.compose(results, named_panels(results), height=2.7)


def caption(results: Results) -> str:
    """What is drawn, with the dimensions."""
    words = []
    merged = analysis.dimensions(results, analysis.diverged_or_not)
    for sweep, own in analysis.dimensions(results).items():
        if np.isfinite(own.value):
            text = f"{TITLES[sweep].lower()} {own.value:.2f} (R² {analysis.straightness(own):.3f}"
            alone = merged[sweep].value
            text += f"; diverged or not alone {alone:.2f})" if np.isfinite(alone) else ")"
            words.append(text)
    return (
        "**How networks end over gain and learning rate, at four zooms.** One network per pixel: "
        "all share one seed, hence data and initial directions. The square is the next zoom. "
        "(f) Boxes of s x s tiles that hold a tile whose corners ended differently (solved, "
        "unsolved, diverged; causes of failure are colours alone). D is minus the slope over 2 to "
        "16 tiles, its interval a 95 % bootstrap over squares of 16 x 16 tiles. "
        f"D: {', '.join(words) or 'no boundary'}. {describe_networks(results)}"
    )
