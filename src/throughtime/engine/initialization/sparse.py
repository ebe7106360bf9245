"""Few connections per unit, at a given spectral radius."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from throughtime.engine.initialization._base import Scheme

CONNECTIONS = 15  # into a unit


class Sparse(Scheme):
    """Each unit has 15 incoming connections, or N where there are fewer units, of independent
    normal weights; the whole is divided by its spectral radius, so that a gain is that radius.

    ``smart tanh`` of Pascanu et al. is gain .95. Their text has 15 incoming connections. Their code
    (RNN.py of pascanur/trainingRNNs) has 15 outgoing ones, with as many incoming on average.
    """

    name: ClassVar[str] = "sparse"
    source: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, section 4.1.1, after Sutskever 2012"

    def matrix(self, rng: np.random.Generator, hidden: int) -> NDArray[np.float64]:
        """See the class."""
        weights = rng.standard_normal((hidden, hidden))
        for unit in range(hidden):  # column: what comes in
            weights[rng.permutation(hidden)[CONNECTIONS:], unit] = 0
        return weights / np.abs(np.linalg.eigvals(weights)).max()
