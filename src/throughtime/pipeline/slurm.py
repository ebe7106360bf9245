"""What a killed pipeline left in a Slurm queue. Its jobs run on without it; those that wait would
begin in the midst of the next one.
"""

import os
import shutil
import subprocess
from pathlib import Path

LOGS = (
    Path(".snakemake") / "slurm_logs"
)  # of Snakemake's plugin: it is there where the project has ever been on a cluster
COMMENT = "rule_"  # how the comments of the plugin's jobs begin
PATIENCE = 30.0  # seconds to wait for a busy or absent controller


def cancel(root: Path) -> list[str]:
    """Cancel this user's Slurm jobs that a pipeline of this project submitted. None may be at work
    there.

    Args:
        root: the project's folder, in which such jobs work.

    Returns:
        What was done, a line; nothing where there was none to cancel, or no cluster to ask.
    """
    if not (root / LOGS).is_dir() or not shutil.which("squeue"):
        return []
    queued = _call("squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%Z|%k")
    fields = [line.split("|", 2) for line in queued.splitlines() if line.count("|") >= 2]
    orphans = [
        job
        for job, folder, comment in fields
        if Path(folder) == root.resolve() and comment.startswith(COMMENT)
    ]
    if not orphans:
        return []
    _call("scancel", *orphans)
    return [
        f"{len(orphans)} jobs of a pipeline that was killed were still in Slurm's queue: cancelled"
    ]


def _call(*command: str) -> str:
    """What a command said; nothing where it failed or hangs: two writers do each other no harm, so
    this is no reason to stop.
    """
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
