"""Single panels for a paper, a slide or a notebook: their size, font, style and format."""

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure

from throughtime.core.errors import UserError, locate_errors, nearest
from throughtime.figures import composition
from throughtime.figures.composition import Panel
from throughtime.figures.draw import STYLE, UNDATED, freeze_layout, load_figure, scaled
from throughtime.planning.project import Experiment
from throughtime.planning.project import load as load_yaml
from throughtime.results.load import Results, has_tables

FORMATS = ("pdf", "svg", "png", "pgf")
INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}  # pt: TeX's
SMALLEST, LARGEST = 1.0, 40.0  # inches
DPI = 300  # of a .png
TEX = ("pdflatex", "xelatex", "lualatex")
GENERIC = {"serif": "DejaVu Serif", "sans-serif": "DejaVu Sans", "monospace": "DejaVu Sans Mono"}


@dataclass(frozen=True)
class Style:
    """A size, inches, and what matplotlib's rcParams are set to."""

    width: float
    height: float
    settings: dict[Any, Any]


STYLES = {
    "paper": Style(3.3, 2.6, STYLE),
    "slide": Style(9.0, 5.06, {**STYLE, **scaled(17.1, 1.5)}),
    "notebook": Style(4.5, 3.2, {**STYLE, **scaled(9.6, 0.8)}),
}


@dataclass(frozen=True)
class Look:
    """How panels are drawn.

    Attributes:
        width, height: of a panel, inches; None: the style's.
        font: a family, e.g. ``serif``; empty: the style's.
        style: paper, slide, notebook, a style of matplotlib's, or a file: a matplotlibrc or a
            .mplstyle, which is laid over ``paper``.
        formats: some of FORMATS.
    """

    width: float | None = None
    height: float | None = None
    font: str = ""
    style: str = "paper"
    formats: tuple[str, ...] = ("pdf",)


def parse_length(text: str, option: str) -> float:
    """A length in inches from words such as ``3.3in``, ``8.4cm``, ``84mm`` or ``240pt``; a number
    alone is inches.

    Raises:
        UserError: not a length, or not between SMALLEST and LARGEST.

    >>> parse_length("3.3in", "--width"), round(parse_length("84mm", "--width"), 3)
    (3.3, 3.307)
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(in|cm|mm|pt)?\s*", text)
    if not match:
        raise UserError(f"{option} {text}: not a length; write e.g. 3.3in, 8.4cm, 84mm or 240pt")
    inches = float(match[1]) * INCHES[match[2] or "in"]
    if not SMALLEST <= inches <= LARGEST:
        raise UserError(
            f"{option} {text}: {inches:.3g} in; give {SMALLEST:g} to {LARGEST:g} inches"
        )
    return inches


def parse_formats(text: str) -> tuple[str, ...]:
    """Formats from words such as ``pdf,svg``.

    Raises:
        UserError: one of them is unknown.

    >>> parse_formats("pdf, svg")
    ('pdf', 'svg')
    """
    names = tuple(dict.fromkeys(part.strip().lower().lstrip(".") for part in text.split(",")))
    for name in names:
        if name not in FORMATS:
            raise UserError(f"--format {text}: no format {name!r}; {nearest(name, list(FORMATS))}")
    return names


def settings(look: Look) -> tuple[Style, dict[str, Any]]:
    """The style and all rcParams that differ from matplotlib's defaults.

    Raises:
        UserError: no such style or font, or a style file that matplotlib cannot read.
    """
    base, own = STYLES.get(look.style, STYLES["paper"]), {}
    if look.style not in STYLES:
        own = _read_style(look.style)
    chosen = {**base.settings, "savefig.dpi": DPI, **own, "svg.hashsalt": STYLE["svg.hashsalt"]}
    if look.font:
        family = GENERIC.get({"sans": "sans-serif", "mono": "monospace"}.get(look.font, look.font))
        installed = font_manager.get_font_names()
        if not family and look.font not in installed:
            raise UserError(
                f"--font {look.font}: no such font here; "
                f"{nearest(look.font, [*GENERIC, *(installed if len(installed) < 9 else [])])}"
            )
        chosen["font.family"] = [family or look.font]
        if family == GENERIC["serif"]:
            chosen["mathtext.fontset"] = "dejavuserif"
    return base, chosen


def _read_style(name: str) -> dict[str, Any]:
    path = Path(name)
    if path.is_file():
        try:
            parameters = mpl.rc_params_from_file(path, use_default_template=False)
            return {str(key): parameters[key] for key in parameters}
        except (OSError, ValueError, UnicodeDecodeError) as error:
            raise UserError(f"--style {name}: matplotlib cannot read it: {error}") from None
    from matplotlib import style

    if name in style.library:
        chosen = style.library[name]
        return {str(key): chosen[key] for key in chosen}
    raise UserError(
        f"--style {name}: neither a style nor a file; {nearest(name, [*STYLES, 'a file'])}"
    )


@contextlib.contextmanager
def drawing(look: Look) -> Iterator[Style]:
    """Within it, matplotlib draws as ``look`` says, whatever the user's matplotlibrc."""
    base, chosen = settings(look)
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, chosen))  # its keys are a long literal type
        yield base


def draw_alone(panel: Panel, results: Results, width: float, height: float) -> Figure:
    """A figure of one panel, in the rcParams of now.

    Args:
        panel: what is drawn.
        results: its tables.
        width, height: inches.
    """
    fig = composition.blank(width, height)
    ax = fig.add_subplot(projection=panel.projection)
    panel.draw(results, ax)
    composition.fit(fig, [ax])
    return fig


def named_panels(folder: Path, results: Results) -> list[Panel]:
    """The panels of an experiment.

    Args:
        folder: experiments/NAME.
        results: its tables; which panels there are depends on the tasks in them.

    Raises:
        UserError: its figure.py has none.
    """
    module = load_figure(folder / "figure.py")
    if not hasattr(module, "named_panels"):
        raise UserError(
            f"{folder / 'figure.py'}: it has no panels of their own; write named_panels(results)"
        )
    with locate_errors(folder):
        panels: list[Panel] = module.named_panels(results)
    return panels


def read_experiment(project_root: Path, name: str) -> Experiment:
    """What experiments/NAME/experiment.yaml says.

    Raises:
        UserError: no such experiment, or a mistake in its file.
    """
    experiment: Experiment = load_yaml(
        Experiment, project_root / "experiments" / name / "experiment.yaml"
    )
    return experiment


def open_experiment(project_root: Path, name: str, results_dir: Path) -> tuple[Path, Results]:
    """The folder of an experiment and its tables.

    Raises:
        UserError: no such experiment, or no tables.
    """
    folder, experiment = project_root / "experiments" / name, read_experiment(project_root, name)
    words = experiment.title, experiment.question
    return folder, Results.load(results_dir, name, experiment.reads, *words)


def export(
    project_root: Path, name: str, results_dir: Path, panels: str, out: Path, look: Look
) -> list[Path]:
    """Write panels, each as OUT/NAME-PANEL in every format, with its two captions as .md.

    Args:
        project_root: the project's folder.
        name: of the experiment.
        results_dir: where tables lie.
        panels: names with commas between, or ``all``.
        out: the folder to write to; it is made.
        look: size, font, style, formats.

    Raises:
        UserError: an unknown experiment, panel, style or font, no tables, or pgf without TeX.
    """
    folder, results = open_experiment(project_root, name, results_dir)
    every = named_panels(folder, results)
    wanted = [p.name for p in every] if panels == "all" else panels.split(",")
    chosen = [composition.find(every, panel.strip()) for panel in wanted]
    with drawing(look) as base:
        if "pgf" in look.formats:
            _choose_tex()
        width, height = look.width or base.width, look.height or base.height
        with locate_errors(folder):
            drawn = [
                (panel, _files(draw_alone(panel, results, width, height), look.formats))
                for panel in chosen
            ]
            words = [f"{p.caption(results)}\n\n{p.long_caption(results)}\n" for p in chosen]
    paths = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for (panel, contents), text in zip(drawn, words, strict=True):
            for kind, content in {**contents, "md": text.encode()}.items():
                paths.append(out / f"{name}-{panel.name}.{kind}")
                paths[-1].write_bytes(content)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; name another folder") from None
    return paths


def draw_pictures(
    project_root: Path, results_dir: Path, panels: Iterable[tuple[str, str]], look: Look
) -> dict[tuple[str, str], bytes]:
    """Panels as PNG, of several experiments: (experiment, panel) -> content.

    Args:
        project_root, results_dir, look: as in ``export``.
        panels: (experiment, panel); those are left out whose experiment has no tables, or whose
            tables have no such panel.

    Raises:
        UserError: a table is damaged, or an experiment's figure.py raises something.
    """
    wanted: dict[str, list[str]] = {}
    for name, panel in panels:
        wanted.setdefault(name, []).append(panel)
    pictures: dict[tuple[str, str], bytes] = {}
    with drawing(look) as base:
        size = look.width or base.width, look.height or base.height
        for name, names in wanted.items():
            experiment = read_experiment(project_root, name)
            if not has_tables(results_dir, [name, *experiment.reads]):
                continue
            folder, results = open_experiment(project_root, name, results_dir)
            there = {panel.name: panel for panel in named_panels(folder, results)}
            with locate_errors(folder):
                for chosen in (there[n] for n in names if n in there):
                    picture = _files(draw_alone(chosen, results, *size), ("png",))
                    pictures[name, chosen.name] = picture["png"]
    return pictures


def _files(fig: Figure, formats: Sequence[str]) -> dict[str, bytes]:
    """Format -> content, without dates."""
    freeze_layout(fig)
    contents = {}
    for kind in formats:
        content = BytesIO()
        fig.savefig(content, format=kind, metadata=UNDATED.get(kind))
        contents[kind] = content.getvalue()
    return contents


def _choose_tex() -> None:
    """matplotlib measures text of a .pgf with TeX: take one that is there."""
    program = next((tex for tex in TEX if shutil.which(tex)), None)
    if program is None:
        raise UserError(
            f"--format pgf: needs TeX, and none of {', '.join(TEX)} is on the PATH; install one, "
            "or write pdf, which LaTeX includes as well"
        )
    mpl.rcParams["pgf.texsystem"] = program
