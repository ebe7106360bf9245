"""The optimizers: one file each, found by scanning this folder. None imports torch before it is
used.
"""

import sys
from functools import cache

from throughtime.core.registry import scan
from throughtime.engine.optimizers._base import Optimizer

__all__ = ["Optimizer", "optimizers"]


@cache
def optimizers() -> dict[str, type[Optimizer]]:
    """Every optimizer class of this folder, by name.

    >>> {"adam", "adamw", "rmsprop", "sgd"} <= set(optimizers())
    True
    """
    return scan(sys.modules[__name__], Optimizer)  # type: ignore[type-abstract]  # a filter
