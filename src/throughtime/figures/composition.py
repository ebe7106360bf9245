"""Named panels, what their captions say, and overviews that are put together from them."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator
from matplotlib.transforms import ScaledTranslation

from throughtime.analysis import stats
from throughtime.core.errors import UserError, nearest
from throughtime.figures.captions import counts, protocol
from throughtime.figures.draw import add_header
from throughtime.figures.panels import TILE
from throughtime.results.load import Results

MOST = 6  # panels of an overview
WIDTH, HEIGHT = 5.5, 2.3  # inches: of an overview, and of one row of its panels
TIGHT = 0.96  # of a tile's side: what its number may take
GAP = 3.0  # points between the label of x and the legend below it, and between labels of ticks


def all_networks(results: Results) -> pd.DataFrame:
    """The summary: what most panels are drawn from."""
    return results.summary


@dataclass(frozen=True)
class Panel:
    """A picture on one Axes that stands alone: title, labels with units, legend.

    Attributes:
        name: as ``--panel`` has it: lower case, words joined by hyphens.
        draw: (results, ax) -> None. It sets the title, the finding where the tables decide one.
        shows: what is drawn, as the beginning of a sentence without its stop.
        behind: results -> the rows of the summary that are drawn.
        interval: what bars and bands are, e.g. "bands: 95 % bootstrap intervals"; empty: there are
            none.
        details: further sentences of the long caption.
        projection: of the Axes that it needs, as Figure.add_subplot has it, e.g. ``3d``.
    """

    name: str
    draw: Callable[[Results, Axes], None]
    shows: str
    behind: Callable[[Results], pd.DataFrame] = all_networks
    interval: str = ""
    details: str = ""
    projection: str | None = None

    def caption(self, results: Results) -> str:
        """One sentence: what is shown, how many networks and seeds, what bars and bands are."""
        text = counts(self.behind(results), results.computed)
        count = text[0].lower() + text[1:]
        return "; ".join(part for part in (self.shows, self.interval, count) if part) + "."

    def long_caption(self, results: Results) -> str:
        """The short caption, what else a reader needs, and how the networks were trained."""
        parts = (self.caption(results), self.details, protocol(self.behind(results)))
        return " ".join(part for part in parts if part)


def find(panels: Sequence[Panel], name: str) -> Panel:
    """The panel of that name.

    Raises:
        UserError: there is none; the nearest name is said.
    """
    by_name = {panel.name: panel for panel in panels}
    if name not in by_name:
        raise UserError(f"no panel {name!r}; {nearest(name, list(by_name))}")
    return by_name[name]


def choose(panels: Sequence[Panel], names: Iterable[str]) -> list[Panel]:
    """Those of ``names`` that there are, in that order, at most MOST; without any, the first."""
    by_name = {panel.name: panel for panel in panels}
    return ([by_name[n] for n in names if n in by_name] or list(panels))[:MOST]


def blank(width: float, height: float) -> Figure:
    """A figure without axes, inches, that lays itself out.

    Its canvas keeps one renderer: a figure without one makes a new one for each measurement of a
    text, and measures every text anew.
    """
    fig = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(fig)
    return fig


def compose(results: Results, panels: Sequence[Panel], height: float = HEIGHT) -> Figure:
    """The overview: panels in two columns, with letters, under the experiment's title and counts.

    Args:
        results: what all panels are drawn from.
        panels: 1 to MOST.
        height: of a row, inches.
    """
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    fig = blank(WIDTH, 0.5 + height * rows)
    grid = fig.add_gridspec(rows, columns)
    for place, panel in enumerate(panels):
        last_alone = place == len(panels) - 1 and place % columns == 0
        cell = grid[place // columns, :] if last_alone else grid[divmod(place, columns)]
        ax = fig.add_subplot(cell, projection=panel.projection)
        panel.draw(results, ax)
        title = ax.get_title(loc="left") or ax.get_title()
        ax.set_title("", loc="center")
        ax.set_title(f"({letter(place)}) {title}", loc="left")
    add_header(fig, results)
    fit(fig, fig.axes)
    return fig


def letter(place: int) -> str:
    """The letter of a panel in an overview.

    >>> letter(0), letter(2)
    ('a', 'c')
    """
    return "abcdefghijklmnopqrstuvwxyz"[place]


def describe(panels: Sequence[Panel]) -> str:
    """What an overview's panels show, by letter, with what their bars are, as one sentence."""
    parts = []
    for place, panel in enumerate(panels):
        bars = f" ({panel.interval})" if panel.interval else ""
        parts.append(f"({letter(place)}) {panel.shows}{bars}")
    return f"{'. '.join(parts)}."


def slug(*words: Any) -> str:
    """A panel's name from words.

    >>> slug("copy, 5 of 8", "chunked"), slug("temporal_order", "W_hh"), slug("input gain 0.3")
    ('copy-5-of-8-chunked', 'temporal-order-w-hh', 'input-gain-0.3')
    """
    return re.sub(r"[^a-z0-9.]+", "-", " ".join(map(str, words)).lower()).strip("-")


# What the tables decide ---------------------------------------------------------------------------


def solved(rows: pd.DataFrame) -> str:
    """How many of trained networks are solved, as titles say it.

    >>> solved(pd.DataFrame({"status": ["solved", "unsolved", "untrained"]}))
    '1 of 2'
    """
    own = stats.trained(rows)
    return f"{int((own['status'] == 'solved').sum())} of {len(own)}"


def capital(words: str) -> str:
    """With a capital first letter, the rest as it is.

    >>> capital("copy, 5 of 8")
    'Copy, 5 of 8'
    """
    return words[:1].upper() + words[1:]


def differ(a: pd.DataFrame, b: pd.DataFrame) -> int:
    """1 where networks of ``a`` are solved more often than those of ``b``, -1 where less, by
    intervals that do not overlap (stats.success, seeds as units); 0 where the data do not decide.
    """
    if stats.trained(a).empty or stats.trained(b).empty:
        return 0
    first, second = (stats.success(rows.assign(all=0), ["all"]).iloc[0] for rows in (a, b))
    if first["low"] > second["high"]:
        return 1
    return -1 if first["high"] < second["low"] else 0


def apart(a: Any, b: Any) -> bool:
    """Whether the interval (low, high) of ``a`` lies above that of ``b``; a missing one decides
    nothing.

    >>> apart({"low": 0.5, "high": 0.7}, {"low": 0.1, "high": 0.4})
    True
    >>> apart({"low": 0.5, "high": 0.7}, {"low": 0.1, "high": 0.6})
    False
    """
    return bool(a["low"] > b["high"])


def extremes(table: pd.DataFrame, value: str = "value") -> tuple[Any, Any] | None:
    """The rows with the largest and with the smallest value, where their intervals lie apart; None
    where the data do not decide.

    Args:
        table: with ``value``, low and high; rows without a finite value are left out.
        value: the column.
    """
    numbers = table[value].astype(float).to_numpy()
    known, numbers = table[np.isfinite(numbers)], numbers[np.isfinite(numbers)]
    if len(known) < 2:
        return None
    most, least = known.iloc[int(numbers.argmax())], known.iloc[int(numbers.argmin())]
    return (most, least) if apart(most, least) else None


def ends(table: pd.DataFrame) -> tuple[Any, Any] | None:
    """The first and the last row, where their intervals (low, high) lie apart; None where the data
    do not decide.
    """
    if len(table) < 2:
        return None
    first, last = table.iloc[0], table.iloc[-1]
    return (first, last) if apart(first, last) or apart(last, first) else None


def beside(table: pd.DataFrame, base: Any) -> tuple[list[str], list[str]]:
    """The rows whose interval lies above that of the row ``base``, and those whose lies below, by
    their names, the index; none of either where there is no such row.
    """
    if base not in table.index:
        return [], []
    own = table.loc[base]
    rows = [(str(name), row) for name, row in table.iterrows()]
    higher = [name for name, row in rows if apart(row, own)]
    return higher, [name for name, row in rows if apart(own, row)]


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them.

    >>> listed(["copy"]), listed(["copy", "adding", "text"])
    ('copy', 'copy, adding and text')
    """
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def reached(row: Any) -> str:
    """A frontier of stats.frontier as words.

    >>> reached({"frontier": 40.2, "censored": ""}), reached({"frontier": 160.0, "censored": ">="})
    ('40', 'at least 160')
    """
    sign = {">=": "at least ", "<": "below "}.get(str(row["censored"]), "")
    return f"{sign}{row['frontier']:.0f}"


# Room ---------------------------------------------------------------------------------------------


class LegendBelow(Legend):
    """A legend that ``fit`` places under its axes, in as many columns as there is room for."""

    def __init__(self, ax: Axes, handles: list[Any], labels: list[str], **keys: Any) -> None:
        """As Legend has it."""
        super().__init__(ax, handles, labels, **keys)
        self.asked = handles, labels, keys


def legend(ax: Axes, handles: Sequence[Any] = (), **keys: Any) -> None:
    """A legend below the axes of what has a name there, and of ``handles``."""
    own, labels = ax.get_legend_handles_labels()
    own, labels = [*own, *handles], [*labels, *(str(h.get_label()) for h in handles)]
    style = {"borderpad": 0.0, "borderaxespad": 0.0, "handlelength": 1.8, "columnspacing": 1.0}
    if own:
        ax.legend_ = LegendBelow(
            ax, own, labels, **{"loc": "upper left", "fontsize": "small", **style, **keys}
        )


def fit(fig: Figure, axes: Sequence[Axes]) -> None:
    """Make words fit the room there is: titles are wrapped to the width of their axes and labels
    of y to their height, legends go below the label of x, numbers of a heat map are hidden where
    one of them is larger than its tile, and labels of ticks that would run into each other are
    thinned.
    """
    for ax in axes:  # a title in one line could take the room of all axes
        _wrap_title(ax)
    _lay_out(fig)
    _place_words(axes)
    _lay_out(fig)
    wrapped = [_wrap_label(ax) for ax in axes]
    if any(wrapped):
        _lay_out(fig)
    _place_words(axes)  # again: shorter axes have other ticks, and so another left end
    _lay_out(fig)
    for ax in axes:
        _hold_title(ax)
        _hide_numbers(ax)
        _thin_ticks(ax)
    fig.set_layout_engine("none")  # all stays where it is, and saving need not lay out again


def _lay_out(fig: Figure) -> None:
    """Give the axes their places. Drawing does it too, and takes three times as long; only axes in
    three dimensions need it.
    """
    engine = fig.get_layout_engine()
    if engine is None or any(ax.name == "3d" for ax in fig.axes):
        fig.draw_without_rendering()
    else:
        engine.execute(fig)


def _place_words(axes: Sequence[Axes]) -> None:
    for ax in axes:
        _wrap_title(ax)
        _place_legend(ax)


def _left(ax: Axes) -> float:
    """Where the label of y or its ticks begin, pixels."""
    box = ax.yaxis.get_tightbbox() if ax.axison else None
    return min(ax.bbox.x0, box.x0) if box else ax.bbox.x0


def _wrap(words: str, text: Text, room: float, side: str) -> None:
    """Give ``text`` the words in lines that are no longer than ``room``, pixels; ``side`` is the
    extent of its box along a line: width, or height where it stands upright.
    """
    lines = [""]
    for word in words.split():
        text.set_text(f"{lines[-1]} {word}".strip())
        if lines[-1] and getattr(text.get_window_extent(), side) > room:
            lines.append(word)
        else:
            lines[-1] = text.get_text()
    text.set_text("\n".join(lines))


def _wrap_label(ax: Axes) -> bool:
    """Whether the label of y had to be wrapped."""
    label = ax.yaxis.label
    long = bool(label.get_text()) and label.get_window_extent().height > ax.bbox.height
    if long:
        _wrap(label.get_text(), label, ax.bbox.height, "height")
    return long


def _wrap_title(ax: Axes) -> None:
    where: Literal["left", "center"] = "left" if ax.get_title(loc="left") else "center"
    text = ax.get_title(loc=where)
    if not text:
        return
    ax.set_title("", loc=where)
    left = _left(ax)
    title = ax.set_title(text, loc="left", x=(left - ax.bbox.x0) / ax.bbox.width)
    _wrap(text, title, ax.bbox.x1 - left, "width")


def _hold_title(ax: Axes) -> None:
    """Keep the title within the figure: its axes have moved since it was placed."""
    title, figure = _own_title(ax), ax.get_figure(root=True)
    if title.get_text() and figure is not None:
        box = title.get_window_extent()
        aside = max(0.0, figure.bbox.x0 - box.x0) + min(0.0, figure.bbox.x1 - box.x1)
        title.set_x(title.get_position()[0] + aside / ax.bbox.width)


def _own_title(ax: Axes) -> Text:
    """The title in the middle or, without one, that on the left, for which matplotlib has no public
    name.
    """
    title: Text = ax.title if ax.get_title() else cast("Any", ax)._left_title
    return title


def _place_legend(ax: Axes) -> None:
    legend_below = ax.get_legend()
    if not isinstance(legend_below, LegendBelow):
        return
    figure: Any = ax.get_figure(root=True)
    left = _left(ax)
    box = ax.xaxis.get_tightbbox() if ax.axison else None
    bottom = min(ax.bbox.y0, box.y0) if box else ax.bbox.y0
    aside, down = (left - ax.bbox.x0) / figure.dpi, (bottom - ax.bbox.y0) / figure.dpi - GAP / 72
    place = ax.transAxes + ScaledTranslation(aside, down, figure.dpi_scale_trans)
    handles, labels, keys = legend_below.asked
    for columns in range(len(labels), 0, -1):
        ax.legend_ = legend_below = LegendBelow(ax, handles, labels, **{**keys, "ncols": columns})
        legend_below.set_bbox_to_anchor((0, 0), transform=place)
        if legend_below.get_window_extent().width <= ax.bbox.x1 - left:
            return


def _hide_numbers(ax: Axes) -> None:
    numbers = [text for text in ax.texts if text.get_gid() == TILE and text.get_text()]
    if not numbers:
        return
    columns, rows = (abs(b - a) for a, b in (ax.get_xlim(), ax.get_ylim()))
    width, height = ax.bbox.width / columns * TIGHT, ax.bbox.height / rows * TIGHT
    boxes = [number.get_window_extent() for number in numbers]
    if any(box.width > width or box.height > height for box in boxes):
        for number in numbers:
            number.set_visible(False)


def _thin_ticks(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        labels = axis.get_ticklabels()
        if not isinstance(axis.get_major_locator(), FixedLocator) or len(labels) < 2:
            continue
        words = [label.get_text() for label in labels]
        boxes = [label.get_window_extent() for label in labels]
        for step in range(1, len(words) + 1):
            kept = [b for b, w in zip(boxes[::step], words[::step], strict=True) if w]
            if not any(a.padded(GAP / 2).overlaps(b) for a, b in pairwise(kept)):
                break
        if step > 1:
            thinned = [w if i % step == 0 else "" for i, w in enumerate(words)]
            axis.set_ticks(axis.get_ticklocs(), thinned)
