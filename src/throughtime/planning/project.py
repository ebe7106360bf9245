"""From YAML to jobs: what an experiment says, checked before anything runs.

An experiment is jobs x grid. ``experiments/NAME/experiment.yaml`` names sweeps; a sweep is a flat mapping from axis to value or list of
values. An axis that fixes tensor shapes or code paths (a field of ``Job`` or of the task) multiplies jobs; an axis of the grid (a field of
``Row``) multiplies the networks inside a job. Which is which is looked up, never written.
"""

import hashlib
import json
import math
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, field_validator

from throughtime.core.errors import UserError, nearest, one_line
from throughtime.core.registry import outside
from throughtime.engine.cells import cell_names
from throughtime.engine.truncation import reach, strides
from throughtime.planning import yaml_reader
from throughtime.planning.axes import ROW_AXES, grid
from throughtime.probes import probe_names
from throughtime.tasks import Task, tasks


class Impossible(Exception):
    """A combination of axes that has no meaning: it is skipped, and the reason is shown."""


class Job(BaseModel):
    """What fixes the shapes and the code path of one training program; its grid rows share it.

    K counts the steps whose inputs a loss can reach, its own step included: depth K reaches lags 0..K-1, and K = T is ``full``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: SerializeAsAny[Task]
    cell: str = Field("tanh", description="recurrent cell, by the name of its file")
    hidden: int = Field(32, ge=1, le=65_536, description="N, hidden units")
    batch: int = Field(20, ge=1, le=100_000_000, description="B, sequences a training batch")
    updates: int = Field(1000, ge=0, le=1_000_000_000, description="optimizer steps")
    mode: Literal["full", "chunked", "sliding", "buffered"] = Field("full", description="what K means")
    K: int = Field(..., ge=1, le=1_000_000, description="truncation length in steps, or full")
    k1: int = Field(1, ge=1, le=1_000_000, description="sliding: steps between backward passes")
    border: Literal["carry", "reset"] = Field("carry", description="state at a chunk border: detached, or zero")
    align: Literal["end", "start", "random"] = Field("end", description="where windows are anchored")
    h0: Literal["zero", "learned"] = Field("zero", description="initial state")
    optimizer: Literal["sgd", "rmsprop", "adam"] = Field("sgd", description="update rule, torch.optim's defaults")
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd and rmsprop")
    points: int = Field(20, ge=1, le=100_000, description="points of a curve, evenly spaced over the updates")
    eval_size: int = Field(1000, ge=1, le=10_000_000, description="fresh sequences in the final evaluation")
    dtype: Literal["float32", "float64"] = Field("float32", description="arithmetic of the engine")
    probes: tuple[str, ...] = Field((), description="what is measured on the networks beside their training, by the names of files")
    moments: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 1.0), min_length=1, description="when probes measure: shares of the updates; 0: before training, 1: after"
    )

    @property
    def steps(self) -> int:
        """T, the steps of a training sequence."""
        return self.task.steps

    @property
    def strides(self) -> tuple[int, int]:
        """(k1, k2) of the truncation, in steps."""
        return strides(self.mode, self.steps, self.K, self.k1)

    def offset(self, phase: float = 0.0) -> int:
        """Length of the first stride of the windows; ``phase`` in [0, 1) is used where ``align`` is random."""
        k1, _ = self.strides
        return {"end": self.steps % k1, "start": 0, "random": int(phase * k1)}[self.align]

    @property
    def reach(self) -> int:
        """The largest lag at which any scored loss reaches an input (windows aligned as at phase 0)."""
        return reach(self.steps, *self.strides, self.task.scored, self.offset())

    @property
    def cost(self) -> float:
        """Arithmetic of one network's training, in steps x (N^2 + 20 N) x B: what the planner balances, not a time."""
        k1, k2 = self.strides
        visits = min(self.steps, k2) * math.ceil(self.task.scored / k1) if self.task.scored < self.steps else self.steps * k2 / k1
        per_step = self.batch * (self.hidden**2 + 20 * self.hidden)
        return self.updates * per_step * (2 * self.steps + max(visits, 1)) / 3

    @property
    def probed(self) -> list[int]:
        """The moments as numbers of updates done, in order; without probes there are none."""
        return sorted({round(moment * self.updates) for moment in self.moments}) if self.probes else []

    def canonical(self) -> dict[str, Any]:
        """All that decides a network's numbers, flat and JSON-ready, the task's parameters beside the task's name."""
        own = self.model_dump(mode="json", exclude={"task", *MEASURED})
        return {"task": self.task.name, **self.task.model_dump(mode="json"), **own}


MEASURED = ("probes", "moments")  # of a sweep as a whole, lists in themselves: no axes, and no network's number depends on them
NETWORKS = 1_000_000  # of a sweep: more could not be planned in reasonable time
JOB_AXES: tuple[str, ...] = tuple(name for name in Job.model_fields if name not in MEASURED)


def digest(value: Any, length: int = 10) -> str:
    """The first hexadecimal digits of the SHA-256 of a JSON-ready value; the same for equal values, on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def task_args(task: Task) -> str:
    """The task's parameters as canonical JSON: how tables name a task beside its name."""
    return json.dumps(task.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, eq=False)
class PlannedJob:
    """One training process: a job and the rows of the grid it trains."""

    experiment: str
    sweep: str
    job: Job
    grid: pd.DataFrame  # a row a network, columns ROW_AXES

    @cached_property
    def run_keys(self) -> list[str]:
        """One key a row, made of the job and the row alone: the same in every grid, preset and split."""
        base = {"experiment": self.experiment, "sweep": self.sweep, **self.job.canonical()}
        parts = {str(name): [_pair(name, value)] * len(self.grid) for name, value in base.items()}
        parts |= {str(name): _pairs(self.grid[name]) for name in self.grid}
        rows = zip(*(parts[name] for name in sorted(parts)), strict=True)
        return [hashlib.sha256(f"{{{','.join(row)}}}".encode()).hexdigest()[:16] for row in rows]  # digest() of each row's mapping

    @cached_property
    def stem(self) -> str:
        """The readable part of the key."""
        job = self.job
        length = f"-T{job.steps}" if job.task.length_axis else ""
        return f"{self.sweep}-{job.task.name}{length}-{job.cell}-{job.mode}{job.K}"

    @cached_property
    def key(self) -> str:
        """Names the job's files: readable first, then a digest of everything that decides its tables but the code."""
        measured: list[Any] = [list(self.job.probes), self.job.probed] if self.job.probes else []
        return f"{self.stem}-{digest(self.run_keys + measured)}"

    @property
    def cost(self) -> float:
        """Arithmetic of the whole job, in the unit of Job.cost."""
        return self.job.cost * len(self.grid)


@dataclass(frozen=True)
class Skipped:
    """A combination that the axes ask for and that has no meaning."""

    experiment: str
    sweep: str
    axes: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Everything a pipeline will run, and what it will not."""

    jobs: tuple[PlannedJob, ...]
    skipped: tuple[Skipped, ...]

    @cached_property
    def networks(self) -> int:
        """Trained networks in all."""
        return sum(len(j.grid) for j in self.jobs)

    def of(self, *experiments: str) -> "Plan":
        """The part of one experiment, or of several, in the plan's order."""
        if len(experiments) == 1:
            return self._parts.get(experiments[0], Plan((), ()))
        return Plan(
            tuple(j for j in self.jobs if j.experiment in experiments),
            tuple(s for s in self.skipped if s.experiment in experiments),
        )

    @cached_property
    def _parts(self) -> dict[str, "Plan"]:
        jobs: dict[str, list[PlannedJob]] = {}
        skipped: dict[str, list[Skipped]] = {}
        for planned in self.jobs:
            jobs.setdefault(planned.experiment, []).append(planned)
        for skip in self.skipped:
            skipped.setdefault(skip.experiment, []).append(skip)
        return {name: Plan(tuple(jobs.get(name, ())), tuple(skipped.get(name, ()))) for name in {**jobs, **skipped}}

    def job(self, key: str) -> PlannedJob:
        """The job of that key. Only jobs that share its readable part are digested.

        Raises:
            UserError: no job has it.
        """
        stem = key.rpartition("-")[0]
        for planned in self.jobs:
            if planned.stem == stem and planned.key == key:
                return planned
        raise UserError(f"no job {key!r} in this plan: was a config edited while the pipeline ran? run it again")


def _pair(name: Hashable, value: Any) -> str:
    """An entry of a mapping as digest() writes it. inf is not JSON: a threshold of infinity is written none."""
    shown = "none" if isinstance(value, float) and math.isinf(value) else value
    return f"{json.dumps(str(name))}:{json.dumps(shown, sort_keys=True, separators=(',', ':'))}"


def _pairs(column: "pd.Series[Any]") -> list[str]:
    """The entries of a column of the grid, which has few different values."""
    values = column.tolist()
    known = {value: _pair(column.name, value) for value in set(values)}
    return [known[value] for value in values]


# From a sweep to jobs ------------------------------------------------------------------------------------------------------


def expand(experiment: str, sweep: str, axes: dict[str, Any], where: str, max_cost: float = math.inf) -> Plan:
    """All jobs of one sweep.

    Args:
        experiment, sweep: names, for keys and messages.
        axes: axis -> value or list of values; ``task`` is required; ``seeds: n`` is short for ``seed: [0, .., n-1]``;
            ``copy.length`` is the axis ``length`` of the task copy alone. Beside axes: ``probes`` and ``moments``, of every job.
        where: file and place, for messages.
        max_cost: a job whose grid costs more (in the unit of Job.cost) is split by rows; the numbers do not change.

    Raises:
        UserError: an unknown axis or probe, a wrong type or an empty axis.
    """
    measured = _measured(axes, where)
    lists = _as_lists({axis: value for axis, value in axes.items() if axis not in MEASURED}, where)
    names = _known(lists.pop("task", []), tasks(), f"{where}.task")
    if not names:
        raise UserError(f"{where}: no task; add `task:` with one of {', '.join(tasks())}")
    of_tasks = {name: _of_task(name, lists, where) for name in names}
    _bounded(list(of_tasks.values()), where)
    jobs: dict[tuple[Job, int], PlannedJob] = {}
    skipped: dict[Skipped, None] = {}
    for name, own in of_tasks.items():
        job_axes, row_axes = _split_axes(name, own, where)
        rows = _grid(row_axes, where)
        for values in product(*job_axes.values()):
            chosen = dict(zip(job_axes, values, strict=True))
            try:
                job = _job(name, {**chosen, **measured}, where)
            except Impossible as reason:
                text = ", ".join(f"{k}={v}" for k, v in {"task": name, **chosen}.items())
                skipped[Skipped(experiment, sweep, text, str(reason))] = None
                continue
            for number, piece in enumerate(_pieces(rows, job.cost, max_cost)):  # a job asked for twice is one
                jobs[job, number] = PlannedJob(experiment, sweep, job, piece)
    return Plan(tuple(jobs.values()), tuple(skipped))


def _bounded(of_tasks: list[dict[str, list[Any]]], where: str) -> None:
    """Raise UserError where a sweep is too large to be planned, from the lengths of each task's axes: nothing is made yet."""
    sizes = [math.prod(len(values) for values in axes.values()) for axes in of_tasks]
    if (networks := sum(sizes)) > NETWORKS:
        largest = of_tasks[sizes.index(max(sizes))]
        longest = max(largest, key=lambda axis: len(largest[axis]))
        raise UserError(f"{where}: {networks:.3g} networks; a sweep has at most {NETWORKS:,}: shorten an axis, such as {longest}")


def _measured(axes: dict[str, Any], where: str) -> dict[str, tuple[Any, ...]]:
    """The sweep's probes and moments, one or a list; a probe named twice measures once."""
    found = {name: axes[name] if isinstance(axes[name], list) else [axes[name]] for name in MEASURED if name in axes}
    _known(found.get("probes", []), probe_names(), f"{where}.probes")
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items()}


def _as_lists(axes: dict[str, Any], where: str) -> dict[str, list[Any]]:
    lists = {}
    for axis, value in axes.items():
        values = value if isinstance(value, list) else [value]
        if not values:
            raise UserError(f"{where}.{axis}: the axis is empty; give it a value or remove it")
        lists[axis] = values
    if "seeds" in lists:
        n = lists.pop("seeds")[0]
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 10_000:
            raise UserError(f"{where}.seeds: {n!r} is not a number of seeds (1 to 10000)")
        lists["seed"] = list(range(n))
    return lists


def _known(names: list[Any], valid: Any, where: str) -> list[str]:
    for name in names:
        if not isinstance(name, str) or name not in valid:
            raise UserError(f"{where}: unknown name {name!r}; {nearest(str(name), list(valid))}")
    return names


def _of_task(task: str, lists: dict[str, list[Any]], where: str) -> dict[str, list[Any]]:
    """The axes of one task: ``copy.length`` holds for copy alone, and goes before a plain ``length``."""
    own = {}
    for axis, values in lists.items():
        owner, dot, name = axis.partition(".")
        if dot and owner not in tasks():
            raise UserError(f"{where}.{axis}: unknown task {owner!r}; {nearest(owner, list(tasks()))}")
        if dot and owner == task:
            own[name] = values
    return {**{a: v for a, v in lists.items() if "." not in a}, **own}


def _split_axes(task: str, lists: dict[str, list[Any]], where: str) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    own = list(tasks()[task].model_fields)
    valid = [a for a in JOB_AXES if a != "task"] + own + list(ROW_AXES)
    for axis in lists:
        if axis == "length" and axis not in own:
            raise UserError(f"{where}.length: task {task!r} has no length axis; remove it or sweep another task")
        if axis not in valid:
            raise UserError(
                f"{where}.{axis}: unknown axis for task {task!r}; {nearest(axis, [*valid, 'seeds', 'task', *MEASURED])}"
            )
    if "cell" in lists:
        _known(lists["cell"], cell_names(), f"{where}.cell")
    jobs = {a: v for a, v in lists.items() if a not in ROW_AXES}
    rows = {a: v for a, v in lists.items() if a in ROW_AXES}
    return jobs, rows


def _grid(axes: dict[str, list[Any]], where: str) -> pd.DataFrame:
    try:
        return grid({"seed": axes.get("seed", [0]), **axes})  # seed first: a block's rows share their data
    except ValidationError as error:
        raise UserError(message(error, where)) from None


def _job(task: str, chosen: dict[str, Any], where: str) -> Job:
    own = tasks()[task].model_fields
    try:
        made = tasks()[task](**{k: v for k, v in chosen.items() if k in own})
        fields = {k: v for k, v in chosen.items() if k not in own}
        if ("K" in fields, "mode" in fields) in ((True, False), (False, True)) and "full" not in fields.values():
            raise UserError(f"{where}: K needs a mode and a mode needs K; write both, or full")
        if fields.get("mode") == "full" or fields.get("K", "full") == "full":
            fields = {**fields, "mode": "full", "K": made.steps, "k1": 1, "align": "end"}
        if fields["mode"] != "sliding":
            fields["k1"] = 1  # only sliding has a stride of its own
        job = Job(task=made, **fields)
    except ValidationError as error:
        if all(e["type"] == "value_error" for e in error.errors()):  # raised by a validator: fields right, together wrong
            raise Impossible(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        raise UserError(message(error, where)) from None
    return _possible(job)


def _possible(job: Job) -> Job:
    """The job, or the reason why it has no meaning."""
    if job.K > job.steps:
        raise Impossible(f"K={job.K} is longer than the {job.steps} steps of a sequence: the same as full")
    try:
        k1, _ = job.strides
    except ValueError as error:
        raise Impossible(str(error)) from None
    if job.border == "reset" and job.mode in ("sliding", "buffered"):
        raise Impossible(f"border=reset needs disjoint windows; in mode {job.mode} they overlap")
    if job.align == "start" and job.steps % k1:
        raise Impossible(f"align=start needs a stride that divides the sequence: {job.steps} % {k1} = {job.steps % k1}")
    return job


def _pieces(rows: pd.DataFrame, cost: float, max_cost: float) -> Iterator[pd.DataFrame]:
    size = len(rows) if math.isinf(max_cost) or cost == 0 else max(1, int(max_cost / cost))
    count = math.ceil(len(rows) / size)
    size = math.ceil(len(rows) / count)  # even pieces
    for start in range(0, len(rows), size):
        yield rows.iloc[start : start + size].reset_index(drop=True)


def message(error: ValidationError, where: str) -> str:
    """A pydantic error as one line: where, which key, what is wrong, what was given."""
    first = error.errors()[0]
    place = ".".join([where, *(str(p) for p in first["loc"])])
    return f"{place}: {one_line(first['msg'].lower(), 150)}, got {one_line(repr(first['input']), 60)}"


# Files ---------------------------------------------------------------------------------------------------------------------


CODE = ("src", "experiments", "tests", "profiles", ".git", ".ci", ".snakemake", ".venv")  # no place for results
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")  # of an experiment or a sweep: it becomes part of file names


class Store(BaseModel):
    """Where MLflow's runs go, if not into results/mlflow. MLFLOW_TRACKING_URI goes before it, and may point anywhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str | None = Field(None, description="a server's or a database's address; an SQLite file lies below the project")

    @field_validator("uri")
    @classmethod
    def _inside(cls, value: str | None) -> str | None:
        scheme, slashes, place = (value or "").partition(":///")
        if value and (scheme == "file" or "://" not in value or (slashes and scheme.startswith("sqlite") and outside(place))):
            raise ValueError("must be a server, or sqlite:/// and a path below the project; MLFLOW_TRACKING_URI may name any other")
        return value


class Config(BaseModel):
    """config.yaml: what to run, how large, and where results lie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str = "laptop"
    presets: dict[str, str] = Field(..., description="name -> what it is for")
    experiments: list[str] | Literal["all"] = "all"
    results: str = Field("results", description="a folder below the project's; a symbolic link there may lead elsewhere")
    device: str = "cpu"
    max_job_cost: float = Field(5e11, gt=0, description="a costlier job is split by rows (unit of Job.cost)")
    checkpoint_every: float = Field(60, gt=0, description="seconds of training between two checkpoints of a job")
    mlflow: Store = Field(default_factory=lambda: Store())

    @field_validator("results")
    @classmethod
    def _inside(cls, value: str) -> str:
        parts = PurePosixPath(value).parts
        if outside(value) or not parts or parts[0] in CODE or parts[:2] == ("results", "reference"):
            raise ValueError(
                "must be a folder of its own below the project, such as results; link it to another disk if it shall lie there"
            )
        return value


class Experiment(BaseModel):
    """experiments/NAME/experiment.yaml: a question, sweeps, and what each preset changes in them.

    ``presets`` maps preset -> sweep (or ``*``, every sweep) -> axis -> value or values; a sweep mapped to null is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    question: str
    sweeps: dict[str, dict[str, Any]] = Field(default_factory=dict)
    reads: list[str] = Field(default_factory=list, description="other experiments whose tables the figure and the claims also read")
    alone: bool = Field(False, description="compute.py measures wall time: nothing may run beside it")
    presets: dict[str, dict[str, dict[str, Any] | None]] = Field(default_factory=dict)

    @field_validator("name", "sweeps")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        for name in [value] if isinstance(value, str) else value:
            if not NAME.fullmatch(name):
                raise ValueError(f"{one_line(repr(name), 50)} is no name: letters, digits, _ and -, at most 41")
        return value

    def sweeps_of(self, preset: str) -> dict[str, dict[str, Any]]:
        """The sweeps with the preset's changes in place."""
        changes = self.presets.get(preset, {})
        result = {}
        for name, axes in self.sweeps.items():
            if name in changes and changes[name] is None:
                continue
            result[name] = {**axes, **(changes.get("*") or {}), **(changes.get(name) or {})}
        return result


def load(model: type[BaseModel], path: Path, overrides: dict[str, Any] | None = None) -> Any:
    """``path`` read and checked against ``model``.

    Args:
        model: Config or Experiment.
        path: a YAML file.
        overrides: keys that take the place of the file's.

    Raises:
        UserError: an unknown key, a wrong type or a missing key; names the file, the key and the nearest valid one.
    """
    content = yaml_reader.read(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: a mapping of keys is needed; valid: {', '.join(model.model_fields)}")
    content = {**content, **(overrides or {})}
    for key in content:
        if key not in model.model_fields:
            raise UserError(f"{path}: {key}: unknown key; {nearest(str(key), list(model.model_fields))}")
    try:
        return model(**content)
    except ValidationError as error:
        raise UserError(message(error, f"{path}: ").replace(": .", ": ")) from None


def _experiments(root: Path, config: Config) -> dict[str, Experiment]:
    found: dict[str, Experiment] = {}
    paths = {path: load(Experiment, path) for path in sorted(root.glob("experiments/*/experiment.yaml"))}
    for path, experiment in paths.items():
        if experiment.name in found:
            raise UserError(f"{path}: name: a second experiment is called {experiment.name!r}; rename one")
        found[experiment.name] = experiment
    for path, experiment in paths.items():
        if experiment.name != path.parent.name:
            raise UserError(f"{path}: name: {experiment.name!r} is not the folder's name; make it {path.parent.name!r}")
        _known(list(experiment.presets), config.presets, f"{path}: presets")
        for preset, changes in experiment.presets.items():
            _known(list(changes), [*experiment.sweeps, "*"], f"{path}: presets.{preset}")
        _known(experiment.reads, found, f"{path}: reads")
    return found


@dataclass(frozen=True)
class Project:
    """A folder with config.yaml and experiments/."""

    root: Path
    config: Config
    experiments: dict[str, Experiment]

    @classmethod
    def open(cls, root: Path, preset: str | None = None, overrides: dict[str, Any] | None = None) -> "Project":
        """Read and check everything under ``root``.

        Args:
            root: the project's folder.
            preset: instead of the config's.
            overrides: other keys instead of the config's.

        Raises:
            UserError: anything wrong in any file.
        """
        path = root / "config.yaml"
        config: Config = load(Config, path, {**(overrides or {}), **({"preset": preset} if preset else {})})
        _known([config.preset], config.presets, f"{path}: preset")
        found = _experiments(root, config)
        chosen = list(found) if config.experiments == "all" else config.experiments
        _known(chosen, found, f"{path}: experiments")
        read = [name for chosen_name in chosen for name in found[chosen_name].reads]  # their tables are needed too
        return cls(root, config, {name: e for name, e in found.items() if name in chosen or name in read})

    def plan(self, *experiments: str) -> Plan:
        """All jobs of the chosen preset, and what was skipped; of some experiments, if they are named.

        Raises:
            UserError: a sweep with an unknown axis, a wrong type or an empty axis.
        """
        plans = [
            expand(name, sweep, axes, f"experiments/{name}/experiment.yaml: sweeps.{sweep}", self.config.max_job_cost)
            for name, experiment in self.experiments.items()
            if name in experiments or not experiments
            for sweep, axes in experiment.sweeps_of(self.config.preset).items()
        ]
        return Plan(tuple(j for p in plans for j in p.jobs), tuple(s for p in plans for s in p.skipped))
