"""Independent normal weights."""

from math import sqrt
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from throughtime.engine.initialization._base import Scheme


class Gaussian(Scheme):
    """N(0, 1/N): sigma_w = 1, and a spectral radius near 1 for large N."""

    name: ClassVar[str] = "gaussian"
    source: ClassVar[str] = "Girko 1985; Poole et al. 2016"

    def matrix(self, rng: np.random.Generator, hidden: int) -> NDArray[np.float64]:
        """See the class."""
        return rng.standard_normal((hidden, hidden)) / sqrt(hidden)
