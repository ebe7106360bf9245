"""Records of failed jobs."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.planning.packs import Pack
from throughtime.planning.plan import Plan, PlannedJob

WITHIN = re.compile(
    rb"^(\d+) of \d+ networks$", re.MULTILINE
)  # what a job in training says in its log


TAIL = 2000  # bytes of a log that are looked at


ENDING = ".failed.json"  # of the record of a failed job, beside its log


def job_log(results: Path, planned: PlannedJob) -> Path:
    """The log of a job."""
    return results / "logs" / planned.experiment / f"{planned.key}.log"


def pack_log(results: Path, pack: Pack) -> Path:
    """The log of a process that trains several jobs: what is not of one of them alone."""
    return results / "logs" / pack.experiment / f"{pack.name}.log"


def tail(log: Path) -> bytes:
    """The last bytes of a log; nothing where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            return file.read()
    except OSError:
        return b""


def reason(log: Path) -> str:
    """Why a command failed, in one line: its own words, or the last ones in its log.

    >>> reason(Path("nowhere.log"))
    'it ended without a word: see its log'
    """
    lines = [
        text
        for text in tail(log).decode(errors="replace").splitlines()
        if text.strip() and not WITHIN.match(text.encode())
    ]
    own = [text.removeprefix("throughtime: ") for text in lines if text.startswith("throughtime: ")]
    return (own or lines or ["it ended without a word: see its log"])[-1].strip()


def record_failure(log: Path, why: str = "") -> None:
    """Write down that the command of this log failed, and why: LOG.failed.json beside it.

    Args:
        log: of the command.
        why: in one line; empty: what the log says last.
    """
    content: dict[str, Any] = {"reason": why or reason(log), "log": log.name}
    files.write(log.with_name(log.stem + ENDING), (json.dumps(content) + "\n").encode())


def forget_failure(log: Path) -> None:
    """Delete that record: the command is run again."""
    record = log.with_name(log.stem + ENDING)
    for path in (record, files.sum_path(record)):
        path.unlink(missing_ok=True)


def has_failed(log: Path) -> bool:
    """Whether it is written down that the command of this log failed."""
    return log.with_name(log.stem + ENDING).exists()


def why(log: Path) -> str:
    """Why the command of this log failed: as written down, else what the log says last."""
    return _why(log.with_name(log.stem + ENDING)) if has_failed(log) else reason(log)


def failures(plan: Plan, results: Path, failed: Iterable[PlannedJob]) -> list[str]:
    """One line per failed job, and per failed command of another kind: which, and why.

    Args:
        plan: the whole one; what it does not hold any more is passed over.
        results: the folder of results.
        failed: its failed jobs.
    """
    jobs, still = (
        {(p.experiment, p.key) for p in plan.jobs},
        {(p.experiment, p.key) for p in failed},
    )
    lines = []
    for path in sorted((results / "logs").rglob(f"[!.]*{ENDING}")):
        name = path.name.removesuffix(ENDING)
        place = (path.parent.name, name)
        if place in still or (place not in jobs and "-" not in name):
            lines.append(
                f"{'' if path.parent.name == 'logs' else path.parent.name + ' '}{name}: "
                f"{_why(path)}"
            )
    return lines


def _why(path: Path) -> str:
    try:
        return str(json.loads(files.read(path))["reason"])
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return "see its log"
