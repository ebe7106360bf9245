"""What an optimizer is: from a gradient to the direction that a learning rate multiplies.

Every row of a block is a network of its own: an optimizer is made of operations on elements, so
that no row touches another. A file here imports torch inside its functions (see cells/_base.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from throughtime.core.component import Component

if TYPE_CHECKING:
    from torch import Tensor


class Optimizer(Component, ABC):
    """An update rule with torch.optim's formulas. What it remembers is handed in, (G, P) a tensor.

    Attributes:
        decoupled: True: weight decay is added to the direction (AdamW); False: to the gradient.
    """

    decoupled: ClassVar[bool] = False

    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False, description="decay of all weights")

    @property
    @abstractmethod
    def remembers(self) -> tuple[str, ...]:
        """The names of the tensors that it keeps, all zero at the start."""

    @abstractmethod
    def direction(self, gradient: Tensor, memory: dict[str, Tensor], count: int) -> Tensor:
        """What the learning rate multiplies before it is subtracted from the weights.

        Args:
            gradient: (G, P), after clipping; is used up.
            memory: ``remembers`` -> (G, P), changed in place.
            count: this update's number, from 1.
        """
