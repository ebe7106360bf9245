"""Readouts and losses: ``y_t = h_t W_hy + b_y`` at the scored steps, softmax with cross-entropy or regression with squared error.

The loss of a row is a mean over the batch and over the scored positions, so that a clipping threshold means the same at every length.

Shapes: Ts scored steps, G rows, B sequences, O outputs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Targets:
    """What is scored.

    Attributes:
        values: (Ts, G, B) int64 classes, or (Ts, G, B, O) values.
        weight: (Ts, G, B), 1 / count at scored positions and 0 elsewhere, where count is the row's number of scored positions; all zero for
            a row without any, whose loss and gradient are then 0.
    """

    values: Tensor
    weight: Tensor


def weights(mask: Tensor | None, like: Tensor, dtype: torch.dtype) -> Tensor:
    """The weights of Targets from a mask (Ts, G, B) of bools, or from None: everything is scored.

    >>> weights(
    ...     torch.tensor([[[True, False]], [[True, False]]]), torch.zeros(2, 1, 2), torch.float64
    ... ).tolist()
    [[[0.5, 0.0]], [[0.5, 0.0]]]
    """
    if mask is None:
        steps, rows, batch = like.shape[:3]
        return torch.full(
            (steps, rows, batch), 1 / (steps * batch), dtype=dtype, device=like.device
        )
    count = mask.sum((0, 2)).clamp_min_(1)  # integers: exact whatever the order
    return mask.to(dtype) / count[None, :, None]


def row_sum(values: Tensor) -> Tensor:
    """Sum of (Ts, G, B) over all but rows, (G); each row on its own contiguous stretch, so that its bits depend on itself alone."""
    return values.transpose(0, 1).flatten(1).contiguous().sum(1)


def log_softmax(y: Tensor) -> Tensor:
    """Over the last axis.

    For a few classes it is written out: torch's kernel over a short last axis takes 4 times as long, and its kernel over another axis
    gives an element other bits at the end of an array than in the middle.
    """
    if y.shape[-1] > 16:
        return torch.log_softmax(y, -1)
    shifted = y - y.amax(-1, keepdim=True)
    return shifted.sub_(shifted.exp().sum(-1, keepdim=True).log_())


def softmax(y: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy in nats (G) and its gradient dL/dy (Ts, G, B, O)."""
    log_p = log_softmax(y)
    index = targets.values.unsqueeze(-1)
    loss = -row_sum(log_p.gather(-1, index).squeeze(-1) * targets.weight)
    dy = log_p.exp_()
    dy.scatter_add_(-1, index, torch.full_like(index, -1, dtype=y.dtype))
    return loss, dy.mul_(targets.weight.unsqueeze(-1))


def regression(y: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
    """Mean squared error (G), a mean over outputs too, and its gradient dL/dy (Ts, G, B, O)."""
    error = y - targets.values
    loss = row_sum(error.square().mean(-1) * targets.weight)
    return loss, error.mul_(targets.weight.unsqueeze(-1) * (2 / y.shape[-1]))


LOSSES = {"softmax": softmax, "regression": regression}
