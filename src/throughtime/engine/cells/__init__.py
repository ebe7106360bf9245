"""The recurrent cells: one file each, found by scanning this folder.

Importing this package does not import torch; ``cell(name)`` does.
"""

import pkgutil
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughtime.engine.cells._base import Cell


def cell_names() -> list[str]:
    """The names of all cells, sorted: the names of the files here that do not start with an underscore."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


@cache
def cell(name: str) -> "Cell":
    """The cell of that name.

    Raises:
        KeyError: no such cell.
    """
    from throughtime.core.registry import scan
    from throughtime.engine.cells._base import Cell

    return scan(sys.modules[__name__], Cell)[name]()  # type: ignore[type-abstract]  # an abstract class as a filter is safe
