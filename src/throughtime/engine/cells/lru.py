"""The linear recurrent unit: a diagonal complex recurrence."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from throughtime.core.rng import stream
from throughtime.engine.cells._base import Cell, tanh_

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.engine.cells._base import Weights


class Lru(Cell):
    """N / 2 complex units, each with a decay and a frequency of its own; the state is (h, c).

    c_t holds the real parts of the N / 2 units, then the imaginary ones. With lambda = exp(-exp(nu)
    + i exp(theta)) and the scale exp(g) of what comes in:

        c_t = lambda c_{t-1} + exp(g) (x_t W_xh + b_h)
        h_t = tanh(c_t)

    W_hh is (3, N / 2): nu, theta, g. Before training |lambda|^2 is uniform between r_min^2 and
    r_max^2, the phase uniform up to max_phase, and g = log sqrt(1 - |lambda|^2); ``init`` and
    ``gain`` do not act.

    Source: Orvieto et al. 2023 (nu, theta and g are what public implementations call nu_log,
    theta_log and gamma_log). Deviations: one layer, and tanh of the real and imaginary parts where
    they mix the units by a matrix before a gated block; the recurrence runs as a plain loop, not as
    a scan.
    """

    name: ClassVar[str] = "lru"
    states: ClassVar[int] = 2
    carrier: ClassVar[int] = 1
    transformed: ClassVar[bool] = True
    compiled: ClassVar[bool] = True
    source: ClassVar[str] = (
        "Orvieto et al. 2023, Resurrecting recurrent neural networks for long sequences"
    )

    r_min: float = Field(0.9, ge=0, lt=1, description="smallest |lambda| before training")
    r_max: float = Field(0.999, gt=0, lt=1, description="largest |lambda| before training")
    max_phase: float = Field(6.283, gt=0, description="largest phase before training, radians")

    @property
    def multiple(self) -> int:
        """A unit has a real and an imaginary part."""
        return 2

    def recurrent_shape(self, hidden: int) -> tuple[int, int]:
        """nu, theta and g of every unit."""
        return 3, hidden // 2

    def draw_recurrent(self, seed: int, hidden: int, init: str, gain: float) -> NDArray[np.float64]:
        """See Cell."""
        rng = stream(seed, "init", "W_hh")
        low, high = self.r_min**2, self.r_max**2
        square = low + (high - low) * rng.random(hidden // 2)
        phase = self.max_phase * (1 - rng.random(hidden // 2))  # never 0
        return np.stack([np.log(-0.5 * np.log(square)), np.log(phase), 0.5 * np.log1p(-square)])

    def work(self, hidden: int, depth: int) -> float:
        """See Model: no product of matrices."""
        return 25 * hidden

    def acting(self, weights: Weights) -> Weights:
        """See Cell. W_hh is [[diag(a), diag(b)], [-diag(b), diag(a)]] of lambda = a + i b."""
        import torch

        real, imaginary, scale = _eigenvalues(weights["W_hh"])
        a, b = torch.diag_embed(real), torch.diag_embed(imaginary)
        w_hh = torch.cat([torch.cat([a, b], 2), torch.cat([-b, a], 2)], 1)
        both = scale.repeat(1, 2)
        return {
            **weights,
            "W_hh": w_hh,
            "W_xh": weights["W_xh"] * both[:, None],
            "b_h": weights["b_h"] * both,
        }

    def pull_back(self, weights: Weights, gradients: Weights) -> Weights:
        """See Cell."""
        import torch

        own = weights["W_hh"]
        real, imaginary, scale = _eigenvalues(own)
        n = real.shape[1]
        top, bottom = gradients["W_hh"].split(n, 1)
        da = torch.diagonal(top[..., :n] + bottom[..., n:], dim1=1, dim2=2)
        db = torch.diagonal(top[..., n:] - bottom[..., :n], dim1=1, dim2=2)
        nu, theta = own[:, 0].exp(), own[:, 1].exp()
        both = scale.repeat(1, 2)
        dscale = (gradients["W_xh"] * weights["W_xh"]).sum(1) + gradients["b_h"] * weights["b_h"]
        parts = [
            -nu * (da * real + db * imaginary),
            theta * (db * real - da * imaginary),
            scale * (dscale[:, :n] + dscale[:, n:]),
        ]
        return {
            **gradients,
            "W_hh": torch.stack(parts, 1),
            "W_xh": gradients["W_xh"] * both[:, None],
            "b_h": gradients["b_h"] * both,
        }

    def step(self, z: Tensor, previous: Tensor, state: Tensor) -> None:
        """See the class."""
        h, c = state.chunk(2, -1)
        c.copy_(z)
        h.copy_(tanh_(z.clone()))

    def adjoint(
        self, dstate: Tensor, z: Tensor, previous: Tensor, state: Tensor, dz: Tensor
    ) -> None:
        """See the class; all of dL/dprevious passes through W_hh."""
        import torch

        dh, dc = dstate.chunk(2, -1)
        h = state.chunk(2, -1)[0]
        torch.addcmul(dc, dh, 1 - h * h, out=dz)


def _eigenvalues(own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Real and imaginary part of lambda, and the scale of the input; each (G, N / 2)."""
    radius, phase = (-own[:, 0].exp()).exp(), own[:, 1].exp()
    return radius * phase.cos(), radius * phase.sin(), own[:, 2].exp()
