"""What a training job needs of a machine, told before torch is imported: the memory and the time that a cluster is asked for.

The engine's own figures are ``train.bytes_per_row`` and ``train.block_rows``; tests hold that these here are equal to them.
"""

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from throughtime.engine import cells
from throughtime.engine.truncation import windows
from throughtime.pipeline.progress import SPEED, START
from throughtime.planning.project import Job, PlannedJob

LIBRARIES = 600 << 20  # bytes a training process takes before it trains
SNAKEMAKE = 400 << 20  # bytes of the two processes of Snakemake around it, in a job of Slurm (measured: 190 MB each)
MARGIN = 1.5  # times the memory of a block: what is not of the tape (curves, evaluation, probes, checkpoints)
SAFETY = (
    5.0  # times the expected seconds: slower processors, and probes, which Job.cost does not count (the worst seen took 2.8 times)
)
ARRIVAL = 2.0  # minutes for what comes before: two starts of Snakemake and one of torch, from a shared disk
CACHE, FEWEST, MOST, MEMORY = 1 << 20, 8, 48, 1 << 30  # as in train.py


@dataclass(frozen=True)
class Layout:
    """What a cell says about its memory (see ``cells._base.Cell``)."""

    gates: int = 1
    states: int = 1
    in_place: bool = False


def megabytes(planned: PlannedJob, attempt: int = 1) -> int:
    """MiB that a training job may take; twice as many at every further attempt, because too few were told."""
    rows = min(len(planned.grid), block_rows(planned.job))
    return math.ceil((LIBRARIES + SNAKEMAKE + MARGIN * rows * bytes_per_row(planned.job)) / 2**20) * 2 ** (attempt - 1)


def minutes(planned: PlannedJob, attempt: int = 1) -> int:
    """Minutes of wall time that a training job may take; as many more at every further attempt, which goes on from a checkpoint."""
    return attempt * math.ceil(ARRIVAL + SAFETY * (START + planned.cost / SPEED) / 60)


def bytes_per_row(job: Job) -> int:
    """Memory that one row of ``job`` takes in training, in bytes: the tape, and eight copies of the weights."""
    task, cell = job.task, layout(job.cell)
    itemsize = 8 if job.dtype == "float64" else 4
    overlap = any(a.stop > b.start for a, b in pairwise(windows(job.steps, *job.strides, job.offset())))
    kept = cell.states + (0 if cell.in_place else cell.gates) + (cell.gates if overlap else 0)
    inputs = 2 * (2 if task.tokens else task.inputs + 1)
    tape = job.steps * (kept * job.hidden + inputs) + task.scored * (4 * task.outputs + job.hidden)
    start = cell.states * job.hidden if job.h0 == "learned" else 0
    weights = (task.inputs + job.hidden + 1) * cell.gates * job.hidden + (job.hidden + 1) * task.outputs + start
    return itemsize * (job.batch * tape + 8 * weights)


def block_rows(job: Job) -> int:
    """Rows that are trained at once; at least one, also where not even one fits (training says so then)."""
    step = 4 * (2 * job.hidden**2 + 4 * job.batch * job.hidden)
    return max(1, min(max(FEWEST, min(MOST, CACHE // step)), MEMORY // bytes_per_row(job)))


@cache
def layout(name: str) -> Layout:
    """What the cell of that name sets of Layout, read from its source: importing it would import torch.

    >>> layout("tanh")
    Layout(gates=1, states=1, in_place=True)
    """
    folder = Path(cells.__path__[0])
    classes = {c.name: c for file in (folder / "_base.py", folder / f"{name}.py") for c in _classes(file)}
    chosen = next((c for c in classes.values() if _literals(c).get("name") == name), None)
    found: dict[str, Any] = {}
    for part in _lineage(chosen, classes):
        found = {**_literals(part), **found}  # the nearer class wins
    return Layout(**{key: value for key, value in found.items() if key in Layout.__annotations__})


def _classes(file: Path) -> list[ast.ClassDef]:
    return [node for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]


def _literals(part: ast.ClassDef) -> dict[str, Any]:
    """The names that a class body gives a literal value."""
    given = [(n.targets[0], n.value) for n in part.body if isinstance(n, ast.Assign)]
    given += [(n.target, n.value) for n in part.body if isinstance(n, ast.AnnAssign) and n.value]
    return {to.id: value.value for to, value in given if isinstance(to, ast.Name) and isinstance(value, ast.Constant)}


def _lineage(part: ast.ClassDef | None, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """A class, its first base, the base of that, .., as far as they are known."""
    while part:
        yield part
        bases = [base.id for base in part.bases if isinstance(base, ast.Name)]
        part = classes.get(bases[0]) if bases else None
