"""From collected tables to figures on disk: one style, deterministic files, no torch."""

import math
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.textpath import TextPath

from throughtime.analysis import grid_points
from throughtime.core import files
from throughtime.core.errors import UserError, locate_errors
from throughtime.figures.captions import counts
from throughtime.planning import experiment_files
from throughtime.planning.project import Experiment
from throughtime.planning.project import load as load_yaml
from throughtime.results.load import Results


def scaled(font: float, marks: float) -> dict[str, float]:
    """Sizes of words, and of lines and marks, points, as rcParams.

    >>> scaled(7.7, 0.8)["lines.linewidth"]
    1.2
    """
    smaller = font * 11 / 12
    lengths = {"major.size": 6, "major.width": 1.25, "minor.size": 4, "minor.width": 1}
    return {
        "font.size": font, "axes.labelsize": font, "axes.titlesize": font,
        "legend.title_fontsize": font, "legend.fontsize": smaller,
        "xtick.labelsize": smaller, "ytick.labelsize": smaller,
        "axes.linewidth": 1.25 * marks, "grid.linewidth": marks, "patch.linewidth": marks,
        "lines.linewidth": round(1.5 * marks, 9), "lines.markersize": 6 * marks,
        **{f"{axis}tick.{name}": n * marks for axis in "xy" for name, n in lengths.items()},
    }  # fmt: skip


STYLE: dict[Any, Any] = {
    **{f"{part}.color": "0.15" for part in ("text", "xtick", "ytick")},
    "axes.labelcolor": "0.15",
    "axes.edgecolor": "0.15",
    "axes.axisbelow": True,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    **scaled(7.68, 0.8),
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same on every machine
    "axes.grid": True,
    "grid.color": "0.9",
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "throughtime",
}
UNDATED = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
FILLED = 0.96  # of a figure's width: what a line of its header may take
SHRUNK = 1.2  # what is longer than a line by no more than this is set smaller, not in two lines
MARKS = ("<!-- caption -->", "<!-- /caption -->")


# What every figure and caption says ---------------------------------------------------------------


def add_header(fig: Figure, results: Results) -> Figure:
    """Title above, and under it the counts that every figure prints; room for both is taken from
    the layout.
    """
    inch, top, room = 1 / fig.get_figheight(), 0.06, FILLED * fig.get_figwidth()
    for words, size, weight, color in (
        (results.title, 11.0, "bold", mpl.rcParams["text.color"]),
        (counts(results.summary, results.computed), 7.5, "normal", "0.25"),
    ):
        text = fig.text(0.5, 1 - top * inch, words, ha="center", va="top", fontsize=size)
        text.set(fontweight=weight, color=color)
        # by its outline: pixels of a screen are rounded, and a picture has finer ones
        font = FontProperties(weight=weight)
        outline = TextPath((0, 0), words or " .", size=size, prop=font)  # it knows no empty text
        width = outline.get_extents().width / 72
        lines = max(1, math.ceil(width / room))
        if lines == 2 and width <= SHRUNK * room:  # a little too long for one line
            text.set_fontsize(size * room / width)
            lines = 1
        top += 0.06 + lines * text.get_window_extent().height / fig.dpi
        text.set_wrap(lines > 1)
    engine = fig.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, 0, 1, 1 - top * inch))
    return fig


# Files --------------------------------------------------------------------------------------------


def draw(
    project_root: Path, name: str, results_dir: Path, out_dir: Path, preset: str
) -> list[Path]:
    """Draw experiments/NAME/figure.py from the collected tables: out_dir/NAME.png, .pdf, .svg, .md
    (the caption) and .csv (one row per grid point).

    Equal tables give equal bytes.

    Args:
        project_root: the project's folder.
        name: of the experiment.
        results_dir, out_dir: where tables lie, and where files go.
        preset: that asked for the networks: part of what names a grid point in MLflow.

    Raises:
        UserError: no such experiment, no tables, figure.py lacks ``figure`` or ``caption``, or one
            of them raises something.
    """
    folder = project_root / "experiments" / name
    experiment: Experiment = load_yaml(Experiment, folder / "experiment.yaml")
    module = load_figure(folder / "figure.py")
    results = Results.load(
        results_dir, name, experiment.reads, experiment.title, experiment.question
    )
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's matplotlibrc says
        mpl.rcParams.update(STYLE)
        with locate_errors(folder):
            drawn, words = module.figure(results), module.caption(results).strip()
            networks = behind(module, results)
        paths = save(drawn, out_dir / name)
    caption, table = out_dir / f"{name}.md", out_dir / f"{name}.csv"
    files.write(caption, (words + "\n").encode())
    files.write(table, grid_points.csv(networks, preset))
    return [*paths, caption, table]


def behind(module: ModuleType, results: Results) -> pd.DataFrame:
    """The summary of the networks behind a figure: all, unless its figure.py says which with a
    function ``behind(results)``.
    """
    chosen: pd.DataFrame = module.behind(results) if hasattr(module, "behind") else results.summary
    return chosen


def load_figure(path: Path) -> ModuleType:
    """The module of a figure.py, imported by its path.

    Raises:
        UserError: no such file, or it lacks ``figure(results)`` or ``caption(results)``.
    """
    return experiment_files.load_module(path, "figure", "caption")


def save(fig: Figure, stem: Path) -> list[Path]:
    """STEM.png, .pdf and .svg, without dates: equal figures give equal bytes."""
    freeze_layout(fig)
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in UNDATED]
    with mpl.rc_context({k: STYLE[k] for k in ("savefig.dpi", "pdf.fonttype", "svg.hashsalt")}):
        for path in paths:
            content, kind = BytesIO(), path.suffix[1:]
            fig.savefig(content, format=kind, metadata=UNDATED[kind])
            files.write(path, content.getvalue())
    return paths


def freeze_layout(fig: Figure) -> None:
    """Lay the figure out once and round where its parts and axes stand.

    The last digits of the layout's solver depend on memory addresses, and SVG names each clip path
    by a hash of all digits.
    """
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    for part in fig.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
    for ax in fig.axes:
        ax.set_position(tuple(round(v, 6) for v in ax.get_position(original=True).bounds))


def write_caption(readme: Path, caption: str) -> None:
    """Put ``caption`` between the marks of an experiment's README.

    Raises:
        UserError: the marks are not there.
    """
    text = readme.read_text(encoding="utf-8")
    head, first, rest = text.partition(MARKS[0])
    _, last, tail = rest.partition(MARKS[1])
    if not (first and last):
        raise UserError(
            f"{readme}: no {MARKS[0]} ... {MARKS[1]}; add the two marks where the caption belongs"
        )
    readme.write_text(f"{head}{first}\n{caption.strip()}\n{last}{tail}", encoding="utf-8")
