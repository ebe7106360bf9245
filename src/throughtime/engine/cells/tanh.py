"""The Elman cell with tanh."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from throughtime.engine.cells._base import Elman, tanh_

if TYPE_CHECKING:
    from torch import Tensor


class Tanh(Elman):
    """``h_t = tanh(z_t)``; phi' = 1 - h^2."""

    name: ClassVar[str] = "tanh"
    compiled: ClassVar[bool] = True

    def phi_(self, z: Tensor) -> None:
        """See Elman."""
        tanh_(z)

    def pull(self, dh: Tensor, h: Tensor, dz: Tensor) -> None:
        """See Elman."""
        import torch

        torch.ops.aten.tanh_backward.grad_input(dh, h, grad_input=dz)
