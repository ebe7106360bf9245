"""The schedules of the learning rate: one file each, found by scanning this folder."""

import sys
from functools import cache

from throughtime.core.registry import scan
from throughtime.engine.schedules._base import Schedule

__all__ = ["Schedule", "schedules"]


@cache
def schedules() -> dict[str, type[Schedule]]:
    """Every schedule class of this folder, by name.

    >>> {"constant", "cosine", "step", "warmup"} <= set(schedules())
    True
    """
    return scan(sys.modules[__name__], Schedule)  # type: ignore[type-abstract]  # a filter
