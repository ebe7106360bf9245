"""The Python face: train networks in a notebook or a script, and read what was trained.

    >>> import throughtime as tt
    >>> runs = tt.train(task="copy", length=[1, 2], payload=1, updates=0, seeds=2, workers=1)
    >>> runs
    Runs(4 networks: 4 untrained; task copy; what varies: length, lag, seed)
    >>> runs.summary[["length", "lag", "seed", "status"]].values.tolist()[0]
    [1, 2, 0, 'untrained']

One network is one row of ``runs.summary``. What axes there are, ``tt.axes()`` says; what a column
means, ``tt.columns()``.
"""

import ast
import inspect
import json
import math
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from throughtime.analysis import causes, stats
from throughtime.core.component import Component
from throughtime.core.errors import UserError as Error
from throughtime.core.errors import nearest
from throughtime.core.registry import probe_names
from throughtime.engine.cells import Cell
from throughtime.engine.cells import cells as cell_classes
from throughtime.engine.optimizers import optimizers
from throughtime.engine.schedules import schedules
from throughtime.engine.sizes import Shapes
from throughtime.planning.axes import JOB_AXES, OF_A_SWEEP, ROW_AXES, Job, Row
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.planning.resources import SPEED, START, weight_shapes
from throughtime.planning.sweep import expand
from throughtime.results import tables
from throughtime.results.load import Results
from throughtime.results.parameters import ARGS, with_parameters
from throughtime.results.tables import GRID_POINT, JOB_TABLES, STATUSES
from throughtime.results.trained import join
from throughtime.results.weights import read_named
from throughtime.tasks import tasks as task_classes
from throughtime.training.devices import check_device

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from throughtime.engine.modules import Network
    from throughtime.training.result import Tables

__all__ = ["Error", "Runs", "axes", "cells", "columns", "load", "probes", "tasks", "train"]

Weights = Mapping[str, NDArray[np.generic]]  # of one network, by name
PIECES = 4  # per process: so that all have work until the end
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
BITS = (
    "torch was used before throughtime was imported: a network's last bits may depend on its place "
    "in the grid; import throughtime first, or train with workers=2 or more"
)


# What was trained ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Runs:
    """Trained networks: their tables, statistics and pictures. It does not change.

    Made by ``tt.train`` and ``tt.load``. Tables are copies: a change of one changes nothing here.

    >>> runs = train(task="copy", length=[1, 2], payload=1, updates=0, workers=1)
    >>> runs.select(lag=2)
    Runs(1 network: 1 untrained; task copy)
    """

    results: Results
    skipped: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["axes", "reason"], dtype=str)
    )
    _weights: Callable[[str], Weights] | None = field(default=None)
    _folder: Path | None = field(default=None)  # of the experiment's files

    @property
    def summary(self) -> pd.DataFrame:
        """One row per network: its axes, its status and final numbers.

        Beside the columns of ``tt.columns()``: ``lag``, the largest lag of the task (``lag_max``),
        and parameters of tasks, cells, optimizers and schedules that vary.
        """
        return self.results.summary.copy(deep=False)

    @property
    def curves(self) -> pd.DataFrame:
        """Learning curves: one row per network, update and metric."""
        return self.results.curves.copy(deep=False)

    @property
    def probes(self) -> pd.DataFrame:
        """What probes measured: one row per network, update, quantity and index."""
        return self.results.probes.copy(deep=False)

    @property
    def breakdown(self) -> pd.DataFrame:
        """Errors by lag, distance, depth or position: one row per network, data and bin."""
        return self.results.breakdown.copy(deep=False)

    def __len__(self) -> int:
        """The number of networks."""
        return len(self.results.summary)

    def __repr__(self) -> str:
        summary, n = self.results.summary, len(self)
        counts = summary["status"].value_counts()
        by_status = ", ".join(f"{counts[s]} {s}" for s in STATUSES if s in counts)
        parts = [f"{n} network{'s' * (n != 1)}" + (f": {by_status}" if n else "")]
        if n:
            names = sorted(set(summary["task"]))
            parts.append(f"task{'s' * (len(names) > 1)} {', '.join(names)}")
        if varying := self._varying():
            parts.append(f"what varies: {', '.join(varying)}")
        if skipped := len(self.skipped):
            parts.append(f"{skipped} combination{'s' * (skipped != 1)} skipped, see .skipped")
        return f"Runs({'; '.join(parts)})"

    def _varying(self, *without: str) -> list[str]:
        """The axes with several values. Of columns that say the same (steps, lag_min), one."""
        summary = self.results.summary
        derived = {"steps", "lag_min", "lag_max", "lag_mean", *ARGS, *without}
        derived |= {"K"} if (summary["mode"] == "full").all() else set()
        own = [c for c in summary.columns if c not in {c.name for c in tables.SUMMARY}]
        names = dict.fromkeys(["task", "length", "lag", *GRID_POINT, *own, "seed"])
        return [n for n in names if n not in derived and summary[n].nunique(dropna=False) > 1]

    def _known(self, *names: str) -> None:
        """Raise Error where the summary has no such column."""
        for name in names:
            if name not in self.results.summary.columns:
                raise Error(
                    f"no column {name!r} in the summary; "
                    f"{nearest(name, list(self.results.summary.columns))}"
                )

    def select(self, **values: object) -> "Runs":
        """The networks whose summary has these values (a list: any of them).

        Raises:
            Error: no such column.

        >>> runs = train(task="copy", payload=1, length=[1, 2], updates=0, seeds=3, workers=1)
        >>> len(runs.select(length=1, seed=[0, 1]))
        2
        """
        self._known(*values)
        chosen = {k: v if isinstance(v, str) else _plain(v) for k, v in values.items()}
        return replace(self, results=self.results.select(**chosen))

    def success(self, by: str | Sequence[str]) -> pd.DataFrame:
        """Share of solved networks per value of ``by``, with Wilson's 95 % interval.

        Returns:
            ``by`` and n, n_solved, n_diverged, rate, low, high.

        Raises:
            Error: no such column.
        """
        names = _names(by)
        self._known(*names)
        return stats.success(self.results.summary, names)

    def causes(self) -> pd.DataFrame:
        """Why networks failed, and what each label is worth: of the failed ones, how many have it;
        of the solved ones, the share that would have got it, with Wilson's 95 % interval.

        Returns:
            A row per task and label: task, label, n_failed, failed, n_solved, false_alarms, rate,
            low, high, shown (False: the rate exceeds 10 %).
        """
        return causes.specificity(self.results.summary)

    def frontier(self, by: str | Sequence[str] = (), lag: str = "lag") -> pd.DataFrame:
        """The longest lag that half of the networks solve, per value of ``by``, with its 95 %
        interval. How it is fitted: analysis.stats.frontier.

        Args:
            by: one column or several; none: one frontier of all networks.
            lag: the column of the dependency's length, steps.

        Returns:
            ``by`` and n, n_solved, n_diverged, lag_low, lag_high (tested, steps), frontier, low,
            high (steps), censored: ``>=`` (at least the largest lag tested), ``<`` (less than the
            smallest), or empty.

        Raises:
            Error: no such column.
        """
        names = _names(by)
        self._known(*names, lag)
        return stats.frontier(self.results.summary, names, lag)

    def plot_frontier(self, x: str, by: str | None = None, ax: "Axes | None" = None) -> "Axes":
        """Draw the frontier over ``x``, one line per value of ``by``.

        Args:
            x: a column of numbers.
            by: a column; None: one line.
            ax: where to draw; None: a new figure.

        Raises:
            Error: no such column, or ``x`` holds no numbers.
        """
        self._known(x, *([by] if by else []))
        summary = self.results.summary
        if not pd.api.types.is_numeric_dtype(summary[x]):
            raise Error(f"plot_frontier: column {x!r} holds no numbers")
        from throughtime.figures import panels

        with _drawing(ax) as ax:
            panels.lag_axis(ax, summary["lag"])
            for series, (name, rows) in enumerate(_series(summary, by)):
                table = stats.frontier(rows, [x], "lag")
                panels.frontiers(ax, table, x, series % len(panels.SERIES), name)
            ax.set(xlabel=_label(x))
            if by:
                ax.legend(title=_label(by))
        return ax

    def heatmap(self, x: str, y: str, ax: "Axes | None" = None) -> "Axes":
        """Draw solved / n per grid point of ``x`` and ``y``; light is good. Networks that differ in
        other axes are counted together, and the title names those axes.

        For a task that counts bits per character nothing is solved: the median of the final measure
        is shown.

        Args:
            x, y: columns of the summary.
            ax: where to draw; None: a new figure.

        Raises:
            Error: no such column.
        """
        self._known(x, y)
        if x == y:
            raise Error(f"heatmap: x and y are both {x!r}; name two columns")
        from throughtime.figures import panels

        with _drawing(ax) as ax:
            rows = self.results.summary.dropna(subset=[x, y])
            ticks = {}
            for axis in (x, y):  # words become places, whose ticks say the words
                if not pd.api.types.is_numeric_dtype(rows[axis]):
                    ticks[axis] = sorted(set(rows[axis]))
                    rows = rows.assign(**{axis: rows[axis].map(ticks[axis].index)})
            if len(rows) and (rows["measure"] == "bpc").all():
                panels.heatmap_lower_is_better(ax, stats.summarize(rows, [x, y]), x, y)
                what = "bits per character, median"
            else:
                panels.heatmap(ax, stats.success(rows, [x, y]), x, y)
                what = "solved / networks"
            if x in ticks:
                ax.set_xticks(ax.get_xticks(), ticks[x])
            if y in ticks:
                ax.set_yticks(ax.get_yticks(), ticks[y][::-1])
            same = {"length", "lag"} if {x, y} & {"length", "lag", "lag_max", "steps"} else set()
            pooled = self._varying(x, y, *same)
            over = f" (over {', '.join(pooled)})" if pooled else ""
            ax.set(xlabel=_label(x), ylabel=_label(y), title=what + over)
        return ax

    def plot_curves(
        self, measure: str = "eval_measure", by: str | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """Draw learning curves: the median over networks, with its 95 % interval as a band.

        Args:
            measure: a metric of ``runs.curves``: loss, eval_loss, eval_measure, grad_norm, ..
            by: a column, one line per value; None: one line.
            ax: where to draw; None: a new figure.

        Raises:
            Error: no such column or metric.
        """
        self._known(*([by] if by else []))
        metrics = sorted(set(self.results.curves["metric"]))
        if measure not in metrics:
            raise Error(f"plot_curves: no metric {measure!r}; {nearest(measure, metrics)}")
        from throughtime.figures import panels

        with _drawing(ax) as ax:
            columns = list(dict.fromkeys(["run_key", "status", "measure", *([by] if by else [])]))
            curves = self.results.curves
            points = curves[curves["metric"] == measure].merge(
                self.results.summary[columns], on="run_key"
            )
            units = sorted({panels.UNITS.get(m, m) for m in points["measure"]})
            if measure != "eval_measure":
                points, units = points.assign(measure="loss"), [measure.replace("_", " ")]
            for series, (name, rows) in enumerate(_series(points, by)):
                panels.band(
                    ax, stats.summarize(rows, ["step"], "value"), "step", "value", series, name
                )
            ax.set(xlabel="updates", ylabel=" or ".join(units))
            if by:
                ax.legend(title=_label(by))
        return ax

    def panel(self, name: str, ax: "Axes | None" = None) -> "Axes":
        """Draw a named panel of the experiment's figure, as ``throughtime figure NAME --panel``.

        Args:
            name: of the panel; ``throughtime figure NAME --list`` says which there are.
            ax: where to draw; None: a new figure.

        Raises:
            Error: these networks were not loaded from an experiment with panels, or it has no such
                panel.
        """
        if self._folder is None:
            raise Error(
                f"panel {name!r}: panels belong to an experiment; load one of a project with "
                "tt.load(results, experiment)"
            )
        from throughtime.figures import composition, export

        chosen = composition.find(export.named_panels(self._folder, self.results), name)
        with _drawing(ax, chosen.projection) as ax:
            chosen.draw(self.results, ax)
            figure = ax.get_figure(root=True)
            assert figure is not None
            composition.fit(figure, [ax])
        return ax

    def network(self, key: str) -> "Network":
        """A trained network as a module of torch: nn.RNN, nn.LSTM or nn.GRU with a readout.

        ``module(x)`` gives the outputs at all steps, (T, B, O), for (T, B) int64 symbols or
        (T, B, I) features. They are those of the engine, up to rounding. A task scores the last
        steps alone.

        Args:
            key: a ``run_key`` of the summary.

        Raises:
            Error: no such network, its weights were not kept, or torch has no such cell.

        >>> runs = train(task="copy", payload=1, updates=0, keep_weights=True, workers=1)
        >>> runs.network(runs.summary["run_key"][0]).recurrent
        RNN(10, 32)
        """
        summary = self.results.summary.set_index("run_key")
        if key not in summary.index:
            raise Error(f"no network {key!r} among these; run_key in the summary names them")
        row = summary.loc[key]
        if row["border"] == "reset" and row["mode"] != "full":
            raise Error(
                f"network {key}: trained with border=reset, which sets the state to zero between "
                "windows; no module of torch does"
            )
        if self._weights is None:
            raise Error(f"network {key}: weights were not kept; train with keep_weights=True")
        import torch

        from throughtime.engine.modules import torch_module

        weights = {n: torch.from_numpy(np.array(w)) for n, w in self._weights(key).items()}
        return torch_module(str(row["cell"]), weights, **json.loads(str(row["cell_args"])))


def _names(by: str | Sequence[str]) -> list[str]:
    return [by] if isinstance(by, str) else list(by)


def _series(frame: pd.DataFrame, by: str | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """(what a legend says, rows) per value of ``by``."""
    if by is None:
        yield "", frame
        return
    for value, rows in frame.groupby(by, observed=True):
        yield f"{value:g}" if isinstance(value, float) else str(value), rows


def _label(column: str) -> str:
    """What an axis says of a column."""
    from throughtime.figures import panels

    return panels.LAG if column in ("lag", "lag_max") else column.replace("_", " ")


@contextmanager
def _drawing(ax: "Axes | None", projection: str | None = None) -> Iterator["Axes"]:
    """Where to draw: the Axes given, as they are, or those of a new figure in the suite's style."""
    if ax is not None:
        yield ax
        return
    import matplotlib as mpl
    from matplotlib import pyplot

    from throughtime.figures.draw import STYLE

    # The figure comes first: a notebook's backend sets what rc_context would set back.
    figure = pyplot.figure(figsize=(4.5, 3.2), layout="constrained")
    with mpl.rc_context(STYLE):
        yield figure.add_subplot(projection=projection)


def _extended(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with ``lag`` and the parameters of components that vary."""
    plain = summary[[c.name for c in tables.SUMMARY]]
    return with_parameters(plain.copy()).assign(lag=plain["lag_max"])


# Train and load -----------------------------------------------------------------------------------


def train(
    *,
    workers: int | None = None,
    device: str = "cpu",
    progress: bool | None = None,
    experiment: str = "notebook",
    sweep: str = "train",
    **axes: Any,
) -> Runs:
    """Train networks: every combination of the axes, as in an experiment's YAML.

    A network has the same numbers, bit by bit, as from the pipeline on the same machine, whatever
    ``workers``. Nothing is written to disk.

    Args:
        workers: processes; 1: train in this process; None: one per core, or this process alone
            where the training takes a few seconds.
        device: ``cpu``, ``cuda`` or ``cuda:n``; part of the key of a network, as its last bits
            depend on it. On a GPU None for ``workers`` is 1. Any but ``cpu`` has not been run.
        progress: show a progress bar; None: in a terminal or a notebook.
        experiment, sweep: names, which run keys are made of; they change no number.
        axes: axis = value or list of values; ``task`` is required, ``tt.axes()`` lists them.
            ``seeds=5`` is short for ``seed=[0, 1, 2, 3, 4]``. An axis of one task or cell alone:
            ``**{"copy.length": [10, 20]}``. Beside axes: ``probes``, ``moments``, and
            ``keep_weights=True`` for ``runs.network``.

    Raises:
        Error: an unknown axis or name, a wrong value, a device that is not there, nothing to
                train, too little memory.
        KeyboardInterrupt: the processes are ended first.

    >>> runs = train(task="copy", length=1, payload=1, lr=[0.1, 1.0], updates=20, workers=1)
    >>> runs.summary[["lr", "lag", "updates"]].values.tolist()
    [[0.1, 2, 20], [1.0, 2, 20]]
    """
    lists = {axis: _plain(value) for axis, value in axes.items()}
    if workers is not None and (
        isinstance(workers, bool) or not isinstance(workers, int) or workers < 1
    ):
        raise Error(f"train.workers: {workers!r} is not a number of processes (1 or more)")
    check_device(device)
    plan = expand(experiment, sweep, lists, "train", device=device)
    if not plan.jobs:
        raise Error(f"train: nothing to train; {plan.skipped[0].axes}: {plan.skipped[0].reason}")
    cost = sum(job.cost for job in plan.jobs)
    if workers is None:
        short = cost < START * SPEED and _same_bits()
        workers = 1 if short or device != "cpu" else _cores()
    if workers > 1:
        share = cost / workers
        largest = max(share / PIECES, min(SPEED, share))  # a second's work, so that rows share it
        pieces = expand(experiment, sweep, lists, "train", largest or math.inf, device)
        trained = _train_in_processes(_ordered(pieces), workers, _bar(plan.networks, progress))
    else:
        trained = _train_here(_ordered(plan), _bar(plan.networks, progress))
    return _runs(plan, trained)


def _plain(value: Any) -> Any:
    """A tuple, range, array or Series as a list; a NumPy number as Python's."""
    if isinstance(value, (tuple, range, list)):
        return [_plain(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _ordered(plan: Plan) -> list[PlannedJob]:
    """The longest first: the short ones fill the gaps at the end."""
    return sorted(plan.jobs, key=lambda planned: -planned.cost)


def _cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _same_bits() -> bool:
    from throughtime.training.reproducibility import same_bits_anywhere

    return same_bits_anywhere()


def _bar(networks: int, progress: bool | None) -> Any:
    """A progress bar over networks."""
    from tqdm import tqdm

    if progress is None:
        progress = sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(total=networks, unit=" networks", disable=not progress, leave=True)


def _train_piece(planned: PlannedJob) -> "Tables":
    """Train a piece of a job; in whatever process."""
    from throughtime.probes import probe
    from throughtime.training.train import train as train_job

    try:
        return train_job(planned, probe=probe)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise Error(
            "train: out of memory; use fewer workers, a smaller batch or shorter sequences"
        ) from None


def _train_here(pieces: list[PlannedJob], bar: Any) -> list[tuple[PlannedJob, "Tables"]]:
    trained = []
    if not _same_bits():
        warnings.warn(BITS, stacklevel=3)
    with bar, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "a network's last bits may depend on its place")
        for piece in pieces:
            trained.append((piece, _train_piece(piece)))
            bar.update(len(piece.grid))
    return trained


def _train_in_processes(
    pieces: list[PlannedJob], workers: int, bar: Any
) -> list[tuple[PlannedJob, "Tables"]]:
    """Train pieces in fresh processes. When this returns or raises, they have ended."""
    trained = []
    others = multiprocessing.active_children()
    executor = ProcessPoolExecutor(
        min(workers, len(pieces)), multiprocessing.get_context("spawn"), _begin_worker
    )
    try:
        with bar:
            with _for_workers():
                futures = {executor.submit(_train_piece, piece): piece for piece in pieces}
            for future in as_completed(futures):
                trained.append((futures[future], future.result()))
                bar.update(len(futures[future].grid))
    except BrokenProcessPool:
        raise Error(
            "train: a process ended before its work was done, perhaps for want of memory; use "
            "fewer workers"
        ) from None
    finally:
        if len(trained) < len(pieces):  # an error or an interrupt
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
        # It waits for them. Would this thread wait too, one of the two would find no child, and
        # take it for one that has not ended.
        executor.shutdown(wait=True, cancel_futures=True)
    return trained


@contextmanager
def _for_workers() -> Iterator[None]:
    """What processes that are started meanwhile inherit.

    One thread each. An interrupt of the keyboard is kept from them: this process ends them. They do
    not run the user's script again, which spawn does otherwise and which needs a guard in it.
    """
    from multiprocessing import resource_tracker

    before = {name: os.environ.get(name) for name in THREADS}
    main = sys.modules["__main__"]
    resource_tracker.ensure_running()  # when it starts, it sets the mask of signals
    mask = getattr(signal, "pthread_sigmask", lambda *_: None)
    blocked = mask(getattr(signal, "SIG_BLOCK", 0), {signal.SIGINT})
    try:
        sys.modules["__main__"] = ModuleType("__main__")
        os.environ.update(dict.fromkeys(THREADS, "1"))
        yield
    finally:
        sys.modules["__main__"] = main
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        if blocked is not None:
            mask(signal.SIG_SETMASK, blocked)


def _begin_worker() -> None:
    """In a fresh process: end when the parent does, in whatever way."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def _runs(plan: Plan, trained_pieces: list[tuple[PlannedJob, "Tables"]]) -> Runs:
    """The pieces of jobs, in whatever order they came, as tables in the plan's order."""
    place = {planned.job: i for i, planned in enumerate(plan.jobs)}
    parts: list[list[dict[str, pd.DataFrame]]] = [[] for _ in plan.jobs]
    weights: dict[str, tuple[NDArray[np.generic], Shapes]] = {}
    for piece, trained in trained_pieces:
        planned = plan.jobs[place[piece.job]]
        named = {name: getattr(trained, name) for name in JOB_TABLES}
        named["summary"] = named["summary"].assign(job_key=planned.key)
        parts[place[piece.job]].append(named)
        if trained.weights is not None:
            shapes = weight_shapes(piece.job)
            weights |= {
                key: (row, shapes) for key, row in zip(piece.run_keys, trained.weights, strict=True)
            }
    joined = [join(planned, part) for planned, part in zip(plan.jobs, parts, strict=True)]
    whole = {name: pd.concat([j[name] for j in joined], ignore_index=True) for name in JOB_TABLES}
    skipped = pd.DataFrame(
        [(s.axes, s.reason) for s in plan.skipped], columns=["axes", "reason"], dtype=str
    )
    results = replace(
        Results.empty(),
        summary=_extended(whole["summary"]),
        curves=whole["curves"],
        breakdown=whole["breakdown"],
        probes=whole["probes"],
    )
    return Runs(results, skipped, (lambda key: _named(*weights[key])) if weights else None)


def _named(flat: NDArray[np.generic], shapes: Shapes) -> Weights:
    """One network's weights (P) by name."""
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
    cut = np.split(flat, ends[:-1])
    return {n: part.reshape(shape) for (n, shape), part in zip(shapes.items(), cut, strict=True)}


def load(results: str | Path, experiment: str, reads: Sequence[str] = ()) -> Runs:
    """What the pipeline trained, from disk: the same class as ``tt.train`` returns.

    Args:
        results: the folder of results.
        experiment: its name.
        reads: further experiments, whose tables come below.

    Raises:
        Error: no results of that experiment there, or a table is damaged.
    """
    folder = Path(results)
    loaded = Results.load(folder, experiment, reads)
    place = loaded.summary.set_index("run_key")[["experiment", "job_key"]]

    def weights(key: str) -> Weights:
        name, job = place.loc[key]
        path = folder / str(name) / "weights" / str(job) / "weights.safetensors"
        return read_named(path, key)[1]

    here = [folder.resolve(), *folder.resolve().parents, Path.cwd(), *Path.cwd().parents]
    own = (above / "experiments" / experiment for above in here)
    of_experiment = next((path for path in own if (path / "figure.py").exists()), None)
    runs = replace(loaded, summary=_extended(loaded.summary))
    return Runs(runs, _weights=weights, _folder=of_experiment)


# What there is ------------------------------------------------------------------------------------


def _first_line(text: str | None) -> str:
    """The first paragraph of a docstring, as one line."""
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split())


def _description(component: type[Component]) -> str:
    """What the file of a task or cell says first."""
    return _first_line(sys.modules[component.__module__].__doc__)


def _parameters(component: type[Component]) -> str:
    return ", ".join(component.model_fields)


def tasks() -> pd.DataFrame:
    """The tasks: name, description, measure, parameters, source.

    >>> tasks().query("name == 'copy'")["parameters"].item()
    'length, payload, alphabet, score'
    """
    rows = [
        (name, _description(t), t.measure, _parameters(t), t.source)
        for name, t in task_classes().items()
    ]
    return pd.DataFrame(rows, columns=["name", "description", "measure", "parameters", "source"])


def cells() -> pd.DataFrame:
    """The recurrent cells, and attention, which has no gates and no states: name, description,
    gates, states, parameters, source.

    >>> cells().set_index("name")["gates"]["lstm"].item()
    4
    """
    rows = [
        (
            name,
            _description(c),
            c.gates if issubclass(c, Cell) else 0,
            c.states if issubclass(c, Cell) else 0,
            _parameters(c),
            c.source,
        )
        for name, c in cell_classes().items()
    ]
    heads = ["name", "description", "gates", "states", "parameters", "source"]
    return pd.DataFrame(rows, columns=heads)


def probes() -> pd.DataFrame:
    """The probes, which measure networks: name and description. Torch is not imported for it.

    >>> "spectrum" in set(probes()["name"])
    True
    """
    folder = Path(__file__).parent / "probes"
    rows = [
        (
            name,
            _first_line(ast.get_docstring(ast.parse((folder / f"{name}.py").read_text("utf-8")))),
        )
        for name in probe_names()
    ]
    return pd.DataFrame(rows, columns=["name", "description"])


def axes() -> pd.DataFrame:
    """What ``tt.train`` and a sweep in YAML take: axis, of, values, default, description.

    ``of`` says what an axis belongs to: ``grid`` (it varies inside one training program), ``job``,
    ``sweep`` (it holds for all networks and changes no number), or a task, cell, optimizer or
    schedule, such as ``cell lstm``.

    >>> axes().set_index("axis").loc["gain", ["of", "default"]].tolist()
    ['grid', '1.0']
    """
    rows = [("seeds", "grid", "int", "", "n: short for seed 0, 1, .., n - 1")]
    models = [("grid", Row, ROW_AXES), ("job", Job, JOB_AXES), ("sweep", Job, OF_A_SWEEP)]
    kinds: dict[str, Mapping[str, type[Component]]] = {
        "task": task_classes(),
        "cell": cell_classes(),
        "optimizer": optimizers(),
        "schedule": schedules(),
    }
    for of, model, names in models:
        for name in names:
            rows.append(_axis(name, of, model, list(kinds.get(name, ()))))
    for kind, classes in kinds.items():
        for component in classes.values():
            rows += [
                _axis(name, f"{kind} {component.name}", component, [])
                for name in component.model_fields
            ]
    return pd.DataFrame(rows, columns=["axis", "of", "values", "default", "description"])


def _axis(name: str, of: str, model: Any, choices: list[str]) -> tuple[str, str, str, str, str]:
    """One row of ``axes``."""
    field = model.model_fields[name]
    values = ", ".join(choices) or inspect.formatannotation(field.annotation)
    default = "" if field.is_required() else field.get_default(call_default_factory=True)
    if isinstance(default, Component):
        default = default.name
    description = field.description or ("what is learned" if name == "task" else "")
    return name, of, values, str(default), description


def columns() -> pd.DataFrame:
    """Every column of every table: table, column, dtype, unit, description. Parquet files hold unit
    and description as metadata of their fields.

    >>> columns().query("table == 'summary' and column == 'lag_max'")["unit"].item()
    'steps'
    """
    rows = [
        (table, c.name, c.dtype, c.unit, c.meaning)
        for table, schema in tables.TABLES.items()
        for c in schema
    ]
    return pd.DataFrame(rows, columns=["table", "column", "dtype", "unit", "description"])
