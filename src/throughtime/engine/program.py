"""What trains and runs a block of networks: a program of fixed shapes, in one of two engines.

``numba`` compiles the loop over time for the CPU (compiled.py); ``torch`` writes it as batched
products of all networks at once (bptt.py): it is the reference, what a cell without a compiled form
uses, and what runs on other devices. Both compute the same, to rounding.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.engine.bptt import Tape, backward, forward, input_index, with_ones
from throughtime.engine.cells._base import Cell, Model
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.losses._base import Targets
from throughtime.engine.omega import Omega
from throughtime.engine.parameters import acting, views
from throughtime.engine.sizes import Shapes, Sizes
from throughtime.engine.truncation import Window


@dataclass(frozen=True, eq=False)
class Examples:
    """A batch for every network, kept once per source: networks of one seed share their data.

    Shapes: S sources, T steps, B sequences, I inputs, Ts scored steps, O outputs, G networks.

    Attributes:
        x: (S, T, B) symbols, or (S, T, B, I) features in the program's dtype; T may be less than
            the program's, which then runs so many steps.
        values: (S, Ts, B) classes, or (S, Ts, B, O) values in the program's dtype.
        weight: (S, Ts, B) in the program's dtype, see losses.Targets.
        rows: (G) the source of each network.
    """

    x: NDArray[Any]
    values: NDArray[Any]
    weight: NDArray[Any]
    rows: NDArray[np.int64]

    @property
    def steps(self) -> int:
        """T of this batch."""
        return self.x.shape[1]

    def tensors(self, sizes: Sizes, device: str = "cpu") -> tuple[Tensor, Targets]:
        """Inputs and targets of all networks, time first, as bptt.forward and losses take them."""
        arrays = (self.x, self.values, self.weight, self.rows)
        *parts, rows = (torch.from_numpy(array).to(device) for array in arrays)
        return spread(parts, rows, sizes)


def spread(parts: Sequence[Tensor], rows: Tensor, sizes: Sizes) -> tuple[Tensor, Targets]:
    """x, values and weight, and the rows, of Examples as tensors for all networks: see
    ``Examples.tensors``.
    """
    x, values, weight = (part.transpose(0, 1).index_select(1, rows) for part in parts)
    x = input_index(x, sizes.inputs) if sizes.tokens else with_ones(x)
    return x, Targets(values, weight)


class Program(ABC):
    """Forward and backward of G networks over T steps, or as many fewer as a batch has."""

    sizes: Sizes

    @property
    @abstractmethod
    def final(self) -> Tensor:
        """(G, B, S) the state after the last step of the last call; the program's memory."""

    @abstractmethod
    def outputs(
        self,
        flat: Tensor,
        examples: Examples,
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
    ) -> Tensor:
        """(Ts, G, B, O), y of the scored steps.

        Args:
            flat: (G, P) weights, see parameters.views.
            examples: the batch.
            start: (G, B, S) state before step 0; None: h_0 where it is learned, else zero.
            resets: steps before which the state is set to zero.
        """

    @abstractmethod
    def gradients(
        self,
        flat: Tensor,
        examples: Examples,
        windows: Sequence[Window],
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
        alive: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Loss (G) and its gradient (G, P) through ``windows``; see bptt.backward. Valid until the
        next call, and to be changed by whoever asked.

        Args:
            flat, examples, start, resets: as in ``outputs``.
            windows: of truncation.windows.
            alive: (G) bool; of other networks nothing is promised. None: all.
        """


class TorchProgram(Program):
    """By torch's batched products; see bptt.py."""

    def __init__(
        self,
        cell: Cell,
        head: str,
        sizes: Sizes,
        shapes: Shapes,
        dtype: torch.dtype,
        device: str = "cpu",
        *,
        overlap: bool = True,
    ) -> None:
        self.cell, self.sizes, self.shapes, self.head, self.device = (
            cell,
            sizes,
            shapes,
            head,
            device,
        )
        self.tape = Tape(cell, sizes, dtype, device, overlap=overlap)
        self.used = self.tape  # its steps that the last call ran
        self.omega: Omega | None = None
        self.penalty: Tensor | None = None

    def penalize(self, penalty: Tensor) -> None:
        """From now on the gradient, and not the loss, has ``penalty`` (G) times Omega in it."""
        s = self.sizes
        shape = s.steps, s.rows, s.batch, s.hidden
        self.omega = Omega(shape, self.tape.states.dtype, self.device)
        self.penalty = penalty.to(self.tape.states.dtype)[:, None, None]

    @property
    def final(self) -> Tensor:
        """See Program."""
        return self.used.states[-1]

    def outputs(
        self,
        flat: Tensor,
        examples: Examples,
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
    ) -> Tensor:
        """See Program."""
        x, _ = examples.tensors(self.sizes, self.device)
        self.used = self.tape.first(len(x))
        return forward(self.used, acting(self.cell, flat, self.shapes), x, start, resets)

    def gradients(
        self,
        flat: Tensor,
        examples: Examples,
        windows: Sequence[Window],
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
        alive: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See Program; what is not alive is computed too."""
        x, targets = examples.tensors(self.sizes, self.device)
        return self.differentiate(flat, x, targets, windows, start, resets)

    def differentiate(
        self,
        flat: Tensor,
        x: Tensor,
        targets: Targets,
        windows: Sequence[Window],
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
    ) -> tuple[Tensor, Tensor]:
        """``gradients`` of what ``spread`` has made of a batch."""
        weights = acting(self.cell, flat, self.shapes)
        self.used = self.tape.first(len(x))
        loss, dy = loss_of(self.head)(forward(self.used, weights, x, start, resets), targets)
        omega = None if self.omega is None else self.omega.first(len(x))
        if omega is not None:
            omega.clear()
        named = backward(self.used, weights, x, dy, windows, omega)
        if omega is not None and self.penalty is not None:
            _, derivative = omega.differentiate(weights["W_hh"])
            penalized = named["W_hh"] + self.penalty * derivative
            named["W_hh"] = torch.where(self.penalty > 0, penalized, named["W_hh"])
        if self.cell.transformed:
            named = self.cell.pull_back(views(flat, self.shapes), named)
        return loss, torch.cat([named[name].flatten(1) for name in self.shapes], 1)


class TransformedProgram(Program):
    """A program of the weights that act, seen from those that are trained."""

    def __init__(self, inner: Program, cell: Cell, shapes: Shapes) -> None:
        self.inner, self.cell, self.shapes, self.sizes = inner, cell, shapes, inner.sizes

    def _flat(self, named: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([named[name].flatten(1) for name in self.shapes], 1)

    @property
    def final(self) -> Tensor:
        """See Program."""
        return self.inner.final

    def outputs(
        self,
        flat: Tensor,
        examples: Examples,
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
    ) -> Tensor:
        """See Program."""
        weights = self._flat(acting(self.cell, flat, self.shapes))
        return self.inner.outputs(weights, examples, start, resets)

    def gradients(
        self,
        flat: Tensor,
        examples: Examples,
        windows: Sequence[Window],
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
        alive: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See Program."""
        named = views(flat, self.shapes)
        acts = self.cell.acting(named)
        inner = {name: tuple(acts[name].shape[1:]) for name in self.shapes}  # may be others
        loss, gradient = self.inner.gradients(
            self._flat(acts), examples, windows, start, resets, alive
        )
        return loss, self._flat(self.cell.pull_back(named, views(gradient, inner)))


def program(
    engine: str,
    model: Model,
    head: str,
    sizes: Sizes,
    shapes: Shapes,
    dtype: torch.dtype,
    device: str = "cpu",
    *,
    overlap: bool = True,
    window: int = 0,
) -> Program:
    """The program of an engine, ``numba`` or ``torch``; ``window``, in steps, is attention's."""
    if not isinstance(model, Cell):
        from throughtime.engine.attention import AttentionProgram
        from throughtime.engine.cells.attention import Attention

        assert isinstance(model, Attention)
        return AttentionProgram(model, head, sizes, shapes, window or sizes.steps)
    cell = model
    if engine == "numba":
        from throughtime.engine.compiled import CompiledProgram  # numba takes a second to start

        compiled = CompiledProgram(cell, head, sizes, str(dtype).split(".")[1], "h_0" in shapes)
        return TransformedProgram(compiled, cell, shapes) if cell.transformed else compiled
    return TorchProgram(cell, head, sizes, shapes, dtype, device, overlap=overlap)
