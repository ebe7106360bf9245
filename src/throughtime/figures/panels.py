"""Reusable axes: every function draws on one Axes from a small table that stats.py made.

Colour is never the only difference: series also differ in line style and marker, stacked shares in
hatching, and heat maps carry their numbers.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

UNITS = {
    "accuracy": "accuracy",
    "mse": "mean squared error",
    "bpc": "bits per character",
    "loss": "loss, nats",
}
LAG = "lag of the dependency, steps"
TILE = "tile"  # marks the numbers of a heat map, which are hidden where they have no room
DARK = 0.408  # luminance of a colour on which white is read better than dark grey (seaborn's bound)
UNEQUAL = 0.98  # of the largest lag: a mean below it is told beside it
BEYOND = 1.3  # how far past the tested lags an open bound is drawn
PYTORCH_GAIN = 3**-0.5  # sigma_w of PyTorch's default U(+-1/sqrt N)

# Okabe & Ito's colours, in an order whose greys differ from neighbour to neighbour
SERIES: tuple[dict[str, Any], ...] = (
    {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    {"color": "#E69F00", "linestyle": "--", "marker": "s"},
    {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    {"color": "#CC79A7", "linestyle": ":", "marker": "D"},
    {"color": "#000000", "linestyle": (0, (5, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#56B4E9", "linestyle": (0, (1, 1)), "marker": "P"},
    {"color": "#D55E00", "linestyle": (0, (8, 2)), "marker": "X"},
)
KIND_STYLES: dict[str, dict[str, str]] = {  # of causes.KINDS
    "solved": {"color": "#F2F2F2", "hatch": ""},
    "cause not shown": {"color": "#BBBBBB", "hatch": ""},
    "plateau": {"color": "#CC79A7", "hatch": "||||"},
    "still learning": {"color": "#009E73", "hatch": "xxxx"},
    "clipped": {"color": "#D55E00", "hatch": "////"},
    "vanishing": {"color": "#56B4E9", "hatch": "\\\\\\\\"},
    "truncated": {"color": "#F0E442", "hatch": "...."},
    "diverged": {"color": "#222222", "hatch": ""},
    "not applicable": {"color": "#FFFFFF", "hatch": "---"},
}


def title_case(name: Any) -> str:
    """A task's name as a title says it.

    >>> title_case("temporal_order")
    'temporal order'
    """
    return str(name).replace("_", " ")


def format_number(value: Any, infinite: str = "none") -> str:
    """A tick label: three digits; infinity by its meaning on the axis.

    >>> format_number(0.5773), format_number(20.0), format_number(float("inf"), "full")
    ('0.577', '20', 'full')
    """
    return infinite if math.isinf(float(value)) else f"{float(value):.3g}"


def marker_size() -> float:
    """Of points with bars, points: a little smaller than the style's markers."""
    return 0.73 * float(mpl.rcParams["lines.markersize"])


def empty_panel(ax: Axes, text: str) -> None:
    """Says in the middle of empty axes why they are empty."""
    ax.set(xticks=[], yticks=[])
    ax.text(
        0.5,
        0.5,
        text,
        ha="center",
        va="center",
        transform=ax.transAxes,
        color="0.35",
        fontsize="small",
    )


def luminance(colour: Any) -> float:
    """The relative luminance of a colour, from 0, black, to 1, white (WCAG 2.2, "Relative
    luminance").

    >>> luminance("black"), round(luminance("0.5"), 3), luminance("white")
    (0.0, 0.214, 1.0)
    """
    rgb = np.asarray(to_rgb(colour))
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def heatmap(
    ax: Axes,
    table: pd.DataFrame,
    x: str,
    y: str,
    value: str = "rate",
    text: Callable[[Any], str] | None = None,
    limits: tuple[float, float] = (0, 1),
    infinite: tuple[str, str] = ("none", "none"),
    numbers: bool = True,
) -> None:
    """A heat map with the numbers written in its tiles.

    Args:
        ax: where.
        table: one row per grid point: x, y, value, n, n_solved, n_diverged.
        x, y: columns of the two axes; their values become categories, smallest at left and below.
        value: the column that is coloured, from ``limits[0]`` (dark) to ``limits[1]`` (light).
        text: what a tile says; by default solved/n. Below it, n_diverged and a cross, where there
            are any; such a tile is hatched.
        limits: of the colours.
        infinite: what infinity is called on x and on y.
        numbers: whether tiles say them; not where a curve is drawn over the map.
    """
    if table.empty:
        empty_panel(ax, "no networks")
        return
    text = text or (lambda c: f"{c.n_solved}/{c.n}")
    grid = (
        table.pivot(index=y, columns=x, values=value)
        .astype(float)
        .sort_index(ascending=False)
        .replace([math.inf, -math.inf], math.nan)
    )
    labels = pd.DataFrame("", index=grid.index, columns=grid.columns)
    rows, columns = list(grid.index), list(grid.columns)
    point: Any
    for point in table.itertuples():
        row, column = rows.index(getattr(point, y)), columns.index(getattr(point, x))
        crosses = f"\n{point.n_diverged}×" if point.n_diverged else ""
        labels.iloc[row, column] = text(point) + crosses
    shown = np.ma.masked_array(grid.fillna(limits[0]), labels == "")
    mesh = ax.pcolormesh(
        shown, cmap="cividis", vmin=limits[0], vmax=limits[1], linewidths=0.6, edgecolor="white"
    )
    ax.set(xlim=(0, len(columns)), ylim=(len(rows), 0), xlabel=x, ylabel=y)
    ax.spines[:].set_visible(False)
    if numbers:
        _write_tiles(ax, labels, mesh.to_rgba(shown))
    ax.set_facecolor("0.88")  # a grid point that was not run
    for point in table[table["n_diverged"] > 0].itertuples():
        corner = columns.index(getattr(point, x)), rows.index(getattr(point, y))
        ax.add_patch(
            Rectangle(
                corner, 1, 1, fill=False, hatch="////", edgecolor=(1, 1, 1, 0.35), linewidth=0
            )
        )
    ax.set_xticks(
        np.arange(len(grid.columns)) + 0.5,
        [format_number(v, infinite[0]) for v in grid.columns],
        rotation=0,
    )
    ax.set_yticks(
        np.arange(len(grid.index)) + 0.5,
        [format_number(v, infinite[1]) for v in grid.index],
        rotation=0,
        va="center",
    )


def _write_tiles(ax: Axes, labels: pd.DataFrame, colours: NDArray[np.float64]) -> None:
    """Write each tile's label in its middle, light on a dark colour and dark on a light one."""
    for row, column in np.argwhere((labels != "").to_numpy()):
        ax.text(
            column + 0.5, row + 0.5, labels.iloc[row, column], ha="center", va="center",
            color="w" if luminance(colours[row, column]) <= DARK else "0.15",
            fontsize="small", linespacing=0.95, gid=TILE,
        )  # fmt: skip


def scale_handles(dark: str, light: str, missing: bool = False) -> list[Patch]:
    """What a legend says of the colours of a heat map: its two ends, and grey, where some tiles
    are ``missing``.
    """
    colours = mpl.colormaps["cividis"]
    grey = [Patch(color="0.88", label="not run")] if missing else []
    return [Patch(color=colours(0.0), label=dark), Patch(color=colours(1.0), label=light), *grey]


def share_handles(missing: bool = False) -> list[Patch]:
    """The same of a heat map of shares solved."""
    return scale_handles("none solved", "all solved", missing)


def shades(values: pd.Series) -> tuple[float, float]:
    """The smallest and the largest value that a heat map tells apart: one that lies beyond 1.5
    interquartile ranges above the upper quartile (Tukey's fence) would take the colours from all
    others, and is drawn as the fence.

    >>> shades(pd.Series([2.0, 2.1, 2.2, 2.3, 9.0]))
    (2.0, 2.6)
    """
    finite = values[np.isfinite(values.astype(float))].astype(float)
    if finite.empty:
        return 0.0, 1.0
    low, high = (float(q) for q in finite.quantile([0.25, 0.75]))
    return float(finite.min()), round(min(float(finite.max()), high + 1.5 * (high - low)), 12)


def heatmap_lower_is_better(
    ax: Axes, table: pd.DataFrame, x: str, y: str, infinite: tuple[str, str] = ("none", "none")
) -> None:
    """A heat map of stats.summarize's ``value`` where less is better: lighter is less, within
    ``shades``; the numbers are written in the tiles.
    """
    best, worst = shades(table["value"])

    def text(point: Any) -> str:
        return "–" if not math.isfinite(point.value) else f"{point.value:.2f}"

    table = table.assign(shade=-table["value"].replace(math.inf, math.nan))
    limits = (-worst, -best) if worst > best else (-worst - 1, -best)
    heatmap(ax, table, x, y, "shade", text, limits, infinite)


def staircase(
    ax: Axes,
    columns: Sequence[float],
    rows: Sequence[float],
    limit: Mapping[Any, float],
    **line: Any,
) -> None:
    """On a heat map: the border between the rows that are > limit[column] (above the line) and the
    others.

    Args:
        ax: of the heat map.
        columns, rows: the values on x and y, ascending.
        limit: column -> the value on y.
        line: of Axes.plot.
    """
    heights = [
        len(rows) - sum(r <= limit[c] for r in rows) for c in columns
    ]  # a heat map's y runs downward
    style = {
        "color": "#D55E00",
        "linewidth": 2.0,
        "clip_on": False,
        "zorder": 5,
        "solid_capstyle": "butt",
        **line,
    }
    ax.plot(np.repeat(np.arange(len(columns) + 1), 2)[1:-1], np.repeat(heights, 2), **style)


def mark_column(
    ax: Axes,
    columns: Sequence[float],
    value: float,
    label: str = "PyTorch's default",
    below: bool = False,
) -> None:
    """On a heat map: a triangle at x = value, just within the upper (or lower) edge, between the
    two categories around it on a log axis; nothing where the value lies outside of them.
    """
    if len(columns) == 0 or not columns[0] <= value * 1.001 <= columns[-1] * 1.002:
        return
    places = np.arange(len(columns)) + 0.5
    place = float(np.interp(np.log(value), np.log(np.asarray(columns, float)), places))
    ax.plot(
        [place],
        [0.015 if below else 0.985],
        transform=ax.get_xaxis_transform(),
        marker="^" if below else "v",
        color="white" if below else "#D55E00",
        markeredgecolor="black" if below else "white",
        markeredgewidth=0.5,
        markersize=5.5,
        linestyle="none",
        label=label,
        zorder=6,
    )


def _drawable(table: pd.DataFrame, y: str) -> pd.DataFrame:
    """Rows with a finite y; infinite bounds (a diverged network's) end at the most extreme finite
    number there is.
    """
    rows = table[np.isfinite(table[y].astype(float))].astype(
        {y: float, "low": float, "high": float}
    )
    finite = rows[[y, "low", "high"]].replace([math.inf, -math.inf], math.nan).stack()
    return (
        rows.assign(
            low=rows["low"].clip(lower=finite.min()), high=rows["high"].clip(upper=finite.max())
        )
        if len(finite)
        else rows
    )


def band(ax: Axes, table: pd.DataFrame, x: str, y: str, series: int, label: str) -> None:
    """A line of column y over x with its interval (low, high) as a band."""
    rows = _drawable(table, y).sort_values(x)
    style = SERIES[series % len(SERIES)]
    ax.plot(rows[x].astype(float), rows[y], label=label, markersize=marker_size(), **style)
    ax.fill_between(
        rows[x].astype(float),
        rows["low"],
        rows["high"],
        color=style["color"],
        alpha=0.15,
        linewidth=0,
    )


def points(
    ax: Axes,
    table: pd.DataFrame,
    x: str,
    y: str,
    series: int,
    label: str,
    shift: float = 0.0,
    line: bool = False,
) -> None:
    """Markers of column y over x with their intervals as bars.

    All are moved aside by ``shift``: on a log axis a share of x, else in units of x.
    """
    rows = _drawable(table, y).sort_values(x)
    style = {**SERIES[series % len(SERIES)], **({} if line else {"linestyle": "none"})}
    place = rows[x].to_numpy(float)
    place = place * (1 + shift) if ax.get_xscale() == "log" else place + shift
    bars = np.nan_to_num(np.clip([rows[y] - rows["low"], rows["high"] - rows[y]], 0, None))
    ax.errorbar(
        place,
        rows[y],
        yerr=bars,
        label=label,
        markersize=marker_size(),
        capsize=1.5,
        elinewidth=0.8,
        linewidth=1.2,
        **style,
    )


def frontiers(
    ax: Axes,
    table: pd.DataFrame,
    x: str,
    series: int,
    label: str,
    shift: float = 0.0,
    line: bool = True,
) -> None:
    """Frontiers (of stats.frontier) over x, with their intervals.

    A censored one carries its sign, an open bound ends a little beyond the tested lags.
    """
    low, high = table["lag_low"] / BEYOND, table["lag_high"] * BEYOND
    inside = table.assign(
        low=table["low"].where(table["low"] > 0, low),
        high=table["high"].where(table["high"] < math.inf, high),
    )
    points(ax, inside.sort_values(x), x, "frontier", series, label, shift, line)
    for row in inside[inside["censored"] != ""].itertuples():
        at = getattr(row, x) * (1 + shift) if ax.get_xscale() == "log" else getattr(row, x) + shift
        sign, offset = {">=": ("≥", 3), "<": ("<", -8)}[str(row.censored)]
        ax.annotate(
            sign,
            (at, row.frontier),
            (2, offset),
            textcoords="offset points",
            fontsize="small",
            color=SERIES[series]["color"],
        )


def lag_label(rows: pd.DataFrame) -> str:
    """What an axis of ``lag_max`` shows: where sequences have different lags, the largest, and what
    share of it the mean is.

    Args:
        rows: of the summary table, one task.

    >>> lag_label(pd.DataFrame({"lag_max": [19, 39], "lag_mean": [14.5, 29.5]}))
    'largest lag, steps (mean 76 %)'
    >>> lag_label(pd.DataFrame({"lag_max": [10], "lag_mean": [10.0]}))
    'lag, steps'
    """
    share = (rows["lag_mean"] / rows["lag_max"].astype(float)).mean()
    return f"largest lag, steps (mean {100 * share:.0f} %)" if share < UNEQUAL else "lag, steps"


def lag_axis(ax: Axes, lags: pd.Series, text: str = LAG) -> None:
    """A log y axis over the tested lags, with room for censored signs."""
    present = lags.dropna().astype(float)
    low, high = (present.min(), present.max()) if len(present) else (1.0, 10.0)
    ax.set_yscale("log", base=2)
    ax.set(ylim=(low / 1.6, high * 1.6), ylabel=text)
    ticks = [2.0**i for i in range(12) if low / 1.6 <= 2**i <= high * 1.6]
    ax.set_yticks(ticks, [format_number(t) for t in ticks])


def reference_lines(ax: Axes, lines: pd.DataFrame, gap: float = 0.035) -> None:
    """Dotted lines that span the axes, each with its name at the right; call it last, when the
    limits of y are known.

    Args:
        ax: where; y linear.
        lines: rows of the references table.
        gap: least distance of two names, as a share of the height: names of close lines are moved
            apart.
    """
    ordered = lines.drop_duplicates(["name", "value"]).sort_values("value", kind="stable")
    for value in ordered["value"]:
        ax.axhline(value, color="0.45", linestyle=(0, (1, 2)), linewidth=0.9, zorder=1)
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top)
    last = -math.inf
    for name, value in zip(ordered["name"], ordered["value"], strict=True):
        last = max((value - bottom) / (top - bottom), last + gap)
        ax.annotate(
            name,
            (1.01, last),
            xycoords="axes fraction",
            va="center",
            fontsize="small",
            color="0.3",
            annotation_clip=False,
        )


def failure_bars(ax: Axes, table: pd.DataFrame, label: Callable[[Any], str], by: str) -> None:
    """A horizontal bar a value of ``by`` (in the table's order, from above): the shares of
    causes.KINDS, hatched; n at the right end.

    Args:
        ax: where.
        table: of stats.shares: by, kind, n, share.
        label: value -> what its tick says.
        by: the column.
    """
    values = list(dict.fromkeys(table[by]))
    for place, value in enumerate(values):
        rows = table[table[by] == value].set_index("kind")
        left = 0.0
        for kind, style in KIND_STYLES.items():
            share = float(rows["share"].get(kind, 0.0))
            ax.barh(
                place,
                share,
                left=left,
                height=0.75,
                color=style["color"],
                hatch=style["hatch"],
                edgecolor="0.25",
                linewidth=0.5,
            )
            left += share
        ax.text(1.01, place, f"n={rows['n'].iloc[0]}", va="center", fontsize="small")
    ax.set(xlim=(0, 1), xlabel="share of networks", ylim=(len(values) - 0.4, -0.6))
    ax.set_yticks(range(len(values)), [label(v) for v in values])
    ax.grid(visible=False)


def kind_handles(present: Collection[str] | None = None) -> list[Patch]:
    """What a legend of ways to end shows: those that are ``present``; None: all."""
    return [
        Patch(facecolor=s["color"], hatch=s["hatch"], edgecolor="0.25", linewidth=0.5, label=k)
        for k, s in KIND_STYLES.items()
        if present is None or k in present
    ]


def colorbar(
    fig: Figure, axes: Any, text: str, limits: tuple[float, float] = (0, 1), **where: Any
) -> None:
    """The scale of heat maps drawn on ``axes``."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = fig.colorbar(
        ScalarMappable(Normalize(*limits), "cividis"),
        ax=axes,
        aspect=40,
        fraction=0.02,
        pad=0.01,
        **where,
    )
    bar.set_label(text)
