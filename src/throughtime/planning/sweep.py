"""From a sweep's axes to jobs."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import pandas as pd
from pydantic import ValidationError

from throughtime.core.errors import UserError, nearest, one_line
from throughtime.core.registry import probe_names
from throughtime.engine.cells import cell_names
from throughtime.planning.axes import JOB_AXES, MEASURED, ROW_AXES, Job, grid
from throughtime.planning.plan import Plan, PlannedJob, Skipped
from throughtime.tasks import tasks


class SkipCombination(Exception):
    """A combination of axes that has no meaning: it is skipped, and the reason is shown."""


NETWORKS = 1_000_000  # of a sweep: more could not be planned in reasonable time


def expand(
    experiment: str, sweep: str, axes: dict[str, Any], where: str, max_cost: float = math.inf
) -> Plan:
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
            except SkipCombination as reason:
                text = ", ".join(f"{k}={v}" for k, v in {"task": name, **chosen}.items())
                skipped[Skipped(experiment, sweep, text, str(reason))] = None
                continue
            for number, piece in enumerate(
                _pieces(rows, job.cost, max_cost)
            ):  # a job asked for twice is one
                jobs[job, number] = PlannedJob(experiment, sweep, job, piece)
    return Plan(tuple(jobs.values()), tuple(skipped))


def _bounded(of_tasks: list[dict[str, list[Any]]], where: str) -> None:
    """Raise UserError where a sweep is too large to be planned, from the lengths of each task's axes: nothing is made yet."""
    sizes = [math.prod(len(values) for values in axes.values()) for axes in of_tasks]
    if (networks := sum(sizes)) > NETWORKS:
        largest = of_tasks[sizes.index(max(sizes))]
        longest = max(largest, key=lambda axis: len(largest[axis]))
        raise UserError(
            f"{where}: {networks:.3g} networks; a sweep has at most {NETWORKS:,}: shorten an axis, such as {longest}"
        )


def _measured(axes: dict[str, Any], where: str) -> dict[str, tuple[Any, ...]]:
    """The sweep's probes and moments, one or a list; a probe named twice measures once."""
    found = {
        name: axes[name] if isinstance(axes[name], list) else [axes[name]]
        for name in MEASURED
        if name in axes
    }
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
            raise UserError(
                f"{where}.{axis}: unknown task {owner!r}; {nearest(owner, list(tasks()))}"
            )
        if dot and owner == task:
            own[name] = values
    return {**{a: v for a, v in lists.items() if "." not in a}, **own}


def _split_axes(
    task: str, lists: dict[str, list[Any]], where: str
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    own = list(tasks()[task].model_fields)
    valid = [a for a in JOB_AXES if a != "task"] + own + list(ROW_AXES)
    for axis in lists:
        if axis == "length" and axis not in own:
            raise UserError(
                f"{where}.length: task {task!r} has no length axis; remove it or sweep another task"
            )
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
        return grid(
            {"seed": axes.get("seed", [0]), **axes}
        )  # seed first: a block's rows share their data
    except ValidationError as error:
        raise UserError(message(error, where)) from None


def _job(task: str, chosen: dict[str, Any], where: str) -> Job:
    own = tasks()[task].model_fields
    try:
        made = tasks()[task](**{k: v for k, v in chosen.items() if k in own})
        fields = {k: v for k, v in chosen.items() if k not in own}
        if ("K" in fields, "mode" in fields) in (
            (True, False),
            (False, True),
        ) and "full" not in fields.values():
            raise UserError(f"{where}: K needs a mode and a mode needs K; write both, or full")
        if fields.get("mode") == "full" or fields.get("K", "full") == "full":
            fields = {**fields, "mode": "full", "K": made.steps, "k1": 1, "align": "end"}
        if fields["mode"] != "sliding":
            fields["k1"] = 1  # only sliding has a stride of its own
        job = Job(task=made, **fields)
    except ValidationError as error:
        if all(
            e["type"] == "value_error" for e in error.errors()
        ):  # raised by a validator: fields right, together wrong
            raise SkipCombination(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        raise UserError(message(error, where)) from None
    return _possible(job)


def _possible(job: Job) -> Job:
    """The job, or the reason why it has no meaning."""
    if job.K > job.steps:
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
    if job.align == "start" and job.steps % k1:
        raise SkipCombination(
            f"align=start needs a stride that divides the sequence: {job.steps} % {k1} = {job.steps % k1}"
        )
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
    return (
        f"{place}: {one_line(first['msg'].lower(), 150)}, got {one_line(repr(first['input']), 60)}"
    )
