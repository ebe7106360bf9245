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

from throughtime.core.errors import UserError
from throughtime.engine.bptt import Tape, overlapping
from throughtime.engine.cells import cell
from throughtime.engine.parameters import shapes, size
from throughtime.engine.truncation import windows
from throughtime.planning.project import Job, PlannedJob
from throughtime.results import tables
from throughtime.training.outcome import train_block
from throughtime.training.trainer import Block, Judges, Keeper, sizes

CACHE = 1 << 20  # bytes that one step of a block should take: what a core keeps at hand
FEWEST, MOST = 8, 48  # rows of a block where memory allows: enough to spread the cost of a call
MEMORY = 1 << 30  # bytes a block may take


NAMES = ("summary", "curves", "breakdown", "probes")  # of what a training yields


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


def bytes_per_row(job: Job) -> int:
    """Memory that one row of ``job`` takes in training, in bytes: the tape, and eight copies of the weights (optimizer, gradients)."""
    itemsize = 8 if job.dtype == "float64" else 4
    overlap = overlapping(windows(job.steps, *job.strides, job.offset()))
    tape = Tape.bytes_per_row(cell(job.cell), sizes(job, job.task, 1), itemsize, overlap=overlap)
    weights = size(shapes(cell(job.cell), job.task.inputs, job.hidden, job.task.outputs, job.h0 == "learned"))
    return tape + 8 * itemsize * weights


def block_rows(job: Job, memory: int = MEMORY) -> int:
    """Rows of a block: as many as one step's weights, their gradient and four states fit CACHE, and as all fit ``memory`` bytes.

    Raises:
        UserError: not even one row fits.
    """
    need = bytes_per_row(job)
    if need > memory:
        raise UserError(
            f"one network on {job.task.name} with {job.steps} steps, batch {job.batch} and {job.hidden} units needs "
            f"{need / 2**20:,.0f} MiB of {memory / 2**20:,.0f} allowed; shorten the sequence, or lower batch or hidden"
        )
    step = 4 * (2 * job.hidden**2 + 4 * job.batch * job.hidden)
    return min(max(FEWEST, min(MOST, CACHE // step)), memory // need)


def train(
    planned: PlannedJob,
    device: str = "cpu",
    progress: Callable[[int], None] | None = None,
    block: int | None = None,
    keeper: Keeper | None = None,
) -> Tables:
    """Train every row of a planned job.

    Args:
        planned: the job and its rows.
        device: where tensors live. Anything but ``cpu`` is untested.
        progress: called with the number of networks finished so far, after each block.
        block: rows at once; None: block_rows. Changes no number.
        keeper: keeps what was reached and is asked for it at the start; None: nothing is kept. Changes no number.

    Returns:
        Summary (a row a network), curves, breakdown and probes.

    Raises:
        UserError: a network does not fit the memory.
    """
    job, rows, keys = planned.job, planned.grid, planned.run_keys
    height = block or math.ceil(len(rows) / math.ceil(len(rows) / block_rows(job)))  # even blocks
    judges = Judges(job)
    parts = keeper.finished() if keeper else []
    with one_thread():
        if not same_bits_anywhere():
            warnings.warn(
                "a network's last bits may depend on its place in the grid: import throughtime before torch is used", stacklevel=2
            )
        for start in range(sum(len(part["summary"]) for part in parts), len(rows), height):
            piece = rows.iloc[start : start + height].reset_index(drop=True)
            made = train_block(planned, piece, keys[start : start + height], Block(job, piece, judges, device), keeper)
            parts = [*parts, dict(zip(NAMES, made, strict=True))]
            if keeper and start + len(piece) < len(rows):
                keeper.finish(parts[-1])
            if progress:
                progress(start + len(piece))
    return Tables(*(tables.conform(pd.concat([p[n] for p in parts], ignore_index=True), n) for n in NAMES))
