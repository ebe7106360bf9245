"""Judging trained networks on fresh data: the same data for every row, from a stream of their
own.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.core.rng import stream
from throughtime.engine.bptt import Tape, Weights, forward
from throughtime.engine.losses._base import Targets
from throughtime.engine.losses.softmax import log_softmax
from throughtime.planning.axes import Job
from throughtime.tasks import Batch, Task
from throughtime.training.batches import tensors

Group = tuple[str, int]  # what errors are grouped by, and the bin
ALL: Group = ("all", 0)


class Evaluator:
    """Evaluation data of one task variant, drawn once, and the scores of a block of rows on them.

    Args:
        job: gives batch size, and the borders at which a network trained with resets is reset here
            too.
        task: the job's task or a variant of it.
        purpose: names the stream, ``check`` (during training) or ``eval`` (at the end).
        size: sequences, rounded up to whole batches.
    """

    def __init__(self, job: Job, task: Task, purpose: str, size: int) -> None:
        self.job, self.task, self.purpose, self.size = job, task, purpose, size

    @cached_property
    def batches(self) -> list[Batch]:
        """The data; seed 0 of their own stream, whatever the runs' seeds."""
        return list(
            self.task.evaluation(stream(0, self.purpose, self.task.name), self.job.batch, self.size)
        )

    def inputs(self, batch: Batch, tape: Tape) -> tuple[Tensor, Targets]:
        """The batch for every row of the tape."""
        rows = torch.zeros(tape.sizes.rows, dtype=torch.int64, device=tape.zero.device)
        return tensors([batch], rows, tape.sizes, tape.zero.dtype)

    def scores(
        self, tape: Tape, weights: Weights, resets: frozenset[int] = frozenset()
    ) -> "Scores":
        """Errors of every row on all batches.

        Args:
            tape: memory of this task's shapes.
            weights: of parameters.views.
            resets: steps before which the state is set to zero.
        """
        scores, state = Scores(self.task, tape.sizes.rows), None
        for batch in self.batches:
            x, targets = self.inputs(batch, tape)
            y = forward(tape, weights, x, state, resets)
            scores.add(batch, *_errors(self.task, y, targets.values))
            if self.task.carries_state and self.job.border == "carry":
                state = tape.states[-1].clone()
        return scores


class Scores:
    """Sums of loss and measure a row, over everything and over each group."""

    def __init__(self, task: Task, rows: int) -> None:
        self.task = task
        self.count: dict[Group, int] = defaultdict(int)
        self._loss = np.zeros(rows)
        self._sum: dict[Group, NDArray[np.float64]] = defaultdict(lambda: np.zeros(rows))

    def add(self, batch: Batch, loss: NDArray[np.float64], measure: NDArray[np.float64]) -> None:
        """Add a batch's per-position values, each (G, Ts B), rows contiguous so that a row's sum
        depends on itself alone.
        """
        keep = np.ones(loss.shape[1], bool) if batch.mask is None else batch.mask.ravel()
        self._loss += np.ascontiguousarray(loss[:, keep]).sum(1)
        extra = self.task.surcharge(batch)
        if extra is not None:
            measure = measure + extra.ravel()
        kept = np.ascontiguousarray(measure[:, keep])
        self._sum[ALL] += kept.sum(1)
        self.count[ALL] += int(keep.sum())
        for by, bins in batch.groups.items():
            self._add_group(by, bins.ravel()[keep], kept)

    def _add_group(self, by: str, bins: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        for bin_ in np.unique(bins[bins >= 0]):
            chosen = bins == bin_
            self._sum[by, int(bin_)] += np.ascontiguousarray(values[:, chosen]).sum(1)
            self.count[by, int(bin_)] += int(chosen.sum())

    @property
    def loss(self) -> NDArray[np.float64]:
        """(G) mean loss; NaN where nothing was scored."""
        return self._loss / (self.count[ALL] or math.nan)

    def measure(self, group: Group = ALL) -> NDArray[np.float64]:
        """(G) mean of the task's measure over a group; NaN where nothing was scored."""
        return self._sum[group] / (self.count[group] or math.nan)

    def groups(self) -> Iterator[Group]:
        """``all`` first, then the others in order."""
        yield ALL
        yield from sorted(g for g in self.count if g != ALL)


def _errors(
    task: Task, y: Tensor, values: Tensor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per-position loss and measure, (G, Ts B) each."""
    if task.head == "regression":
        loss = measure = (y - values).square().mean(-1)
    else:
        loss = -log_softmax(y).gather(-1, values.unsqueeze(-1)).squeeze(-1)
        measure = loss / math.log(2) if task.measure == "bpc" else (y.argmax(-1) == values)
    rows = y.shape[1]
    return tuple(
        v.transpose(0, 1).reshape(rows, -1).to(torch.float64).cpu().numpy() for v in (loss, measure)
    )  # type: ignore[return-value]  # two of them


CHECK = 200  # fresh sequences in a check during training


class Evaluators:
    """All evaluation data of a job, drawn once and used by each of its blocks."""

    def __init__(self, job: Job) -> None:
        self.check = Evaluator(job, job.task, "check", min(CHECK, job.eval_size))
        variants: dict[str, Task] = {"train": job.task, **job.task.evaluation_sets}
        self.final = {
            name: Evaluator(job, task, "eval", job.eval_size) for name, task in variants.items()
        }
