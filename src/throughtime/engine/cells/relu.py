"""The Elman cell with a rectifier."""

import torch
from torch import Tensor

from throughtime.engine.cells._base import Elman


class Relu(Elman):
    """``h_t = max(z_t, 0)``; phi' = 1 where h > 0, and 0 at z = 0, as in torch. With identity init: IRNN (Le, Jaitly & Hinton 2015)."""

    name = "relu"

    def phi_(self, z: Tensor) -> None:
        """See Elman."""
        z.relu_()

    def pull(self, dh: Tensor, h: Tensor, dz: Tensor) -> None:
        """See Elman."""
        torch.ops.aten.threshold_backward.grad_input(dh, h, 0.0, grad_input=dz)
