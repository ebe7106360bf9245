"""A pipeline's live line: a thread of Snakemake's own process that looks at the results, and a note
of the run for `throughtime status`.

On a terminal the line is written in place, below whatever else is said; elsewhere it is a plain
line now and then.
"""

import json
import logging
import os
import platform
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.pipeline.failures import (
    forget_failure,
    has_failed,
    job_log,
    pack_log,
    reason,
    record_failure,
)
from throughtime.pipeline.progress import ProgressReader, is_finished, line, progress
from throughtime.pipeline.watchdog import PIPELINE
from throughtime.planning.packs import Pack
from throughtime.planning.plan import Plan

LIVE, PLAIN = 1.0, 30.0  # seconds between two lines, on a terminal and elsewhere
SHARE = 0.05  # of the time is spent looking, at most: a shared file system may be slow
QUIET = 0.1  # seconds in which what somebody else says is written out
CLEAR = "\r\033[K"  # a terminal forgets the line that the cursor stands in


@dataclass(frozen=True)
class Run:
    """What is written down about a run of a pipeline.

    Attributes:
        machine: where it is.
        began: seconds on the machine's clock that nobody can set (time.monotonic).
        before: networks that were done then.
        experiments: in which something is trained.
        workers: processes that train.
    """

    machine: str
    began: float
    before: int
    experiments: tuple[str, ...]
    workers: int


def note(results: Path) -> Path:
    """Where a run is written down."""
    return results / "logs" / "run.json"


def read(results: Path) -> Run | None:
    """The run of a results folder that was written down last; None where it was tidied away, or
    none was.
    """
    try:
        content = json.loads(files.read(note(results)))
        return Run(**{**content, "experiments": tuple(content["experiments"])})
    except (OSError, ValueError, TypeError, KeyError, UserError):
        return None


def status_line(plan: Plan, results: Path, workers: int, at_work: bool) -> str:
    """What `throughtime status` says first: the very line of the pipeline that is at work; else how
    far the whole plan is.

    Args:
        plan: the whole one.
        results: the folder of results.
        workers: processes that would train.
        at_work: whether a pipeline of this machine is at work in the folder.
    """
    run = read(results)
    if run and at_work and run.machine == platform.node():
        state = ProgressReader(
            plan.select(*run.experiments), results, note(results).stat().st_mtime_ns
        ).read()
        return line(state, run.workers, run.before, time.monotonic() - run.began)
    text = line(progress(plan, results), workers)
    if run and run.machine != platform.node():
        text += f" (a pipeline was begun on {run.machine}; "
        text += "only there can be seen whether it is at work)"
    return text


class Monitor:
    """The line of one pipeline.

    Args:
        plan: of the whole project.
        results: the folder of results.
        stream: where the line goes.
        packs: what trains, by the name of its rule.
    """

    def __init__(
        self, plan: Plan, results: Path, stream: TextIO, packs: Mapping[str, Pack]
    ) -> None:
        self.plan, self.results, self.stream, self.packs = plan, results, stream, packs
        self.live = stream.isatty()
        self._thread: threading.Thread | None = None
        self._end, self._shown, self._lock = threading.Event(), False, threading.Lock()
        self._looking = threading.Lock()
        self._quiet = -QUIET  # until when nothing is written

    def start(self, jobs: Iterable[Any], workers: int, logger: logging.Logger) -> None:
        """Begin, unless nothing will be trained.

        Args:
            jobs: Snakemake's, that will be run.
            workers: processes that train.
            logger: Snakemake's: failed jobs are heard of there, and the line makes way for what it
                says.
        """
        if os.environ.get(PIPELINE) != str(os.getpid()):  # nothing is run, or by another process
            return
        self._remove_note()  # of a pipeline that was killed
        wanted = list(jobs)
        training = [self.packs[job.rule.name] for job in wanted if job.rule.name in self.packs]
        for log in (Path(log) for job in wanted for log in job.log):
            forget_failure(log)
        for log in (job_log(self.results, j) for pack in training for j in pack.jobs):
            forget_failure(log)
        logger.addFilter(self.on_job_error)
        if chosen := {pack.experiment for pack in training}:
            names = tuple(
                name
                for name in dict.fromkeys(p.experiment for p in self.plan.jobs)
                if name in chosen
            )
            self._begin(names, workers, logger)

    def _begin(self, experiments: tuple[str, ...], workers: int, logger: logging.Logger) -> None:
        part = self.plan.select(*experiments)
        before = progress(part, self.results).done
        self.run = Run(
            platform.node(),
            time.monotonic(),
            before,
            experiments,
            workers,
        )
        files.write(note(self.results), (json.dumps(asdict(self.run)) + "\n").encode())
        self._watch = ProgressReader(part, self.results, note(self.results).stat().st_mtime_ns)
        for handler in logger.handlers:
            if (
                self.live
                and isinstance(handler, logging.StreamHandler)
                and not isinstance(handler, logging.FileHandler)
            ):
                handler.addFilter(
                    self.clear_line_for
                )  # after its own filter: for what is shown alone
        self._thread = threading.Thread(target=self._work, daemon=True, name="monitor")
        self._thread.start()

    def stop(self) -> None:
        """Say the last line, and tidy the note of the run away."""
        if self._thread is None:
            return
        self._end.set()
        self._thread.join()
        self._thread = None
        self._clear()
        with suppress(OSError, ValueError):  # the terminal is gone
            self.stream.write(self._line() + "\n")
            self.stream.flush()
        self._remove_note()

    def _remove_note(self) -> None:
        for path in (note(self.results), files.sum_path(note(self.results))):
            path.unlink(missing_ok=True)

    def _work(self) -> None:
        pause = interval = LIVE if self.live else PLAIN
        last = ""
        while not self._end.wait(pause):
            began = time.monotonic()
            width = shutil.get_terminal_size().columns - 1 if self.live else None
            text = self._line(width)
            pause = max(interval, (time.monotonic() - began) / SHARE)
            if text == last and not self.live:
                continue
            last = text
            with (
                self._lock,
                suppress(OSError, ValueError),
            ):  # the terminal is gone: the work goes on
                if self.live and time.monotonic() < self._quiet:
                    continue
                self.stream.write(f"{CLEAR}{text[:width]}\r" if self.live else f"{text}\n")
                self.stream.flush()
                self._shown = self.live

    def _line(self, width: int | None = None) -> str:
        with self._looking:
            state = self._watch.read()
        seconds = time.monotonic() - self.run.began
        return line(state, self.run.workers, self.run.before, seconds, width)

    def _clear(self) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._quiet = time.monotonic() + QUIET
            if self._shown:
                self.stream.write(CLEAR)
                self.stream.flush()
                self._shown = False

    def clear_line_for(self, record: logging.LogRecord) -> bool:
        """A filter of Snakemake's logger: the live line makes way for what is said."""
        self._clear()
        return True

    def on_job_error(self, record: logging.LogRecord) -> bool:
        """Write down which job failed: Snakemake knows it of every job, also of one that was killed
        or is on another machine.

        Of a pack those jobs failed that did not finish; why, each has written down itself, unless
        their process was ended.
        """
        if getattr(getattr(record, "event", None), "name", "") == "JOB_ERROR":
            for log in map(Path, getattr(record, "log", [])[:1]):
                pack = next(
                    (p for p in self.packs.values() if pack_log(self.results, p) == log), None
                )
                with suppress(UserError):  # a full disk: the pipeline says so itself
                    if pack is None:
                        record_failure(log)
                        continue
                    for planned in pack.jobs:
                        own = job_log(self.results, planned)
                        if not has_failed(own) and not is_finished(self.results, planned):
                            record_failure(own, reason(log))
        return True
