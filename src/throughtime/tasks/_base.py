"""What a task is: how sequences are drawn, what is scored, what counts as solved.

Shapes: T time steps, Ts scored steps (always the last Ts of the T), B sequences, I inputs, O
outputs. Tasks are NumPy alone; the engine turns their batches into tensors.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from throughtime.core.component import Component

# batches drawn at once: spreads NumPy's cost per call, and fixes the order of draws for good
POOL = 32


@dataclass(frozen=True, eq=False)
class Batch:
    """B sequences of one length.

    Attributes:
        inputs: (T, B) int64 tokens in [0, I), or (T, B, I) float32 features; fewer steps than T
            where a task's batches differ in length.
        targets: (Ts, B) int64 classes in [0, O), or (Ts, B, O) float32 values, for the last Ts
            steps.
        mask: (Ts, B) bool, True where a target is scored; None: all are.
        groups: name -> (Ts, B) int64 bins by which errors are also reported (lag, distance, depth,
            position); a bin of -1 is not counted.
    """

    inputs: NDArray
    targets: NDArray
    mask: NDArray[np.bool_] | None = None
    groups: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """B, the number of sequences."""
        return self.inputs.shape[1]

    def columns(self, start: int, stop: int) -> "Batch":
        """The sequences start..stop-1 as a batch of their own."""

        def cut(a: NDArray) -> NDArray:
            return a[:, start:stop]

        mask = None if self.mask is None else cut(self.mask)
        return Batch(
            cut(self.inputs), cut(self.targets), mask, {k: cut(v) for k, v in self.groups.items()}
        )


@dataclass(frozen=True)
class Reference:
    """A line to hold a result against: chance, a heuristic, an n-gram model.

    Attributes:
        name: what a legend says, e.g. ``"chance"`` or ``"last opener"``.
        value: in the unit of ``measure``.
        measure: ``"accuracy"``, ``"mse"``, ``"bpc"``, ``"loss"``, or ``"share"``, which is no line
            but a number that is stored beside them.
        by, bin: where the line differs by group, the group's name and bin; else ``all`` and 0, as
            in the tables.
    """

    name: str
    value: float
    measure: str
    by: str = "all"
    bin: int = 0


class Task(Component, ABC):
    """A task with its parameters. Subclasses are frozen pydantic models: their fields are config
    keys and job axes.

    Class attributes a subclass sets: ``name``; ``source`` (paper, section); ``head`` (``softmax``:
    integer targets and cross-entropy in nats; ``regression``: float targets and mean squared
    error); ``measure``, in which success is judged (``accuracy``, ``mse`` or ``bpc``, bits per
    character); ``length_axis``, False where the task has no parameter ``length``; ``lag_group``,
    with ``lags_of``, where one network is judged at several lags.
    """

    head: ClassVar[Literal["softmax", "regression"]]
    measure: ClassVar[Literal["accuracy", "mse", "bpc"]]
    length_axis: ClassVar[bool] = True
    lag_group: ClassVar[str | None] = None  # the group of errors by which lags differ; None: none
    carries_state: ClassVar[bool] = (
        False  # True: a batch continues the sequences of the batch before, and so does the state
    )
    loss_bound: ClassVar[float] = (
        1e4  # a training loss beyond this (nats, or squared units) is a divergence
    )

    # What fixes tensor shapes ---------------------------------------------------------------------
    @property
    @abstractmethod
    def steps(self) -> int:
        """T, the steps of a sequence."""

    @property
    @abstractmethod
    def scored(self) -> int:
        """Ts: the loss looks at the last Ts steps (where a mask does not exclude them)."""

    @property
    @abstractmethod
    def inputs(self) -> int:
        """I: the number of symbols (token inputs) or features."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """O: the number of classes (softmax) or of values (regression)."""

    @property
    def tokens(self) -> bool:
        """True where inputs are integer symbols, False where they are features."""
        return True

    @property
    def longest(self) -> "Task":
        """The task whose batches all have T steps; itself, but where batches differ in length."""
        return self

    @property
    def mean_steps(self) -> float:
        """The mean steps of a training batch."""
        return self.steps

    def steps_read(self, updates: NDArray[np.int64]) -> NDArray[np.int64]:
        """Steps of a sequence in the first ``updates`` training batches together."""
        return updates * self.steps

    # The dependency -------------------------------------------------------------------------------
    @property
    @abstractmethod
    def lags(self) -> tuple[int, int] | None:
        """The smallest and largest lag, in steps, between a scored step and the earliest input it
        depends on; None: no fixed lag.
        """

    @property
    def mean_lag(self) -> float | None:
        """The mean lag that sequences have, in steps; None: the task does not tell it."""
        return None

    def lags_of(self, bin_: int) -> range:
        """The lags, in steps, of the scored positions in a bin of ``lag_group``; without such a
        group, those of all positions.
        """
        low, high = self.lags or (0, -1)
        return range(low, high + 1)

    # Data -----------------------------------------------------------------------------------------
    @abstractmethod
    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """``batch`` independent sequences, drawn from ``rng`` alone."""

    def batches(self, rng: np.random.Generator, batch: int) -> Iterator[Batch]:
        """Training batches without end, drawn POOL at a time."""
        while True:
            pool = self.sample(rng, batch * POOL)
            for i in range(POOL):
                yield pool.columns(i * batch, (i + 1) * batch)

    def evaluation(self, rng: np.random.Generator, batch: int, size: int) -> Iterator[Batch]:
        """At least ``size`` fresh sequences in batches of ``batch``."""
        for _ in range(-(-size // batch)):
            yield self.sample(rng, batch)

    @property
    def evaluation_sets(self) -> dict[str, "Task"]:
        """Named variants on which a trained network is also evaluated, e.g. longer sequences.
        Shapes I and O are the same.
        """
        return {}

    # Judgement ------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def chance(self) -> float:
        """``measure`` of the best prediction that ignores the inputs."""

    @property
    @abstractmethod
    def chance_loss(self) -> float:
        """Training loss of the best prediction that ignores the inputs (nats, or squared units)."""

    @abstractmethod
    def solved(self, value: float) -> bool:
        """Whether ``value``, in ``measure`` on fresh data, meets the criterion. NaN does not."""

    def surcharge(self, batch: Batch) -> NDArray[np.float64] | None:
        """(Ts, B) what is added to the measure of each scored position, whatever is predicted;
        None: nothing.
        """
        return None

    def references(self) -> list[Reference]:
        """Lines for figures; the first is chance."""
        return [Reference("chance", self.chance, self.measure)]

    # For people -----------------------------------------------------------------------------------
    def about(self) -> str:
        """What a person should know of the data, in lines; empty: nothing."""
        return ""

    @abstractmethod
    def show(self, batch: Batch, index: int) -> str:
        """Sequence ``index`` of ``batch`` as lines that a person can read."""
