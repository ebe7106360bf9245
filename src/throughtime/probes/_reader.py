"""Networks that read symbol by symbol and keep nothing for backward."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.engine.bptt import Weights
from throughtime.engine.cells._base import Cell
from throughtime.engine.losses.softmax import log_softmax

Symbols = NDArray[np.int64]


class Reader:
    """Networks that read and keep nothing for backward.

    Args:
        cell: of the networks.
        weights: of parameters.acting.
    """

    def __init__(self, cell: Cell, weights: Weights) -> None:
        self.cell, self.weights = cell, weights
        self.w_hh, self.table = (
            weights["W_hh"].contiguous(),
            weights["W_xh"] + weights["b_h"][:, None],
        )

    def start(self, batch: int) -> Tensor:
        """(G, B, S): h_0 where it is learned, else zero."""
        rows, states = len(self.w_hh), self.cell.states * self.w_hh.shape[1]
        zero = torch.zeros(rows, batch, states, dtype=self.w_hh.dtype, device=self.w_hh.device)
        return zero + self.weights["h_0"][:, None] if "h_0" in self.weights else zero

    def read(self, state: Tensor, symbols: Symbols) -> Tensor:
        """The state (G, B, S) after ``symbols`` (steps, B); ``state`` is not changed."""
        for s in torch.from_numpy(np.ascontiguousarray(symbols)).to(state.device):
            state = self.advance(state, self.table[:, s])
        return state

    def step(self, state: Tensor, symbol: Tensor) -> Tensor:
        """The state (G, B, S) after ``symbol`` (G, B), each network's own."""
        rows = torch.arange(len(self.table), device=state.device)
        return self.advance(state, self.table[rows[:, None], symbol])

    def advance(self, state: Tensor, z: Tensor) -> Tensor:
        """The state after a step whose part of the input is ``z`` (G, B, ..), which is used up."""
        hidden, block = self.w_hh.shape[1], self.cell.carrier
        carried = state[..., block * hidden : (block + 1) * hidden]
        if self.cell.separate:
            z = torch.cat([z, torch.baddbmm(self.weights["b_hh"][:, None], carried, self.w_hh)], -1)
        else:
            z = z.baddbmm_(carried, self.w_hh)
        new = z if self.cell.in_place else torch.empty_like(state)
        self.cell.step(z, state, new)
        return new

    def logits(self, state: Tensor) -> Tensor:
        """(G, B, O) of the character that follows."""
        h = state[..., : self.w_hh.shape[1]]
        return torch.baddbmm(self.weights["b_y"][:, None], h, self.weights["W_hy"])

    def loss(self, state: Tensor, target: Symbols) -> NDArray[np.float64]:
        """(G, B) nats of the characters that follow."""
        y = self.logits(state)
        index = torch.from_numpy(target).to(y.device).expand(len(y), -1)[..., None]
        return -log_softmax(y).gather(-1, index)[..., 0].cpu().numpy()
