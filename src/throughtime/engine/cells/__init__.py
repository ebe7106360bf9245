"""The recurrent cells: one file each, found by scanning this folder. None imports torch before it is used."""

import sys
from functools import cache

from throughtime.core.registry import names, scan
from throughtime.engine.cells._base import Cell

__all__ = ["Cell", "cell", "cell_names"]


def cell_names() -> list[str]:
    """The names of all cells, sorted.

    >>> "tanh" in cell_names()
    True
    """
    return names(__path__)


@cache
def cell(name: str) -> Cell:
    """The cell of that name.

    Raises:
        KeyError: no such cell.
    """
    return scan(sys.modules[__name__], Cell)[name]()  # type: ignore[type-abstract]  # an abstract class as a filter is safe
