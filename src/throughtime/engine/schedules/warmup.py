"""A learning rate that rises at the start."""

from typing import ClassVar

from pydantic import Field

from throughtime.engine.schedules._base import Schedule


class Warmup(Schedule):
    """Linear from ``warmup_start`` to 1 over ``warmup_updates``, then 1.

    As torch.optim.lr_scheduler.LinearLR with ``start_factor`` and ``total_iters``.

    >>> [Warmup(warmup_start=0.5, warmup_updates=2).factor(i, 10) for i in range(4)]
    [0.5, 0.75, 1.0, 1.0]
    """

    name: ClassVar[str] = "warmup"
    source: ClassVar[str] = "torch.optim.lr_scheduler.LinearLR"

    warmup_updates: int = Field(100, ge=1, description="updates until the full learning rate")
    warmup_start: float = Field(0.01, gt=0, le=1, description="factor of the first update")

    def factor(self, update: int, updates: int) -> float:
        """See the class."""
        share = min(update / self.warmup_updates, 1.0)
        return self.warmup_start + (1 - self.warmup_start) * share
