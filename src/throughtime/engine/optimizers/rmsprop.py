"""RMSProp."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from throughtime.engine.optimizers._base import Optimizer

if TYPE_CHECKING:
    from torch import Tensor


class Rmsprop(Optimizer):
    """The gradient over the root of its running mean square. As torch.optim.RMSprop."""

    name: ClassVar[str] = "rmsprop"
    source: ClassVar[str] = "Tieleman & Hinton 2012; torch.optim.RMSprop"

    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last direction that is kept")
    alpha: float = Field(0.99, ge=0, lt=1, description="share of the mean square that is kept")
    eps: float = Field(1e-8, gt=0, description="added to the root of the mean square")

    @property
    def remembers(self) -> tuple[str, ...]:
        """The mean square, and the last direction with momentum."""
        return ("square", "velocity") if self.momentum else ("square",)

    def direction(self, gradient: Tensor, memory: dict[str, Tensor], count: int) -> Tensor:
        """See the class."""
        square = memory["square"]
        square.mul_(self.alpha).addcmul_(gradient, gradient, value=1 - self.alpha)
        scaled = gradient.div_(square.sqrt().add_(self.eps))
        if not self.momentum:
            return scaled
        return scaled.copy_(memory["velocity"].mul_(self.momentum).add_(scaled))
