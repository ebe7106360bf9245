"""One network whose truncation length K is estimated anew during training.

Source: Aicher, Foti & Fox 2019, by their program aicherc/adaptive_tbptt
(experiments/synth_script.py: the loop at its end, ``adaptive_K_est`` and ``stochastic_subset``).
The estimator is in engine/adaptive_truncation.py.

Theirs, and so here: the first K is given; training goes on with a K until the next estimate; with
``adapt_rates`` (their ``scale_lr_K``, and their ``normed`` loss) the learning rate goes with the
square root of K and the clip threshold with 1 / K, at each change; K is at least 2.

Deviations:

- Theirs estimates K after ten passes of up to 500 steps, or after 20 seconds; here after
  ``adapt_every`` updates.
- Theirs draws one stretch of each training stream: 20 steps for the state to settle, then 100 for
  the gradient. Here it is two batches of a stream of the row's seed and of the update, the first
  for the state, T steps each; where a task carries no state, one batch, from the first state.
- K is at most what fits a sequence of T steps (``Job.largest_K``); theirs is at most 100.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.core.rng import stream
from throughtime.core.typing import Arrays, Floats
from throughtime.engine.adaptive_truncation import choose_K, gradients_by_lag
from throughtime.engine.bptt import Tape, forward
from throughtime.engine.losses._base import Targets
from throughtime.engine.parameters import acting
from throughtime.engine.truncation import Window
from throughtime.planning.axes import Job
from throughtime.tasks import Batch
from throughtime.training.batches import examples
from throughtime.training.trainer import Trainer


class AdaptiveTrainer(Trainer):
    """A Trainer of one row on the CPU, whose K changes.

    Attributes:
        now: the job, with the K in use.
    """

    def __init__(self, job: Job, rows: pd.DataFrame, *args: Any, **kwargs: Any) -> None:
        # memory for the longest windows, which overlap wherever shorter ones do
        self.now = job.model_copy(update={"K": job.largest_K})
        super().__init__(job, rows, *args, **kwargs)
        assert len(rows) == 1, "rows that adapt train alone: their windows differ"
        self.first = self.updater.lr.clone(), self.clipper.by_norm, self.clipper.by_value
        self.use(job.K)
        self.history.point(0, K=self.lengths())

    def windows(self, phase: float = 0.0, steps: int | None = None) -> list[Window]:
        """See Trainer; of the K in use."""
        steps = steps or self.job.steps
        return self._windows(steps, *self.now.strides, self.now.offset(phase, steps))

    def lengths(self) -> Floats:
        """(G) the K in use."""
        return np.full(len(self.rows), float(self.now.K))

    def use(self, K: int) -> None:
        """Train with ``K`` from now on."""
        self.now = self.job.model_copy(update={"K": K})
        if not self.job.adapt_rates:
            return
        lr, by_norm, by_value = self.first
        ratio = K / self.job.K
        gone = torch.from_numpy(self.diverged_at > 0)[:, None]
        self.updater.lr.copy_((lr * math.sqrt(ratio)).masked_fill_(gone, 0))
        self.clipper.by_norm, self.clipper.by_value = by_norm / ratio, by_value / ratio

    def update(self, number: int) -> None:
        """See Trainer; then, every ``adapt_every`` updates, a new K. After the last update it would
        serve nobody.
        """
        super().update(number)
        due = number % self.job.adapt_every == 0 and number < self.job.updates
        if due and not self.diverged_at.any():
            self.use(self.estimate(number))
            self.history.point(number, K=self.lengths())

    def estimate(self, number: int) -> int:
        """K after ``number`` updates, for the network as it is; float64."""
        batches = self.job.task.batches(
            stream(int(self.rows["seed"].iloc[0]), "adapt", number), self.sizes.batch
        )
        tape = Tape(self.cell, self.sizes, torch.float64, overlap=False)
        weights = acting(self.cell, self.flat.double(), self.shapes)
        start = None
        if self.job.task.carries_state:
            forward(tape, weights, self.inputs(next(batches))[0])
            start = tape.states[-1].clone()
        x, targets = self.inputs(next(batches))
        norms, sums = gradients_by_lag(tape, weights, x, targets, self.job.task.head, start)
        return choose_K(norms[0].numpy(), sums[0].numpy(), self.job.adapt, self.job.largest_K)

    def inputs(self, batch: Batch) -> tuple[Tensor, Targets]:
        """A batch as ``gradients_by_lag`` takes it."""
        rows = np.zeros(len(self.rows), np.int64)
        return examples([batch], rows, self.sizes, "float64").tensors(self.sizes)

    def state_after(self, updates: int) -> Arrays:
        """See Trainer."""
        return super().state_after(updates) | {"K": np.array(self.now.K)}

    def restore(self, arrays: Arrays) -> int:
        """See Trainer."""
        updates = super().restore(arrays)
        self.use(int(arrays["K"]))
        return updates
