"""The updates of a block of networks: an optimizer, a schedule, and a learning rate per row."""

import torch
from torch import Tensor

from throughtime.engine.optimizers import Optimizer
from throughtime.engine.schedules import Schedule


class Updater:
    """An optimizer at work on (G, P) parameters.

    Args:
        optimizer: the rule.
        schedule: what multiplies every learning rate, by update.
        updates: the budget, which a schedule may depend on.
        like: (G, P), the parameters' shape and dtype.
        lr: (G), a learning rate per row.
    """

    def __init__(
        self, optimizer: Optimizer, schedule: Schedule, updates: int, like: Tensor, lr: Tensor
    ) -> None:
        self.optimizer, self.schedule, self.updates = optimizer, schedule, updates
        self.lr = lr.to(like.dtype, copy=True)[:, None]
        self.count = 0
        self.kept = {name: torch.zeros_like(like) for name in optimizer.remembers}

    def step_(self, parameters: Tensor, gradient: Tensor) -> None:
        """One update of ``parameters`` (G, P) in place; ``gradient`` (G, P) is used up."""
        factor = self.schedule.factor(self.count, self.updates)
        self.count += 1
        decay = self.optimizer.weight_decay
        if decay and not self.optimizer.decoupled:
            gradient.add_(parameters, alpha=decay)
        direction = self.optimizer.direction(gradient, self.kept, self.count)
        if decay and self.optimizer.decoupled:
            direction.add_(parameters, alpha=decay)
        parameters.sub_(direction.mul_(self.lr if factor == 1 else self.lr * factor))

    def forget_(self, rows: Tensor) -> None:
        """Rows (bool, G) stop: their memory is cleared and their learning rate becomes 0."""
        for memory in (*self.kept.values(), self.lr):
            memory.masked_fill_(rows[:, None], 0)

    def memory(self) -> dict[str, Tensor]:
        """What a further step depends on beside the parameters, by name; the tensors themselves, to
        be read or copied into.
        """
        return {"lr": self.lr, **self.kept}
