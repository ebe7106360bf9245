"""Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from throughtime.engine.optimizers._base import Optimizer

if TYPE_CHECKING:
    from torch import Tensor


class Adam(Optimizer):
    """Bias-corrected running means of the gradient and of its square. As torch.optim.Adam."""

    name: ClassVar[str] = "adam"
    source: ClassVar[str] = "Kingma & Ba 2015, algorithm 1; torch.optim.Adam"

    beta1: float = Field(0.9, ge=0, lt=1, description="share of the mean that is kept")
    beta2: float = Field(0.999, ge=0, lt=1, description="share of the mean square that is kept")
    eps: float = Field(1e-8, gt=0, description="added to the root of the mean square")

    @property
    def remembers(self) -> tuple[str, ...]:
        """The means of the gradient and of its square."""
        return "mean", "square"

    def direction(self, gradient: Tensor, memory: dict[str, Tensor], count: int) -> Tensor:
        """See the class."""
        import torch

        mean, square = memory["mean"], memory["square"]
        mean.lerp_(gradient, 1 - self.beta1)
        square.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        # in the gradient's memory: nothing is allocated
        denominator = torch.sqrt(square, out=gradient)
        denominator.div_((1 - self.beta2**count) ** 0.5).add_(self.eps)
        return torch.div(mean, denominator, out=gradient).div_(1 - self.beta1**count)
