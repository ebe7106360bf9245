"""The tasks: one file each, found by scanning this folder."""

import sys
from functools import cache

from throughtime.core.registry import scan
from throughtime.tasks._base import Batch, Reference, Task

__all__ = ["Batch", "Reference", "Task", "tasks"]


@cache
def tasks() -> dict[str, type[Task]]:
    """Every task class of this folder, by name."""
    return scan(sys.modules[__name__], Task)  # type: ignore[type-abstract]  # mypy: any base class; scan makes no instance
