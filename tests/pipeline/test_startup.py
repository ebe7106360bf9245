"""One pipeline in a folder, tidying after a killed one, and no job that outlives its pipeline: with
real processes and real kills.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.pipeline import startup, watchdog

HOLDER = """
import sys
from pathlib import Path
from throughtime.pipeline import startup, watchdog
startup.start_pipeline(Path(sys.argv[1]), Path(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""
JOB = """
import sys, threading
from throughtime.pipeline import startup, watchdog
watchdog.end_with_pipeline()
print("at work", flush=True)
threading.Event().wait()
"""
PIPELINE = f"""
import os, subprocess, sys, threading
from throughtime.pipeline import startup, watchdog
os.environ[watchdog.PIPELINE] = str(os.getpid())
subprocess.Popen([sys.executable, "-c", {JOB!r}], start_new_session=True)
threading.Event().wait()
"""


@contextmanager
def holding(root: Path, results: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has taken ``results``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root), str(results)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(autouse=True)
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test takes is free again after it."""
    monkeypatch.setattr(startup, "_locks", [])
    monkeypatch.setenv(watchdog.PIPELINE, "")
    yield
    for lock in startup._locks:
        lock.release()


def stale(root: Path) -> Path:
    """A lock file as Snakemake leaves it when it is killed."""
    path = root / ".snakemake" / "locks" / "0.output.lock"
    path.parent.mkdir(parents=True)
    path.write_text("results/report.html\n")
    return path


@pytest.mark.slow
def test_a_second_pipeline_is_turned_away_and_told_which_is_at_work(tmp_path: Path) -> None:
    lock = stale(tmp_path)
    with (
        holding(tmp_path, tmp_path / "results") as process,
        pytest.raises(
            UserError,
            match=rf"results: a pipeline is at work in this folder \(process {process.pid}\)",
        ),
    ):
        startup.start_pipeline(tmp_path, tmp_path / "results")
    assert not lock.exists()  # the first one had tidied


def test_a_killed_pipeline_leaves_no_lock(tmp_path: Path) -> None:
    with holding(tmp_path, tmp_path / "results") as process:
        lock = stale(tmp_path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert startup.start_pipeline(tmp_path, tmp_path / "results") == []
    assert not lock.exists()


def test_snakemakes_locks_stay_while_any_pipeline_of_the_project_is_alive(tmp_path: Path) -> None:
    with holding(tmp_path, tmp_path / "results" / "smoke"):
        lock = stale(tmp_path)
        startup.start_pipeline(tmp_path, tmp_path / "results")
        assert lock.exists()


def test_what_is_damaged_is_moved_aside_and_named(tmp_path: Path) -> None:
    results = tmp_path / "results"
    for name in ("good", "bad"):
        files.write(results / "figures" / name, b"content")
    (results / "figures" / "bad").write_bytes(b"conten")
    assert startup.start_pipeline(tmp_path, results) == [
        f"{results / 'figures' / 'bad'}: damaged; it lies in bad.damaged now, and is made again"
    ]
    assert sorted(p.name for p in (results / "figures").iterdir()) == [
        ".good.sha256",
        "bad.damaged",
        "good",
    ]


def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file, no folder")
    with pytest.raises(UserError, match=r"results/.writable: cannot be written: .*run again"):
        startup.start_pipeline(tmp_path, tmp_path / "results")


@pytest.mark.slow
def test_a_job_ends_with_its_killed_pipeline() -> None:
    pipeline = subprocess.Popen(
        [sys.executable, "-c", PIPELINE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert pipeline.stdout
    assert pipeline.stdout.readline() == "at work\n"  # of the job, which has the same output
    pipeline.kill()
    _, said = pipeline.communicate(
        timeout=60
    )  # ends when the last process that could write has ended
    assert said == "throughtime: the pipeline that started this job has ended; so does the job\n"


def test_a_process_that_took_the_number_of_an_ended_pipeline_is_not_mistaken_for_it() -> None:
    """A job whose pipeline ended at once: by then a younger process has its number."""
    program = """
import os, subprocess, sys
from throughtime.pipeline import watchdog
younger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
try:
    watchdog.watch_parent(younger.pid)
finally:
    younger.kill()
"""
    # started a clock tick of the kernel later at the earliest, as an interpreter takes longer
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 3


def test_a_command_typed_by_hand_is_not_watched() -> None:
    watchdog.end_with_pipeline()  # the environment variable is empty here
    import threading

    assert "watchdog" not in {t.name for t in threading.enumerate()}


def test_whether_a_pipeline_is_at_work(tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert not startup.is_at_work(tmp_path, results)
    with holding(tmp_path, results) as process:
        assert startup.is_at_work(tmp_path, results)
        assert not startup.is_at_work(tmp_path, results / "smoke")
        process.kill()
        process.wait()
        assert not startup.is_at_work(tmp_path, results)
