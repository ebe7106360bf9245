"""The Elman cell with the logistic function."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from throughtime.engine.cells._base import Elman, sigmoid_

if TYPE_CHECKING:
    from torch import Tensor


class Sigmoid(Elman):
    """``h_t = 1 / (1 + exp(-z_t))``; phi' = h (1 - h) <= 1/4.

    Source: Pascanu, Mikolov & Bengio 2013, On the difficulty of training recurrent neural networks,
    section 2.1 (the bound 1/gamma = 4 on the largest singular value is of this phi).
    """

    name: ClassVar[str] = "sigmoid"
    compiled: ClassVar[bool] = True
    source: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013, section 2.1"

    def phi_(self, z: Tensor) -> None:
        """See Elman."""
        sigmoid_(z)

    def pull(self, dh: Tensor, h: Tensor, dz: Tensor) -> None:
        """See Elman."""
        import torch

        torch.ops.aten.sigmoid_backward.grad_input(dh, h, grad_input=dz)
