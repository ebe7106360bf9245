"""A trained network as a module of torch: nn.RNN, nn.LSTM or nn.GRU with a readout.

Shapes: T steps, B sequences, I inputs, N units, O outputs.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from throughtime.core.errors import UserError
from throughtime.engine.cells import cells

# cell -> the module of torch that computes it, from I and N
MODULES: dict[str, Callable[..., nn.RNNBase]] = {
    "tanh": partial(nn.RNN, nonlinearity="tanh"),
    "relu": partial(nn.RNN, nonlinearity="relu"),
    "irnn": partial(nn.RNN, nonlinearity="relu"),
    "lstm": nn.LSTM,
    "stacked_lstm": nn.LSTM,
    "gru": nn.GRU,
}


class Network(nn.Module):
    """A recurrent layer and a linear readout at every step.

    Attributes:
        recurrent: nn.RNN, nn.LSTM or nn.GRU: one layer, ``batch_first`` False.
        readout: nn.Linear, N to O.
        h_0: the learned initial state: (N), or (2 N) for nn.LSTM, first h, then c; None: zero.
    """

    def __init__(
        self, recurrent: nn.RNNBase, readout: nn.Linear, h_0: Tensor | None = None
    ) -> None:
        super().__init__()
        self.recurrent, self.readout = recurrent, readout
        self.h_0 = None if h_0 is None else nn.Parameter(h_0)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs at every step. A task scores the last of them alone.

        Args:
            x: (T, B) int64 symbols, or (T, B, I) features.

        Returns:
            (T, B, O).
        """
        if not x.is_floating_point():
            x = nn.functional.one_hot(x, self.recurrent.input_size)
        x = x.to(self.readout.weight.dtype)
        states: Tensor = self.recurrent(x, self._initial(x.shape[1]))[0]
        y: Tensor = self.readout(states)
        return y

    def _initial(self, batch: int) -> Tensor | tuple[Tensor, ...] | None:
        """What torch takes as the state before the first step."""
        if self.h_0 is None:
            return None
        parts = self.h_0.view(-1, 1, 1, self.recurrent.hidden_size).expand(-1, 1, batch, -1)
        contiguous = tuple(part.contiguous() for part in parts)
        return contiguous if isinstance(self.recurrent, nn.LSTM) else contiguous[0]


def torch_module(cell: str, weights: Mapping[str, Tensor], **parameters: Any) -> Network:
    """One network of the engine as a module of torch that computes the same outputs.

    Args:
        cell: name of the cell.
        weights: name -> tensor of one network, as engine/parameters.py says; copied.
        parameters: of the cell.

    Raises:
        UserError: torch has no such cell.

    >>> names = {"W_xh": (3, 4), "W_hh": (4, 4), "b_h": (4,), "W_hy": (4, 2), "b_y": (2,)}
    >>> module = torch_module("tanh", {n: torch.zeros(shape) for n, shape in names.items()})
    >>> module(torch.zeros(7, 5, dtype=torch.int64)).shape
    torch.Size([7, 5, 2])
    """
    if cell not in MODULES:
        raise UserError(
            f"cell {cell!r}: torch has no module that computes it; it has {', '.join(MODULES)}"
        )
    if cells()[cell].transformed:
        trained = {name: w[None] for name, w in weights.items()}
        weights = {n: w[0] for n, w in cells()[cell](**parameters).acting(trained).items()}
    (inputs, _), (hidden, outputs) = weights["W_xh"].shape, weights["W_hy"].shape
    dtype = weights["W_hh"].dtype
    with torch.random.fork_rng(devices=[]):  # torch draws initial weights: no state is moved
        recurrent = MODULES[cell](inputs, hidden, dtype=dtype)
        readout = nn.Linear(hidden, outputs, dtype=dtype)
    values = {
        "weight_ih_l0": weights["W_xh"].T,
        "weight_hh_l0": weights["W_hh"].T,
        "bias_ih_l0": weights["b_h"],
        "bias_hh_l0": weights.get("b_hh", torch.zeros_like(weights["b_h"])),
    }
    recurrent.load_state_dict(values)
    readout.load_state_dict({"weight": weights["W_hy"].T, "bias": weights["b_y"]})
    h_0 = weights.get("h_0")
    return Network(recurrent, readout, None if h_0 is None else h_0.clone())
