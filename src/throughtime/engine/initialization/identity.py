"""The identity."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from throughtime.engine.initialization._base import Scheme


class Identity(Scheme):
    """I; with cell relu and biases of 0 an IRNN."""

    name: ClassVar[str] = "identity"
    source: ClassVar[str] = "Le, Jaitly & Hinton 2015"

    def matrix(self, rng: np.random.Generator, hidden: int) -> NDArray[np.float64]:
        """See the class."""
        return np.eye(hidden)
