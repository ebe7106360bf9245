"""One block of rows, trained from first weights to last judgement. Clipping, updates and divergence
are each row's own.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.core.rng import stream
from throughtime.core.typing import Arrays, Floats
from throughtime.engine.bptt import Tape
from throughtime.engine.cells import Cell
from throughtime.engine.clipping import Clipper
from throughtime.engine.gradient_signal import log_signal_by_lag, signal_ratio
from throughtime.engine.parameters import acting, initial, views
from throughtime.engine.program import Program, TorchProgram, program
from throughtime.engine.sizes import Sizes, size
from throughtime.engine.truncation import Window, overlapping, random_factors, windows
from throughtime.engine.updates import Updater
from throughtime.planning.axes import Job
from throughtime.planning.resources import sizes, weight_shapes
from throughtime.tasks import Task
from throughtime.training.batches import Feed
from throughtime.training.checkpoints import CheckpointStore
from throughtime.training.evaluation import Evaluator, Evaluators, Scores, improvement
from throughtime.training.history import History


def job_decays(job: Job) -> bool:
    """Whether weights move without a gradient."""
    return job.optimizer.weight_decay > 0


# What is kept of every row beside its weights and its history; the first axis is the row's.
KEPT = (
    "diverged_at",
    "solved_at",
    "last_loss",
    "signal_max",
    "signal_start",
    "signal_end",
    "before",
)

FindProbe = Callable[
    [str], Callable[["Trainer"], pd.DataFrame]
]  # probes are handed in: the trainer knows none


class Trainer:
    """Rows in training.

    Args:
        job: shapes and code path.
        rows: the grid's rows of this block, columns ROW_AXES.
        judges: evaluation data.
        device: where tensors live.
        probe: name -> what measures these networks; needed where the job has probes.

    Attributes:
        tally: what sums the errors of a judgement.
    """

    tally: type[Scores] = Scores

    def __init__(
        self,
        job: Job,
        rows: pd.DataFrame,
        judges: Evaluators,
        device: str = "cpu",
        probe: FindProbe | None = None,
    ) -> None:
        self.job, self.rows, self.judges, self.device, self.probe = job, rows, judges, device, probe
        self.model, self.dtype = job.cell, getattr(torch, job.dtype)
        self._windows = cache(windows)  # as long as the trainer: most updates have the same
        self.sizes = sizes(job, job.task, len(rows))
        self.shapes = weight_shapes(job)
        self.flat = initial(self.model, rows, self.shapes, self.dtype).to(device)
        self.weights = views(self.flat, self.shapes)
        self.engine = job.kernel if device == "cpu" else "torch"
        self.program = self.program_for(self.sizes)
        if (rows["omega"] > 0).any():
            assert isinstance(self.program, TorchProgram), "planning lets no other have it"
            self.program.penalize(self._column("omega"))
        self.feed = Feed(job.task, rows["seed"], self.sizes, job.dtype)
        self.updater = Updater(
            job.optimizer, job.schedule, job.updates, self.flat, self._column("lr")
        )
        self.frozen = self._column("frozen", torch.bool)
        first = size({"W_xh": self.shapes["W_xh"]})
        recurrent = size({"W_hh": self.shapes["W_hh"]}) if self.model.recurrent else 0
        self.clipper = Clipper(
            self._threshold("norm"),
            self._threshold("value").to(self.dtype),
            self.frozen,
            (first, first + recurrent),
            values=bool((rows["clip_kind"] == "value").any()),
            compiled=self.engine == "numba",
        )
        self.phases = stream(0, "phase")  # one draw per update, the same for all runs
        self.diverged_at = np.zeros(len(rows), np.int64)  # 0: has not diverged
        self.solved_at = np.zeros(len(rows), np.int64)
        self.last_loss = np.full(len(rows), math.nan)
        self.state: Tensor | None = None
        self.history = History()
        # Of the gradient's signal relative to lag 1: by lag its largest so far, and at the largest
        # lag of the task its first and its last value.
        self.signal_max = np.full((len(rows), job.steps), math.nan)
        self.signal_start = np.full(len(rows), math.nan)
        self.signal_end = np.full(len(rows), math.nan)
        # (G, S) the measure's sums over the sequences of the check, at three quarters of the budget
        self.before = np.zeros((len(rows), 0))
        self.checked: Scores | None = None  # at the latest point
        self.measured: list[
            pd.DataFrame
        ] = []  # what probes found, columns of tables.PROBES with row for run_key

    def _column(self, name: str, dtype: torch.dtype = torch.float64) -> Tensor:
        return torch.tensor(self.rows[name].to_numpy(), dtype=dtype, device=self.device)

    def _threshold(self, kind: str) -> Tensor:
        values = np.where(self.rows["clip_kind"] == kind, self.rows["clip"], math.inf)
        return torch.tensor(values, dtype=torch.float64, device=self.device)

    def program_for(self, sizes: Sizes) -> Program:
        """A program of other shapes for the same networks."""
        return program(
            self.engine,
            self.model,
            self.job.task.head,
            sizes,
            self.shapes,
            self.dtype,
            self.device,
            overlap=overlapping(self.windows()),
            window=sizes.steps if self.job.mode == "full" else self.job.K,
        )

    @property
    def cell(self) -> Cell:
        """The recurrent cell, of those models that have one."""
        assert isinstance(self.model, Cell), f"{self.model.name} has no recurrent cell"
        return self.model

    def windows(self, phase: float = 0.0, steps: int | None = None) -> list[Window]:
        """The job's windows over ``steps`` steps (None: T); ``phase`` matters where they are
        aligned at random.
        """
        steps = steps or self.job.steps
        return self._windows(steps, *self.job.strides, self.job.offset(phase, steps))

    def randomized(self, found: list[Window], number: int) -> list[Window]:
        """The windows of an update with its random factors, in mode randomized.

        They are drawn from a stream of the row's seed and of the update alone: nothing need be kept
        for a training that goes on, and rows of one seed are cut at the same steps.
        """
        if self.job.mode != "randomized":
            return found
        seeds, index = np.unique(self.rows["seed"], return_inverse=True)
        draws = [stream(int(s), "truncation", number).random(self.job.steps) for s in seeds]
        factors = random_factors(np.stack(draws, 1), self.job.K, self.job.tail)[:, index]
        return [replace(window, factors=factors) for window in found]

    def resets(self, found: list[Window]) -> frozenset[int]:
        """Steps before which the state is set to zero."""
        return (
            frozenset(w.start for w in found if w.start)
            if self.job.border == "reset"
            else frozenset()
        )

    # Training -------------------------------------------------------------------------------------
    def train(self, keeper: CheckpointStore | None = None) -> None:
        """All updates, with a check at every point of the curve, and the job's probes at its
        moments.

        Args:
            keeper: is asked for a state to go on from, and is given one whenever it is due; changes
                no number.
        """
        points = {
            round(self.job.updates * i / self.job.points) for i in range(1, self.job.points + 1)
        }
        probed, quarter = set(self.job.probed), 3 * self.job.updates // 4
        saved = keeper.load() if keeper else None
        done = self.restore(saved) if saved else 0  # updates
        since = max((p for p in points if p <= done), default=0)  # at the last point
        for stop in sorted(s for s in {0, quarter} | points | probed if s > done or not saved):
            for update in range(done + 1, stop + 1):
                if keeper and update > 1 and keeper.due():
                    keeper.save(self.state_after(update - 1))
                self.update(update)
            self.settle()
            done = stop
            if stop > since and stop in points:
                self.history.interval(stop, since)
                since = stop
            if stop in points or stop == 0:
                self.check(stop)
            if stop == quarter:
                _, self.before = self.scores(self.judges.check).by_sequence
            if stop in probed:
                self.measure(stop)

    def state_after(self, updates: int) -> Arrays:
        """All that the rest of the training depends on, after so many updates and what was measured
        at them.
        """
        own = {
            "flat": self.flat,
            "state": self.state,
            **{f"updater.{k}": v for k, v in self.updater.memory().items()},
        }
        arrays = {name: tensor.cpu().numpy() for name, tensor in own.items() if tensor is not None}
        arrays |= {"updates": np.array(updates), "count": np.array(self.updater.count)}
        arrays |= {name: getattr(self, name) for name in KEPT}
        measured = pd.concat(self.measured, ignore_index=True) if self.measured else pd.DataFrame()
        columns = {f"measured.{c}": measured[c].to_numpy() for c in measured}
        texts = {
            name: column.astype(str) for name, column in columns.items() if column.dtype == object
        }  # no Python objects
        return arrays | self.history.arrays() | columns | texts

    def restore(self, arrays: Arrays) -> int:
        """Be as ``state_after`` found it.

        Returns:
            The updates done by then.
        """
        updates = int(arrays["updates"])
        for name, memory in {
            "flat": self.flat,
            **{f"updater.{k}": v for k, v in self.updater.memory().items()},
        }.items():
            memory.copy_(torch.from_numpy(arrays[name]))
        if "state" in arrays:
            self.state = torch.from_numpy(arrays["state"]).to(self.device)
        self.updater.count = int(arrays["count"])
        for name in KEPT:
            setattr(self, name, arrays[name])
        columns = {
            name.removeprefix("measured."): values
            for name, values in arrays.items()
            if name.startswith("measured.")
        }
        self.measured = [pd.DataFrame(columns)] if columns else []
        self.history.restore(arrays)
        self.feed.skip(updates)
        self.phases.random(updates)
        return updates

    def update(self, number: int) -> None:
        """One optimizer step of every row that is alive; ``number`` counts from 1."""
        examples, phase = next(self.feed), float(self.phases.random())
        windows_of_update = self.randomized(self.windows(phase, examples.steps), number)
        alive = torch.from_numpy(self.diverged_at == 0)
        loss, gradient = self.program.gradients(
            self.flat,
            examples,
            windows_of_update,
            self.state,
            self.resets(windows_of_update),
            alive,
        )
        norm, clipped = self.clipper.clip_(gradient)
        # a NaN loss compares false
        bad = ~(torch.isfinite(norm) & (loss <= self.job.task.loss_bound))
        still = self.weights["W_hh"][self.frozen] if job_decays(self.job) else None
        self.updater.step_(self.flat, gradient)
        if still is not None:
            self.weights["W_hh"][self.frozen] = still  # decay moves no frozen weight
        bad |= ~self.clipper.finite(self.flat)
        if self.job.task.carries_state and self.job.border == "carry":
            self.state = self.program.final.clone()
        if bad.any():
            self.stop(bad, number)
        self.record(loss, norm, clipped)

    def settle(self) -> None:
        """Let history and ``diverged_at`` know of every update; here they do. See
        device_updates.py.
        """

    def stop(self, bad: Tensor, number: int) -> None:
        """Rows that have diverged train no more: their weights become zero, which costs nothing and
        disturbs no one.
        """
        new = bad.cpu().numpy() & (self.diverged_at == 0)
        self.diverged_at[new] = number
        self.flat[bad] = 0
        self.updater.forget_(bad)
        if self.state is not None:
            self.state[bad] = 0

    def record(self, loss: Tensor, norm: Tensor, clipped: Tensor) -> None:
        """Keep the update's numbers; NaN (clipped: False) for rows that have diverged."""
        alive = self.diverged_at == 0
        losses = np.where(alive, loss.double().cpu().numpy(), math.nan)
        self.last_loss = np.where(alive, losses, self.last_loss)
        self.history.loss.append(losses)
        self.history.norm.append(np.where(alive, norm.cpu().numpy(), math.nan))
        self.history.clipped.append(clipped.cpu().numpy() & alive)

    @property
    def check_data(self) -> Evaluator:
        """The data of the checks during training; of the longest sequences alone, where batches
        differ in length.
        """
        return self.judges.longest

    # Measurement ----------------------------------------------------------------------------------
    def measure(self, step: int) -> None:
        """What the job's probes find after ``step`` updates; they change nothing here."""
        assert self.probe, "a job with probes needs somebody who knows them"
        self.measured += [
            self.probe(name)(self).assign(step=step, probe=name) for name in self.job.probes
        ]

    # Judgement ------------------------------------------------------------------------------------
    def scores(self, judge: Evaluator, program: Program | None = None) -> Scores:
        """The rows' scores on a judge's data, with the state reset where training resets it."""
        windows_of_task = windows(judge.task.steps, *self.job.strides, self.job.offset())
        return judge.scores(
            program or self.program, self.flat, self.resets(windows_of_task), self.tally
        )

    def check(self, step: int) -> None:
        """A point of the evaluation curves, and the gradient's signal there."""
        scores = self.checked = self.scores(self.judges.check)
        value = scores.measure()
        self.history.point(step, eval_loss=scores.loss, eval_measure=value)
        now = (
            np.array([self.job.task.solved(v) for v in value])
            & (self.solved_at == 0)
            & (self.diverged_at == 0)
        )
        self.solved_at[now & (step > 0)] = step
        lags = self.job.task.lags
        if lags or step in (0, self.job.updates):  # without a lag no cause asks for what is between
            signal = self.signal()
            self.signal_max = np.fmax(self.signal_max, signal)
            self.signal_end = signal[:, min(lags[1], self.job.steps - 1) if lags else -1]
            if step == 0:
                self.signal_start = self.signal_end

    def improvement(self) -> Floats:
        """(G) improvement of the measure over the last quarter of the budget, in its standard
        errors; NaN where there were no updates.
        """
        if not self.job.updates or not self.checked:
            return np.full(len(self.rows), math.nan)
        count, after = self.checked.by_sequence
        return improvement(self.before, after, count, self.job.task.measure)

    def radius(self) -> Floats:
        """(G) spectral radius of the first N x N block of W_hh; NaN where there is none."""
        if not self.model.recurrent:
            return np.full(len(self.rows), math.nan)
        weights = acting(self.model, self.flat.double(), self.shapes)
        w = weights["W_hh"][..., : self.job.hidden].cpu().numpy()
        return np.abs(np.linalg.eigvals(w)).max(-1)

    def signal(self) -> Floats:
        """(G, T) gradient signal at each lag over that at lag 1, at full depth; float64, on a few
        sequences of the check data. NaN for a model without a state.
        """
        if not self.model.recurrent:
            return np.full((len(self.rows), self.job.steps), math.nan)
        batch, judge = self.judges.signal, self.judges.longest
        tape = Tape(
            self.cell,
            replace(self.sizes, batch=batch.size),
            torch.float64,
            self.device,
            overlap=False,
        )
        x, targets = judge.inputs(batch, tape)
        weights = acting(self.cell, self.flat.double(), self.shapes)
        logs = log_signal_by_lag(tape, weights, x, targets, self.job.task.head)
        return signal_ratio(logs).cpu().numpy()

    def variant_program(self, task: Task) -> Program:
        """The program for judging on ``task``."""
        other = sizes(self.job, task, len(self.rows))
        return self.program if other == self.sizes else self.program_for(other)
