"""What a batch says of itself: the best constant predictor, and whether counts are uniform."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare

from throughtime.tasks import Batch, Task


def scored(batch: Batch) -> NDArray:
    """The scored targets, flat."""
    targets = batch.targets if batch.targets.dtype == np.int64 else batch.targets[..., 0]
    return targets[batch.mask] if batch.mask is not None else targets.ravel()


def best_constant(task: Task, batch: Batch) -> tuple[float, float]:
    """Loss and measure of the best prediction that ignores the inputs, found on the batch
    itself.
    """
    y = scored(batch)
    if task.head == "regression":
        return float(y.var()), float(y.var())
    p = np.bincount(y, minlength=task.outputs) / len(y)
    loss = float(-(p[p > 0] * np.log(p[p > 0])).sum())
    return loss, (loss / np.log(2) if task.measure == "bpc" else float(p.max()))


def uniform(values: NDArray, start: int, stop: int) -> bool:
    """Whether integers are spread evenly over start..stop-1 (chi-squared, p > .001), with none
    outside.
    """
    assert values.min() >= start
    assert values.max() < stop
    if stop - start == 1:
        return True
    return bool(
        chisquare(np.bincount(values.ravel() - start, minlength=stop - start)).pvalue > 1e-3
    )
