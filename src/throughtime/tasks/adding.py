"""Adding: remember two marked numbers among many, and give their sum at the end."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from throughtime.tasks._base import Batch, Reference, Task

BINS = 20  # at most so many bins of lag


class Adding(Task):
    """``length`` steps of two features: a value in [0, 1), and a mark that is 1 at two steps, one
    in each half, else 0.

    The target, at the last step, is the sum of the two marked values. The first mark's position is
    uniform over the first ``length // 2`` steps, the second's over the rest. The dependency's lag
    is the distance from the first mark to the last step.

    Source: Hochreiter & Schmidhuber 1997, in the form of Arjovsky, Shah & Bengio 2016. Deviations
    from the first: fixed length, values from [0, 1) and not [-1, 1], the sum unscaled, no -1 marks
    at the ends.

    >>> batch = Adding(length=6).sample(np.random.default_rng(3), 2)
    >>> batch.inputs.shape, batch.targets.shape
    ((6, 2, 2), (1, 2, 1))
    >>> print(Adding(length=6).show(batch, 0))
    value   0.81 0.18 0.18 0.87 0.04 0.33
    mark       .    ^    .    ^    .    .
    target                           1.05
    """

    name: ClassVar[str] = "adding"
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997; Arjovsky, Shah & Bengio 2016"
    head: ClassVar[Literal["softmax", "regression"]] = "regression"
    measure: ClassVar[Literal["accuracy", "mse", "bpc"]] = "mse"
    lag_group: ClassVar[str | None] = "lag"

    length: int = Field(50, ge=2, le=1_000_000, description="steps of a sequence")

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
        """Value and mark."""
        return 2

    @property
    def outputs(self) -> int:
        """The sum."""
        return 1

    @property
    def tokens(self) -> bool:
        """Inputs are features."""
        return False

    @property
    def lags(self) -> tuple[int, int]:
        """From the last and from the first place that the first mark can have, to the last step."""
        return self.length - self.length // 2, self.length - 1

    @property
    def mean_lag(self) -> float:
        """Of the first mark, whose place is uniform: about three quarters of the largest lag.

        >>> Adding(length=20).mean_lag, Adding(length=20).lags
        (14.5, (10, 19))
        """
        return sum(self.lags) / 2

    @property
    def bin_width(self) -> int:
        """Steps of lag in one bin of the group ``lag``: 1 where there are few lags."""
        return -(-(self.length // 2) // BINS)

    def lags_of(self, bin_: int) -> range:
        """``bin_width`` lags, as far as the task has them."""
        low, high = self.lags
        return range(max(bin_, low), min(bin_ + self.bin_width, high + 1))

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """Group ``lag``: the realised lag of the first mark, rounded down to a multiple of
        ``bin_width``.
        """
        half, column = self.length // 2, np.arange(batch)
        inputs = np.zeros((self.length, batch, 2), np.float32)
        inputs[:, :, 0] = rng.random((self.length, batch), np.float32)
        marks = np.stack([rng.integers(0, half, batch), rng.integers(half, self.length, batch)])
        inputs[marks, column, 1] = 1
        targets = inputs[marks, column, 0].sum(0)[None, :, None]
        lag = self.length - 1 - marks[:1]
        return Batch(inputs, targets, groups={"lag": lag - lag % self.bin_width})

    @property
    def chance(self) -> float:
        """1/6, the variance of the sum of two uniform numbers: the best constant is 1."""
        return 1 / 6

    @property
    def chance_loss(self) -> float:
        """The same: the loss is the mean squared error."""
        return self.chance

    def solved(self, value: float) -> bool:
        """Mean squared error below .01 (a standard error of .1 in a sum whose own deviation is
        .41).
        """
        return value < 0.01

    def references(self) -> list[Reference]:
        """Chance, and what is left when only the second operand is remembered."""
        return [*super().references(), Reference("one operand known", 1 / 12, self.measure)]

    def show(self, batch: Batch, index: int) -> str:
        """Three lines: values, marks, the sum below the last step."""
        values, marks = batch.inputs[:, index, 0], batch.inputs[:, index, 1]
        read = " ".join(f"{v:.2f}" for v in values)
        mark = " ".join("   ^" if m else "   ." for m in marks)
        target = f"{batch.targets[0, index, 0]:.2f}".rjust(len(read))
        return f"value   {read}\nmark    {mark}\ntarget  {target}"
