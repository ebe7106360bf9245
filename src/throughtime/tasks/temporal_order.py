"""Temporal order: two rare symbols among distractors; say at the end which came first and which
second.
"""

import math
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from throughtime.tasks._base import Batch, Task

SYMBOLS = "ABcdef"  # A and B are to be remembered, c to f are distractors
CLASSES = ("AA", "AB", "BA", "BB")
BINS = 20  # at most so many bins of lag


class TemporalOrder(Task):
    """L = length symbols: A or B at p0 in [.1 L, .2 L) and at p1 in [.5 L, .6 L), distractors c..f
    elsewhere; class AA, AB, BA or BB.

    Positions, symbols and distractors are uniform and independent. The dependency's lag is the
    distance from p0 to the last step.

    Source: Pascanu, Mikolov & Bengio 2013, after Hochreiter & Schmidhuber 1997. Deviations from the
    latter: 4 distractors and two relevant symbols without start and end triggers, fixed length, the
    target read at the last step.

    Raises:
        ValueError: (as a pydantic validation error) an interval holds no whole number, which
            happens for L < 6.

    >>> task = TemporalOrder(length=20)
    >>> batch = task.sample(np.random.default_rng(0), 2)
    >>> batch.inputs.shape, batch.targets.shape
    ((20, 2), (1, 2))

    Here p0 is 2 or 3, p1 is 10 or 11:

    >>> print(task.show(batch, 0))
    input   f e A c c e e f e e B e d e f f c c c d
    target                                       AB
    """

    name: ClassVar[str] = "temporal_order"
    source: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013"
    head: ClassVar[Literal["softmax", "regression"]] = "softmax"
    measure: ClassVar[Literal["accuracy", "mse", "bpc"]] = "accuracy"
    lag_group: ClassVar[str | None] = "lag"

    length: int = Field(50, ge=1, le=1_000_000, description="steps of a sequence")

    @model_validator(mode="after")
    def _room(self) -> Self:
        for tenths in (1, 5):
            start, stop = self._interval(tenths)
            if start >= stop:
                raise ValueError(
                    f"temporal_order: no step in [.{tenths} L, .{tenths + 1} L) for "
                    f"length={self.length}; use 6 or more"
                )
        return self

    def _interval(self, tenths: int) -> tuple[int, int]:
        """The whole numbers p with tenths/10 L <= p < (tenths + 1)/10 L, as start and stop; in
        integers, as .1 is no float.
        """
        return -(-tenths * self.length // 10), -(-(tenths + 1) * self.length // 10)

    @property
    def steps(self) -> int:
        """T = length."""
        return self.length

    @property
    def scored(self) -> int:
        """The last step."""
        return 1

    @property
    def inputs(self) -> int:
        """A, B and four distractors."""
        return len(SYMBOLS)

    @property
    def outputs(self) -> int:
        """AA, AB, BA, BB."""
        return len(CLASSES)

    @property
    def lags(self) -> tuple[int, int]:
        """From the last and from the first place that p0 can have, to the last step."""
        start, stop = self._interval(1)
        return self.length - stop, self.length - 1 - start

    @property
    def mean_lag(self) -> float:
        """Of the first symbol, whose place is uniform."""
        return sum(self.lags) / 2

    @property
    def bin_width(self) -> int:
        """Steps of lag in one bin of the group ``lag``: 1 where there are few lags."""
        start, stop = self._interval(1)
        return -(-(stop - start) // BINS)

    def lags_of(self, bin_: int) -> range:
        """``bin_width`` lags, as far as the task has them."""
        low, high = self.lags
        return range(max(bin_, low), min(bin_ + self.bin_width, high + 1))

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """Group ``lag``: the realised lag of the first symbol, rounded down to a multiple of
        ``bin_width``.
        """
        inputs = rng.integers(2, len(SYMBOLS), (self.length, batch))
        places = np.stack(
            [rng.integers(*self._interval(1), batch), rng.integers(*self._interval(5), batch)]
        )
        symbols = rng.integers(0, 2, (2, batch))
        inputs[places, np.arange(batch)] = symbols
        lag = self.length - 1 - places[:1]
        return Batch(
            inputs, 2 * symbols[:1] + symbols[1:], groups={"lag": lag - lag % self.bin_width}
        )

    @property
    def chance(self) -> float:
        """1/4: the classes are equally likely."""
        return 1 / len(CLASSES)

    @property
    def chance_loss(self) -> float:
        """Ln 4 nats."""
        return math.log(len(CLASSES))

    def solved(self, value: float) -> bool:
        """Less than 1 % wrong (Pascanu et al. judge on 10,000 fresh sequences)."""
        return value > 0.99

    def show(self, batch: Batch, index: int) -> str:
        """Two lines: the symbols, the class below the last step."""
        read = " ".join(SYMBOLS[i] for i in batch.inputs[:, index])
        return f"input   {read}\ntarget  {CLASSES[batch.targets[0, index]].rjust(len(read))}"
