"""How far a pipeline is, and how long the rest will take: read from the results folder, kept nowhere else."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from throughtime.collect import recorded, timing, training_modules
from throughtime.experiment import Plan, PlannedJob
from throughtime.provenance import code_digest

SPEED = 1.2e10  # Job.cost a second on one core, measured with `make bench` (N = 32, B = 20); used until a job has been timed
START = 4.0  # seconds a process needs before and after it trains: imports, reading the plan, tables


@dataclass(frozen=True)
class Progress:
    """Counts of networks, and the jobs that are left."""

    networks: int
    done: int
    solved: int
    unsolved: int
    diverged: int
    left: tuple[PlannedJob, ...]


def job_digest(planned: PlannedJob) -> str:
    """The code digest of one training job: the engine, its task and its cell. An edit of another task does not change it."""
    return _digest(training_modules(planned))


@cache
def _digest(modules: tuple[str, ...]) -> str:
    """Once a process: hundreds of jobs share a few sets of modules, and an edit counts from the next command on."""
    return code_digest(*modules)


def progress(plan: Plan, results: Path) -> Progress:
    """What is done of ``plan``. A job whose code was edited since counts as not done: it will be trained again."""
    counts = {"networks": 0, "solved": 0, "unsolved": 0, "diverged": 0}
    left = []
    for planned in plan.jobs:
        record = timing(results, planned)
        if record is None or record["code"] != job_digest(planned):
            left.append(planned)
            continue
        for name in counts:
            counts[name] += record[name]
    return Progress(plan.networks, counts["networks"], counts["solved"], counts["unsolved"], counts["diverged"], tuple(left))


def speed(results: Path) -> float:
    """Job.cost a second of one process, over all jobs under ``results`` that were timed; SPEED where none was."""
    records = [record for p in results.glob("*/jobs/*/timing.json") if (record := recorded(p))]
    seconds = sum(r["seconds"] for r in records)
    return sum(r["cost"] for r in records) / seconds if seconds > 0 and sum(r["cost"] for r in records) > 0 else SPEED


def expected_seconds(jobs: Iterable[PlannedJob], workers: int, rate: float) -> float:
    """Wall seconds of ``jobs`` on ``workers`` processes: never less than the longest of them.

    >>> expected_seconds([], workers=2, rate=1e10)
    0.0
    """
    each = [START + job.cost / rate for job in jobs]
    return max(sum(each) / max(workers, 1), max(each, default=0.0))


def line(plan: Plan, experiment: str, results: Path, workers: int) -> str:
    """One line on an experiment and on the whole plan."""
    rate = speed(results)
    parts = []
    for name, part in ((experiment, plan.of(experiment)), ("all", plan)):
        state = progress(part, results)
        eta = duration(expected_seconds(state.left, workers, rate)) + " left" if state.left else "done"
        parts.append(f"{name} {state.done}/{state.networks} networks, {state.diverged} diverged, {eta}")
    return " | ".join(parts)


def duration(seconds: float) -> str:
    """Seconds for people.

    >>> duration(42), duration(400), duration(9000)
    ('42 s', '7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
