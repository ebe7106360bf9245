"""A learning rate that falls in steps."""

from typing import ClassVar

from pydantic import Field

from throughtime.engine.schedules._base import Schedule


class Step(Schedule):
    """Times ``step_factor`` after every ``step_updates``. As torch.optim.lr_scheduler.StepLR.

    >>> [Step(step_updates=2, step_factor=0.5).factor(i, 10) for i in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    name: ClassVar[str] = "step"
    source: ClassVar[str] = "torch.optim.lr_scheduler.StepLR"

    step_updates: int = Field(1000, ge=1, description="updates between two steps")
    step_factor: float = Field(0.1, gt=0, le=1, description="what each step multiplies by")

    def factor(self, update: int, updates: int) -> float:
        """See the class."""
        return float(self.step_factor ** (update // self.step_updates))
