"""Temporal order: two rare symbols among distractors; say at the end which came first and which
second.
"""

import math
from collections.abc import Iterator
from itertools import islice
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from throughtime.core.rng import stream
from throughtime.tasks._base import Batch, Task

SYMBOLS = "ABcdef"  # A and B are to be remembered, c to f are distractors
CLASSES = ("AA", "AB", "BA", "BB")
BINS = 20  # at most so many bins of lag, and of length


def interval(length: int, tenths: int) -> tuple[int, int]:
    """The whole numbers p with tenths/10 L <= p < (tenths + 1)/10 L, as start and stop; in
    integers, as .1 is no float.
    """
    return -(-tenths * length // 10), -(-(tenths + 1) * length // 10)


def lags(length: int) -> tuple[int, int]:
    """From the last and from the first place that p0 can have, to the last step."""
    start, stop = interval(length, 1)
    return length - stop, length - 1 - start


class TemporalOrder(Task):
    """L = length symbols: A or B at p0 in [.1 L, .2 L) and at p1 in [.5 L, .6 L), distractors c..f
    elsewhere; class AA, AB, BA or BB.

    Positions, symbols and distractors are uniform and independent. The dependency's lag is the
    distance from p0 to the last step.

    With ``shortest`` one network learns many lengths: the sequences of a batch have one length L,
    uniform in shortest..length. L of a training batch depends on its number and on the task alone,
    so that networks of all seeds have the same lengths and differ in all else.

    Source: Pascanu, Mikolov & Bengio 2013, after Hochreiter & Schmidhuber 1997. Deviations from the
    latter: 4 distractors and two relevant symbols without start and end triggers, fixed length, the
    target read at the last step. Deviations from the former's code (RNN.py of
    pascanur/trainingRNNs), which draws a length per batch too: ``length`` itself is drawn as well,
    and runs do not draw lengths of their own.

    Raises:
        ValueError: (as a pydantic validation error) an interval holds no whole number, which
            happens for L < 6; ``shortest`` is not below ``length``.

    >>> task = TemporalOrder(length=20)
    >>> batch = task.sample(np.random.default_rng(0), 2)
    >>> batch.inputs.shape, batch.targets.shape
    ((20, 2), (1, 2))

    Here p0 is 2 or 3, p1 is 10 or 11:

    >>> print(task.show(batch, 0))
    input   f e A c c e e f e e B e d e f f c c c d
    target                                       AB

    >>> many = TemporalOrder(length=20, shortest=10)
    >>> [len(batch.inputs) for batch in islice(many.batches(np.random.default_rng(0), 2), 5)]
    [17, 18, 13, 11, 18]
    """

    name: ClassVar[str] = "temporal_order"
    later: ClassVar[frozenset[str]] = frozenset({"shortest"})
    source: ClassVar[str] = "Pascanu, Mikolov & Bengio 2013"
    head: ClassVar[Literal["softmax", "regression"]] = "softmax"
    measure: ClassVar[Literal["accuracy", "mse", "bpc"]] = "accuracy"
    lag_group: ClassVar[str | None] = "lag"

    length: int = Field(
        50, ge=1, le=1_000_000, description="steps of a sequence, or of the longest"
    )
    shortest: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="steps of the shortest sequence, a length is drawn per batch; 0: all have "
        "length",
    )

    @model_validator(mode="after")
    def _room(self) -> Self:
        for name in ("length", "shortest") if self.shortest else ("length",):
            value = getattr(self, name)
            for tenths in (1, 5):
                start, stop = interval(value, tenths)
                if start >= stop:
                    raise ValueError(
                        f"temporal_order: no step in [.{tenths} L, .{tenths + 1} L) for "
                        f"{name}={value}; use 6 or more"
                    )
        if self.shortest >= self.length:
            raise ValueError(
                f"temporal_order: shortest={self.shortest} is not below length={self.length}; "
                "lower it, or leave it out"
            )
        return self

    @property
    def steps(self) -> int:
        """T = length."""
        return self.length

    @property
    def lengths(self) -> range:
        """The lengths that a sequence can have, all equally likely."""
        return range(self.shortest or self.length, self.length + 1)

    @property
    def longest(self) -> Task:
        """The task of sequences that all have ``length``."""
        return self.of(self.length)

    def of(self, length: int) -> "TemporalOrder":
        """The task of sequences that all have this length."""
        return self.model_copy(update={"length": length, "shortest": 0})

    @property
    def mean_steps(self) -> float:
        """The mean length."""
        return (self.lengths[0] + self.length) / 2

    def drawn_lengths(self) -> Iterator[int]:
        """The length of each training batch, without end."""
        rng = stream(0, "length", self.name)
        while True:
            yield int(rng.integers(self.lengths[0], self.length + 1))

    def steps_read(self, updates: NDArray[np.int64]) -> NDArray[np.int64]:
        """The sum of the lengths of the batches."""
        if not self.shortest:
            return super().steps_read(updates)
        drawn = list(islice(self.drawn_lengths(), int(updates.max(initial=0))))
        return np.cumsum([0, *drawn])[updates]

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
        """From the last and from the first place that p0 can have, to the last step; of the
        shortest and of the longest sequence.
        """
        return lags(self.lengths[0])[0], lags(self.length)[1]

    @property
    def mean_lag(self) -> float:
        """Of the first symbol, whose place is uniform, and so is the length."""
        return sum(sum(lags(length)) / 2 for length in self.lengths) / len(self.lengths)

    @property
    def bin_width(self) -> int:
        """Steps of lag in one bin of the group ``lag``: 1 where there are few lags."""
        low, high = self.lags
        return -(-(high + 1 - low) // BINS)

    def lags_of(self, bin_: int) -> range:
        """``bin_width`` lags, as far as the task has them."""
        low, high = self.lags
        return range(max(bin_, low), min(bin_ + self.bin_width, high + 1))

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """Group ``lag``: the realised lag of the first symbol, rounded down to a multiple of
        ``bin_width``. Where lengths differ, one is drawn for all of the sequences, and there is a
        group ``length``: the first of at most BINS bins of equal width from the shortest on.
        """
        if not self.shortest:
            return self._drawn(rng, batch, self.length)
        return self._drawn(rng, batch, int(rng.integers(self.shortest, self.length + 1)))

    def _drawn(self, rng: np.random.Generator, batch: int, length: int) -> Batch:
        inputs = rng.integers(2, len(SYMBOLS), (length, batch))
        places = np.stack([rng.integers(*interval(length, tenths), batch) for tenths in (1, 5)])
        symbols = rng.integers(0, 2, (2, batch))
        inputs[places, np.arange(batch)] = symbols
        lag = length - 1 - places[:1]
        groups = {"lag": lag - lag % self.bin_width}
        if self.shortest:
            width = -(-len(self.lengths) // BINS)
            groups["length"] = np.full_like(lag, length - (length - self.shortest) % width)
        return Batch(inputs, 2 * symbols[:1] + symbols[1:], groups=groups)

    def batches(self, rng: np.random.Generator, batch: int) -> Iterator[Batch]:
        """See Task; where lengths differ each batch is drawn by itself."""
        if not self.shortest:
            return super().batches(rng, batch)
        return (self._drawn(rng, batch, length) for length in self.drawn_lengths())

    @property
    def evaluation_sets(self) -> dict[str, Task]:
        """Where lengths differ, ``double`` and ``fivefold``: sequences that are all so many times
        as long as the longest of the training.
        """
        names = {"double": 2, "fivefold": 5} if self.shortest else {}
        return {name: self.of(times * self.length) for name, times in names.items()}

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
