"""A job ends when the pipeline that started it has ended."""

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


# environment variable: the process whose end ends its children, and when that began
PIPELINE = "THROUGHTIME_PIPELINE"


PATROL = 0.5  # seconds between two looks at whether the pipeline is alive


def start_time(process: int) -> str:
    """When a process began, so that a later one of the same number is not taken for it; empty where
    it has ended.

    On Linux in ticks since the machine started, which no change of the clock moves.
    """
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return "" if state == "Z" else fields[18]
    except OSError:
        return "" if Path("/proc/self/stat").exists() else start_time_elsewhere(process)


def start_time_elsewhere(process: int) -> str:
    """``start_time`` on systems without /proc."""
    import psutil

    try:
        return f"{psutil.Process(process).create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""


def end_with_pipeline() -> None:
    """A job ends when the pipeline that started it has ended: a kill leaves nothing at work behind.

    Without the environment variable PIPELINE, as for a command typed by hand or a job on another
    machine, nothing is watched.
    """
    process, _, born = os.environ.get(PIPELINE, "").partition(" ")
    if process.isdigit():
        threading.Thread(
            target=watch_parent, args=(int(process), born), daemon=True, name="patrol"
        ).start()


def is_running(process: str) -> bool:
    """Whether a process of this machine, written as in PIPELINE, has not ended."""
    number, _, born = process.partition(" ")
    return number.isdigit() and born != "" and start_time(int(number)) == born


def watch_parent(process: int, born: str) -> None:
    """End this process once the one of that number and start has ended."""
    while start_time(process) == born:
        threading.Event().wait(PATROL)
    print(
        "throughtime: the pipeline that started this job has ended; so does the job",
        file=sys.stderr,
        flush=True,
    )
    os._exit(3)
