"""The gated recurrent unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from throughtime.engine.cells._base import Cell, sigmoid_, tanh_

if TYPE_CHECKING:
    from torch import Tensor


class Gru(Cell):
    """A reset gate r and an update gate u, in torch.nn.GRU's variant and order (r, u, n).

    With the x parts and the h parts of the pre-activations apart:

        r = sigma(x_r + h_r),  u = sigma(x_u + h_u),  n = tanh(x_n + r h_n)
        h_t = (1 - u) n + u h_{t-1}

    Source: Cho et al. 2014; the variant in which r acts after the matrix product is that of
    torch.nn.GRU (and of cuDNN). As there, each gate has a bias in its x part (b_h) and one in its h
    part (b_hh); both are 0 at the start, where torch draws them.
    """

    name: ClassVar[str] = "gru"
    compiled: ClassVar[bool] = True
    source: ClassVar[str] = "Cho et al. 2014; torch.nn.GRU"
    gates: ClassVar[int] = 3
    separate: ClassVar[bool] = True

    reset_gate_gain: float = Field(1.0, ge=0, description="factor on gain: reset gate")
    update_gate_gain: float = Field(1.0, ge=0, description="factor on gain: update gate")
    new_gain: float = Field(1.0, ge=0, description="factor on gain: new state")

    @property
    def gate_gains(self) -> tuple[float, ...]:
        """In the order r, u, n."""
        return self.reset_gate_gain, self.update_gate_gain, self.new_gain

    def step(self, z: Tensor, previous: Tensor, state: Tensor) -> None:
        """See the class."""
        _, u, n, _ = self._gates(z)
        state.copy_(n + u * (previous - n))

    def adjoint(
        self, dstate: Tensor, z: Tensor, previous: Tensor, state: Tensor, dz: Tensor
    ) -> Tensor:
        """See the class; u carries h_{t-1} past W_hh."""
        import torch

        r, u, n, h_n = self._gates(z)
        x_dr, x_du, x_dn, h_dr, h_du, h_dn = dz.chunk(6, -1)
        torch.mul(dstate * (1 - u), 1 - n * n, out=x_dn)
        torch.mul(dstate * (previous - n), u * (1 - u), out=x_du)
        torch.mul(x_dn * h_n, r * (1 - r), out=x_dr)
        h_dr.copy_(x_dr)
        h_du.copy_(x_du)
        torch.mul(x_dn, r, out=h_dn)
        return dstate * u

    @staticmethod
    def _gates(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """r, u, n and h_n."""
        x_r, x_u, x_n, h_r, h_u, h_n = z.chunk(6, -1)
        r = sigmoid_(x_r + h_r)
        return r, sigmoid_(x_u + h_u), tanh_(x_n + r * h_n), h_n
