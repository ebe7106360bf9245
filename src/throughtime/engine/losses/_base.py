"""What losses share: targets with their weights. ``y_t = h_t W_hy + b_y`` at the scored steps.

The loss of a row is a mean over the batch and over the scored positions, so that a clipping
threshold means the same at every length.

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
        weight: (Ts, G, B), 1 / count at scored positions and 0 elsewhere, where count is the row's
            number of scored positions; all zero for a row without any, whose loss and gradient are
            then 0.
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
    """Sum of (Ts, G, B) over all but rows, (G); each row on its own contiguous stretch, so that its
    bits depend on itself alone.
    """
    return values.transpose(0, 1).flatten(1).contiguous().sum(1)
