"""Training as a pure function: a job and a grid go in, tables come out. No disk, no MLflow, no global random state.

Rows are trained in blocks, one after the other; a row's numbers do not depend on its block. One process uses one thread.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import pandas as pd
import torch

from throughtime.planning.plan import PlannedJob
from throughtime.planning.resources import rows_at_once
from throughtime.results import tables
from throughtime.results.tables import JOB_TABLES
from throughtime.training.checkpoints import CheckpointStore
from throughtime.training.evaluation import Evaluators
from throughtime.training.outcome import train_block
from throughtime.training.trainer import FindProbe, Trainer

TWIN = "twin"  # stands for the run key of a row that is trained for company and not kept


@dataclass(frozen=True, eq=False)
class Tables:
    """What training yields; each conforms to its schema in tables.py."""

    summary: pd.DataFrame
    curves: pd.DataFrame
    breakdown: pd.DataFrame
    probes: pd.DataFrame


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, and denormals flushed to zero (vanishing gradients become denormals, which are very slow); restored afterwards.

    torch cannot be asked whether it flushed denormals before; afterwards it does not, its default.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)


@cache
def same_bits_anywhere() -> bool:
    """Whether this process's batched matrix product gives equal matrices equal results at different alignments.

    False where torch's MKL was used before throughtime was imported (see throughtime/__init__.py), or with another library of that kind.
    """
    a, b = torch.linspace(-1, 1, 155).reshape(5, 31), torch.linspace(-2, 1, 961).reshape(31, 31)
    products = torch.bmm(a.repeat(9, 1, 1), b.repeat(9, 1, 1))
    return all(torch.equal(products[0], p) for p in products)


def with_twin(rows: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """A row alone gets a twin, because torch multiplies a single matrix by another routine, which rounds otherwise.

    >>> with_twin(pd.DataFrame({"seed": [3]}), ["a"])[1]
    ['a', 'twin']
    """
    if len(rows) > 1:
        return rows, keys
    return pd.concat([rows, rows], ignore_index=True), [*keys, TWIN]


def train(
    planned: PlannedJob,
    device: str = "cpu",
    progress: Callable[[int], None] | None = None,
    block: int | None = None,
    keeper: CheckpointStore | None = None,
    probe: FindProbe | None = None,
) -> Tables:
    """Train every row of a planned job.

    Args:
        planned: the job and its rows.
        device: where tensors live. Anything but ``cpu`` is untested.
        progress: called with the number of networks finished so far, after each block.
        block: rows at once; None: resources.rows_at_once. Changes no number.
        keeper: keeps what was reached and is asked for it at the start; None: nothing is kept. Changes no number.
        probe: name -> what measures networks; needed where the job has probes.

    Returns:
        Summary (a row a network), curves, breakdown and probes.

    Raises:
        UserError: a network does not fit the memory.
    """
    job, rows, keys = planned.job, planned.grid, planned.run_keys
    height = block or math.ceil(len(rows) / math.ceil(len(rows) / rows_at_once(job)))  # even blocks
    judges = Evaluators(job)
    parts = keeper.finished() if keeper else []
    with one_thread():
        if not same_bits_anywhere():
            warnings.warn(
                "a network's last bits may depend on its place in the grid: import throughtime before torch is used",
                stacklevel=2,
            )
        for start in range(sum(len(part["summary"]) for part in parts), len(rows), height):
            piece = rows.iloc[start : start + height].reset_index(drop=True)
            rows_trained, own = with_twin(piece, keys[start : start + height])
            made = train_block(
                planned,
                rows_trained,
                own,
                Trainer(job, rows_trained, judges, device, probe),
                keeper,
            )
            parts = [
                *parts,
                {n: t[t["run_key"] != TWIN] for n, t in zip(JOB_TABLES, made, strict=True)},
            ]
            if keeper and start + len(piece) < len(rows):
                keeper.finish(parts[-1])
            if progress:
                progress(start + len(piece))
    return Tables(
        *(
            tables.conform(pd.concat([p[n] for p in parts], ignore_index=True), n)
            for n in JOB_TABLES
        )
    )
