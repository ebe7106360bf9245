"""What stands before and beside a pipeline: one at a time in a results folder, tidying after one
that was killed, no orphans.

Orphans on this machine end by themselves (watchdog.py); those in a cluster's queue are cancelled by
the next pipeline (slurm.py).

The lock is the operating system's: it goes with its process, however that ends, so it is never
stale. Snakemake's own locks are files that a kill leaves behind; they are removed where no pipeline
of this project is alive.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.pipeline import slurm
from throughtime.pipeline.watchdog import PIPELINE
from throughtime.training.devices import check_device

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from throughtime.pipeline.workflow import Pipeline

# Options of Snakemake that say or tidy something and run no job.
WITHOUT_JOBS = (
    "dryrun", "touch", "lint", "list_target_rules", "list_rules", "print_compilation",
    "containerize", "generate_unit_tests", "dag", "rulegraph", "filegraph", "d3dag", "unlock",
    "cleanup_metadata", "cleanup_shadow", "summary", "detailed_summary", "archive",
    "delete_all_output", "delete_temp_output", "list_changes", "list_input_changes",
    "list_params_changes", "list_untracked", "report",
)  # fmt: skip

_locks: "list[BaseFileLock]" = []  # for as long as the process lives


def executing(arguments: Sequence[str]) -> bool:
    """Whether ``snakemake ARGUMENTS`` runs jobs, and does not only say something.

    >>> (
    ...     executing(["--cores", "2"]),
    ...     executing(["-n"]),
    ...     executing(["--config", "preset=smoke", "--unlock"]),
    ... )
    (True, False, False)
    """
    from snakemake.cli import get_argument_parser

    try:
        chosen, _ = get_argument_parser().parse_known_args(list(arguments))
    except SystemExit:
        return False
    return not any(getattr(chosen, name, None) for name in WITHOUT_JOBS)


def prepare(pipeline: "Pipeline", main: bool, arguments: Sequence[str], local: bool = True) -> None:
    """What the Snakefile does first: ``start_pipeline``, unless nothing will run, or this is one
    job of a pipeline elsewhere (on a cluster).

    Args:
        pipeline: what will run.
        main: whether this is Snakemake's main process, and not that of one job.
        arguments: of the command line.
        local: whether networks are trained on this machine, which must then have the device.

    Raises:
        UserError: the device is not there, or ``start_pipeline`` refuses.
    """
    if not main:
        os.environ.pop(PIPELINE, None)  # its process is on another machine
    elif executing(arguments):
        if local:
            check_device(pipeline.project.config.device)
        for line in start_pipeline(pipeline.project.root, Path(pipeline.results)):
            print(line, flush=True)


def start_pipeline(root: Path, results: Path) -> list[str]:
    """Take the results folder for this process, and put in order what an earlier one left.

    Files that are not what was written are moved aside, so that Snakemake makes them again.

    Args:
        root: the project's folder.
        results: the folder of results.

    Returns:
        What was done, one line per thing.

    Raises:
        UserError: another pipeline is at work there, or the folder cannot be written.
    """
    _writable(results)
    cancelled = slurm.cancel(root) if acquire_lock(root, results) else []
    os.environ[PIPELINE] = str(os.getpid())
    files.remove_leftovers(results)
    damaged = [
        f"{path}: damaged; it lies in {files.set_aside(path).name} now, and is made again"
        for path in files.damaged(results)
    ]
    return cancelled + damaged


def _writable(results: Path) -> None:
    probe = results / ".writable"
    files.write(probe, b"")
    for path in (probe, files.sum_path(probe)):
        path.unlink(missing_ok=True)


def acquire_lock(root: Path, results: Path) -> bool:
    """The lock of ``results``; where no pipeline of this project is alive, Snakemake's locks are a
    dead one's and go.

    Returns:
        Whether no other pipeline of this project is alive.

    Raises:
        UserError: another process holds it.
    """
    own = _lock_file(root, results)
    owner = own.with_suffix(".pid")
    lock = files.lock(own, timeout=1)  # `throughtime status` tries it too, for a moment
    if lock is None:
        pid = owner.read_text().strip() if owner.exists() else "unknown"
        raise UserError(
            f"{results}: a pipeline is at work in this folder (process {pid}); wait for it, or "
            "stop it"
        )
    owner.write_text(f"{os.getpid()}\n")
    _locks.append(lock)
    alone = all(_free(other) for other in own.parent.glob("*.lock") if other != own)
    if alone:
        shutil.rmtree(root / ".snakemake" / "locks", ignore_errors=True)
    return alone


def is_at_work(root: Path, results: Path) -> bool:
    """Whether a pipeline of this machine is at work in ``results``, that is, holds its lock."""
    lock = _lock_file(root, results)
    return lock.exists() and not _free(lock)


def _lock_file(root: Path, results: Path) -> Path:
    name = os.path.relpath(results, root).replace(os.sep, "+")
    return root / ".snakemake" / "throughtime" / f"{name}.lock"


def _free(path: Path) -> bool:
    if lock := files.lock(path, timeout=0):
        lock.release()
    return lock is not None
