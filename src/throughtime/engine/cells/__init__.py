"""The models that can be trained: a recurrent cell per file, and attention, found by scanning this
folder. None imports torch before it is used.
"""

import sys
from functools import cache
from typing import Any

from throughtime.core.registry import scan
from throughtime.engine.cells._base import Cell, Elman, Model

__all__ = ["Cell", "Elman", "Model", "cell", "cells"]


@cache
def cells() -> dict[str, type[Model]]:
    """Every model of this folder, by name.

    >>> {"gru", "identity", "lstm", "relu", "sigmoid", "tanh"} <= set(cells())
    True
    """
    return scan(sys.modules[__name__], Model)  # type: ignore[type-abstract]  # a filter, not made


def cell(name: str, **parameters: Any) -> Cell:
    """The recurrent cell of that name, with these parameters.

    Raises:
        KeyError: no such cell.
        pydantic.ValidationError: no such parameter, or a value that it cannot have.

    >>> cell("lstm", forget_bias=0).args[-19:]
    'put_gate_gain":1.0}'
    """
    model = cells()[name](**parameters)
    if not isinstance(model, Cell):
        raise KeyError(name)
    return model
