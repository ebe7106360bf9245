"""From collected tables to figures on disk: one style, deterministic files, no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Literal

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from throughtime.analysis import grid_points
from throughtime.core import files, registry
from throughtime.core.errors import UserError
from throughtime.planning.project import Experiment
from throughtime.planning.project import load as load_yaml
from throughtime.results import tables

STYLE = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper", font_scale=0.8),
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
READ = ("summary", "curves", "breakdown", "references", "probes", "computed")  # of an experiment
MARKS = ("<!-- caption -->", "<!-- /caption -->")


@dataclass(frozen=True, eq=False)
class Results:
    """What a figure is drawn from and claims are decided on: the tables of an experiment and of those it reads, one below the other.

    Attributes:
        summary, curves, breakdown, references: as tables.py says.
        title, question: from the experiment's YAML.
        probes: what was measured on the networks; ``probe`` gives it beside the summary's columns.
        computed: what the experiments' compute.py computed.
    """

    summary: pd.DataFrame
    curves: pd.DataFrame
    breakdown: pd.DataFrame
    references: pd.DataFrame
    title: str = ""
    question: str = ""
    probes: pd.DataFrame = field(default_factory=lambda: tables.empty("probes"))
    computed: pd.DataFrame = field(default_factory=lambda: tables.empty("computed"))

    @classmethod
    def load(cls, results_dir: Path, experiment: str, reads: Sequence[str] = (), title: str = "", question: str = "") -> "Results":
        """Read results_dir/EXPERIMENT/*.parquet; a table that is not there yet is empty, so that a partly failed sweep can be looked at.

        Raises:
            UserError: there is no summary and nothing computed of any of the experiments, or a table is damaged.
        """
        names = [experiment, *reads]
        if not any((results_dir / name / f"{table}.parquet").exists() for name in names for table in ("summary", "computed")):
            raise UserError(f"{results_dir}: no summary.parquet of {' or '.join(names)}; run `snakemake {experiment}` first")
        read = {table: _read_all(table, [results_dir / name / f"{table}.parquet" for name in names]) for table in READ}
        return cls(**read, title=title, question=question)

    def of(self, **values: object) -> "Results":
        """The networks whose summary has these values (a list: any of them), with their curves, breakdown, probes and references.

        What was computed outside of training stays whole.

        >>> Results.empty().of(task="copy", mode=["full", "chunked"]).summary.shape[0]
        0
        """
        keep = pd.Series(data=True, index=self.summary.index)
        for column, value in values.items():
            keep &= self.summary[column].isin(value if isinstance(value, list) else [value])
        summary = self.summary[keep]
        keys = ["experiment", "task", "task_args"]
        references = self.references.merge(summary[keys].drop_duplicates(), on=keys)
        own = {t: getattr(self, t)[getattr(self, t)["run_key"].isin(summary["run_key"])] for t in ("curves", "breakdown", "probes")}
        return replace(self, summary=summary, references=references, **own)

    @property
    def bins(self) -> pd.DataFrame:
        """The breakdown beside the summary's columns: a row a network, data set and bin."""
        return self.breakdown.drop(columns="measure").merge(self.summary, on="run_key")

    def probe(self, name: str, quantity: str, step: Literal["first", "last"] | None = None) -> pd.DataFrame:
        """One quantity that a probe measured, beside the summary's columns: a row a network, step and index.

        Args:
            name: of the probe.
            quantity: see the probe's module.
            step: keep the first or the last moment at which the sweep was probed (with ``moments`` 0 and 1: before and after training).
                A network that diverged has no last; None: all moments.

        >>> Results.empty().probe("spectrum", "spectral_radius", "last").shape[0]
        0
        """
        chosen = self.probes[(self.probes["probe"] == name) & (self.probes["quantity"] == quantity)]
        if step:
            sweep = ["experiment", "sweep", "updates"]
            steps = self.probes[["run_key", "step"]].drop_duplicates().merge(self.summary[["run_key", *sweep]], on="run_key")
            # Of the sweep, not of the network, whose own last step may be its divergence.
            moment = steps.groupby(sweep)["step"].transform("min" if step == "first" else "max")
            at = steps.loc[steps["step"] == moment, ["run_key", "step"]]
            chosen = chosen.merge(at, on=["run_key", "step"])
        return chosen.merge(self.summary, on="run_key")

    @classmethod
    def empty(cls) -> "Results":
        """Without any network."""
        summary, curves, breakdown, references = (tables.empty(table) for table in READ[:4])
        return cls(summary, curves, breakdown, references)


def _read_all(table: str, paths: list[Path]) -> pd.DataFrame:
    frames = [tables.read(table, path) for path in paths if path.exists()]
    return pd.concat(frames, ignore_index=True) if frames else tables.empty(table)


# What every figure and caption says ------------------------------------------------------------------------------------------


def _range(values: pd.Series) -> str:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def counts(summary: pd.DataFrame) -> str:
    """How many networks, how many of them diverged, and seeds a cell: on every figure.

    >>> counts(Results.empty().summary)[:35]
    'n = 0 networks, of which n_diverged'
    """
    diverged = int((summary["status"] == "diverged").sum())
    seeds = _range(summary.groupby(list(tables.CELL), dropna=False)["seed"].nunique()) if len(summary) else "0"
    few = "seed" if seeds == "1" else "seeds"
    return f"n = {len(summary):,} networks, of which n_diverged = {diverged:,} (×; counted as failures); {seeds} {few} a grid cell"


def protocol(summary: pd.DataFrame) -> str:
    """Modes, sizes and budget of the networks, for captions; from the tables, so that it cannot drift from them."""

    def several(column: str) -> str:
        return ", ".join(sorted({str(v) for v in summary[column]})) or "none"

    rates = ", ".join(f"{v:g}" for v in sorted(set(summary["lr"])))
    return (
        f"Truncation mode: {several('mode')} (state at a border: {several('border')}). "
        f"Cell {several('cell')}, N = {_range(summary['hidden'])}, "
        f"B = {_range(summary['batch'])}; {_range(summary['updates'])} updates of {several('optimizer')}, learning rate {rates or 'none'}."
    )


def finish(fig: Figure, results: Results) -> Figure:
    """Title above, and under it the counts that every figure prints; room for both is taken from the layout."""
    inch = 1 / fig.get_figheight()
    fig.text(0.5, 1 - 0.06 * inch, results.title, ha="center", va="top", fontsize=11, fontweight="bold")
    fig.text(0.5, 1 - 0.28 * inch, counts(results.summary), ha="center", va="top", fontsize=7.5, color="0.25")
    engine = fig.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, 0, 1, 1 - 0.48 * inch))
    return fig


# Files -----------------------------------------------------------------------------------------------------------------------


def draw(project_root: Path, name: str, results_dir: Path, out_dir: Path, preset: str) -> list[Path]:
    """Draw experiments/NAME/figure.py from the collected tables: out_dir/NAME.png, .pdf, .svg, .md (the caption) and .csv (a row a cell).

    Equal tables give equal bytes.

    Args:
        project_root: the project's folder.
        name: of the experiment.
        results_dir, out_dir: where tables lie, and where files go.
        preset: that asked for the networks: part of what names a grid cell in MLflow.

    Raises:
        UserError: no such experiment, no tables, or figure.py lacks ``figure`` or ``caption``.
    """
    folder = project_root / "experiments" / name
    experiment: Experiment = load_yaml(Experiment, folder / "experiment.yaml")
    module = load_figure(folder / "figure.py")
    results = Results.load(results_dir, name, experiment.reads, experiment.title, experiment.question)
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the user's matplotlibrc says
        mpl.rcParams.update(STYLE)
        paths = save(module.figure(results), out_dir / name)
    caption, table = out_dir / f"{name}.md", out_dir / f"{name}.csv"
    files.write(caption, (module.caption(results).strip() + "\n").encode())
    files.write(table, grid_points.csv(behind(module, results), preset))
    return [*paths, caption, table]


def behind(module: ModuleType, results: Results) -> pd.DataFrame:
    """The summary of the networks behind a figure: all, unless its figure.py says which with a function ``behind(results)``."""
    chosen: pd.DataFrame = module.behind(results) if hasattr(module, "behind") else results.summary
    return chosen


def load_figure(path: Path) -> ModuleType:
    """The module of a figure.py, imported by its path.

    Raises:
        UserError: no such file, or it lacks ``figure(results)`` or ``caption(results)``.
    """
    return registry.load(path, "figure", "caption")


def save(fig: Figure, stem: Path) -> list[Path]:
    """STEM.png, .pdf and .svg, without dates: equal figures give equal bytes."""
    settle(fig)
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in UNDATED]
    with mpl.rc_context({k: STYLE[k] for k in ("savefig.dpi", "pdf.fonttype", "svg.hashsalt")}):
        for path in paths:
            content, kind = BytesIO(), path.suffix[1:]
            fig.savefig(content, format=kind, metadata=UNDATED[kind])
            files.write(path, content.getvalue())
    return paths


def settle(fig: Figure) -> None:
    """Lay the figure out once and round where its parts and axes stand.

    The last digits of the layout's solver depend on memory addresses, and SVG names each clip path by a hash of all digits.
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
        raise UserError(f"{readme}: no {MARKS[0]} ... {MARKS[1]}; add the two marks where the caption belongs")
    readme.write_text(f"{head}{first}\n{caption.strip()}\n{last}{tail}", encoding="utf-8")
