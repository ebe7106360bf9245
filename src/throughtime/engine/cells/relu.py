"""The Elman cell with a rectifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from throughtime.engine.cells._base import Elman

if TYPE_CHECKING:
    from torch import Tensor


class Relu(Elman):
    """``h_t = max(z_t, 0)``; phi' = 1 where h > 0, and 0 at z = 0, as in torch. With identity init:
    IRNN (Le, Jaitly & Hinton 2015).
    """

    name: ClassVar[str] = "relu"
    compiled: ClassVar[bool] = True

    def phi_(self, z: Tensor) -> None:
        """See Elman."""
        z.relu_()

    def pull(self, dh: Tensor, h: Tensor, dz: Tensor) -> None:
        """See Elman."""
        import torch

        torch.ops.aten.threshold_backward.grad_input(dh, h, 0.0, grad_input=dz)
