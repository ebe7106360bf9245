"""What K and T cost: memory kept for backward, and time an update, measured on the engine.

One update is forward, head and backward of ``rows`` tanh networks on random tokens with every step
scored; no data, no optimizer. Modes:

- ``full``: K = T.
- ``chunked``: one chunk of K after the other, forward and backward, on the memory of one chunk:
  what training on a stream does. Memory is linear in K; time is not a matter of K.
- ``sliding`` (k1 = 1) and ``buffered``: as bptt.backward does them, on the memory of all T steps.

The figures of time are the machine's; those of memory are exact. ``fits.laws`` fits the straight
lines.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.engine.bptt import Tape, Weights, backward, forward, gradients, input_index
from throughtime.engine.cells import cell
from throughtime.engine.losses._base import Targets
from throughtime.engine.losses.softmax import loss as softmax
from throughtime.engine.parameters import views
from throughtime.engine.sizes import Sizes, shapes, size, tape_bytes
from throughtime.engine.truncation import Window, overlapping, strides, windows

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


DEFAULT = (
    *(Size("full", T, T) for T in (25, 50, 100, 150, 200, 300, 400)),
    *(Size("chunked", 200, K) for K in (5, 10, 20, 25, 40, 50, 100, 200)),
    *(Size("sliding", 100, K) for K in (1, 5, 10, 20, 30, 40, 50)),
    *(Size("buffered", 100, K) for K in (5, 10, 20, 30, 40, 50)),
    *(Size("full", 100, 100, batch=b) for b in (1, 5, 40, 80)),
)


class Program:
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
        layout = shapes(cell("tanh"), SYMBOLS, s.hidden, SYMBOLS)
        self.weights = views(
            torch.randn(s.rows, size(layout), generator=rng) * s.hidden**-0.5, layout
        )
        self.overlap = overlapping(self.windows)
        self.tape = Tape(cell("tanh"), self.sizes, overlap=self.overlap)
        symbols = torch.randint(SYMBOLS, (2, s.T, s.rows, s.batch), generator=rng)
        self.x, self.values = input_index(symbols[0], SYMBOLS), symbols[1]
        self.weight = torch.full(self.values.shape, 1 / (s.T * s.batch))

    def _windows(self) -> list[Window]:
        s = self.size
        if s.mode == "chunked":
            return windows(s.K, s.K, s.K)
        return windows(s.T, *strides(s.mode, s.T, s.K))

    def update(self) -> Weights:
        """Gradients of one update."""
        total: Weights = {}
        state: Tensor | None = None
        for start in range(0, self.size.T, self.steps):
            part = slice(start, start + self.steps)
            targets = Targets(self.values[part], self.weight[part])
            _, named = gradients(
                self.tape, self.weights, self.x[part], targets, "softmax", self.windows, state
            )
            total = {name: named[name] + total[name] if total else named[name] for name in named}
            if start + self.steps < self.size.T:
                state = self.tape.states[-1].clone()
        return total

    def kept_bytes(self) -> int:
        """Memory of the tape: every tensor's storage, counted once."""
        storages = [t.untyped_storage() for t in vars(self.tape).values() if isinstance(t, Tensor)]
        return sum({s.data_ptr(): s.nbytes() for s in storages}.values())

    def predicted_bytes(self) -> int:
        """Tape.bytes_per_row of all rows: with inputs and the head's temporary tensors, without
        what does not grow with T.
        """
        return self.size.rows * tape_bytes(self.tape.cell, self.sizes, overlap=self.overlap)


def phases(program: Program) -> dict[str, Callable[[], object]]:
    """The update and, where it is one chunk, its two halves."""
    parts: dict[str, Callable[[], object]] = {"update": program.update}
    if program.steps == program.size.T:
        targets = Targets(program.values, program.weight)
        _, dy = softmax(forward(program.tape, program.weights, program.x), targets)
        parts["forward"] = lambda: forward(program.tape, program.weights, program.x)
        parts["backward"] = lambda: backward(
            program.tape, program.weights, program.x, dy, program.windows
        )
    return parts


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
    """Memory and time of each size. Run it under train.one_thread, and alone on the machine.

    Args:
        sizes: what to measure; DEFAULT takes about half a minute.
        repeats: the fastest of so many calls counts.

    Returns:
        One row per size: mode, T, K, hidden, batch, rows; kept_bytes and predicted_bytes (all
        rows); update_ms, forward_ms and backward_ms (all rows; the halves are NaN where an update
        is several chunks); tokens_per_second (rows x T x B per second).
    """
    rows = []
    for s in sizes:
        program = Program(s)
        ms = {"forward_ms": np.nan, "backward_ms": np.nan}
        ms |= {f"{name}_ms": milliseconds(run, repeats) for name, run in phases(program).items()}
        tokens = s.rows * s.T * s.batch / ms["update_ms"] * 1e3
        kept = {"kept_bytes": program.kept_bytes(), "predicted_bytes": program.predicted_bytes()}
        rows.append({**asdict(s), **kept, **ms, "tokens_per_second": tokens})
    return pd.DataFrame(rows)
