"""Long short-term memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from throughtime.engine.cells._base import Cell, sigmoid_, tanh_

if TYPE_CHECKING:
    from torch import Tensor


class Lstm(Cell):
    """Input, forget and output gates around a cell state; the state is (h, c).

    With the gates' pre-activations in torch.nn.LSTM's order (i, f, g, o):

        c_t = sigma(f) c_{t-1} + sigma(i) tanh(g)
        h_t = sigma(o) tanh(c_t)

    Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers, Schmidhuber & Cummins 2000;
    the equations are those of torch.nn.LSTM. Deviation from torch: one bias, not two whose sum
    acts. The initial bias of the forget gate is 1 (Jozefowicz, Zaremba & Sutskever 2015, section
    2.2), where torch draws it around 0.

    >>> Lstm().gate_gains, Lstm(forget_bias=0).changed()
    ((1.0, 1.0, 1.0, 1.0), {'forget_bias': 0.0})
    """

    name: ClassVar[str] = "lstm"
    compiled: ClassVar[bool] = True
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000"
    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2

    forget_bias: float = Field(
        1.0, allow_inf_nan=False, description="initial bias of the forget gate"
    )
    input_gate_gain: float = Field(1.0, ge=0, description="factor on gain: input gate")
    forget_gate_gain: float = Field(1.0, ge=0, description="factor on gain: forget gate")
    candidate_gain: float = Field(1.0, ge=0, description="factor on gain: candidate")
    output_gate_gain: float = Field(1.0, ge=0, description="factor on gain: output gate")

    @property
    def gate_gains(self) -> tuple[float, ...]:
        """In the order i, f, g, o."""
        return (
            self.input_gate_gain,
            self.forget_gate_gain,
            self.candidate_gain,
            self.output_gate_gain,
        )

    def set_initial(self, weights: dict[str, NDArray[np.float64]], hidden: int) -> None:
        """The forget gate's bias."""
        weights["b_h"][hidden : 2 * hidden] = self.forget_bias

    def step(self, z: Tensor, previous: Tensor, state: Tensor) -> None:
        """See the class."""
        i, f, g, o = z.chunk(4, -1)
        before, (h, c) = previous.chunk(2, -1)[1], state.chunk(2, -1)
        now = sigmoid_(f.clone()).mul_(before).add_(sigmoid_(i.clone()).mul_(tanh_(g.clone())))
        c.copy_(now)
        h.copy_(tanh_(now).mul_(sigmoid_(o.clone())))

    def adjoint(
        self, dstate: Tensor, z: Tensor, previous: Tensor, state: Tensor, dz: Tensor
    ) -> Tensor:
        """See the class; c_{t-1} alone is reached past W_hh."""
        import torch

        i, f, o = (sigmoid_(z.chunk(4, -1)[k].clone()) for k in (0, 1, 3))
        g = tanh_(z.chunk(4, -1)[2].clone())
        c = tanh_(state.chunk(2, -1)[1].clone())
        dh, dc = dstate.chunk(2, -1)
        dc = dc + dh * o * (1 - c * c)
        before = previous.chunk(2, -1)[1]
        di, df, dg, do = dz.chunk(4, -1)
        torch.mul(dc * g, i * (1 - i), out=di)
        torch.mul(dc * before, f * (1 - f), out=df)
        torch.mul(dc * i, 1 - g * g, out=dg)
        torch.mul(dh * c, o * (1 - o), out=do)
        return torch.cat([torch.zeros_like(dc), dc * f], -1)
