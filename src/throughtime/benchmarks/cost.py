"""What K and T cost: memory kept for backward, and time an update, measured on the engine in use:
numba where it is installed, else torch.

One update is forward, head and backward of ``rows`` tanh networks on random tokens with every step
scored; no data, no optimizer. Modes:

- ``full``: K = T.
- ``chunked``: one chunk of K after the other, forward and backward, on the memory of one chunk:
  what training on a stream does. Memory is linear in K; time is not a matter of K.
- ``sliding`` (k1 = 1) and ``buffered``: as the engine does them, on the memory of all T steps.

The memory is that of the arrays which the engine keeps from update to update. torch keeps the
tape of all rows, because it computes them at once. numba computes one row after the other on one
row's tape, which also holds that row's weights and gradient in whole vectors, beside the last
state of each row. The weights and gradients of all rows are counted for neither.

The figures of time are the machine's; those of memory are exact. ``laws`` of experiments/cost fits
the straight lines.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.engine.cells import cell
from throughtime.engine.program import Examples, TorchProgram, program
from throughtime.engine.sizes import Sizes, shapes, size
from throughtime.engine.truncation import Window, overlapping, strides, windows
from throughtime.planning.axes import numba_is_installed

SYMBOLS = 10


@dataclass(frozen=True)
class Size:
    """One program to measure."""

    mode: str
    T: int
    K: int
    hidden: int = 32
    batch: int = 20
    rows: int = 32
    engine: str = "auto"  # or ``numba``, or ``torch``

    @property
    def kernel(self) -> str:
        """The engine that computes: ``numba`` or ``torch``."""
        if self.engine != "auto":
            return self.engine
        return "numba" if numba_is_installed() else "torch"


DEFAULT = (
    *(Size("full", T, T) for T in (25, 50, 100, 150, 200, 300, 400)),
    *(Size("chunked", 200, K) for K in (5, 10, 20, 25, 40, 50, 100, 200)),
    *(Size("sliding", 100, K) for K in (1, 5, 10, 20, 30, 40, 50)),
    *(Size("buffered", 100, K) for K in (5, 10, 20, 30, 40, 50)),
    *(Size("full", 100, 100, batch=b) for b in (1, 5, 40, 80)),
)


class Update:
    """One update, ready to be run.

    Raises:
        ValueError: chunks of K do not fill T steps.
    """

    def __init__(self, s: Size, seed: int = 0) -> None:
        if s.mode == "chunked" and s.T % s.K:
            raise ValueError(f"chunked: K={s.K} does not divide T={s.T}")
        rng = torch.Generator().manual_seed(seed)
        self.size = s
        self.windows = self._windows()
        self.steps = s.K if s.mode == "chunked" else s.T
        self.sizes = Sizes(
            s.rows, self.steps, s.batch, SYMBOLS, s.hidden, SYMBOLS, self.steps, True
        )
        self.cell, self.overlap = cell("tanh"), overlapping(self.windows)
        layout = shapes(self.cell, SYMBOLS, s.hidden, SYMBOLS)
        self.flat = torch.randn(s.rows, size(layout), generator=rng) * s.hidden**-0.5
        self.program = program(
            s.kernel,
            self.cell,
            "softmax",
            self.sizes,
            layout,
            torch.float32,
            overlap=self.overlap,
        )
        symbols = torch.randint(SYMBOLS, (2, s.rows, s.T, s.batch), generator=rng).numpy()
        weight = np.full(symbols.shape[1:], 1 / (s.T * s.batch), np.float32)
        self.parts = []  # a batch per chunk
        for start in range(0, s.T, self.steps):
            x, values, own = (
                np.ascontiguousarray(a[:, start : start + self.steps])
                for a in (symbols[0], symbols[1], weight)
            )
            self.parts.append(Examples(x, values, own, np.arange(s.rows)))

    def _windows(self) -> list[Window]:
        s = self.size
        if s.mode == "chunked":
            return windows(s.K, s.K, s.K)
        return windows(s.T, *strides(s.mode, s.T, s.K))

    def run(self) -> Tensor:
        """(G, P) the gradient."""
        total, state = torch.zeros_like(self.flat), None
        for part in self.parts:
            _, gradient = self.program.gradients(self.flat, part, self.windows, state)
            total += gradient
            state = self.program.final.clone() if len(self.parts) > 1 else None
        return total

    def forward(self) -> Tensor:
        """(Ts, G, B, O) the outputs of the first chunk."""
        return self.program.outputs(self.flat, self.parts[0])

    def kept_bytes(self) -> int:
        """Memory of the engine's arrays, each counted once."""
        if isinstance(self.program, TorchProgram):
            tape = [t for t in vars(self.program.tape).values() if isinstance(t, Tensor)]
            storages = [t.untyped_storage() for t in tape]
            return sum({s.data_ptr(): s.nbytes() for s in storages}.values())
        compiled: Any = self.program  # its class cannot be imported where there is no numba
        arrays = [*compiled.memory, compiled.states]
        return sum({a.ctypes.data: a.nbytes for a in arrays if a.nbytes}.values())

    def predicted_bytes(self) -> int:
        """What planning expects of the tape, Cell.tape_bytes: of all rows with torch, of one with
        numba. With inputs and the head's temporary tensors, without what does not grow with T.
        """
        if isinstance(self.program, TorchProgram):
            return self.size.rows * self.cell.tape_bytes(self.sizes, overlap=self.overlap)
        compiled: Any = self.program
        whole = replace(self.sizes, hidden=compiled.shape.Np)
        return self.cell.tape_bytes(whole, overlap=True)


def milliseconds(run: Callable[[], object], repeats: int) -> float:
    """The fastest of ``repeats`` calls after one that is not counted: interruptions only ever add
    time.

    Processor time: on one thread that of the clock, less what other programs took.
    """
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times) * 1e3


def measure(sizes: Iterable[Size] = DEFAULT, repeats: int = 5) -> pd.DataFrame:
    """Memory and time of each size. Run it under one_thread, and alone on the machine.

    Args:
        sizes: what to measure; DEFAULT takes about half a minute.
        repeats: the fastest of so many calls counts.

    Returns:
        One row per size: mode, T, K, hidden, batch, rows; engine (numba or torch); kept_bytes and
        predicted_bytes; update_ms, forward_ms and backward_ms (all rows; backward, with the head's
        loss, is the update less forward; both are NaN where an update is several chunks);
        tokens_per_second (rows x T x B per second).
    """
    rows = []
    for s in sizes:
        update = Update(s)
        ms = {"update_ms": milliseconds(update.run, repeats)}
        forward = milliseconds(update.forward, repeats) if len(update.parts) == 1 else math.nan
        ms |= {"forward_ms": forward, "backward_ms": ms["update_ms"] - forward}
        tokens = s.rows * s.T * s.batch / ms["update_ms"] * 1e3
        kept = {"kept_bytes": update.kept_bytes(), "predicted_bytes": update.predicted_bytes()}
        own = {**asdict(s), "engine": s.kernel}
        rows.append({**own, **kept, **ms, "tokens_per_second": tokens})
    return pd.DataFrame(rows)
