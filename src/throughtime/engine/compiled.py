"""A program for the CPU by numba: see kernels.py. What it computes is what bptt.py computes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from throughtime.engine import kernels
from throughtime.engine.cells import Cell, cell
from throughtime.engine.clipping import Clipper
from throughtime.engine.program import Examples, Program
from throughtime.engine.sizes import Sizes
from throughtime.engine.truncation import Window, overlapping

CELLS = {
    "tanh": kernels.TANH,
    "relu": kernels.RELU,
    "identity": kernels.IDENTITY,
    "sigmoid": kernels.SIGMOID,
    "lstm": kernels.LSTM,
    "gru": kernels.GRU,
    "minimal": kernels.MINIMAL,
    "lru": kernels.LRU,
}
MATRICES = {"minimal": 1, "lru": 0}  # gates to which W_hh leads, where not all
HEADS = {"softmax": kernels.SOFTMAX, "regression": kernels.REGRESSION}


def aligned(count: int, dtype: DTypeLike) -> NDArray[np.float64]:
    """``count`` zeros that begin on a border of kernels.BYTES."""
    size = count * np.dtype(dtype).itemsize
    memory = np.zeros(size + kernels.BYTES, np.uint8)
    start = -memory.ctypes.data % kernels.BYTES
    return memory[start : start + size].view(dtype)


def padded(n: int, dtype: DTypeLike) -> int:
    """``n``, rounded up to whole vectors.

    >>> padded(9, "float32"), padded(9, "float64")
    (16, 16)
    """
    lanes = kernels.BYTES // np.dtype(dtype).itemsize
    return -(-n // lanes) * lanes


def flattened(array: NDArray[Any]) -> NDArray[Any]:
    """(first, all others), contiguous: numba compiles anew, half a minute, for an array that is a
    part of another.
    """
    return np.ascontiguousarray(array).reshape(len(array), -1)


class CompiledProgram(Program):
    """Forward, loss and backward of one network after another.

    Args:
        cell: of CELLS.
        head: ``softmax`` or ``regression``.
        sizes: of the program.
        dtype: ``float32`` or ``float64``.
        learned: whether the initial state is learned.
    """

    def __init__(self, cell: Cell, head: str, sizes: Sizes, dtype: str, learned: bool) -> None:
        self.sizes, self.dtype = sizes, np.dtype(dtype)
        n, o = padded(sizes.hidden, dtype), padded(sizes.outputs, dtype)
        self.shape = kernels.Shape(
            CELLS[cell.kernel or cell.name],
            HEADS[head],
            sizes.steps,
            sizes.batch,
            sizes.inputs,
            sizes.hidden,
            sizes.outputs,
            sizes.scored,
            cell.gates,
            MATRICES.get(cell.name, cell.gates),
            cell.states,
            sizes.tokens,
            learned,
            n,
            o,
        )
        self.memory = self._memory(cell, n, o)
        self.loss = np.empty(0, dtype)
        self.gradient: NDArray[np.float64] | None = None
        self._asked: tuple[Sequence[Window], int] = (), 0
        self._answer = np.empty(0, np.int64), False
        self.states = np.zeros((sizes.rows, sizes.batch * cell.states * sizes.hidden), dtype)

    def _memory(self, cell: Cell, n: int, o: int) -> kernels.Memory:
        s, z = self.sizes, cell.gates * n
        apart, gated, two = cell.separate, not cell.in_place, cell.states == 2
        dz = aligned(s.steps * s.batch * z, self.dtype)
        recent = aligned(max(1, kernels.CHUNK // (s.batch * n)) * s.batch * z, self.dtype)

        def zeros(*shape: int, needed: bool = True) -> NDArray[np.float64]:
            return aligned(int(np.prod(shape)) if needed else 0, self.dtype)

        return kernels.Memory(
            h=zeros(s.steps + 1, s.batch, n),
            c=zeros(s.steps + 1, s.batch, n, needed=two),
            z=zeros(s.steps, s.batch, z, needed=gated),
            e=zeros(s.steps, s.batch, n, needed=gated),
            zh=zeros(s.batch, z, needed=apart),
            dz=dz,
            dzh=zeros(s.steps, s.batch, z) if apart else dz,
            recent=recent,
            recenth=aligned(len(recent), self.dtype) if apart else recent,
            dh=zeros(s.batch, n),
            dc=zeros(s.batch, n, needed=two),
            y=zeros(s.scored, s.batch, o),
            dhs=zeros(s.scored, s.batch, n),
            wx=zeros(s.inputs, z),
            wh=zeros(n, z),
            wht=zeros(z, n),
            b=zeros(z),
            bh=zeros(z),
            wy=zeros(n, o),
            wyt=zeros(o, n),
            by=zeros(o),
            gwx=zeros(s.inputs, z),
            gwh=zeros(n, z),
            gb=zeros(z),
            gbh=zeros(z),
            gwy=zeros(n, o),
            gby=zeros(o),
            gh0=zeros(cell.states * n),
        )

    @property
    def final(self) -> Tensor:
        """See Program."""
        return torch.from_numpy(self.states).view(self.sizes.rows, self.sizes.batch, -1)

    def outputs(
        self,
        flat: Tensor,
        examples: Examples,
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
    ) -> Tensor:
        """See Program."""
        s = self.sizes
        y = np.empty((s.rows, s.scored * s.batch * s.outputs), self.dtype)
        alive, none = np.ones(s.rows, bool), np.empty((len(examples.x), 0), self.dtype)
        kernels.run(
            self._shape(examples.steps), self.memory, flattened(flat.numpy()),
            *self._inputs(examples, start, resets), alive,
            self.states, y, none.astype(np.int64), none, none, np.empty(0, np.int64), False,
            np.empty(0, self.dtype), none,
        )  # fmt: skip
        return torch.from_numpy(y).view(s.rows, s.scored, s.batch, s.outputs).transpose(0, 1)

    def gradients(
        self,
        flat: Tensor,
        examples: Examples,
        windows: Sequence[Window],
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
        alive: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See Program; windows with factors are the engine ``torch``'s."""
        assert all(w.factors is None for w in windows)
        rows, sources = self.sizes.rows, len(examples.x)
        values = flattened(examples.values)
        none = np.empty((sources, 0), self.dtype)
        whole = values.dtype.kind == "i"
        if self.gradient is None:
            self.loss, self.gradient = np.empty(rows, self.dtype), np.empty(flat.shape, self.dtype)
        kernels.run(
            self._shape(examples.steps),
            self.memory,
            flattened(flat.numpy()),
            *self._inputs(examples, start, resets),
            np.ones(rows, bool) if alive is None else alive.numpy(),
            self.states,
            np.empty((rows, 0), self.dtype),
            values if whole else none.astype(np.int64),
            none if whole else values,
            flattened(examples.weight),
            *self._arranged(windows, examples.steps),
            self.loss,
            self.gradient,
        )
        return torch.from_numpy(self.loss), torch.from_numpy(self.gradient)

    def _arranged(self, windows: Sequence[Window], steps: int) -> tuple[NDArray[np.int64], bool]:
        """``windows`` and ``overlap`` of kernels.run; kept for a call with the same list."""
        if self._asked[0] is not windows or self._asked[1] != steps:
            flat = np.array([(w.start, w.scored, w.stop) for w in windows], np.int64).ravel()
            first = steps - self.sizes.scored
            self._asked = windows, steps
            self._answer = flat, overlapping([w for w in windows if w.stop > first])
        return self._answer

    def _shape(self, steps: int) -> kernels.Shape:
        """The program of so many steps; its memory is the first part of what there is."""
        self.sizes.check(steps)
        return self.shape._replace(T=steps)

    def _inputs(
        self, examples: Examples, start: Tensor | None, resets: frozenset[int]
    ) -> tuple[NDArray[np.generic], ...]:
        """From ``source`` to ``start`` of kernels.run."""
        sources = len(examples.x)
        x = flattened(examples.x)
        none = np.empty((sources, 0), self.dtype)
        reset = np.zeros(examples.steps, bool)
        reset[list(resets)] = True
        before = np.empty((self.sizes.rows, 0), self.dtype)
        if start is not None:
            before = flattened(start.expand_as(self.final).numpy())
        tokens, features = (x, none) if self.sizes.tokens else (none.astype(np.int64), x)
        return examples.rows, tokens, features, reset, before


def compile_engine() -> None:
    """Compile for float32 and float64, so that no later process waits for it; numba keeps what is
    compiled beside this file.
    """
    sizes = Sizes(1, 1, 1, 1, 1, 1, 1, tokens=False)
    for dtype in ("float32", "float64"):
        program = CompiledProgram(cell("tanh"), "regression", sizes, dtype, learned=False)
        x = np.zeros((1, 1, 1, 1), dtype)
        examples = Examples(x, x, np.ones((1, 1, 1), dtype), np.zeros(1, np.int64))
        flat = torch.zeros(1, 5, dtype=getattr(torch, dtype))
        program.outputs(flat, examples)
        _, gradient = program.gradients(flat, examples, [Window(0, 0, 1)])
        one = torch.ones(1, dtype=torch.float64)
        clipper = Clipper(one, one.to(flat.dtype), one > 1, (0, 1), compiled=True)
        clipper.clip_(gradient)
        clipper.finite(flat)


if __name__ == "__main__":
    compile_engine()
