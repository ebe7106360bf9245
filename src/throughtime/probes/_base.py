"""What probes share: a block's networks in float64 on check data, order statistics, and the long
table.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.engine.bptt import Tape, forward
from throughtime.engine.cells._base import Cell
from throughtime.engine.losses._base import Targets
from throughtime.engine.parameters import acting
from throughtime.engine.sizes import Shapes, Sizes
from throughtime.planning.axes import Job
from throughtime.probes import COLUMNS
from throughtime.tasks import Batch

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}

Floats = NDArray[np.float64]


def ladder(largest: int) -> list[int]:
    """The Fibonacci numbers up to ``largest``: evenly spaced on a logarithmic axis, dense where
    little is happening fast.

    >>> ladder(20)
    [1, 2, 3, 5, 8, 13]
    """
    a, b, result = 1, 2, []
    while a <= largest:
        result.append(a)
        a, b = b, a + b
    return result


def quantiles(values: Floats) -> dict[str, Floats]:
    """The QUANTILES over the last axis, of what is not NaN; NaN where nothing is.

    They are order statistics (the smallest value with at least that share at or below it), not
    interpolated: between minus infinity and a number there is nothing.

    >>> quantiles(np.array([[4.0, 1.0, np.nan, -np.inf]]))["q50"].tolist()
    [1.0]
    """
    ordered = np.sort(values, -1)  # NaN last
    count = (~np.isnan(values)).sum(-1, keepdims=True)
    result = {}
    for name, share in QUANTILES.items():
        place = np.clip(np.ceil(share * count).astype(np.int64) - 1, 0, values.shape[-1] - 1)
        result[name] = np.take_along_axis(ordered, place, -1)[..., 0]
    return result


class History(Protocol):
    """What is known of the updates done so far: a (G) array per update."""

    @property
    def loss(self) -> list[Floats]:
        """Training losses."""

    @property
    def norm(self) -> list[Floats]:
        """Gradient norms before clipping."""


class Batches(Protocol):
    """The check data that all networks of a job are judged on."""

    @property
    def batches(self) -> list[Batch]:
        """In order; where a task carries its state, each goes on where the one before ended."""

    def inputs(self, batch: Batch, tape: Tape) -> tuple[Tensor, Targets]:
        """The batch for every row of the tape."""


class Networks(Protocol):
    """What a probe sees: networks of one shape at a moment of their training, whoever trains
    them.
    """

    @property
    def job(self) -> Job:
        """Shapes and code path."""

    @property
    def rows(self) -> pd.DataFrame:
        """(G) what tells the networks apart: the axes of planning.axes.ROW_AXES."""

    @property
    def cell(self) -> Cell:
        """The recurrent cell."""

    @property
    def sizes(self) -> Sizes:
        """The shapes of a training batch."""

    @property
    def flat(self) -> Tensor:
        """(G, P) all weights; ``shapes`` says where each lies in a row."""

    @property
    def shapes(self) -> Shapes:
        """Name -> shape of one network's weight."""

    @property
    def device(self) -> str:
        """Where tensors live."""

    @property
    def diverged_at(self) -> NDArray[np.int64]:
        """(G) the update at which a row diverged; 0: it has not."""

    @property
    def history(self) -> History:
        """Every update so far."""

    @property
    def check_data(self) -> Batches:
        """What all networks are judged on during training."""


@dataclass(frozen=True, eq=False)
class Run:
    """One check batch after forward: its input, targets and outputs; the subject's tape holds the
    states.
    """

    x: Tensor
    targets: Targets
    y: Tensor


class Subject:
    """A block's networks in float64, on the check data that all of them are judged on.

    State is never reset at chunk borders, whatever a network was trained with: probes measure the
    whole unrolled network. Rows that have diverged have zero weights; they are measured with the
    others, and ``frame`` leaves them out.

    Args:
        networks: any moment of their training; not changed.
        overlap: whether windows will overlap in backward.
    """

    def __init__(self, networks: Networks, *, overlap: bool = False) -> None:
        self.job, self.judge, self.cell, self.sizes = (
            networks.job,
            networks.check_data,
            networks.cell,
            networks.sizes,
        )
        self.tape = Tape(
            networks.cell, networks.sizes, torch.float64, networks.device, overlap=overlap
        )
        self.flat = networks.flat.double()
        self.weights = acting(networks.cell, self.flat, networks.shapes)
        self.alive = np.flatnonzero(networks.diverged_at == 0)

    def runs(self, count: int) -> Iterator[Run]:
        """Forward on the first ``count`` check batches (fewer if there are fewer); the state is
        carried where the task carries it.
        """
        state: Tensor | None = None
        for batch in self.judge.batches[:count]:
            x, targets = self.judge.inputs(batch, self.tape)
            yield Run(x, targets, forward(self.tape, self.weights, x, state))
            if self.job.task.carries_state:
                state = self.tape.states[-1].clone()

    def steps(self, count: int) -> Iterator[int]:
        """``count`` steps of one long run: check batches end to end, over again if need be, the
        state always carried.

        Yields:
            The step of the tape, whose ``state[t]`` and ``state[t + 1]`` are the states before and
            after.
        """
        state: Tensor | None = None
        for batch in cycle(self.judge.batches):
            forward(self.tape, self.weights, self.judge.inputs(batch, self.tape)[0], state)
            yield from range(min(count, self.sizes.steps))
            count -= self.sizes.steps
            if count <= 0:
                return
            state = self.tape.states[-1].clone()

    def frame(
        self, values: Mapping[str, Tensor | Floats], index: Sequence[int] | None = None
    ) -> pd.DataFrame:
        """See ``frame``; without rows that have diverged."""
        return frame(values, self.alive, index)


def frame(
    values: Mapping[str, Tensor | Floats],
    rows: NDArray[np.int64],
    index: Sequence[int] | None = None,
) -> pd.DataFrame:
    """The long table of some quantities, columns COLUMNS, without NaN.

    Args:
        values: quantity -> (G, n), or (G) for n = 1.
        rows: which of the G to keep.
        index: of the n values; None: 0..n-1.

    >>> frame(
    ...     {"a": np.array([[1.0, np.nan], [3.0, 4.0]])}, np.array([0, 1]), [5, 7]
    ... ).to_numpy().tolist()
    [[0, 'a', 5, 1.0], [1, 'a', 5, 3.0], [1, 'a', 7, 4.0]]
    """
    found: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for quantity, value in values.items():
        array = np.asarray(
            value.detach().cpu() if isinstance(value, Tensor) else value, np.float64
        ).reshape(len(value), -1)[rows]
        positions = np.arange(array.shape[1]) if index is None else np.asarray(index, np.int64)
        found["row"].append(np.repeat(rows, len(positions)))
        found["quantity"].append(np.full(array.size, quantity, object))
        found["index"].append(np.tile(positions, len(rows)))
        found["value"].append(array.ravel())
    if not values:
        return empty()
    return _long({name: np.concatenate(parts) for name, parts in found.items()})


def records(numbers: Iterable[tuple[int, str, int, float]]) -> pd.DataFrame:
    """The long table of single numbers, without NaN.

    Args:
        numbers: row, quantity, index, value.

    >>> records([(0, "a", 5, 1.0), (0, "b", 7, np.nan)]).to_numpy().tolist()
    [[0, 'a', 5, 1.0]]
    """
    columns = list(zip(*numbers, strict=True))
    return _long(dict(zip(COLUMNS, map(np.asarray, columns), strict=True))) if columns else empty()


def _long(columns: dict[str, NDArray[Any]]) -> pd.DataFrame:
    """One frame, made at once: pandas takes a while for each."""
    kept = ~np.isnan(columns["value"])
    return pd.DataFrame({n: pd.Series(columns[n][kept], dtype=d) for n, d in COLUMNS.items()})


def empty() -> pd.DataFrame:
    """The long table without rows.

    >>> list(empty().columns)
    ['row', 'quantity', 'index', 'value']
    """
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in COLUMNS.items()})
