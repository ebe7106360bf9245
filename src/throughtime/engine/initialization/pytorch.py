"""PyTorch's default."""

from math import sqrt
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from throughtime.engine.initialization._base import Scheme


class Pytorch(Scheme):
    """U(+-1/sqrt N): standard deviation 1/sqrt(3 N), hence sigma_w^2 = 1/3."""

    name: ClassVar[str] = "pytorch"
    source: ClassVar[str] = "torch.nn.RNN, reset_parameters"

    def matrix(self, rng: np.random.Generator, hidden: int) -> NDArray[np.float64]:
        """See the class."""
        return rng.uniform(-1, 1, (hidden, hidden)) / sqrt(hidden)
