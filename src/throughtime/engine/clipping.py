"""Clipping, each row on its own: one row's gradient never touches another's."""

import torch
from torch import Tensor

CLIP_EPS = 1e-6  # torch.nn.utils.clip_grad_norm_'s, so that a row's step equals torch's


def norms(gradient: Tensor) -> Tensor:
    """Global norm of each row of ``gradient`` (G, P), in float64 so that no finite float32 gradient
    overflows; (G).
    """
    return torch.linalg.vector_norm(gradient, dim=1, dtype=torch.float64)


def clip_(gradient: Tensor, norm: Tensor, by_norm: Tensor, by_value: Tensor | None) -> Tensor:
    """Clip each row in place.

    Args:
        gradient: (G, P), finite or not: what is not finite stays so.
        norm: (G) float64, of ``norms``.
        by_norm: (G) float64 thresholds on the norm; inf: none.
        by_value: (G) thresholds on each element's size; inf: none. None: none in any row.

    Returns:
        (G) bool, whether the row was changed.
    """
    factor = torch.clamp_max(by_norm / (norm + CLIP_EPS), 1.0)
    changed = factor < 1
    gradient.mul_(factor.to(gradient.dtype)[:, None])
    if by_value is not None:  # clamping at infinity changes nothing: skipping it changes no bit
        limit = by_value[:, None]
        changed |= (gradient.abs() > limit).any(1)
        torch.minimum(torch.maximum(gradient, -limit, out=gradient), limit, out=gradient)
    return changed
