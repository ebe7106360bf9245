"""A learning rate that falls along half a cosine."""

import math
from typing import ClassVar

from pydantic import Field

from throughtime.engine.schedules._base import Schedule


class Cosine(Schedule):
    """From 1 to ``cosine_end`` over the whole budget.

    As torch.optim.lr_scheduler.CosineAnnealingLR with ``T_max`` the budget and ``eta_min``
    ``cosine_end`` times the learning rate.

    >>> [round(Cosine().factor(i, 4), 3) for i in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """

    name: ClassVar[str] = "cosine"
    source: ClassVar[str] = "Loshchilov & Hutter 2017, equation 5; CosineAnnealingLR"

    cosine_end: float = Field(0.0, ge=0, le=1, description="factor at the end of the budget")

    def factor(self, update: int, updates: int) -> float:
        """See the class."""
        wave = (1 + math.cos(math.pi * update / max(updates, 1))) / 2
        return self.cosine_end + (1 - self.cosine_end) * wave
