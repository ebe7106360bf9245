"""The losses: one file per head, with a function ``loss(y, targets)``, found by its name.

Only the file of the head in use is imported, so that an edit of one retrains no network of another.
"""

import importlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.engine.losses._base import Targets


@cache
def loss(head: str) -> "Callable[[Tensor, Targets], tuple[Tensor, Tensor]]":
    """From outputs (Ts, G, B, O) and targets to the mean loss (G) and dL/dy (Ts, G, B, O).

    Args:
        head: ``softmax`` or ``regression``, a file of this folder.
    """
    function: Callable[[Tensor, Targets], tuple[Tensor, Tensor]] = importlib.import_module(
        f"{__name__}.{head}"
    ).loss
    return function
