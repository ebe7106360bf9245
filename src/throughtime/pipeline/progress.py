"""How far a pipeline is, and how long the rest will take: read from the results folder, at each
look only what has changed.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from throughtime.core.hashing import digest
from throughtime.core.text import duration
from throughtime.pipeline.failures import ENDING, WITHIN, tail
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.planning.resources import SPEED, START
from throughtime.results.paths import job_folder, recorded, timing
from throughtime.results.provenance import probe_digest, training_digest
from throughtime.results.tables import STATUSES

KEYS = {"networks", "code", "cost", "seconds", *STATUSES}  # of a job's timing


@dataclass(frozen=True)
class Progress:
    """What is done of a plan.

    Attributes:
        networks: planned.
        done: trained, those of jobs in training included.
        solved, unsolved, diverged, untrained: of finished jobs.
        left: jobs that are not finished.
        failed: those of them that failed.
        cost: of what is to be done, in the unit of Job.cost, a number a job; a run does not try a
            failed job again.
        speed: Job.cost a second of one process.
    """

    networks: int
    done: int
    solved: int
    unsolved: int
    diverged: int
    untrained: int
    left: tuple[PlannedJob, ...]
    failed: tuple[PlannedJob, ...]
    cost: tuple[float, ...]
    speed: float


def job_digest(planned: PlannedJob) -> str:
    """The code digest of one training job: what decides its networks' numbers, and its probes."""
    probes = [probe_digest(name) for name in planned.job.probes]
    return digest([training_digest(planned), *probes], 16) if probes else training_digest(planned)


@dataclass
class ProgressReader:
    """Looks at a plan's results again and again; what was seen finished is not looked at any more.

    A job whose code was edited since it was trained counts as not done: it will be trained again.

    Args:
        plan: what is to be done.
        results: the folder of results.
        since: a time in ns as files have it: what a log said before says nothing of a job in
            training now; None: none is in training.
    """

    plan: Plan
    results: Path
    since: int | None = None
    unfinished: dict[PlannedJob, int] = field(
        init=False
    )  # and when its timing was last written, as far as it was read
    _counts: dict[str, int] = field(
        init=False, default_factory=lambda: dict.fromkeys(("networks", *STATUSES), 0)
    )
    _timed: list[float] = field(init=False, default_factory=lambda: [0.0, 0.0])  # cost and seconds

    def __post_init__(self) -> None:
        self.unfinished = dict.fromkeys(self.plan.jobs, 0)

    def read(self) -> Progress:
        """What is done now."""
        for planned in list(self.unfinished):
            self._finished(planned)
        said = {
            name: self.log_mtimes(name)
            for name in {planned.experiment for planned in self.unfinished}
        }
        left, running = tuple(self.unfinished), self.since is not None
        failed = {p: None for p in left if f"{p.key}{ENDING}" in said[p.experiment]}
        within = {
            p: min(self.networks_in_progress(p, said[p.experiment]), len(p.grid))
            for p in left
            if running and p not in failed
        }
        cost, seconds = self._timed
        return Progress(
            networks=self.plan.networks,
            done=self._counts["networks"] + sum(within.values()),
            **{name: self._counts[name] for name in STATUSES},
            left=left,
            failed=tuple(failed),
            cost=tuple(
                p.cost * (1 - within.get(p, 0) / len(p.grid))
                for p in left
                if not (running and p in failed)
            ),
            speed=cost / seconds if cost > 0 and seconds > 0 else SPEED,
        )

    def _finished(self, planned: PlannedJob) -> None:
        """Counts a job, and looks at it no more, if it has finished since the last look."""
        try:
            changed = (job_folder(self.results, planned) / "timing.json").stat().st_mtime_ns
        except OSError:
            return
        if changed == self.unfinished[planned]:
            return
        record = timing(self.results, planned)
        if record is None or not KEYS <= record.keys():  # its sum is not there yet
            return
        self.unfinished[planned] = changed
        if record["code"] != job_digest(planned):
            return
        del self.unfinished[planned]
        for name in self._counts:
            self._counts[name] += record[name]
        self._timed = [
            a + record[name] for a, name in zip(self._timed, ("cost", "seconds"), strict=True)
        ]

    def log_mtimes(self, experiment: str) -> dict[str, int]:
        """The files beside an experiment's logs, and when they changed, in ns."""
        found = {}
        with suppress(OSError):
            for path in (self.results / "logs" / experiment).iterdir():
                with suppress(OSError):  # gone since
                    found[path.name] = path.stat().st_mtime_ns
        return found

    def networks_in_progress(self, planned: PlannedJob, said: dict[str, int]) -> int:
        """Networks that a job in training has finished."""
        name = f"{planned.key}.log"
        if said.get(name, -1) < (self.since or 0):
            return 0
        found = WITHIN.findall(tail(self.results / "logs" / planned.experiment / name))
        return int(found[-1]) if found else 0


def progress(plan: Plan, results: Path) -> Progress:
    """What is done of ``plan``, at one look."""
    return ProgressReader(plan, results).read()


def speed(results: Path) -> float:
    """Job.cost a second of one process, over all jobs under ``results`` that were timed; SPEED
    where none was.
    """
    records = [record for p in results.glob("*/jobs/*/timing.json") if (record := recorded(p))]
    seconds, cost = sum(r["seconds"] for r in records), sum(r["cost"] for r in records)
    return cost / seconds if seconds > 0 and cost > 0 else SPEED


def expected_seconds(costs: Iterable[float], workers: int, rate: float) -> float:
    """Wall seconds of jobs of these costs on ``workers`` processes: never less than the longest of
    them.

    >>> expected_seconds([], workers=2, rate=1e10)
    0.0
    """
    each = [START + cost / rate for cost in costs]
    return max(sum(each) / max(workers, 1), max(each, default=0.0))


def line(state: Progress, workers: int, before: int = 0, seconds: float | None = None) -> str:
    """One line for people: done and total, networks a minute, the time that is left, outcomes,
    failures.

    Args:
        state: what a look found.
        workers: processes that train.
        before: networks that were done when the run began.
        seconds: since it began; None: nothing is at work.
    """
    parts = [f"{state.done:,}/{state.networks:,} networks"]
    if (
        state.cost and seconds is not None and seconds >= 1
    ):  # before, a rate is chance; afterwards, it would only fall
        parts.append(f"{60 * max(state.done - before, 0) / seconds:,.0f} a minute")
    if state.cost:
        eta = duration(expected_seconds(state.cost, workers, state.speed))
        parts.append(f"{eta} left" if seconds is not None else f"not running, {eta} to do")
    elif not state.failed:
        parts.append("all trained")
    outcome = f"{state.solved:,} solved {state.unsolved:,} unsolved {state.diverged:,} diverged"
    parts.append(outcome + (f" {state.untrained:,} untrained" if state.untrained else ""))
    jobs = len(state.failed)
    return " · ".join([*parts, f"{jobs:,} {'job' if jobs == 1 else 'jobs'} failed"])
