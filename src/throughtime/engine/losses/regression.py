"""Squared error."""

from torch import Tensor

from throughtime.engine.losses._base import Targets, row_sum


def loss(y: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """Mean squared error (G), a mean over outputs too, and its gradient dL/dy (Ts, G, B, O)."""
    error = y - targets.values
    loss = row_sum(error.square().mean(-1) * targets.weight)
    return loss, error.mul_(targets.weight.unsqueeze(-1) * (2 / y.shape[-1]))
