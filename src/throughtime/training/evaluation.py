"""Judging trained networks on fresh data: the same data for every row, from a stream of their
own.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.core.rng import stream
from throughtime.engine.bptt import Tape
from throughtime.engine.losses._base import Targets
from throughtime.engine.losses.softmax import log_softmax
from throughtime.engine.program import Examples, Program
from throughtime.engine.sizes import Sizes
from throughtime.planning.axes import Job
from throughtime.tasks import Batch, Task
from throughtime.training.batches import examples

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
        dtype = str(tape.zero.dtype).split(".")[1]
        return self.examples(batch, tape.sizes, dtype).tensors(tape.sizes, str(tape.zero.device))

    def examples(self, batch: Batch, sizes: Sizes, dtype: str) -> Examples:
        """The batch for every network of a program."""
        return examples([batch], np.zeros(sizes.rows, np.int64), sizes, dtype)

    def scores(
        self,
        program: Program,
        flat: Tensor,
        resets: frozenset[int] = frozenset(),
        tally: "type[Scores] | None" = None,
    ) -> "Scores":
        """Errors of every row on all batches.

        Args:
            program: of this task's shapes.
            flat: (G, P) weights.
            resets: steps before which the state is set to zero.
            tally: what sums the errors; None: Scores.
        """
        scores, state = (tally or Scores)(self.task, program.sizes.rows), None
        for batch in self.batches:
            given = self.examples(batch, program.sizes, str(flat.dtype).split(".")[1])
            y = program.outputs(flat, given, state, resets)
            values = torch.from_numpy(given.values[0]).to(y.device)[:, None]
            values = values.expand(-1, y.shape[1], *values.shape[2:])
            scores.judge(batch, y, values)
            if self.task.carries_state and self.job.border == "carry":
                state = program.final.clone()
        return scores


class Scores:
    """Sums of loss and measure per row, over everything and over each group."""

    def __init__(self, task: Task, rows: int) -> None:
        self.task = task
        self.count: dict[Group, int] = defaultdict(int)
        self.sequences: list[NDArray[np.int64]] = []  # (B,) scored positions of each, a batch each
        self.totals: list[NDArray[np.float64]] = []  # (G, B) sums of the measure over them
        self._loss = np.zeros(rows)
        self._sum: dict[Group, NDArray[np.float64]] = defaultdict(lambda: np.zeros(rows))

    def judge(self, batch: Batch, y: Tensor, values: Tensor) -> None:
        """Add the errors of a batch's outputs (Ts, G, B, O); ``values`` are the targets' own."""
        loss, measure = errors(self.task, y, values)
        self.add(batch, loss.cpu().numpy(), measure.cpu().numpy())

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
        self.sequences.append(keep.reshape(-1, batch.size).sum(0))
        scored = np.where(keep, measure, 0.0)
        self.totals.append(scored.reshape(len(measure), -1, batch.size).sum(1))
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

    @property
    def by_sequence(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(S,) scored positions of every sequence, and (G, S) the measure's sums over them."""
        return np.concatenate(self.sequences), np.concatenate(self.totals, 1)

    def groups(self) -> Iterator[Group]:
        """``all`` first, then the others in order."""
        yield ALL
        yield from sorted(g for g in self.count if g != ALL)


def errors(task: Task, y: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Per-position loss and measure, (G, Ts B) each, float64."""
    if task.head == "regression":
        loss = measure = (y - values).square().mean(-1)
    else:
        loss = -log_softmax(y).gather(-1, values.unsqueeze(-1)).squeeze(-1)
        measure = loss / math.log(2) if task.measure == "bpc" else (y.argmax(-1) == values)

    def by_row(v: Tensor) -> Tensor:
        return v.transpose(0, 1).reshape(y.shape[1], -1).to(torch.float64)

    return by_row(loss), by_row(measure)


def improvement(
    before: NDArray[np.float64], after: NDArray[np.float64], count: NDArray[np.int64], measure: str
) -> NDArray[np.float64]:
    """(G): how far a measure improved between two judgements on the same sequences, in standard
    errors of that difference.

    The difference of the two means is a ratio of sums over sequences, which are the independent
    cases; its standard error is the linearised one, paired by sequence. 0 where nothing changed,
    infinite where all sequences changed alike, NaN of a single sequence.

    Args:
        before, after: (G, S) sums of the measure over each sequence.
        count: (S) positions behind each.
        measure: ``accuracy`` is to grow; others are to shrink.

    >>> ones = np.ones(4, np.int64)
    >>> improvement(np.zeros((1, 4)), np.array([[1.0, 1.0, 0.0, 0.0]]), ones, "accuracy").round(3)
    array([1.732])
    """
    gain = after - before if measure == "accuracy" else before - after
    size, positions = len(count), count.sum()
    if size < 2:
        return np.full(len(gain), math.nan)
    mean = gain.sum(1) / positions
    rest = gain - mean[:, None] * count
    error = np.sqrt(np.square(rest).sum(1) * size / (size - 1)) / positions
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mean == 0, 0.0, mean / error)


CHECK = 200  # fresh sequences in a check during training
# Sequences on which the gradient's signal is measured at every point of the curve. A quantity that
# is read by its order of magnitude needs few; with 8 it takes 2 to 5 % of a training of 500
# updates at N = 32, and a whole batch of 20 takes twice as much.
SIGNAL = 8


class Evaluators:
    """All evaluation data of a job, drawn once and used by each of its blocks."""

    def __init__(self, job: Job) -> None:
        self.check = Evaluator(job, job.task, "check", min(CHECK, job.eval_size))
        self.longest = self.check
        if job.task.longest != job.task:
            self.longest = Evaluator(job, job.task.longest, "check", self.check.size)
        self.job = job
        variants: dict[str, Task] = {"train": job.task, **job.task.evaluation_sets}
        self.final = {
            name: Evaluator(job, task, "eval", job.eval_size) for name, task in variants.items()
        }

    @cached_property
    def signal(self) -> Batch:
        """SIGNAL of the longest sequences of the check data, those first whose last step is scored:
        the gradient's signal is that of the loss there. All of them where there are fewer.
        """
        batches = self.longest.batches

        def joined(arrays: Iterable[NDArray]) -> NDArray:
            return np.concatenate(list(arrays), 1)

        inputs, targets = (joined(getattr(b, a) for b in batches) for a in ("inputs", "targets"))
        masks = [b.mask for b in batches if b.mask is not None]
        mask = joined(masks) if masks else np.ones(targets.shape[:2], bool)
        chosen = np.argsort(~mask[-1], kind="stable")[:SIGNAL]
        return Batch(inputs[:, chosen], targets[:, chosen], mask[:, chosen])
