"""Measurements on networks, a whole grid at once: one file each, found by scanning this folder.

A probe is a file with a function ``measure(block: Block) -> DataFrame``. Its rows are numbers: row (the network's place in the block),
quantity (what was measured; ``log_`` says natural logarithm), index (what the quantity runs over: lag, step, K, unit, update; 0 where it
runs over nothing) and value. Networks that have diverged have no weights left to measure and no rows, but for what is known of their past.

Importing this package does not import torch; ``probe(name)`` does.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from throughtime.training.trainer import Block

COLUMNS = {"row": "int64", "quantity": "str", "index": "int64", "value": "float64"}


def probe_names() -> list[str]:
    """The names of all probes, sorted: the names of the files here that do not start with an underscore.

    >>> probe_names()
    ['context', 'gradient_by_lag', 'jacobian', 'spectrum', 'truncation_bias', 'updates']
    """
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


@cache
def probe(name: str) -> "Callable[[Block], pd.DataFrame]":
    """``measure`` of the probe of that name.

    Raises:
        KeyError: no such probe.
    """
    if name not in probe_names():
        raise KeyError(name)
    measure: Callable[[Block], pd.DataFrame] = importlib.import_module(f"{__name__}.{name}").measure
    return measure
