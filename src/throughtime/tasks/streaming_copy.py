"""Streaming copy: copy payload after payload of an endless stream, the state carried along it."""

import math
from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from throughtime.tasks._base import POOL, Batch, Task

BLANK, MARKER = 0, 1


class StreamingCopy(Task):
    """A stream of blocks of 2 ``payload`` steps: the marker, ``payload - 1`` symbols, and
    ``payload`` blanks while these are written again. At step t the stream of ``payload`` steps
    before is to be written, so every lag is ``payload``.

    Each window of a batch goes on where that of the batch before it ended. Streams start at a
    random step of a block; what would have come before the stream is scored as blanks. Symbols are
    the blank, the marker, and ``alphabet`` others.

    Source: Aicher, Foti & Fox 2019, by their program aicherc/adaptive_tbptt
    (tbptt/generate_data.py; m = 10 and 6 symbols in scripts/copy_fixed-lstm.sh). Deviations: the
    stream is fresh and endless, where theirs has 4,000 steps that are read again and again; and
    their first targets may copy what was not read. Judged in bits per step, whose power of two is
    their perplexity.

    >>> task = StreamingCopy(window=8, payload=3, alphabet=2)
    >>> print(task.show(task.sample(np.random.default_rng(1), 1), 0))
    input   . : 3 3 . . . :
    target  3 . . . : 3 3 .
    """

    name: ClassVar[str] = "streaming_copy"
    source: ClassVar[str] = "Aicher, Foti & Fox 2019; program aicherc/adaptive_tbptt"
    head: ClassVar[Literal["softmax", "regression"]] = "softmax"
    measure: ClassVar[Literal["accuracy", "mse", "bpc"]] = "bpc"
    length_axis: ClassVar[bool] = False
    carries_state: ClassVar[bool] = True

    window: int = Field(60, ge=1, le=1_000_000, description="T, steps per update")
    payload: int = Field(
        10, ge=2, le=1_000_000, description="symbols to remember, the marker included: the lag"
    )
    alphabet: int = Field(4, ge=2, le=1_000_000, description="different symbols of a payload")
    target: float = Field(0.1, gt=0, description="bits per step below which the task is solved")

    @property
    def steps(self) -> int:
        """T = window."""
        return self.window

    @property
    def scored(self) -> int:
        """All."""
        return self.window

    @property
    def inputs(self) -> int:
        """The alphabet, the blank and the marker."""
        return self.alphabet + 2

    @property
    def outputs(self) -> int:
        """As many: what was read is written again."""
        return self.inputs

    @property
    def lags(self) -> None:
        """The lag is ``payload``, but a window may be shorter: none within a sequence."""
        return None

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """Windows from the middle of a stream."""
        whole = self._stream(rng, batch, self.window + self.payload)
        return Batch(whole[self.payload :], whole[: -self.payload])

    def batches(self, rng: np.random.Generator, batch: int) -> Iterator[Batch]:
        """Training batches without end, each the continuation of the one before."""
        yield from self._windows(rng, batch, math.inf)

    def evaluation(self, rng: np.random.Generator, batch: int, size: int) -> Iterator[Batch]:
        """At least ``size`` windows of fresh streams, in order."""
        yield from self._windows(rng, batch, -(-size // batch))

    def _windows(self, rng: np.random.Generator, batch: int, count: float) -> Iterator[Batch]:
        before = np.zeros((self.payload, batch), np.int64)  # blanks: nothing was read
        phase = rng.integers(0, 2 * self.payload, batch)
        done = 0
        while done < count:
            drawn = self._stream(rng, batch, POOL * self.window, phase)
            phase = (phase + POOL * self.window) % (2 * self.payload)
            pool = np.concatenate([before, drawn])
            before = pool[len(pool) - self.payload :]
            for t in range(0, POOL * self.window, self.window):
                if done == count:
                    return
                done += 1
                part = pool[t : t + self.window + self.payload]
                yield Batch(part[self.payload :], part[: self.window])

    def _stream(
        self,
        rng: np.random.Generator,
        batch: int,
        steps: int,
        phase: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """(steps, B): what is read, from step ``phase`` of a block on; None: a random one."""
        if phase is None:
            phase = rng.integers(0, 2 * self.payload, batch)
        place = (phase + np.arange(steps)[:, None]) % (2 * self.payload)
        symbols = rng.integers(2, self.inputs, (steps, batch))
        return np.where(place >= self.payload, BLANK, np.where(place == 0, MARKER, symbols))

    def _shares(self) -> NDArray[np.float64]:
        """(I,) how often each symbol comes."""
        each = (self.payload - 1) / self.alphabet
        counts = np.array([self.payload, 1, *[each] * self.alphabet])
        return counts / counts.sum()

    @property
    def chance(self) -> float:
        """Bits per step of the best constant distribution."""
        return self.chance_loss / math.log(2)

    @property
    def chance_loss(self) -> float:
        """The same in nats."""
        p = self._shares()
        return float(-(p * np.log(p)).sum())

    def solved(self, value: float) -> bool:
        """Fewer bits than ``target``: a perplexity below 1.072."""
        return value < self.target

    def show(self, batch: Batch, index: int) -> str:
        """Two lines; ``.`` is the blank, ``:`` the marker."""
        width = len(str(self.inputs - 1))
        signs = [".", ":", *map(str, range(2, self.inputs))]
        read, write = (
            " ".join(signs[i].rjust(width) for i in a[:, index])
            for a in (batch.inputs, batch.targets)
        )
        return f"input   {read}\ntarget  {write}"
