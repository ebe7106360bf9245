"""From a task's NumPy batches to the engine's tensors."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.core.rng import stream
from throughtime.engine.bptt import input_index, with_ones
from throughtime.engine.losses._base import Targets, weights
from throughtime.engine.sizes import Sizes
from throughtime.tasks import Batch, Task


def tensors(
    batches: Sequence[Batch], rows: Tensor, sizes: Sizes, dtype: torch.dtype
) -> tuple[Tensor, Targets]:
    """Inputs and targets of all rows, from one batch a distinct source.

    Args:
        batches: S batches of equal shapes.
        rows: (G) the source of each row, in 0..S-1.
        sizes: of the block.
        dtype: of features, values and weights.

    Returns:
        x as bptt.forward takes it, and the targets.
    """
    x = torch.from_numpy(np.stack([b.inputs for b in batches], 1)).to(rows.device)
    values = torch.from_numpy(np.stack([b.targets for b in batches], 1)).to(rows.device)
    masks = None
    if batches[0].mask is not None:
        masks = torch.from_numpy(np.stack([b.mask for b in batches if b.mask is not None], 1)).to(
            rows.device
        )
    if sizes.tokens:
        x = input_index(x.index_select(1, rows), sizes.inputs)
    else:
        x = with_ones(x.to(dtype)).index_select(1, rows)
    if values.is_floating_point():
        values = values.to(dtype)
    weight = weights(masks, values, dtype).index_select(1, rows)
    return x, Targets(values.index_select(1, rows), weight)


class Feed:
    """Training batches of a block: a row's data depend on the task and on its own seed alone, and
    rows of one seed share theirs.
    """

    def __init__(
        self, task: Task, seeds: pd.Series, sizes: Sizes, dtype: torch.dtype, device: str
    ) -> None:
        distinct, index = np.unique(seeds, return_inverse=True)
        self.rows = torch.from_numpy(index.astype(np.int64)).to(device)
        self.streams: list[Iterator[Batch]] = [
            task.batches(stream(int(s), "data", task.name), sizes.batch) for s in distinct
        ]
        self.sizes, self.dtype = sizes, dtype

    def skip(self, batches: int) -> None:
        """Pass over that many batches, as if they had been trained on."""
        for source in self.streams:
            next(islice(source, batches, batches), None)

    def __next__(self) -> tuple[Tensor, Targets]:
        return tensors([next(s) for s in self.streams], self.rows, self.sizes, self.dtype)
