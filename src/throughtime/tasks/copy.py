"""Copy: remember a payload of symbols over a gap of blanks, then write it out."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from throughtime.tasks._base import Batch, Task


class Copy(Task):
    """T = length + 2 payload steps: the payload, ``length - 1`` blanks, the marker, and ``payload``
    blanks while recalling.

    Symbols are 0..alphabet-1, then the blank, then the marker. Every symbol is written ``length +
    payload`` steps after it was read.

    Source: Arjovsky, Shah & Bengio 2016 (payload 10, alphabet 8; ``length`` is their T).
    Deviations: only the recall positions are scored, so that chance is ln(alphabet) a symbol and
    not 10 ln(8) / (T + 20); the network need not learn to write blanks, so there are ``alphabet``
    outputs and not one more. Payload and alphabet are parameters.

    >>> batch = Copy(length=4, payload=3).sample(np.random.default_rng(0), 2)
    >>> batch.inputs.shape, batch.targets.shape
    ((10, 2), (3, 2))

    ``.`` is the blank, ``:`` the marker:

    >>> print(Copy(length=4, payload=3).show(batch, 0))
    input   6 4 2 . . . : . . .
    target                6 4 2
    """

    name: ClassVar[str] = "copy"
    source: ClassVar[str] = "Arjovsky, Shah & Bengio 2016"
    head: ClassVar[Literal["softmax", "regression"]] = "softmax"
    measure: ClassVar[Literal["accuracy", "mse", "bpc"]] = "accuracy"

    length: int = Field(
        20,
        ge=1,
        le=1_000_000,
        description="blanks before recall, the marker included: the lag is length + payload steps",
    )
    payload: int = Field(10, ge=1, le=1_000_000, description="symbols to remember")
    alphabet: int = Field(8, ge=2, le=1_000_000, description="different symbols")

    @property
    def steps(self) -> int:
        """T = length + 2 payload."""
        return self.length + 2 * self.payload

    @property
    def scored(self) -> int:
        """The recall positions."""
        return self.payload

    @property
    def inputs(self) -> int:
        """The alphabet, the blank and the marker."""
        return self.alphabet + 2

    @property
    def outputs(self) -> int:
        """The alphabet."""
        return self.alphabet

    @property
    def lags(self) -> tuple[int, int]:
        """The same for every symbol."""
        return self.length + self.payload, self.length + self.payload

    @property
    def mean_lag(self) -> float:
        """The only one."""
        return sum(self.lags) / 2

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """Symbols are uniform and independent."""
        payload = rng.integers(0, self.alphabet, (self.payload, batch))
        inputs = np.full((self.steps, batch), self.alphabet)
        inputs[: self.payload] = payload
        inputs[-self.payload - 1] = self.alphabet + 1
        return Batch(inputs, payload)

    @property
    def chance(self) -> float:
        """1 / alphabet."""
        return 1 / self.alphabet

    @property
    def chance_loss(self) -> float:
        """ln(alphabet) nats a recalled symbol."""
        return math.log(self.alphabet)

    def solved(self, value: float) -> bool:
        """At least 99 % of the recalled symbols are right."""
        return value >= 0.99

    def show(self, batch: Batch, index: int) -> str:
        """Two lines: what is read, and below it what is to be written."""
        width = len(str(self.alphabet - 1))
        signs = [*map(str, range(self.alphabet)), ".", ":"]
        read = " ".join(signs[i].rjust(width) for i in batch.inputs[:, index])
        write = " ".join(signs[i].rjust(width) for i in batch.targets[:, index])
        return f"input   {read}\ntarget  {write.rjust(len(read))}"
