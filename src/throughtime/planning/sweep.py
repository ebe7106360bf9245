"""From a sweep's axes to jobs."""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from throughtime.core.component import Component
from throughtime.core.errors import UserError, nearest, one_line
from throughtime.core.registry import probe_names
from throughtime.engine.cells import Elman, cells
from throughtime.engine.optimizers import optimizers
from throughtime.engine.schedules import schedules
from throughtime.engine.truncation import overlapping, windows
from throughtime.planning.axes import JOB_AXES, OF_A_SWEEP, ROW_AXES, Job, grid
from throughtime.planning.plan import Plan, PlannedJob, Skipped, costs
from throughtime.tasks import tasks

# What is chosen by its name, and where it is found.
KINDS: dict[str, Callable[[], Mapping[str, type[Component]]]] = {
    "task": tasks, "cell": cells, "optimizer": optimizers, "schedule": schedules,
}  # fmt: skip
DEFAULTS = {"cell": ["tanh"], "optimizer": ["sgd"], "schedule": ["constant"]}


class SkipCombination(Exception):
    """A combination of axes that has no meaning: it is skipped, and the reason is shown."""


NETWORKS = 1_000_000  # of a sweep: more could not be planned in reasonable time
DIGITS = 12  # of a spaced value: the last bits of a power differ between machines, and keys hold it


class Spaced(BaseModel):
    """Evenly spaced values of an axis, both ends included: ``{from: 0.25, to: 4, count: 5}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: float = Field(..., alias="from", allow_inf_nan=False, description="the first value")
    last: float = Field(..., alias="to", allow_inf_nan=False, description="the last value")
    count: int = Field(..., ge=2, le=10_000, description="how many values")
    scale: Literal["log", "linear"] = Field(
        "log", description="evenly by their ratio (log) or by their difference (linear)"
    )

    @model_validator(mode="after")
    def _has_logarithms(self) -> Self:
        if self.scale == "log" and min(self.first, self.last) <= 0:
            raise ValueError("scale log needs ends above 0; write scale: linear")
        return self

    def values(self) -> list[float]:
        """The values, in order, rounded to DIGITS significant digits.

        >>> Spaced.model_validate({"from": 0.25, "to": 4, "count": 5}).values()
        [0.25, 0.5, 1.0, 2.0, 4.0]
        """
        a, b = self.first, self.last
        shares = [i / (self.count - 1) for i in range(self.count)]
        if self.scale == "log":
            return [float(f"{a ** (1 - s) * b**s:.{DIGITS}g}") for s in shares]
        return [float(f"{a * (1 - s) + b * s:.{DIGITS}g}") for s in shares]


def expand(
    experiment: str,
    sweep: str,
    axes: dict[str, Any],
    where: str,
    max_cost: float = math.inf,
    device: str = "cpu",
) -> Plan:
    """All jobs of one sweep.

    Args:
        experiment, sweep: names, for keys and messages.
        axes: axis -> value or list of values; ``task`` is required; ``seeds: n`` is short for
            ``seed: [0, .., n-1]``; ``copy.length`` is the axis ``length`` of the task copy alone.
            Many values are written as what ``Spaced`` reads, ``{from: 0.1, to: 4, count: 9}``.
            Beside axes: ``probes`` and ``moments``, of every job.
        where: file and place, for messages.
        max_cost: a job whose grid costs more (in the unit of Job.cost) is split by rows; the
            numbers do not change.

    Raises:
        UserError: an unknown axis or probe, a wrong type or an empty axis.
    """
    whole = _of_the_sweep(axes, where)
    lists = _as_lists({axis: v for axis, v in axes.items() if axis not in OF_A_SWEEP}, where)
    names = {
        kind: check_names(lists.pop(kind, DEFAULTS.get(kind, [])), components(), f"{where}.{kind}")
        for kind, components in KINDS.items()
    }
    if not names["task"]:
        raise UserError(f"{where}: no task; add `task:` with one of {', '.join(tasks())}")
    combinations = [dict(zip(names, values, strict=True)) for values in product(*names.values())]
    axes_of = [_axes_of(parts, names, lists, where) for parts in combinations]
    _bounded(axes_of, where)
    jobs: dict[tuple[Job, int], PlannedJob] = {}
    skipped: dict[Skipped, None] = {}
    for parts, own in zip(combinations, axes_of, strict=True):
        rows = _grid({a: v for a, v in own.items() if a in ROW_AXES}, where)
        job_axes = {a: v for a, v in own.items() if a not in ROW_AXES}
        for values in product(*job_axes.values()):
            chosen = dict(zip(job_axes, values, strict=True))
            try:
                job = _job(parts, {**chosen, **whole}, where)
            except SkipCombination as reason:
                shown = {k: v for k, v in parts.items() if k == "task" or k in axes} | chosen
                text = ", ".join(f"{k}={v}" for k, v in shown.items())
                skipped[Skipped(experiment, sweep, text, str(reason))] = None
                continue
            if device != "cpu" and (only := _of_the_cpu(job)):
                axes_of_it, what = only
                where_not = f"device {device}: {what} runs on the CPU alone"
                skipped[Skipped(experiment, sweep, axes_of_it, where_not)] = None
                continue
            own_rows, reasons = _possible_rows(job, rows)
            text = ", ".join(f"{k}={v}" for k, v in chosen.items())
            skipped |= {Skipped(experiment, sweep, text, reason): None for reason in reasons}
            if own_rows.empty:
                continue
            # a job asked for twice is one
            for number, piece in enumerate(pieces(own_rows, job, max_cost)):
                jobs[job, number] = PlannedJob(experiment, sweep, job, piece, device)
    return Plan(tuple(jobs.values()), tuple(skipped))


def _bounded(of_tasks: list[dict[str, list[Any]]], where: str) -> None:
    """Raise UserError where a sweep is too large to be planned, from the lengths of each task's
    axes: nothing is made yet.
    """
    sizes = [math.prod(len(values) for values in axes.values()) for axes in of_tasks]
    if (networks := sum(sizes)) > NETWORKS:
        largest = of_tasks[sizes.index(max(sizes))]
        longest = max(largest, key=lambda axis: len(largest[axis]))
        raise UserError(
            f"{where}: {networks:.3g} networks; a sweep has at most {NETWORKS:,}: shorten an axis, "
            f"such as {longest}"
        )


def _of_the_sweep(axes: dict[str, Any], where: str) -> dict[str, Any]:
    """What holds for the sweep as a whole: its probes and moments, one or a list (a probe named
    twice measures once), and whether weights are kept.
    """
    settings = {name: axes[name] for name in OF_A_SWEEP if name in axes}
    for name in ("probes", "moments"):
        if name in settings:
            values = settings[name] if isinstance(settings[name], list) else [settings[name]]
            settings[name] = tuple(dict.fromkeys(values))
    check_names(list(settings.get("probes", ())), probe_names(), f"{where}.probes")
    return settings


def _as_lists(axes: dict[str, Any], where: str) -> dict[str, list[Any]]:
    lists = {}
    for axis, value in axes.items():
        if isinstance(value, dict):
            value = _spaced(value, f"{where}.{axis}")
        values = value if isinstance(value, list) else [value]
        if not values:
            raise UserError(f"{where}.{axis}: the axis is empty; give it a value or remove it")
        lists[axis] = values
    if "seeds" in lists:
        if isinstance(axes["seeds"], list):
            raise UserError(
                f"{where}.seeds: {axes['seeds']} is a list, and seeds is how many there are; write "
                f"`seed: {axes['seeds']}`"
            )
        n = lists.pop("seeds")[0]
        if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= 10_000:
            raise UserError(f"{where}.seeds: {n!r} is not a number of seeds (1 to 10000)")
        lists["seed"] = list(range(n))
    return lists


def _spaced(value: dict[str, Any], where: str) -> list[float]:
    try:
        return Spaced.model_validate(value).values()
    except ValidationError as error:
        raise UserError(message(error, where)) from None


def check_names(names: list[Any], valid: Any, where: str) -> list[str]:
    """The names, each of which must be valid; else UserError with the nearest one."""
    for name in names:
        if not isinstance(name, str) or name not in valid:
            raise UserError(f"{where}: unknown name {name!r}; {nearest(str(name), list(valid))}")
    return names


def _axes_of(
    parts: dict[str, str], names: dict[str, list[str]], lists: dict[str, list[Any]], where: str
) -> dict[str, list[Any]]:
    """The axes of one task with one cell, optimizer and schedule.

    ``copy.length`` holds for copy alone and goes before a plain ``length``; ``lstm.lr`` holds for
    networks of that cell alone. A parameter of a cell, optimizer or schedule that this combination
    does not have, but another of the sweep has, is left out.
    """
    owners = {name for components in KINDS.values() for name in components()}
    fields = {kind: list(KINDS[kind]()[name].model_fields) for kind, name in parts.items()}
    elsewhere = {
        field
        for kind, chosen in names.items()
        if kind != "task"
        for name in chosen
        for field in KINDS[kind]()[name].model_fields
    }
    valid = [a for a in JOB_AXES if a not in KINDS]
    valid += [field for own in fields.values() for field in own] + list(ROW_AXES)
    plain: dict[str, list[Any]] = {}
    special: dict[str, list[Any]] = {}
    for axis, values in lists.items():
        owner, dot, name = axis.partition(".")
        if dot and owner not in owners:
            raise UserError(f"{where}.{axis}: unknown name {owner!r}; {nearest(owner, [*owners])}")
        if not dot:
            plain[axis] = values
        elif owner in parts.values():
            special[name] = values
    chosen_axes = {**plain, **special}
    for axis in list(chosen_axes):
        if axis in valid:
            continue
        if axis in elsewhere:
            del chosen_axes[axis]
        elif axis == "length":
            raise UserError(
                f"{where}.length: task {parts['task']!r} has no length axis; remove it or sweep "
                "another task"
            )
        else:
            raise UserError(
                f"{where}.{axis}: unknown axis for task {parts['task']!r}; "
                f"{nearest(axis, [*valid, 'seeds', *KINDS, *OF_A_SWEEP])}"
            )
    return chosen_axes


def _grid(axes: dict[str, list[Any]], where: str) -> pd.DataFrame:
    try:
        # seed first: a block's rows share their data
        return grid({"seed": axes.get("seed", [0]), **axes})
    except ValidationError as error:
        raise UserError(message(error, where)) from None


def _job(parts: dict[str, str], chosen: dict[str, Any], where: str) -> Job:
    kinds = {kind: KINDS[kind]()[name] for kind, name in parts.items()}
    taken = {field for component in kinds.values() for field in component.model_fields}
    try:
        own = {
            kind: component(**{k: v for k, v in chosen.items() if k in component.model_fields})
            for kind, component in kinds.items()
        }
        fields = {k: v for k, v in chosen.items() if k not in taken}
        if ("K" in fields) != ("mode" in fields) and "full" not in fields.values():
            raise UserError(f"{where}: K needs a mode and a mode needs K; write both, or full")
        if fields.get("mode") == "full" or fields.get("K", "full") == "full":
            steps = tasks()[parts["task"]].model_validate(own["task"]).steps
            fields = {**fields, "mode": "full", "K": steps, "k1": 1, "align": "end"}
        if fields["mode"] != "sliding":
            fields["k1"] = 1  # only sliding has a stride of its own
        if not fields.get("adapt"):  # what adapts is not asked for
            fields = {k: v for k, v in fields.items() if k not in OF_ADAPTING}
        job = Job(**own, **fields)
    except ValidationError as error:
        if all(e["type"] == "value_error" for e in error.errors()):
            # raised by a validator: each field is right, together they are not
            raise SkipCombination(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        raise UserError(message(error, where)) from None
    return _possible(job)


def _possible(job: Job) -> Job:
    """The job, or the reason why it has no meaning."""
    if job.K > job.steps and job.mode != "randomized":
        raise SkipCombination(
            f"K={job.K} is longer than the {job.steps} steps of a sequence: the same as full"
        )
    try:
        k1, _ = job.strides
    except ValueError as error:
        raise SkipCombination(str(error)) from None
    if job.border == "reset" and job.mode in ("sliding", "buffered"):
        raise SkipCombination(
            f"border=reset needs disjoint windows; in mode {job.mode} they overlap"
        )
    if job.task.longest != job.task:
        if job.adapt:
            raise SkipCombination(
                f"adapt={job.adapt:g}: batches of {job.task.name} differ in length, and the "
                "largest K would differ with them; give one length"
            )
        if job.border == "reset":
            raise SkipCombination(
                f"border=reset: batches of {job.task.name} differ in length, and borders differ "
                "with them; use carry"
            )
        if job.align != "end":
            raise SkipCombination(
                f"align={job.align}: batches of {job.task.name} differ in length, and the last "
                "window's depth would differ with them; use end"
            )
    if job.align == "start" and job.steps % k1:
        raise SkipCombination(
            f"align=start needs a stride that divides the sequence: {job.steps} % {k1} = "
            f"{job.steps % k1}"
        )
    return job


def _of_the_cpu(job: Job) -> tuple[str, str] | None:
    """What of a job runs on the CPU alone, as its axis with its value and in words; None: all of it
    runs on a device.
    """
    if not job.cell.recurrent:
        return f"cell={job.cell.name}", job.cell.name
    if job.mode == "randomized":
        return f"mode={job.mode}", job.mode
    if job.task.longest != job.task:
        return f"task={job.task.name}", f"{job.task.name} of many lengths"
    return (f"adapt={job.adapt:g}", "a K that adapts") if job.adapt else None


OF_ADAPTING = ("adapt_every", "adapt_rates")  # axes of jobs whose K adapts
OFTEN_WITHOUT = ("frozen", "omega")  # axes of rows that not every job has


def _possible_rows(job: Job, rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows that have a meaning for a job, and why others have none."""
    reasons: list[str] = []
    if not any(rows[axis].to_numpy().any() for axis in OFTEN_WITHOUT):
        return rows, reasons  # to list the windows of a long sequence takes a while
    for axis, why in _without(job).items():
        kept = rows[~rows[axis].astype(bool)].reset_index(drop=True)
        reasons += [f"{axis}: {why}"] if len(kept) < len(rows) else []
        rows = kept
    return rows, reasons


def _without(job: Job) -> dict[str, str]:
    """Axes of rows that a job's networks can have at their default alone, and why."""
    reasons = {}
    if not job.cell.recurrent:
        reasons["frozen"] = f"{job.cell.name} has no W_hh to freeze"
    if not isinstance(job.cell, Elman) or job.cell.transformed:
        reasons["omega"] = f"{job.cell.name} is no Elman cell whose W_hh is trained as it is"
    elif overlapping(windows(job.steps, *job.strides, job.offset())):
        reasons["omega"] = f"in mode {job.mode} windows overlap, and a step has several dL/dh"
    elif job.kernel != "torch":
        reasons["omega"] = "engine numba does not have it; write engine: torch"
    return reasons


def pieces(rows: pd.DataFrame, job: Job, max_cost: float) -> Iterator[pd.DataFrame]:
    """Rows of a job's grid in even parts, whose networks do not cost more than ``max_cost``, if one
    does not. What costs the same however many they are is shared by as many as cost as much.
    """
    size = len(rows)
    one, calls = costs(job, rows)
    if one and not math.isinf(max_cost):
        size = max(1, int(max_cost / one), math.ceil(calls / one))
    count = math.ceil(len(rows) / size)
    size = math.ceil(len(rows) / count)  # even pieces
    for start in range(0, len(rows), size):
        yield rows.iloc[start : start + size].reset_index(drop=True)


def message(error: ValidationError, where: str) -> str:
    """A pydantic error as one line: where, which key, what is wrong, what was given."""
    first = error.errors()[0]
    place = ".".join([where, *(str(p) for p in first["loc"])])
    return (
        f"{place}: {one_line(first['msg'].lower(), 150)}, got {one_line(repr(first['input']), 60)}"
    )
