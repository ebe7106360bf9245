"""Softmax with cross-entropy."""

import torch
from torch import Tensor

from throughtime.engine.losses._base import Targets, row_sum


def log_softmax(y: Tensor) -> Tensor:
    """Over the last axis.

    For a few classes it is written out: torch's kernel over a short last axis takes 4 times as
    long, and its kernel over another axis gives an element other bits at the end of an array than
    in the middle.
    """
    if y.shape[-1] > 16:
        return torch.log_softmax(y, -1)
    shifted = y - y.amax(-1, keepdim=True)
    return shifted.sub_(shifted.exp().sum(-1, keepdim=True).log_())


def loss(y: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy in nats (G) and its gradient dL/dy (Ts, G, B, O)."""
    log_p = log_softmax(y)
    index = targets.values.unsqueeze(-1)
    loss = -row_sum(log_p.gather(-1, index).squeeze(-1) * targets.weight)
    dy = log_p.exp_()
    dy.scatter_add_(-1, index, torch.full_like(index, -1, dtype=y.dtype))
    return loss, dy.mul_(targets.weight.unsqueeze(-1))
