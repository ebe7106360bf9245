"""Where results lie."""

import json
from pathlib import Path
from typing import Any

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.planning.plan import PlannedJob


def job_folder(results: Path, planned: PlannedJob) -> Path:
    """The folder of a job's tables."""
    return results / planned.experiment / "jobs" / planned.key


def timing(results: Path, planned: PlannedJob) -> dict[str, Any] | None:
    """What a finished job recorded beside its tables (seconds, networks by status, cost, code);
    None where it has not finished.
    """
    return recorded(job_folder(results, planned) / "timing.json")


def recorded(path: Path) -> dict[str, Any] | None:
    """The content of a job's timing.json; None where it is missing or damaged."""
    try:
        return dict(json.loads(files.read(path)))
    except (OSError, ValueError, UserError):
        return None


def write_json(content: Any, path: Path) -> None:
    """Write JSON whole or not at all, indented, keys in the order given."""
    files.write(path, (json.dumps(content, indent=1, default=str) + "\n").encode())
