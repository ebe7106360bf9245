"""A learning rate that stays."""

from typing import ClassVar

from throughtime.engine.schedules._base import Schedule


class Constant(Schedule):
    """Always 1."""

    name: ClassVar[str] = "constant"
    source: ClassVar[str] = "no schedule"

    def factor(self, update: int, updates: int) -> float:
        """See the class."""
        return 1.0
