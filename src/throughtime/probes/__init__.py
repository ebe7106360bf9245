"""Measurements on networks, a whole grid at once: one file each, found by scanning this folder.

A probe is a file with a function ``measure(networks: Networks) -> DataFrame``. Its rows are
numbers: row (the network's place among them), quantity (what was measured; ``log_`` says natural
logarithm), index (what the quantity runs over: lag, step, K, unit, update; 0 where it runs over
nothing) and value. Networks that have diverged have no weights left to measure and no rows, but for
what is known of their past.

Importing this package does not import torch; ``probe(name)`` does.
"""

import importlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from throughtime.core.registry import probe_names

if TYPE_CHECKING:
    import pandas as pd

    from throughtime.probes._base import Networks

COLUMNS = {"row": "int64", "quantity": "str", "index": "int64", "value": "float64"}


@cache
def probe(name: str) -> "Callable[[Networks], pd.DataFrame]":
    """``measure`` of the probe of that name.

    Raises:
        KeyError: no such probe.
    """
    if name not in probe_names():
        raise KeyError(name)
    measure: Callable[[Networks], pd.DataFrame] = importlib.import_module(
        f"{__name__}.{name}"
    ).measure
    return measure
