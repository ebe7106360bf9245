"""Copy: remember a payload of symbols over a gap of blanks, then write it out."""

import math
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from throughtime.tasks._base import Batch, Reference, Task


class Copy(Task):
    """T = length + 2 payload steps: the payload, ``length - 1`` blanks, the marker, and ``payload``
    blanks while recalling.

    Symbols are 0..alphabet-1, then the blank, then the marker. Every symbol is written ``length +
    payload`` steps after it was read.

    ``score: whole`` scores all steps: the blank is to be written until recall starts. It is one
    more output. The memoryless strategy writes blanks, and guesses while recalling; its loss is
    payload ln(alphabet) / steps, and it is what counts as chance. Group ``position`` holds the
    recall positions alone.

    Source: Arjovsky, Shah & Bengio 2016 (payload 10, alphabet 8; ``length`` is their T). Deviation:
    by default only the recall positions are scored, so that chance is ln(alphabet) per symbol and
    not 10 ln(8) / (T + 20); ``whole`` is as theirs. Payload and alphabet are parameters.

    >>> batch = Copy(length=4, payload=3).sample(np.random.default_rng(0), 2)
    >>> batch.inputs.shape, batch.targets.shape
    ((10, 2), (3, 2))

    ``.`` is the blank, ``:`` the marker:

    >>> print(Copy(length=4, payload=3).show(batch, 0))
    input   6 4 2 . . . : . . .
    target                6 4 2
    """

    name: ClassVar[str] = "copy"
    later: ClassVar[frozenset[str]] = frozenset({"score"})
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
    score: Literal["recall", "whole"] = Field(
        "recall", description="the recall positions, or all steps of the sequence"
    )

    @property
    def steps(self) -> int:
        """T = length + 2 payload."""
        return self.length + 2 * self.payload

    @property
    def scored(self) -> int:
        """The recall positions, or all steps."""
        return self.steps if self.score == "whole" else self.payload

    @property
    def inputs(self) -> int:
        """The alphabet, the blank and the marker."""
        return self.alphabet + 2

    @property
    def outputs(self) -> int:
        """The alphabet; with ``whole`` the blank too."""
        return self.alphabet + (self.score == "whole")

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
        if self.score == "recall":
            return Batch(inputs, payload)
        blanks = np.full((self.steps - self.payload, batch), self.alphabet)
        place = np.append(np.full(len(blanks), -1), np.arange(self.payload))
        groups = {"position": np.tile(place[:, None], batch)}
        return Batch(inputs, np.concatenate([blanks, payload]), groups=groups)

    @property
    def chance(self) -> float:
        """1 / alphabet, at the recall positions; with ``whole`` the rest is right."""
        share = self.payload / self.scored
        return 1 - share + share / self.alphabet

    @property
    def chance_loss(self) -> float:
        """ln(alphabet) nats per recalled symbol, over the scored positions.

        >>> round(Copy(length=100, score="whole").chance_loss, 4)
        0.1733
        """
        return math.log(self.alphabet) * (self.payload / self.scored)

    def solved(self, value: float) -> bool:
        """At least 99 % of the recalled symbols are right, and with ``whole`` all blanks too; or as
        many errors elsewhere.
        """
        return value >= 1 - 0.01 * (self.payload / self.scored)

    def references(self) -> list[Reference]:
        """Chance; with ``whole`` the loss of the memoryless strategy."""
        lines = super().references()
        if self.score == "whole":
            lines.append(Reference("memoryless", self.chance_loss, "loss"))
        return lines

    def show(self, batch: Batch, index: int) -> str:
        """Two lines: what is read, and below it what is to be written."""
        width = len(str(self.alphabet - 1))
        signs = [*map(str, range(self.alphabet)), ".", ":"]
        read = " ".join(signs[i].rjust(width) for i in batch.inputs[:, index])
        write = " ".join(signs[i].rjust(width) for i in batch.targets[:, index])
        return f"input   {read}\ntarget  {write.rjust(len(read))}"
