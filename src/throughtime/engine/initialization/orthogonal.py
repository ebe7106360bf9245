"""Haar-random orthogonal matrices."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from throughtime.engine.initialization._base import Scheme


class Orthogonal(Scheme):
    """QR of a Gaussian matrix with the signs of R divided out: every singular value is 1."""

    name: ClassVar[str] = "orthogonal"
    source: ClassVar[str] = "Mezzadri 2007; Saxe, McClelland & Ganguli 2014"

    def matrix(self, rng: np.random.Generator, hidden: int) -> NDArray[np.float64]:
        """See the class."""
        q, r = np.linalg.qr(rng.standard_normal((hidden, hidden)))
        return q * np.sign(np.diag(r))
