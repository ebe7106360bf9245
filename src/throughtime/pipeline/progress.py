"""How far a pipeline is, and how long the rest will take: read from the results folder, at each
look only what has changed.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from throughtime.core.hashing import digest
from throughtime.core.text import duration
from throughtime.pipeline.failures import ENDING, WITHIN, tail
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.planning.resources import SHORTEST, SPEED, START, job_seconds, learn_speed
from throughtime.results.paths import job_folder, recorded, timing
from throughtime.results.provenance import probe_digest, training_digest
from throughtime.results.tables import JOB_TABLES, STATUSES
from throughtime.results.trained import count_trained

# Seconds after training, measured on the laptop preset: to record one network in MLflow, and to
# collect, hold against references and draw one experiment.
RECORDING, FINISHING = 0.027, 5.0
STARTING = 20.0  # seconds of training per start of a process: about a pack (planning/packs.py)
KEYS = {"networks", "code", "cost", "seconds", *STATUSES}  # of a job's timing


@dataclass(frozen=True)
class Progress:
    """What is done of a plan.

    Attributes:
        networks: planned.
        done: those that need no training any more: of finished jobs, of jobs in training, and
            those that a job will take from an earlier plan's results.
        solved, unsolved, diverged, untrained: of finished jobs.
        left: jobs that are not finished.
        failed: those of them that failed.
        cost: of the networks that are left to train, in the unit of Job.cost, one number per job;
            a run does not try a failed job again.
        speed: Job.cost per second of one process.
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


def is_finished(results: Path, planned: PlannedJob) -> bool:
    """Whether a job needs nothing more: its tables are there, and its own record says that they
    were made by the code of now.
    """
    record = timing(results, planned)
    return (
        record is not None
        and KEYS <= record.keys()
        and record["code"] == job_digest(planned)
        and not missing_tables(results, planned)
    )


def missing_tables(results: Path, planned: PlannedJob) -> list[Path]:
    """Those tables of a job that are not there."""
    paths = [job_folder(results, planned) / f"{name}.parquet" for name in JOB_TABLES]
    return [path for path in paths if not path.exists()]


def why_left(results: Path, planned: PlannedJob) -> str:
    """Why a job that is not finished would run, as Snakemake says it."""
    record = job_folder(results, planned) / "timing.json"
    missing = missing_tables(results, planned) + [record] * (not record.exists())
    if not missing:
        return "Code has changed since last execution"
    return f"Missing output files: {', '.join(map(str, missing))}"


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
    _timed: list[tuple[float, float]] = field(init=False, default_factory=list)  # cost, seconds
    _earlier: dict[PlannedJob, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.unfinished = dict.fromkeys(self.plan.jobs, 0)

    def read(self) -> Progress:
        """What is done now."""
        for planned in list(self.unfinished):
            self._finished(planned)
        mtimes = {
            name: self.log_mtimes(name)
            for name in {planned.experiment for planned in self.unfinished}
        }
        left, running = tuple(self.unfinished), self.since is not None
        failed = {p: None for p in left if f"{p.key}{ENDING}" in mtimes[p.experiment]}
        trained = {p: self._trained_before(p) for p in left}
        for p in left:
            if running and p not in failed:
                finished = self.networks_in_progress(p, mtimes[p.experiment])
                trained[p] = min(max(trained[p], finished), len(p.grid))
        return Progress(
            networks=self.plan.networks,
            done=self._counts["networks"] + sum(trained.values()),
            **{name: self._counts[name] for name in STATUSES},
            left=left,
            failed=tuple(failed),
            cost=tuple(
                p.cost * (1 - trained[p] / len(p.grid))
                for p in left
                if not (running and p in failed)
            ),
            speed=learn_speed(self._timed) if self._timed else self._usual_speed,
        )

    @cached_property
    def _usual_speed(self) -> float:
        return speed(self.results)

    def _trained_before(self, planned: PlannedJob) -> int:
        """Networks of a job that is not finished which it need not train; counted once."""
        if planned not in self._earlier:
            self._earlier[planned] = count_trained(self.results, planned)
        return self._earlier[planned]

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
        if record["cost"] >= SHORTEST * SPEED:
            self._timed.append((record["cost"], record["seconds"]))

    def log_mtimes(self, experiment: str) -> dict[str, int]:
        """The files beside an experiment's logs, and when they changed, in ns."""
        mtimes = {}
        with suppress(OSError):
            for path in (self.results / "logs" / experiment).iterdir():
                with suppress(OSError):  # gone since
                    mtimes[path.name] = path.stat().st_mtime_ns
        return mtimes

    def networks_in_progress(self, planned: PlannedJob, mtimes: dict[str, int]) -> int:
        """Networks that a job in training has finished."""
        name = f"{planned.key}.log"
        if mtimes.get(name, -1) < (self.since or 0):
            return 0
        counts = WITHIN.findall(tail(self.results / "logs" / planned.experiment / name))
        return int(counts[-1]) if counts else 0


def progress(plan: Plan, results: Path) -> Progress:
    """What is done of ``plan``, at one look."""
    return ProgressReader(plan, results).read()


def speed(results: Path) -> float:
    """Job.cost per second of one process, over all jobs under ``results``."""
    records = [record for p in results.glob("*/jobs/*/timing.json") if (record := recorded(p))]
    return learn_speed((r["cost"], r["seconds"]) for r in records if KEYS <= r.keys())


def remaining_seconds(state: Progress, workers: int) -> float:
    """Wall seconds until all is trained, drawn and recorded, by ``workers`` processes: never less
    than the longest job with the start of its process, or than the one that records in MLflow.
    """
    each = [job_seconds(cost, state.speed) for cost in state.cost]
    starts = START * min(math.ceil(sum(each) / STARTING), len(each))
    recording = RECORDING * (state.networks - state.done)
    finishing = FINISHING * len({planned.experiment for planned in state.left})
    shared = (sum(each) + starts + recording + finishing) / max(workers, 1)
    return max(shared, recording, START + max(each) if each else 0.0)


def line(
    state: Progress,
    workers: int,
    before: int = 0,
    seconds: float | None = None,
    width: int | None = None,
) -> str:
    """One line for people: done and total, networks per minute, the time that is left, outcomes,
    failures.

    Args:
        state: what a look found.
        workers: processes that train.
        before: networks that were done when the run began.
        seconds: since it began; None: nothing is at work.
        width: characters that there is room for; None: any number. Where the whole line does not
            fit, parts are left out; the number of failed jobs is the last to go.
    """
    counted = f"{state.done:,}/{state.networks:,} networks"
    # In the first second a rate is chance; after the last network it would only fall.
    rated = state.cost and seconds is not None and seconds >= 1
    rate = (
        f"{60 * max(state.done - before, 0) / seconds:,.0f} per minute" if rated and seconds else ""
    )
    rest = "" if state.failed else "all trained"
    if state.cost:
        left = duration(remaining_seconds(state, workers))
        rest = f"{left} left" if seconds is not None else f"not running, {left} to do"
    untrained = f" {state.untrained:,} untrained" if state.untrained else ""
    ends = f"{state.solved:,} solved {state.diverged:,} diverged"
    all_ends = (
        f"{state.solved:,} solved {state.unsolved:,} unsolved {state.diverged:,} diverged"
        f"{untrained}"
    )
    failed = f"{len(state.failed):,} {'job' if len(state.failed) == 1 else 'jobs'} failed"
    shorter_and_shorter = (
        (counted, rate, rest, all_ends, failed),
        (counted, rest, all_ends, failed),
        (counted, rest, ends, failed),
        (counted, rest, failed),
        (counted, failed),
        (failed,),
    )
    texts = [" · ".join(part for part in parts if part) for parts in shorter_and_shorter]
    return next((text for text in texts if width is None or len(text) <= width), texts[-1])
