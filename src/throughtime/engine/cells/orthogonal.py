"""An Elman cell whose recurrent matrix stays orthogonal."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from throughtime.engine.cells.tanh import Tanh

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.engine.cells._base import Weights


class Orthogonal(Tanh):
    """``h_t = tanh(z_t)`` with W_hh = scale Q and Q orthogonal, before, while and after training.

    What is trained is a matrix X of the same shape; Q is its polar factor, the orthogonal matrix
    that is nearest to X: with X = U diag(s) V^T, Q = U V^T. So the scale of X does not act, and
    neither does ``gain``; ``init: orthogonal`` starts at that matrix itself. With K = U^T G V for
    G = dL/dQ, the adjoint is

        dL/dX = U [(K - K^T)_ij / (s_i + s_j)]_ij V^T

    Source: an orthogonal recurrent matrix is that of Arjovsky, Shah & Bengio 2016 and Vorontsov et
    al. 2017. Deviation: they move along the group; here the polar factor parametrises it, which
    needs no matrix beside X. torch.nn.utils.parametrizations.orthogonal is another such map.
    """

    name: ClassVar[str] = "orthogonal"
    kernel: ClassVar[str] = "tanh"
    transformed: ClassVar[bool] = True
    source: ClassVar[str] = (
        "Arjovsky, Shah & Bengio 2016, Unitary evolution recurrent neural networks; Vorontsov et "
        "al. 2017"
    )

    scale: float = Field(1.0, ge=0, description="factor on the orthogonal matrix")

    def acting(self, weights: Weights) -> Weights:
        """See Cell."""
        left, _, right = _svd(weights["W_hh"])
        return {**weights, "W_hh": self.scale * (left @ right)}

    def pull_back(self, weights: Weights, gradients: Weights) -> Weights:
        """See Cell."""
        import torch

        left, s, right = _svd(weights["W_hh"])
        k = left.transpose(1, 2) @ (self.scale * gradients["W_hh"]) @ right.transpose(1, 2)
        sums = s[:, :, None] + s[:, None, :]
        # a network that has diverged is all zero, and has no direction
        inner = torch.where(sums > 0, (k - k.transpose(1, 2)) / torch.where(sums > 0, sums, 1), 0)
        return {**gradients, "W_hh": left @ inner @ right}


def _svd(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U (G, N, N), s (G, N), V^T (G, N, N)."""
    import torch

    left, s, right = torch.linalg.svd(x)
    return left, s, right
