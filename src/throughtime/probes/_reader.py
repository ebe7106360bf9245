"""Networks that read symbol by symbol and keep nothing for backward."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.engine.bptt import Weights
from throughtime.engine.cells._base import Cell
from throughtime.engine.cells.attention import Attention
from throughtime.engine.losses.softmax import log_softmax
from throughtime.engine.parameters import acting
from throughtime.probes._base import Networks

Symbols = NDArray[np.int64]


class Reader(ABC):
    """What networks know after reading is a tensor of theirs, their state."""

    @abstractmethod
    def start(self, batch: int) -> Tensor:
        """(G, B, ..): nothing has been read."""

    @abstractmethod
    def read(self, state: Tensor, symbols: Symbols) -> Tensor:
        """The state after ``symbols`` (steps, B); ``state`` is not changed."""

    @abstractmethod
    def step(self, state: Tensor, symbol: Tensor) -> Tensor:
        """The state after ``symbol`` (G, B), each network's own."""

    @abstractmethod
    def logits(self, state: Tensor) -> Tensor:
        """(G, B, O) of the symbol that follows."""

    def loss(self, state: Tensor, target: Symbols) -> NDArray[np.float64]:
        """(G, B) nats of the symbols that follow."""
        y = self.logits(state)
        index = torch.from_numpy(target).to(y.device).expand(len(y), -1)[..., None]
        return -log_softmax(y).gather(-1, index)[..., 0].cpu().numpy()


def reader_of(networks: Networks, flat: Tensor) -> Reader:
    """What reads with the weights ``flat`` (G, P), of some of the networks or all, in float64."""
    job, named = networks.job, acting(networks.job.cell, flat.double(), networks.shapes)
    if isinstance(job.cell, Attention):
        window = job.steps if job.mode == "full" else job.K
        return AttentionReader(job.cell, named, job.steps, window)
    return RecurrentReader(networks.cell, named)


class RecurrentReader(Reader):
    """The state is the cell's, (G, B, S).

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
        """See Reader."""
        h = state[..., : self.w_hh.shape[1]]
        return torch.baddbmm(self.weights["b_y"][:, None], h, self.weights["W_hy"])


class AttentionReader(Reader):
    """The state is what was read, (G, B, symbols): at most the last ``steps``, because attention
    has seen no longer text in training.

    Args:
        model: of the networks.
        weights: name -> (G, *shape).
        steps: T.
        window: K, steps that a step attends to.
    """

    def __init__(self, model: Attention, weights: Weights, steps: int, window: int) -> None:
        self.model, self.weights, self.steps, self.window = model, weights, steps, window

    def start(self, batch: int) -> Tensor:
        """See Reader."""
        return torch.zeros(len(self.weights["b_y"]), batch, 0, dtype=torch.int64)

    def read(self, state: Tensor, symbols: Symbols) -> Tensor:
        """See Reader."""
        new = torch.from_numpy(np.ascontiguousarray(symbols.T)).expand(len(state), -1, -1)
        return torch.cat([state, new], -1)[..., -self.steps :]

    def step(self, state: Tensor, symbol: Tensor) -> Tensor:
        """See Reader."""
        return torch.cat([state, symbol[..., None]], -1)[..., -self.steps :]

    def logits(self, state: Tensor) -> Tensor:
        """See Reader; one network after another."""
        found = []
        for row, read in enumerate(state):
            named = {name: weight[row] for name, weight in self.weights.items()}
            found.append(self.model.outputs(named, read.T, self.window, 1)[0])
        return torch.stack(found)
