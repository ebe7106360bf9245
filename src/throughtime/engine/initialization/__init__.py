"""How recurrent weights are drawn: one file per scheme, found by scanning this folder."""

import sys
from functools import cache

import numpy as np
from numpy.typing import NDArray

from throughtime.core.registry import scan
from throughtime.core.rng import stream
from throughtime.engine.initialization._base import Scheme

__all__ = ["Scheme", "recurrent", "schemes"]


@cache
def schemes() -> dict[str, type[Scheme]]:
    """Every scheme of this folder, by name.

    >>> {"gaussian", "identity", "orthogonal", "pytorch"} <= set(schemes())
    True
    """
    return scan(sys.modules[__name__], Scheme)  # type: ignore[type-abstract]  # a filter


def recurrent(init: str, seed: int, hidden: int, gate: int = 0) -> NDArray[np.float64]:
    """The (N, N) matrix that a gain multiplies; of one seed and gate, the same matrix for every
    gain (common random numbers). Every gate has a stream of its own.
    """
    rng = stream(seed, "init", "W_hh", gate) if gate else stream(seed, "init", "W_hh")
    return schemes()[init]().matrix(rng, hidden)
