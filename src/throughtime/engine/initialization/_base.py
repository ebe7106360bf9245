"""What an initial scheme is: how the recurrent matrix is drawn that a gain multiplies."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from throughtime.core.component import Component


class Scheme(Component, ABC):
    """A distribution of recurrent matrices; its axis is ``init``, its scale ``gain``."""

    @abstractmethod
    def matrix(self, rng: np.random.Generator, hidden: int) -> NDArray[np.float64]:
        """An (N, N) matrix of gain 1, drawn from ``rng`` alone."""
