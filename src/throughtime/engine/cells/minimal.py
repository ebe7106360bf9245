"""The minimal gated cell: one gate between the old state and the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from throughtime.engine.cells._base import Cell, sigmoid_, tanh_

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.engine.cells._base import Weights


class Minimal(Cell):
    """The minimalRNN: a gate u keeps the old state or takes the input, which is seen through a
    tanh.

        u_t = sigma(x_t W_u + h_{t-1} W_hh + b_u),  n_t = tanh(x_t W_n + b_n)
        h_t = u_t h_{t-1} + (1 - u_t) n_t

    No recurrent matrix reaches n: W_hh is (N, N) where it is trained, and has zeros beside it where
    it acts.

    Source: Chen 2017 (arXiv 1711.06788), whose equations were read in the documentation of public
    implementations. Deviation: there the gate sees n_t; here it sees x_t, by a matrix of its own.

    >>> Minimal().recurrent_shape(3)
    (3, 3)
    """

    name: ClassVar[str] = "minimal"
    transformed: ClassVar[bool] = True
    compiled: ClassVar[bool] = True
    source: ClassVar[str] = "Chen 2017, MinimalRNN; Chen, Pennington & Schoenholz 2018"
    gates: ClassVar[int] = 2

    update_bias: float = Field(
        0.0, allow_inf_nan=False, description="initial bias of the gate: larger keeps longer"
    )

    def recurrent_shape(self, hidden: int) -> tuple[int, int]:
        """That of the gate alone."""
        return hidden, hidden

    def draw_recurrent(self, seed: int, hidden: int, init: str, gain: float) -> NDArray[np.float64]:
        """See Cell."""
        from throughtime.engine.initialization import recurrent

        return gain * recurrent(init, seed, hidden, 0)

    def set_initial(self, weights: dict[str, NDArray[np.float64]], hidden: int) -> None:
        """The gate's bias."""
        weights["b_h"][:hidden] = self.update_bias

    def work(self, hidden: int, depth: int) -> float:
        """See Model: a matrix leads to the gate alone."""
        return hidden**2 + 40 * hidden

    def acting(self, weights: Weights) -> Weights:
        """See Cell."""
        import torch

        w = weights["W_hh"]
        return {**weights, "W_hh": torch.cat([w, torch.zeros_like(w)], -1)}

    def pull_back(self, weights: Weights, gradients: Weights) -> Weights:
        """See Cell."""
        hidden = weights["W_hh"].shape[-1]
        return {**gradients, "W_hh": gradients["W_hh"][..., :hidden]}

    def step(self, z: Tensor, previous: Tensor, state: Tensor) -> None:
        """See the class."""
        u, n = self._gates(z)
        state.copy_(n + u * (previous - n))

    def adjoint(
        self, dstate: Tensor, z: Tensor, previous: Tensor, state: Tensor, dz: Tensor
    ) -> Tensor:
        """See the class; u carries h_{t-1} past W_hh."""
        import torch

        u, n = self._gates(z)
        du, dn = dz.chunk(2, -1)
        torch.mul(dstate * (previous - n), u * (1 - u), out=du)
        torch.mul(dstate * (1 - u), 1 - n * n, out=dn)
        return dstate * u

    @staticmethod
    def _gates(z: Tensor) -> tuple[Tensor, Tensor]:
        """u and n."""
        u, n = z.chunk(2, -1)
        return sigmoid_(u.clone()), tanh_(n.clone())
