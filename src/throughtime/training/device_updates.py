"""Training on a device, which runs behind the process that gives it work as long as that asks for
no number.

- Data of several updates are sent in one copy, drawn while the device is still at work.
- What an update finds (loss, norm, clipped, alive) stays on the device, and comes to the host for
  several updates at once. Divergence acts by masks, so that the host need not know of it.
- Forward, loss, backward and clipping are recorded in a CUDA graph. The update itself is not, since
  its numbers (a bias correction, a schedule) change, and a graph would repeat the first; it is some
  ten calls, where the rest is some ten per step.

On the CPU, with the engine ``torch``, its tables are those of ``Trainer``, bit by bit.
"""

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.core.typing import Arrays
from throughtime.engine.program import TorchProgram, spread
from throughtime.engine.truncation import Window
from throughtime.training.batches import Feed
from throughtime.training.device_scores import DeviceScores
from throughtime.training.trainer import Trainer, job_decays

UPDATES = 64  # whose data are sent in one copy, and whose numbers come back in one
STAGED = 256 << 20  # bytes of data sent in one copy, at most
# Graphs that are kept: one per alignment of the windows and kind of start. Each takes memory.
GRAPHS = 16


class Stage:
    """The data of several updates on a device.

    Args:
        feed: what the data are drawn from.
        device: where they go.

    Attributes:
        rows: (G) the source of each network, see program.Examples.
        size: updates whose data are there.
    """

    def __init__(self, feed: Feed, device: str) -> None:
        self.feed, self.device = feed, device
        self.rows = torch.from_numpy(feed.rows).to(device)
        self.size = 0
        self.host: list[Tensor] = []
        self.there: list[Tensor] = []
        self.on_gpu = torch.device(device).type == "cuda"
        self.sent: Any = None  # an event: the last copy is done

    def fill(self, most: int) -> None:
        """Draw the data of the next updates, ``most`` of them or as many as STAGED allows, and send
        them. What was sent before is overwritten once the device has done with it.
        """
        if self.sent is not None:
            self.sent.synchronize()  # the host's memory may be written to again
        self.size = 0
        while self.size < most:
            given = next(self.feed)
            arrays = [torch.from_numpy(a) for a in (given.x, given.values, given.weight)]
            if not self.host:
                held = max(1, min(UPDATES, STAGED // sum(a.nbytes for a in arrays)))
                self.host = [
                    torch.empty((held, *a.shape), dtype=a.dtype, pin_memory=self.on_gpu)
                    for a in arrays
                ]
                self.there = [torch.empty_like(h, device=self.device) for h in self.host]
            for buffer, array in zip(self.host, arrays, strict=True):
                buffer[self.size].copy_(array)
            self.size += 1
            if self.size == len(self.host[0]):
                break
        for sent, buffer in zip(self.there, self.host, strict=True):
            sent[: self.size].copy_(buffer[: self.size], non_blocking=True)
        if self.on_gpu:
            self.sent = torch.cuda.current_stream(self.device).record_event(self.sent)

    def batch(self, place: int) -> list[Tensor]:
        """x, values and weight of program.Examples, of one update."""
        return [sent[place] for sent in self.there]


class Recorder:
    """Runs work that is the same each time: on a GPU as a CUDA graph from the second time on.

    The first time it is run as it is, which lets libraries set themselves up. Work of which there
    are more than GRAPHS kinds is run as it is too.

    Args:
        device: where the work is done.
        records: False: everything is run as it is. None: on a GPU it is recorded.
    """

    def __init__(self, device: str, records: bool | None = None) -> None:
        self.device = torch.device(device)
        self.records = self.device.type == "cuda" if records is None else records
        self.met: set[Hashable] = set()
        self.graphs: dict[Hashable, Callable[[], None]] = {}
        self.pool: Any = None  # of memory: graphs never run at the same time, and share it

    def run(self, kind: Hashable, work: Callable[[], None]) -> None:
        """Do ``work``, which reads and writes the same memory whenever ``kind`` is the same, and
        may be done twice.
        """
        first_or_recorded = kind not in self.met or kind in self.graphs
        if self.records and not first_or_recorded and len(self.graphs) < GRAPHS:
            self.graphs[kind] = self.record(work)
        self.met.add(kind)
        self.graphs.get(kind, work)()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """What does ``work`` again; it is not done yet."""
        with torch.cuda.device(self.device):
            self.pool = self.pool or torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self.pool):
                work()
        return graph.replay


class DeviceTrainer(Trainer):
    """A Trainer that leaves the numbers of its updates on the device until ``settle``."""

    tally = DeviceScores

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

        def zeros(dtype: torch.dtype, *shape: int) -> Tensor:
            return torch.zeros(*shape, len(self.rows), dtype=dtype, device=self.device)

        self.stage, self.recorder = Stage(self.feed, self.device), Recorder(self.device)
        self.inputs: list[Tensor] = []  # x, values and weight of the update in work
        self.gradient = torch.zeros_like(self.flat)
        self.loss, self.norm = zeros(self.dtype), zeros(torch.float64)
        self.clipped, self.alive = zeros(torch.bool), ~zeros(torch.bool)
        # loss, norm, clipped and alive of the updates whose data are on the stage
        self.readings = zeros(torch.float64, UPDATES, 4)
        self.place = 0  # on the stage, of the next update
        self.settled = 0  # places whose readings are on the host
        self.number = 0  # updates done
        carries = self.job.task.carries_state and self.job.border == "carry"
        self.carried = torch.zeros_like(self.tape_program.final) if carries else None
        self.any_frozen = bool(self.rows["frozen"].any())

    @property
    def tape_program(self) -> TorchProgram:
        """The program."""
        assert isinstance(self.program, TorchProgram), "the engine torch alone runs on a device"
        return self.program

    def update(self, number: int) -> None:
        """See Trainer; nothing here waits for the device, but at the end of the stage."""
        if not self.stage.size:
            self.stage.fill(self.job.updates - number + 1)
        windows = self.windows(float(self.phases.random()))
        batch = self.stage.batch(self.place)
        self.inputs = self.inputs or [torch.empty_like(part) for part in batch]
        for part, sent in zip(self.inputs, batch, strict=True):
            part.copy_(sent)
        kind = (tuple(windows), self.state is None)
        self.recorder.run(kind, lambda: self.differentiate(windows))
        self.step()
        for line, values in zip(
            self.readings[self.place], (self.loss, self.norm, self.clipped, self.alive), strict=True
        ):
            line.copy_(values)
        self.place, self.number = self.place + 1, number
        if self.place == self.stage.size:
            self.stage.fill(self.job.updates - number)  # while the device is still at work
            self.settle()
            self.place = self.settled = 0

    def differentiate(self, windows: list[Window]) -> None:
        """Loss, clipped gradient and its norm before, from weights, data and state; all of it at
        fixed places in memory.
        """
        x, targets = spread(self.inputs, self.stage.rows, self.sizes)
        loss, gradient = self.tape_program.differentiate(
            self.flat, x, targets, windows, self.state, self.resets(windows)
        )
        norm, clipped = self.clipper.clip_(gradient)
        for kept, new in (
            (self.loss, loss),
            (self.norm, norm),
            (self.clipped, clipped),
            (self.gradient, gradient),
        ):
            kept.copy_(new)

    def step(self) -> None:
        """Update the weights; rows that have diverged, now or before, become zero."""
        w_hh = self.weights["W_hh"]
        good = torch.isfinite(self.norm) & (self.loss <= self.job.task.loss_bound)
        still = w_hh.clone() if self.any_frozen and job_decays(self.job) else None
        self.updater.step_(self.flat, self.gradient)
        if still is not None:
            w_hh.copy_(torch.where(self.frozen[:, None, None], still, w_hh))
        self.alive &= good & self.clipper.finite(self.flat)
        self.flat.masked_fill_(~self.alive[:, None], 0)
        if self.carried is not None:
            self.carried.copy_(self.tape_program.final)
            self.state = self.carried

    def settle(self) -> None:
        """See Trainer: one copy for all updates that the host does not know of."""
        count = self.place - self.settled
        if not count:
            return
        readings = self.readings[self.settled : self.place].cpu()
        for number, (loss, norm, clipped, alive) in enumerate(readings, self.number - count + 1):
            ended = alive.numpy() == 0
            self.diverged_at[ended & (self.diverged_at == 0)] = number
            self.record(loss, norm, clipped > 0)
        self.settled = self.place

    def state_after(self, updates: int) -> Arrays:
        """See Trainer."""
        self.settle()
        return super().state_after(updates)

    def restore(self, arrays: Arrays) -> int:
        """See Trainer."""
        self.number = super().restore(arrays)
        self.alive.copy_(torch.from_numpy(np.asarray(self.diverged_at == 0)))
        return self.number
