"""The torch path of an earlier commit, whose package is on the path of its own process in place of
this one.
"""

import importlib
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any


def prepare(shape: Any, part: str) -> tuple[Callable[[], object], int]:
    """A call to be timed, see worker.py. As the earlier commit's own bench: rows of a gain x clip x
    seed grid, as many as its training takes at once.

    Args:
        shape: ways.Shape.
        part: ``step``, or ``gradients`` alone.

    Raises:
        RuntimeError: the package on the path is not the earlier one.
    """
    place = Path(importlib.import_module("throughtime").__file__ or "").parent
    if not (place / "block.py").is_file():
        raise RuntimeError(f"{place} is not the package of the earlier commit")
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    parts = {name: importlib.import_module(f"throughtime.{name}") for name in ("block", "train")}
    expand = importlib.import_module("throughtime.experiment").expand
    (planned,) = expand("bench", "bench", shape.axes, "bench").jobs
    rows = planned.grid.head(min(shape.rows, parts["train"].block_rows(planned.job)))
    block = parts["block"].Block(planned.job, rows, parts["block"].Judges(planned.job))
    if part == "step":
        numbers = count(1)
        return lambda: block.update(next(numbers)), len(rows)
    x, targets = next(block.feed)
    gradients, found = parts["block"].gradients, block.windows()
    return (
        lambda: block.flatten(
            gradients(block.tape, block.weights, x, targets, block.job.task.head, found)[1]
        ),
        len(rows),
    )
