"""What the engine is given."""

import numpy as np
import pytest

from throughtime.core.errors import UserError
from throughtime.engine.sizes import Sizes
from throughtime.tasks import Batch
from throughtime.training.batches import examples

SIZES = Sizes(1, 2, 1, 3, 4, 2, 2, tokens=True)
ROWS = np.zeros(1, np.int64)


@pytest.mark.parametrize(
    ("symbol", "target", "message"),
    [
        (3, 0, r"inputs from 0 to 3, and the task says that there are 3: 0 to 2"),
        (-1, 0, r"inputs from -1 to 0"),
        (0, 2, r"targets from 0 to 2, and the task says that there are 2: 0 to 1"),
    ],
)
def test_what_the_task_has_not_is_refused(symbol: int, target: int, message: str) -> None:
    batch = Batch(np.array([[0], [symbol]]), np.array([[0], [target]]), None, {})
    with pytest.raises(UserError, match=message):
        examples([batch], ROWS, SIZES, "float32")


def test_masks_become_weights_that_sum_to_one_per_source() -> None:
    symbols = np.zeros((2, 1), np.int64)
    masks = [np.array([[True], [False]]), np.array([[True], [True]]), np.zeros((2, 1), bool)]
    batches = [Batch(symbols, symbols, mask, {}) for mask in masks]
    made = examples(batches, np.zeros(3, np.int64), SIZES, "float64")
    assert made.weight[:, :, 0].tolist() == [[1, 0], [0.5, 0.5], [0, 0]]
