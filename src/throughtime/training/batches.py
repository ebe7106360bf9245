"""From a task's NumPy batches to what the engine takes."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from throughtime.core.errors import UserError
from throughtime.core.rng import stream
from throughtime.engine.program import Examples
from throughtime.engine.sizes import Sizes
from throughtime.tasks import Batch, Task


def examples(
    batches: Sequence[Batch], rows: NDArray[np.int64], sizes: Sizes, dtype: str
) -> Examples:
    """Inputs and targets of all rows, from one batch per distinct source.

    Args:
        batches: S batches of equal shapes; their steps may be fewer than those of ``sizes``.
        rows: (G) the source of each row, in 0..S-1.
        sizes: of the block.
        dtype: of features, values and weights, ``float32`` or ``float64``.

    Raises:
        UserError: a symbol or a class that the task has not: the compiled engine would write beside
            its memory.
    """
    x = np.stack([b.inputs for b in batches])
    values = np.stack([b.targets for b in batches])
    masks = [b.mask for b in batches if b.mask is not None]
    if masks:
        mask = np.stack(masks)
        weight = mask.astype(dtype) / np.maximum(mask.sum((1, 2), keepdims=True), 1).astype(dtype)
    else:
        weight = np.full(values.shape[:3], 1 / (sizes.scored * sizes.batch), dtype)
    if values.dtype.kind == "f":
        values = values.astype(dtype, copy=False)
    x = x.astype(np.int64 if sizes.tokens else dtype, copy=False)
    if sizes.tokens:
        _check_range(x, sizes.inputs, "inputs")
    if values.dtype.kind == "i":
        _check_range(values, sizes.outputs, "targets")
    return Examples(x, values, weight, rows)


def _check_range(values: NDArray[np.int64], count: int, name: str) -> None:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= count:
        raise UserError(
            f"a batch of the task has {name} from {low} to {high}, and the task says that there "
            f"are {count}: 0 to {count - 1}; see docs/how-to/add-a-task.md"
        )


class Feed:
    """Training batches of a block: a row's data depend on the task and on its own seed alone, and
    rows of one seed share theirs.
    """

    def __init__(self, task: Task, seeds: pd.Series, sizes: Sizes, dtype: str) -> None:
        distinct, index = np.unique(seeds, return_inverse=True)
        self.rows = index.astype(np.int64)
        self.streams: list[Iterator[Batch]] = [
            task.batches(stream(int(s), "data", task.name), sizes.batch) for s in distinct
        ]
        self.sizes, self.dtype = sizes, dtype

    def skip(self, batches: int) -> None:
        """Pass over that many batches, as if they had been trained on."""
        for source in self.streams:
            next(islice(source, batches, batches), None)

    def __next__(self) -> Examples:
        return examples([next(s) for s in self.streams], self.rows, self.sizes, self.dtype)
