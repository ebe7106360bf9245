"""A job ends when the pipeline that started it has ended."""

import os
import sys
import threading
from contextlib import suppress

PIPELINE = "THROUGHTIME_PIPELINE"  # environment variable: the process whose end ends its jobs
PATROL = 0.5  # seconds between two looks at whether the pipeline is alive


def end_with_pipeline() -> None:
    """A job ends when the pipeline that started it has ended: a kill leaves nothing at work behind.

    Without the environment variable PIPELINE, as for a command typed by hand or a job on another
    machine, nothing is watched.
    """
    process = os.environ.get(PIPELINE, "")
    if process.isdigit():
        threading.Thread(
            target=watch_parent, args=(int(process),), daemon=True, name="watchdog"
        ).start()


def watch_parent(process: int) -> None:
    """End this process once the one of that number has ended.

    psutil takes no later process of the same number for it, whatever the clock says; one that is
    younger than this process is none that started it. ``psutil.Process.wait`` does not serve here:
    it waits until a killed process is collected by its parent, which may be waiting for this one.
    """
    import psutil

    with suppress(psutil.NoSuchProcess):
        pipeline = psutil.Process(process)
        if pipeline.create_time() <= psutil.Process().create_time():
            while pipeline.is_running() and pipeline.status() != psutil.STATUS_ZOMBIE:
                threading.Event().wait(PATROL)
    print(
        "throughtime: the pipeline that started this job has ended; so does the job",
        file=sys.stderr,
        flush=True,
    )
    os._exit(3)
