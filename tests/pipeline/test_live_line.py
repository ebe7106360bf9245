"""The line of a pipeline at work, on a terminal and elsewhere, and what another terminal reads of
it.
"""

import json
import logging
import os
import platform
import threading
from enum import Enum
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest

from tests.pipeline.test_progress import finish, log
from tests.support import synthetic
from throughtime.core import files
from throughtime.pipeline import failures, live_line, progress, watchdog
from throughtime.pipeline.live_line import CLEAR, Monitor
from throughtime.planning.packs import Pack
from throughtime.planning.plan import Plan
from throughtime.results import paths, provenance
from throughtime.results.tables import JOB_TABLES


class Event(Enum):
    """As Snakemake's."""

    JOB_ERROR = "job_error"


class Stream(StringIO):
    """A terminal, or not; it tells when lines were written."""

    def __init__(self, live: bool = False) -> None:
        super().__init__()
        self.live, self.lines = live, threading.Semaphore(0)

    def isatty(self) -> bool:
        return self.live

    def write(self, text: str) -> int:
        written = super().write(text)
        self.lines.release()
        return written

    def wait(self) -> None:
        """Until something more is written."""
        assert self.lines.acquire(timeout=60)


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Four jobs of 12 networks, of a pipeline that is this process."""
    monkeypatch.setattr(provenance, "training_modules", lambda planned: ("throughtime.core.rng",))
    monkeypatch.setattr(live_line, "LIVE", 0.01)
    monkeypatch.setattr(live_line, "PLAIN", 0.01)
    monkeypatch.setenv(watchdog.PIPELINE, str(os.getpid()))
    return synthetic.toy_plan()


def packs_of(plan: Plan) -> dict[str, Pack]:
    """One pack of all jobs."""
    pack = Pack("clipping", 1, plan.jobs)
    return {pack.name: pack}


def asked(name: str, log: Any) -> Any:
    """A job as Snakemake hands it over."""
    return SimpleNamespace(rule=SimpleNamespace(name=name), log=[str(log)])


def started(plan: Plan, results: Any, stream: Stream, logger: logging.Logger) -> Monitor:
    """At work on all jobs."""
    packs = packs_of(plan)
    made = Monitor(plan, results, stream, packs)
    made.start([asked(n, failures.pack_log(results, p)) for n, p in packs.items()], 2, logger)
    return made


@pytest.fixture
def logger() -> logging.Logger:
    """As Snakemake's, that nothing else holds."""
    return logging.Logger("snakemake")


def test_elsewhere_it_is_a_plain_line_where_something_has_changed_and_one_at_the_end(
    plan, tmp_path, logger, monkeypatch
):
    monkeypatch.setattr(progress, "duration", lambda seconds: "a while")
    monkeypatch.setattr(live_line.time, "monotonic", lambda: 1000.0)
    finish(plan.jobs[0], tmp_path)
    stream = Stream()
    made = started(plan, tmp_path, stream, logger)
    stream.wait()
    finish(plan.jobs[1], tmp_path)
    stream.wait()
    made.stop()
    counts = "{} solved {} unsolved {} diverged · 0 jobs failed"
    one, two = counts.format(5, 6, 1), counts.format(10, 12, 2)
    said = stream.getvalue().splitlines()
    assert said[:3] == [
        f"12/48 networks · a while left · {one}",
        f"24/48 networks · a while left · {two}",
        said[1],
    ]
    assert len(said) == 3
    assert not list((tmp_path / "logs").iterdir())  # the note of the run is tidied away


def test_on_a_terminal_it_is_rewritten_in_place_fits_and_makes_way(
    plan, tmp_path, logger, monkeypatch
):
    monkeypatch.setattr(live_line.shutil, "get_terminal_size", lambda: os.terminal_size((30, 20)))
    stream = Stream(live=True)
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    made = started(plan, tmp_path, stream, logger)
    stream.wait()
    with made._lock:  # between two lines
        shown = stream.getvalue()
        assert made._shown
    assert shown.startswith(CLEAR + "0/48 networks · ")
    assert all(len(part) <= 29 + len("\r") for part in shown.split(CLEAR))
    assert "\n" not in shown
    logger.info("Snakemake says something")
    made.stop()
    text = stream.getvalue()
    assert f"{CLEAR}Snakemake says something\n" in text
    assert text.endswith(f"{made._line()}\n")


def test_another_terminal_says_the_same(plan, tmp_path, logger, monkeypatch):
    monkeypatch.setattr(live_line.time, "monotonic", lambda: 1000.0)
    finish(plan.jobs[0], tmp_path)
    made = started(plan, tmp_path, Stream(), logger)
    finish(plan.jobs[1], tmp_path)
    monkeypatch.setattr(live_line.time, "monotonic", lambda: 1060.0)
    log(plan.jobs[2], tmp_path, "3 of 12 networks\n")
    assert live_line.status_line(plan, tmp_path, 8, at_work=True) == made._line()
    assert made._line().startswith("27/48 networks · 15 per minute · ")
    made.stop()
    assert live_line.status_line(plan, tmp_path, 2, at_work=False).startswith(
        "24/48 networks · not running, "
    )


def test_the_note_of_a_killed_pipeline_is_none(plan, tmp_path, logger):
    run = live_line.Run(platform.node(), 0.0, 0, ("clipping",), 2)
    files.write(live_line.note(tmp_path), json.dumps(vars(run)).encode())
    line = live_line.status_line(plan, tmp_path, 2, at_work=False)
    assert line.startswith("0/48 networks · not running, ")
    after = Monitor(plan, tmp_path, Stream(), packs_of(plan))
    after.start([], 2, logger)  # the next one, which trains nothing
    assert live_line.read(tmp_path) is None


def test_a_pipeline_of_another_machine_is_named(plan, tmp_path):
    run = live_line.Run("a-far-node", 0.0, 0, ("clipping",), 2)
    files.write(live_line.note(tmp_path), json.dumps(vars(run)).encode())
    assert "was begun on a-far-node" in live_line.status_line(plan, tmp_path, 2, at_work=False)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"experiments": 3}', b'{"experiments": [], "other": 1}', b"\xff"]
)
def test_a_damaged_note_is_none(content, tmp_path):
    files.write(live_line.note(tmp_path), content)
    assert live_line.read(tmp_path) is None
    live_line.note(tmp_path).write_bytes(b"edited")
    assert live_line.read(tmp_path) is None


def test_a_pack_that_was_ended_leaves_its_unfinished_jobs_failed_until_a_new_run(
    plan, tmp_path, logger
):
    made = started(plan, tmp_path, Stream(), logger)
    finished, own, *ended = plan.jobs
    finish(finished, tmp_path)
    for name in JOB_TABLES:
        (paths.job_folder(tmp_path, finished) / f"{name}.parquet").touch()
    failures.record_failure(failures.job_log(tmp_path, own), "out of memory")
    (pack,) = packs_of(plan).values()
    path = failures.pack_log(tmp_path, pack)
    path.write_text("throughtime: ended by signal 9\n")
    logger.error("Error in rule", extra={"event": Event.JOB_ERROR, "log": [str(path)]})
    assert made._line().endswith("3 jobs failed")
    assert sorted(failures.failures(plan, tmp_path, plan.jobs[1:])) == sorted(
        [f"clipping {own.key}: out of memory"]
        + [f"clipping {planned.key}: ended by signal 9" for planned in ended]
    )
    made.stop()
    again = started(plan, tmp_path, Stream(), logging.Logger("snakemake"))
    assert again._line().endswith("0 jobs failed")
    again.stop()


def test_another_command_that_failed_is_written_down(plan, tmp_path, logger):
    made = started(plan, tmp_path, Stream(), logger)
    path = tmp_path / "logs" / "claims.log"
    path.write_text("throughtime: a table is damaged\n")
    logger.error("Error in rule", extra={"event": Event.JOB_ERROR, "log": [str(path)]})
    made.stop()
    assert failures.failures(plan, tmp_path, ()) == ["claims: a table is damaged"]


def test_where_nothing_is_run_or_trained_there_is_no_line(plan, tmp_path, logger, monkeypatch):
    drawing = asked("figure", tmp_path / "logs" / "figure.log")
    silent = Stream()
    made = Monitor(plan, tmp_path, silent, packs_of(plan))
    made.start([drawing], 2, logger)
    made.stop()
    monkeypatch.delenv(watchdog.PIPELINE)  # a dry run, or a job of a pipeline on another machine
    started(plan, tmp_path, silent, logger).stop()
    assert silent.getvalue() == ""
    assert not (tmp_path / "logs").exists()
