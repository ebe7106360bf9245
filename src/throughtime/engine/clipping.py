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


class Clipper:
    """The clipping of a block's gradients, and what its divergence is read off.

    Args:
        by_norm, by_value: (G) thresholds, as in ``clip_``.
        frozen: (G) bool, networks whose weights in ``span`` do not move: no threshold sees their
            gradient.
        span: first and one past the last of the numbers of W_hh in a row.
        values: whether any threshold in ``by_value`` is finite.
        compiled: by numba, in one pass over a row and without new memory.
    """

    def __init__(
        self,
        by_norm: Tensor,
        by_value: Tensor,
        frozen: Tensor,
        span: tuple[int, int],
        *,
        values: bool = True,
        compiled: bool = False,
    ) -> None:
        self.by_norm, self.by_value, self.frozen, self.span = by_norm, by_value, frozen, span
        self.values, self.compiled = values, compiled
        self.norm = torch.zeros_like(by_norm)
        self.clipped = torch.zeros_like(frozen)

    def clip_(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Clip ``gradient`` (G, P) in place.

        Returns:
            The norms before, (G) float64, and whether a row was changed, (G) bool: valid until the
            next call.
        """
        if not self.compiled:
            gradient[:, slice(*self.span)].masked_fill_(self.frozen[:, None], 0)
            norm, by_value = norms(gradient), self.by_value if self.values else None
            return norm, clip_(gradient, norm, self.by_norm, by_value)
        from throughtime.engine import kernels  # numba takes a second to start

        kernels.clip(
            gradient.numpy(), self.frozen.numpy(), *self.span, self.by_norm.numpy(),
            self.by_value.numpy(), CLIP_EPS, self.norm.numpy(), self.clipped.numpy(),
        )  # fmt: skip
        return self.norm, self.clipped

    def finite(self, flat: Tensor) -> Tensor:
        """(G) bool, whether all weights (G, P) of a row are finite."""
        if not self.compiled:
            return torch.isfinite(flat).all(1)
        from throughtime.engine import kernels

        result = torch.empty_like(self.frozen)
        kernels.finite(flat.numpy(), result.numpy())
        return result
