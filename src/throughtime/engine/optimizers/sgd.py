"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from throughtime.engine.optimizers._base import Optimizer

if TYPE_CHECKING:
    from torch import Tensor


class Sgd(Optimizer):
    """``v = momentum v + g``; the direction is v, or g without momentum. As torch.optim.SGD."""

    name: ClassVar[str] = "sgd"
    source: ClassVar[str] = "torch.optim.SGD"

    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last direction that is kept")

    @property
    def remembers(self) -> tuple[str, ...]:
        """The last direction, with momentum."""
        return ("velocity",) if self.momentum else ()

    def direction(self, gradient: Tensor, memory: dict[str, Tensor], count: int) -> Tensor:
        """See the class."""
        if not self.momentum:
            return gradient
        return gradient.copy_(memory["velocity"].mul_(self.momentum).add_(gradient))
