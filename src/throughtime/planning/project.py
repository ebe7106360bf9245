"""From YAML to jobs: what an experiment says, checked before anything runs.

An experiment is jobs x grid. ``experiments/NAME/experiment.yaml`` names sweeps; a sweep is a flat
mapping from axis to value or list of values. An axis that fixes tensor shapes or code paths (a
field of ``Job`` or of the task) multiplies jobs; an axis of the grid (a field of ``Row``)
multiplies the networks inside a job. Which is which is looked up, never written.
"""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from throughtime.core.errors import UserError, nearest, one_line
from throughtime.core.registry import outside
from throughtime.planning import rounds, yaml_reader
from throughtime.planning.experiment_files import COMPUTE
from throughtime.planning.plan import Plan
from throughtime.planning.rounds import Search
from throughtime.planning.sweep import check_names, expand, message

# From a sweep to jobs -----------------------------------------------------------------------------


# Files --------------------------------------------------------------------------------------------


# no place for results
RESERVED_FOLDERS = (
    "src",
    "experiments",
    "tests",
    "profiles",
    ".git",
    ".ci",
    ".snakemake",
    ".venv",
)
# of an experiment or a sweep: it becomes part of file names
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")
ALL = "all"  # as a name in `experiments`: every experiment without a series


class Store(BaseModel):
    """Where MLflow's runs go, if not into results/mlflow. MLFLOW_TRACKING_URI goes before it, and
    may point anywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str | None = Field(
        None,
        description="a server's or a database's address; an SQLite file lies below the project",
    )

    @field_validator("uri")
    @classmethod
    def _inside(cls, value: str | None) -> str | None:
        scheme, slashes, place = (value or "").partition(":///")
        if value and (
            scheme == "file"
            or "://" not in value
            or (slashes and scheme.startswith("sqlite") and outside(place))
        ):
            raise ValueError(
                "must be a server, or sqlite:/// and a path below the project; MLFLOW_TRACKING_URI "
                "may name any other"
            )
        return value


class Config(BaseModel):
    """config.yaml: what to run, how large, and where results lie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str = "laptop"
    presets: dict[str, str] = Field(..., description="name -> what it is for")
    experiments: str | list[str] = Field(
        ALL,
        description="all (every experiment without a series), or names of experiments and series",
    )
    results: str = Field(
        "results",
        description="a folder below the project's; a symbolic link there may lead elsewhere",
    )
    device: str = Field("cpu", description="cpu, or cuda: where networks are trained")
    seeds: int | None = Field(
        None, ge=1, le=10_000, description="raises the seeds of every sweep to this number"
    )
    max_job_cost: float = Field(
        5e11,
        gt=0,
        description="costlier jobs are split by rows, cheaper ones share a process",
    )
    checkpoint_every: float = Field(
        60, gt=0, description="seconds of training between two checkpoints of a job"
    )
    mlflow: Store = Field(default_factory=lambda: Store())

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", value):
            raise ValueError("is no device: write cpu, or cuda (cuda:1 for the second)")
        return value

    @field_validator("results")
    @classmethod
    def _inside(cls, value: str) -> str:
        parts = PurePosixPath(value).parts
        if (
            outside(value)
            or not parts
            or parts[0] in RESERVED_FOLDERS
            or parts[:2] == ("results", "reference")
        ):
            raise ValueError(
                "must be a folder of its own below the project, such as results; link it to "
                "another disk if it shall lie there"
            )
        return value


class Experiment(BaseModel):
    """experiments/NAME/experiment.yaml: a question, sweeps, and what each preset changes in them.

    ``presets`` maps preset -> sweep (or ``*``, every sweep) -> axis -> value or values; a sweep
    mapped to null is left out. ``*`` mapped to null leaves out every sweep that is not named beside
    it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    question: str
    sweeps: dict[str, dict[str, Any]] = Field(default_factory=dict)
    series: str = Field(
        "",
        description="a name for experiments that run together, and only when they are asked for: "
        "by this name or by their own",
    )
    reads: list[str] = Field(
        default_factory=list,
        description="other experiments whose tables the figure and the claims also read",
    )
    alone: bool = Field(
        False, description="compute.py measures wall time: nothing may run beside it"
    )
    presets: dict[str, dict[str, dict[str, Any] | None]] = Field(default_factory=dict)

    @field_validator("name", "series", "sweeps")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        for name in [value] * bool(value) if isinstance(value, str) else value:
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"{one_line(repr(name), 50)} is no name: letters, digits, _ and -, at most 41"
                )
        return value

    def sweeps_of(self, preset: str) -> dict[str, dict[str, Any]]:
        """The sweeps with the preset's changes in place."""
        changes = self.presets.get(preset, {})
        result = {}
        for name, axes in self.sweeps.items():
            named = name if name in changes else "*"
            if named in changes and changes[named] is None:
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
        UserError: an unknown key, a wrong type or a missing key; names the file, the key and the
            nearest valid one.
    """
    content = yaml_reader.read(path)
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: a mapping of keys is needed; valid: {', '.join(model.model_fields)}"
        )
    content = {**content, **(overrides or {})}
    for key in content:
        if key not in model.model_fields:
            raise UserError(
                f"{path}: {key}: unknown key; {nearest(str(key), list(model.model_fields))}"
            )
    try:
        return model(**content)
    except ValidationError as error:
        raise UserError(message(error, f"{path}: ").replace(": .", ": ")) from None


def _experiments(root: Path, config: Config) -> dict[str, Experiment]:
    by_name: dict[str, Experiment] = {}
    paths = {
        path: load(Experiment, path) for path in sorted(root.glob("experiments/*/experiment.yaml"))
    }
    for path, experiment in paths.items():
        if experiment.name in by_name:
            raise UserError(
                f"{path}: name: a second experiment is called {experiment.name!r}; rename one"
            )
        by_name[experiment.name] = experiment
    for path, experiment in paths.items():
        if experiment.name != path.parent.name:
            raise UserError(
                f"{path}: name: {experiment.name!r} is not the folder's name; make it "
                f"{path.parent.name!r}"
            )
        check_names(list(experiment.presets), config.presets, f"{path}: presets")
        for preset, changes in experiment.presets.items():
            check_names(list(changes), [*experiment.sweeps, "*"], f"{path}: presets.{preset}")
        check_names(experiment.reads, by_name, f"{path}: reads")
    return by_name


def _with_seeds(axes: dict[str, Any], least: int | None) -> dict[str, Any]:
    """A sweep's axes with at least so many seeds; what it asks for beyond them stays.

    >>> _with_seeds({"seeds": 3}, 5), _with_seeds({"seed": [0, 7]}, 2)
    ({'seed': [0, 1, 2, 3, 4]}, {'seed': [0, 7, 1]})
    """
    if least is None or isinstance(axes.get("seeds"), list):  # a list is refused later
        return axes
    own = axes.get("seed", 0 if "seeds" not in axes else [])
    own = own if isinstance(own, list) else [own]
    count = axes.get("seeds", 0)
    own = [*range(count if isinstance(count, int) else 0), *own]
    seeds = list(dict.fromkeys([*own, *range(least)]))
    return {**{axis: v for axis, v in axes.items() if axis != "seeds"}, "seed": seeds}


def _groups(root: Path, by_name: dict[str, Experiment]) -> dict[str, list[str]]:
    """Every name that config.yaml's ``experiments`` takes, and the experiments it stands for."""
    groups = {ALL: [name for name, e in by_name.items() if not e.series]}
    for name, experiment in by_name.items():
        if experiment.series == ALL or experiment.series in by_name:
            raise UserError(
                f"{root / 'experiments' / name / 'experiment.yaml'}: series: "
                f"{experiment.series!r} already names experiments; choose another name"
            )
        if experiment.series:
            groups.setdefault(experiment.series, []).append(name)
    return {**{name: [name] for name in by_name}, **groups}


def _active(root: Path, by_name: dict[str, Experiment], preset: str) -> set[str]:
    """The experiments that have something to show in a preset. One whose sweeps the preset leaves
    out has nothing, unless it reads one that has something; one without sweeps may compute.
    """
    active = {
        name
        for name, e in by_name.items()
        if e.sweeps_of(preset)
        or (not e.sweeps and (not e.reads or (root / "experiments" / name / COMPUTE).exists()))
    }
    while more := {n for n, e in by_name.items() if active.intersection(e.reads)} - active:
        active |= more
    return active


@dataclass(frozen=True)
class Project:
    """A folder with config.yaml and experiments/."""

    root: Path
    config: Config
    experiments: dict[str, Experiment]
    # every name that ``experiments`` takes -> whom it stands for
    groups: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def open(
        cls, root: Path, preset: str | None = None, overrides: dict[str, Any] | None = None
    ) -> "Project":
        """Read and check everything under ``root``.

        Args:
            root: the project's folder.
            preset: instead of the config's.
            overrides: other keys instead of the config's.

        Raises:
            UserError: anything wrong in any file.
        """
        path = root / "config.yaml"
        config: Config = load(
            Config, path, {**(overrides or {}), **({"preset": preset} if preset else {})}
        )
        check_names([config.preset], config.presets, f"{path}: preset")
        by_name = _experiments(root, config)
        groups = _groups(root, by_name)
        asked = [config.experiments] if isinstance(config.experiments, str) else config.experiments
        check_names(asked, groups, f"{path}: experiments")
        chosen = {member for name in asked for member in groups[name]}
        chosen |= {name for own in chosen for name in by_name[own].reads}  # tables needed too
        active = _active(root, by_name, config.preset)
        if asked != [ALL] and chosen and not chosen & active:
            raise UserError(
                f"{path}: experiments: {', '.join(asked)}: nothing of it is in preset "
                f"{config.preset}; choose another preset"
            )
        return cls(root, config, {n: e for n, e in by_name.items() if n in chosen & active}, groups)

    def plan(self, *experiments: str) -> Plan:
        """All jobs of the chosen preset, and what was skipped; of some experiments, if they are
        named. A sweep that looks for a frontier has the networks that rounds have chosen so far.

        Raises:
            UserError: a sweep with an unknown axis, a wrong type or an empty axis.
        """
        results = self.root / self.config.results
        return _joined(
            part.plan(part.chosen(results)) if isinstance(part, Search) else part
            for part in self._sweeps(*experiments)
        )

    def full_plan(self, *experiments: str) -> Plan:
        """The same with the full grids of all sweeps."""
        parts = self._sweeps(*experiments)
        return _joined(part.full if isinstance(part, Search) else part for part in parts)

    def searches(self, *experiments: str) -> list[Search]:
        """The sweeps that look for a frontier; of some experiments, if they are named."""
        names = [
            name
            for name, experiment in self.experiments.items()
            if (name in experiments or not experiments)
            and any(rounds.KEY in a for a in experiment.sweeps_of(self.config.preset).values())
        ]
        parts = self._sweeps(*names) if names else ()
        return [part for part in parts if isinstance(part, Search)]

    def _sweeps(self, *experiments: str) -> Iterator[Plan | Search]:
        for name, experiment in self.experiments.items():
            if name in experiments or not experiments:
                for sweep, axes in experiment.sweeps_of(self.config.preset).items():
                    where = f"experiments/{name}/experiment.yaml: sweeps.{sweep}"
                    own = dict(axes)
                    told = own.pop(rounds.KEY, None)
                    asked = None if told is None else rounds.frontier(told, where)
                    own = _with_seeds(own, self.config.seeds)
                    cost = self.config.max_job_cost
                    split = math.inf if asked else cost
                    plan = expand(name, sweep, own, where, split, self.config.device)
                    yield rounds.search(sweep, asked, plan, cost, where) if asked else plan


def _joined(plans: Iterable[Plan]) -> Plan:
    several = list(plans)
    return Plan(
        tuple(j for p in several for j in p.jobs), tuple(s for p in several for s in p.skipped)
    )
