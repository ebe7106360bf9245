"""Brackets: Dyck-(k, m), balanced brackets of k types nested at most m deep; name the type that
closes.
"""

import math
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from throughtime.tasks._base import Batch, Reference, Task
from throughtime.tasks._dyck import Law, law

OPENERS, CLOSERS = "([{<abcdefghijklmnopqrstuvw", ")]}>ABCDEFGHIJKLMNOPQRSTUVW"


class Brackets(Task):
    """``length`` steps: a start sign, then all but the last symbol of a balanced sequence; at step
    t the symbol t + 1 is predicted.

    *Generation.* A random walk of the depth: at depth 0 a bracket opens; at depth ``depth``, or
    when the steps that are left only suffice to close, one closes; else one opens with probability
    ``opening``. An opening's type is uniform.

    *Scoring.* Where a closing is next, its type is predicted. Plain sampling makes two thirds of
    all closings distance 1. With ``score: octaves`` (the default) long distances are oversampled by
    scoring: of all closings of a sequence whose distance to their match lies in the same octave (1,
    2-3, 4-7, 8-15, ..), one, drawn uniformly, is scored. Every sequence thus gives each distance it
    contains the same weight, in training and in evaluation. ``score: all`` scores every closing.
    With ``generate``, the next symbol (of 2 ``types``) is predicted at all steps, and the groups
    count closings only.

    *The paper's sampler.* With ``sampler: hewitt`` strings differ in length, and end with an end
    sign, which is the start sign's symbol and is counted in ``length``. At depth 0 a bracket opens
    or, after ``shortest`` symbols, the string ends; below ``depth`` one opens or closes; each with
    probability 1/2; strings longer than ``length`` are never drawn. What follows an end is not
    scored. It needs ``generate``.

    Groups: ``distance``, steps from a closing to its match, rounded down to a power of two;
    ``depth``, 1 for the outermost level.

    Source: Hewitt, Hahn, Ganguli, Liang & Manning 2020; ``hewitt`` and ``shortest`` after
    DyckPDFA.sample in generate_mbounded_dyck.py of john-hewitt/dyckkm-learning. Deviations: by
    default fixed length, no end sign, ``opening`` .75 and not .5 (more long distances), the scoring
    above; always argmax accuracy and not mass on the right closing, which is the probe
    ``closing``'s.

    Raises:
        ValueError: (as a pydantic validation error) odd length; ``generate`` where an opening would
            always be likeliest; ``hewitt`` without ``generate``, or too short for any string.

    >>> task = Brackets(length=8)
    >>> batch = task.sample(np.random.default_rng(1), 2)
    >>> batch.inputs.shape, batch.targets.shape
    ((8, 2), (8, 2))

    ``:`` is the start sign; a target stands below the step at which it is predicted. The last
    symbol, ``)``, is never read. Here the distances are 1 for ``( )``, 1, 3 and 5, and one of each
    octave is scored:

    >>> print(task.show(batch, 1))
    input   : ( ) ( ( [ ] )
    target            ] ) )
    """

    name: ClassVar[str] = "brackets"
    later: ClassVar[frozenset[str]] = frozenset({"sampler", "shortest"})
    source: ClassVar[str] = "Hewitt, Hahn, Ganguli, Liang & Manning 2020"
    head: ClassVar[Literal["softmax", "regression"]] = "softmax"
    measure: ClassVar[Literal["accuracy", "mse", "bpc"]] = "accuracy"
    lag_group: ClassVar[str | None] = "distance"

    length: int = Field(
        40, ge=2, le=1_000_000, description="symbols of a balanced sequence, even; also the steps T"
    )
    types: int = Field(2, ge=2, le=len(OPENERS), description="k, types of brackets")
    depth: int = Field(3, ge=1, le=1_000_000, description="m, the deepest nesting")
    opening: float = Field(
        0.75, gt=0, lt=1, description="probability that a bracket opens where it may also close"
    )
    score: Literal["octaves", "all"] = Field(
        "octaves", description="one closing an octave of distance and sequence, or all"
    )
    generate: bool = Field(
        False, description="predict the next symbol at all steps, not the type of closings only"
    )

    sampler: Literal["walk", "hewitt"] = Field(
        "walk", description="strings of one length, or those of Hewitt et al. 2020, of many"
    )
    shortest: int = Field(
        1, ge=1, le=1_000_000, description="hewitt: fewest symbols of a string, without its end"
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.sampler == "hewitt":
            if not self.generate:
                raise ValueError("brackets: sampler: hewitt needs generate: true")
            need = 2 * -(-self.shortest // 2) + 1
            if self.length < need:
                raise ValueError(
                    f"brackets: length={self.length} has no room for the shortest string, "
                    f"{self.shortest} symbols or more and an end sign; use {need} at least"
                )
            return self
        if self.length % 2:
            raise ValueError(
                f"brackets: length={self.length} is odd, and a balanced sequence is even; use "
                f"{self.length + 1}"
            )
        if self.generate and self.opening >= self.types / (self.types + 1):
            limit = self.types / (self.types + 1)
            raise ValueError(
                f"brackets: generate needs opening < {limit:.3g}, else the likeliest symbol never "
                "tests the memory"
            )
        return self

    @property
    def steps(self) -> int:
        """T = length: the start sign stands for the symbol that is never read, the last."""
        return self.length

    @property
    def scored(self) -> int:
        """All steps; the mask says which."""
        return self.length

    @property
    def inputs(self) -> int:
        """Openings, closings, the start sign."""
        return 2 * self.types + 1

    @property
    def outputs(self) -> int:
        """Types; with ``generate``, openings and closings, and the end sign of ``hewitt``."""
        return 2 * self.types + self._varies if self.generate else self.types

    @property
    def _varies(self) -> bool:
        return self.sampler == "hewitt"

    @property
    def _law(self) -> Law:
        return law(self.depth, self.shortest, self.length)

    @property
    def lags(self) -> tuple[int, int]:
        """A closing at distance d is predicted d - 1 steps after its match was read; the longest
        distance wraps the sequence.
        """
        symbols = (self.length - 1) // 2 * 2 if self._varies else self.length
        return 0, symbols - 2 if self.depth > 1 else 0

    def lags_of(self, bin_: int) -> range:
        """Distances are odd, because what lies between two matching brackets is balanced: a bin
        holds the odd ones from ``bin_`` to twice that, each one lag longer than its lag.

        >>> [list(Brackets(length=20).lags_of(bin_)) for bin_ in (1, 2, 4, 8, 16)]
        [[0], [2], [4, 6], [8, 10, 12, 14], [16, 18]]
        """
        return range(bin_ - bin_ % 2, min(2 * bin_ - 1, self.lags[1] + 1), 2)

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """The draws, in order: the walk, the types, the scored closings."""
        coin = rng.random((self.length, batch))
        if self._varies:
            opens, closes, scored = self._law.draw(coin)
        else:
            opens = self._walk(coin)
            closes, scored = ~opens, None
        # of a closing: that of its match
        rise = opens.astype(np.int16) - closes
        level = np.cumsum(rise, axis=0, dtype=np.int16) + closes
        match = _matches(opens, level, min(self.depth, self.length // 2))
        kinds = np.take_along_axis(rng.integers(0, self.types, (self.length, batch)), match, axis=0)
        symbols = np.where(opens, kinds, np.where(closes, kinds + self.types, 2 * self.types))
        inputs = np.concatenate([np.full((1, batch), 2 * self.types), symbols[:-1]])
        distance = np.where(closes, np.arange(self.length)[:, None] - match, 0)
        octave = _octaves(self.length)[distance]
        bins = np.append(1 << np.arange(octave.max() + 1), -1)  # bins[-1]: no closing
        groups = {"distance": bins[octave], "depth": np.where(closes, level, -1).astype(np.int64)}
        if self.generate:
            return Batch(inputs, symbols, scored, groups)
        mask = (
            _one_each(octave, rng.random((self.length, batch), np.float32))
            if self.score == "octaves"
            else ~opens
        )
        return Batch(inputs, np.where(opens, 0, kinds), mask, groups)

    def _walk(self, coin: NDArray) -> NDArray[np.bool_]:
        """(L, B): whether a bracket opens."""
        opens = coin < self.opening
        height = np.zeros(coin.shape[1], np.int64)
        for t, row in enumerate(opens):
            row |= height == 0
            row &= height < min(self.depth, self.length - t)
            height += np.where(row, 1, -1)
        return opens

    @property
    def evaluation_sets(self) -> dict[str, Task]:
        """``long``: sequences of twice the length; with ``hewitt`` strings of up to twice the
        length, all longer than those of the training.
        """
        longer: dict[str, int] = {"length": 2 * self.length}
        if self._varies:
            longer["shortest"] = self.length + 1
        return {"long": self.model_copy(update=longer)}

    @property
    def chance(self) -> float:
        """One of the outputs, all equally likely (half of the symbols close); with ``hewitt`` the
        likeliest of them.
        """
        if self._varies:
            bracket = (1 - self._law.end_share) / (2 * self.types)
            return max(bracket, self._law.end_share)
        return 1 / self.outputs

    @property
    def chance_loss(self) -> float:
        """Ln of the outputs, nats; with ``hewitt`` the entropy of a symbol's distribution."""
        if self._varies:
            end = self._law.end_share
            return -end * math.log(end) - (1 - end) * math.log((1 - end) / (2 * self.types))
        return math.log(self.outputs)

    @property
    def ceiling(self) -> float:
        """Accuracy of the best predictor: 1; with ``generate`` that of one that knows the
        generator, exact by its depth's law.
        """
        if not self.generate:
            return 1.0
        if self._varies:
            return self._law.ceiling(self.types)
        height = np.arange(self.depth + 2)  # with a wall above
        law, right = (height == 0).astype(float), np.float64(0)  # law: P(depth before step t)
        for t in range(self.length):
            opens = np.where(
                height == 0,
                1.0,
                np.where(height < min(self.depth, self.length - t), self.opening, 0.0),
            )
            right += law @ np.where(height == 0, 1 / self.types, 1 - opens)
            law = np.roll(law * opens, 1) + np.roll(law * (1 - opens), -1)
        return float(right / self.length)

    def solved(self, value: float) -> bool:
        """At least 99 % of the ceiling, over the scored positions of sequences of the training
        length.
        """
        return value >= 0.99 * self.ceiling

    def references(self) -> list[Reference]:
        """Chance; the last-opener heuristic by distance (right at distance 1, a guess beyond); with
        ``generate``, the ceiling.
        """
        last = [
            Reference(
                "last opener", 1.0 if o == 0 else 1 / self.types, self.measure, "distance", 1 << o
            )
            for o in range((2 * self.length - 1).bit_length())  # up to the distances of ``long``
        ]
        best = (
            [Reference("knows the generator", self.ceiling, self.measure)] if self.generate else []
        )
        return [*super().references(), *last, *best]

    def show(self, batch: Batch, index: int) -> str:
        """Two lines: what is read, and below each step what is to be predicted there."""
        signs = [*OPENERS[: self.types], *CLOSERS[: self.types], ":"]
        shift = 0 if self.generate else self.types
        scored = np.ones(self.length, bool) if batch.mask is None else batch.mask[:, index]
        read = " ".join(signs[i] for i in batch.inputs[:, index])
        write = " ".join(
            signs[i + shift] if s else " "
            for i, s in zip(batch.targets[:, index], scored, strict=True)
        )
        return f"input   {read}\ntarget  {write.rstrip()}"


def innermost(task: Brackets, batch: Batch) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(T, B) each: after each step, the type of the bracket that would have to close next, and the
    steps since it was read; -1 and -1 where none is open.

    >>> task = Brackets(length=6, generate=True, opening=0.5)
    >>> batch = Batch(np.array([[4, 0, 1, 3, 2, 1]]).T, np.array([[0, 1, 3, 2, 1, 3]]).T)
    >>> print(task.show(batch, 0))
    input   : ( [ ] ) [
    target  ( [ ] ) [ ]
    >>> [found[:, 0].tolist() for found in innermost(task, batch)]
    [[-1, 0, 1, 0, -1, 1], [-1, 0, 0, 2, -1, 0]]
    """
    steps, size = batch.inputs.shape
    kind, since = np.full((2, steps, size), -1)
    stack = np.zeros((2, task.depth + 2, size), np.int64)  # types, and the steps they were read at
    height, column = np.zeros(size, np.int64), np.arange(size)
    for t, symbol in enumerate(batch.inputs):
        opens = symbol < task.types
        closes = ~opens & (symbol < 2 * task.types)
        height += opens
        stack[0, height[opens], column[opens]] = symbol[opens]
        stack[1, height[opens], column[opens]] = t
        height -= closes
        inside = height > 0
        kind[t] = np.where(inside, stack[0, height, column], -1)
        since[t] = np.where(inside, t - stack[1, height, column], -1)
    return kind, since


def _matches(opens: NDArray[np.bool_], level: NDArray[np.int16], depth: int) -> NDArray[np.int64]:
    """(L, B): the step of a closing's match, the last opening of its level; an opening's own
    step.
    """
    size = opens.shape[1]
    match = np.empty(opens.shape, np.int64)
    last = np.zeros((depth + 1) * size, np.int64)  # the last opening of each level and sequence
    place = level * np.int64(size) + np.arange(size)  # in it
    for t, row in enumerate(place):
        last[row[opens[t]]] = t
        match[t] = last[row]
    return match


def _octaves(distances: int) -> NDArray[np.int8]:
    """floor(log2 d) of the distances 0..distances-1; -1 for 0, which is no closing."""
    return (np.frexp(np.arange(distances))[1] - 1).astype(np.int8)


def _one_each(octave: NDArray[np.int8], lottery: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(L, B): True at one step, the lottery's winner, for each octave >= 0 in a sequence."""
    mask = np.zeros(octave.shape, bool)
    column = np.arange(octave.shape[1])
    for here in range(octave.max() + 1):
        tickets = np.where(octave == here, lottery, np.float32(-1))
        winner = tickets.argmax(axis=0)
        mask[winner, column] |= tickets[winner, column] >= 0
    return mask
