"""The IRNN of Le, Jaitly & Hinton 2015."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from throughtime.engine.cells.relu import Relu


class Irnn(Relu):
    """``h_t = max(z_t, 0)`` with W_hh = scale I before training, whatever init and gain are.

    Source: Le, Jaitly & Hinton 2015. Deviation: W_xh and W_hy are drawn as everybody's, with
    input_gain and output_gain.

    >>> Irnn().draw_recurrent(seed=0, hidden=2, init="gaussian", gain=0.5).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    name: ClassVar[str] = "irnn"
    kernel: ClassVar[str] = "relu"
    source: ClassVar[str] = (
        "Le, Jaitly & Hinton 2015, A simple way to initialize recurrent networks of rectified "
        "linear units"
    )

    scale: float = Field(1.0, ge=0, description="factor on the identity")

    def draw_recurrent(self, seed: int, hidden: int, init: str, gain: float) -> NDArray[np.float64]:
        """See Cell."""
        return self.scale * np.eye(hidden)
