"""What a training job needs of a machine: memory, rows at once, and the time that a cluster is
asked for. Imports no torch.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from throughtime.core.errors import UserError
from throughtime.engine.cells import Cell
from throughtime.engine.sizes import Shapes, Sizes, shapes, size
from throughtime.engine.truncation import overlapping, windows
from throughtime.planning.axes import Job
from throughtime.planning.plan import PlannedJob
from throughtime.tasks import Task

LIBRARIES = 600 << 20  # bytes a training process takes before it trains
# bytes of the two processes of Snakemake around it, in a job of Slurm (measured: 190 MB each)
SNAKEMAKE = 400 << 20
# times the memory of a block: what is not of the tape (curves, evaluation, probes, checkpoints)
MARGIN = 1.5
# times the expected seconds: slower processors, and probes, which Job.cost does not count (the
# worst seen took 2.8 times)
SAFETY = 5.0
# minutes for what comes before: two starts of Snakemake and one of torch, from a shared disk
ARRIVAL = 2.0
CACHE = 1 << 20  # bytes that one step of a block should take: what a core keeps at hand
FEWEST, MOST = 8, 48  # rows of a block where memory allows: enough to spread the cost of a call
# rows of a block of the engine numba, which computes one after another: their cost of a call is 1 %
MOST_COMPILED = 256
MEMORY = 1 << 30  # bytes a block may take
# Rows of a block on a device where memory allows: batched products of more than 65,535 matrices are
# split, and well before that a GPU has all that it can do at once.
MOST_ON_DEVICE = 16_384
SIGNAL = 8  # sequences whose gradient's signal is measured, as in evaluation.SIGNAL
# Job.cost per second of the engine numba on one of two busy threads of an Intel Xeon at 2.8 GHz:
# about what learn_speed finds in the 177 timed jobs of a laptop run (5.7e9). It is used until a job
# has been timed.
SPEED = 5.5e9
START = 4.0  # seconds a process needs before it trains: imports, reading the plan
OVERHEAD = 1.0  # seconds of a job beside its arithmetic: tables, calls, evaluation
SHORTEST = 1.0  # seconds of arithmetic at SPEED from which on a job tells the speed of a machine


def megabytes(planned: PlannedJob, attempt: int = 1) -> int:
    """MiB that a training job may take; twice as many at every further attempt, because too few
    were told.
    """
    return math.ceil((LIBRARIES + SNAKEMAKE + MARGIN * block_bytes(planned)) / 2**20) * 2 ** (
        attempt - 1
    )


def minutes(jobs: Iterable[PlannedJob], attempt: int = 1) -> int:
    """Minutes of wall time that training jobs may take, one after the other in one process; as
    many more at every further attempt, which goes on from a checkpoint.
    """
    seconds = START + sum(job_seconds(planned.cost, SPEED) for planned in jobs)
    return attempt * math.ceil(ARRIVAL + SAFETY * seconds / 60)


def learn_speed(timed: Iterable[tuple[float, float]]) -> float:
    """Job.cost per second of one core, from jobs that were timed; SPEED where none tells it.

    Arithmetic and what a job takes beside it are weighed apart: OVERHEAD is taken off every time,
    and a job tells the speed by what there was to compute, not by how long it took. A tiny job on
    a busy machine takes seconds too, and says nothing of arithmetic.

    Args:
        timed: (Job.cost, seconds) of finished jobs, the start of their process left out.

    >>> learn_speed([(1e6, 2.0), (1e5, 0.3)]) == SPEED
    True
    >>> learn_speed([(1e6, 2.0), (6e10, 11.0)])
    6000000000.0
    """
    telling = [(cost, seconds) for cost, seconds in timed if cost >= SHORTEST * SPEED]
    if not telling:
        return SPEED
    # At least half of a time is arithmetic, however small it is: no speed is infinite.
    arithmetic = sum(max(seconds - OVERHEAD, seconds / 2) for _, seconds in telling)
    return sum(cost for cost, _ in telling) / arithmetic if arithmetic > 0 else SPEED


def job_seconds(cost: float, speed: float) -> float:
    """Seconds of a job of this cost in a process that has started.

    Args:
        cost: of the networks that it trains; 0 where it finds them trained.
        speed: see ``learn_speed``.
    """
    return OVERHEAD + cost / speed


def sizes(job: Job, task: Task, rows: int) -> Sizes:
    """The shapes of ``rows`` rows of ``job`` on ``task``, which is the job's or a variant of it."""
    return Sizes(
        rows, task.steps, job.batch, task.inputs, job.hidden, task.outputs, task.scored, task.tokens
    )


def weight_shapes(job: Job) -> Shapes:
    """Shape of every weight of one network of ``job``."""
    return shapes(job.cell, job.task.inputs, job.hidden, job.task.outputs, job.h0 == "learned")


def bytes_per_row(job: Job, *, penalized: bool = False) -> int:
    """Memory that one row of ``job`` takes in training, in bytes: eight copies of the weights
    (optimizer, gradients) and what is read out; with the engine torch the whole tape, and where
    rows are ``penalized`` (omega above 0) what Omega keeps of every step; with the engine numba
    what is made of weights that do not act as they are trained.
    """
    itemsize = _itemsize(job)
    weights = 8 * itemsize * size(weight_shapes(job))
    if job.kernel == "numba" or not job.cell.recurrent:
        acting = 0
        if isinstance(job.cell, Cell) and job.cell.transformed:
            acting = 4 * itemsize * job.cell.gates * job.hidden**2
        return weights + acting + itemsize * job.batch * job.task.scored * 4 * job.task.outputs
    return weights + _tape_bytes(job, job.task, itemsize) + penalized * _omega_bytes(job)


def is_penalized(planned: PlannedJob) -> bool:
    """Whether any row has a penalty Omega; then all rows of its block keep what it needs."""
    return bool((planned.grid["omega"] > 0).any())


def _omega_bytes(job: Job) -> int:
    return 3 * _itemsize(job) * job.steps * job.batch * job.hidden


def _tape_bytes(job: Job, task: Task, itemsize: int) -> int:
    overlap = overlapping(windows(job.steps, *job.strides, job.offset()))
    return job.cell.tape_bytes(sizes(job, task, 1), itemsize, overlap=overlap)


def bytes_on_device(job: Job, *, penalized: bool = False) -> int:
    """Memory that one row of ``job`` takes on a device, in bytes: the weights and the tape of
    training, and beside them the largest of what is allocated for a while (the gradient's signal
    and the probes in float64, judging on other lengths), and a batch's errors.
    """
    itemsize, task = _itemsize(job), job.task
    tasks = [task, *task.evaluation_sets.values()]
    double = replace(sizes(job, task, 1), batch=max(job.batch, SIGNAL))
    beside = [job.cell.tape_bytes(double, 8, overlap=bool(job.probes))]
    beside += [_tape_bytes(job, other, itemsize) for other in tasks[1:]]
    errors = 4 * 8 * job.batch * max(other.scored for other in tasks)
    weights = 8 * itemsize * size(weight_shapes(job))
    tape = _tape_bytes(job, task, itemsize) + penalized * _omega_bytes(job)
    return weights + tape + max(beside) + errors


def bytes_shared(job: Job) -> int:
    """Memory that a block takes whatever its rows, in bytes: with the engine numba one network's
    tape, on which the rows follow each other.
    """
    if not job.cell.recurrent:  # its networks follow each other
        return job.cell.tape_bytes(sizes(job, job.task, 1), _itemsize(job))
    if job.kernel != "numba":
        return 0
    lanes = 64 // _itemsize(job)
    units = -(-job.hidden // lanes) * lanes  # whole vectors
    shape = replace(sizes(job, job.task, 1), hidden=units)
    return job.cell.tape_bytes(shape, _itemsize(job), overlap=True)


def _itemsize(job: Job) -> int:
    return 8 if job.dtype == "float64" else 4


def rows_at_once(job: Job, memory: int = MEMORY, *, penalized: bool = False) -> int:
    """Rows of a block: as many as fit ``memory`` bytes, and with the engine torch as one step's
    weights, their gradient and four states fit CACHE. One where K adapts: rows of a block share
    their windows.

    Raises:
        UserError: not even one row fits.
    """
    need, shared = bytes_per_row(job, penalized=penalized), bytes_shared(job)
    _refuse_if_too_large(job, need + shared, memory)
    if job.adapt:
        return 1
    if job.kernel == "numba":
        return min(MOST_COMPILED, (memory - shared) // need)
    step = 4 * (2 * job.hidden**2 + 4 * job.batch * job.hidden)
    return min(max(FEWEST, min(MOST, CACHE // step)), memory // need)


def rows_on_device(job: Job, memory: int, *, penalized: bool = False) -> int:
    """Rows of a block on a device of which ``memory`` bytes are free: as many as fit.

    Raises:
        UserError: not even one row fits.
    """
    need = math.ceil(MARGIN * bytes_on_device(job, penalized=penalized))
    _refuse_if_too_large(job, need, memory)
    return min(MOST_ON_DEVICE, memory // need)


def _refuse_if_too_large(job: Job, need: int, memory: int) -> None:
    if need > memory:
        raise UserError(
            f"one network on {job.task.name} with {job.steps} steps, batch {job.batch} and "
            f"{job.hidden} units needs {need / 2**20:,.0f} MiB of "
            f"{memory / 2**20:,.0f} allowed; shorten the sequence, or lower batch or hidden"
        )


def block_bytes(planned: PlannedJob) -> int:
    """Memory that a job's largest block takes, in bytes; of one row where not even that fits
    (training refuses it).
    """
    penalized = is_penalized(planned)
    need, shared = bytes_per_row(planned.job, penalized=penalized), bytes_shared(planned.job)
    if need + shared > MEMORY:
        return shared + need
    rows = rows_at_once(planned.job, penalized=penalized)
    return shared + need * min(len(planned.grid), rows)
