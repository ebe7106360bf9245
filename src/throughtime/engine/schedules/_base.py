"""What a schedule is: a factor on every learning rate, by update."""

from abc import ABC, abstractmethod

from throughtime.core.component import Component


class Schedule(Component, ABC):
    """A learning rate's course over training, the same for all rows of a job."""

    @abstractmethod
    def factor(self, update: int, updates: int) -> float:
        """What multiplies the learning rate.

        Args:
            update: how many updates were done before this one, from 0.
            updates: the budget.
        """
