"""Updates on a device, as far as the CPU can tell: the same tables, bit by bit, as those of the
Trainer; nothing that waits for the device; work that may be replayed without Python.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training.test_checkpoints import Dying, Killed
from throughtime.planning.plan import PlannedJob
from throughtime.planning.sweep import expand
from throughtime.results import tables
from throughtime.results.tables import JOB_TABLES
from throughtime.tasks.copy import Copy
from throughtime.training import device_updates
from throughtime.training import train as training
from throughtime.training.device_scores import DeviceScores
from throughtime.training.device_updates import DeviceTrainer, Recorder
from throughtime.training.evaluation import Evaluators, Scores
from throughtime.training.result import Tables
from throughtime.training.trainer import Trainer

pytestmark = pytest.mark.slow

SMALL: dict[str, Any] = {
    "engine": "torch",
    "hidden": 7,
    "batch": 3,
    "updates": 13,
    "points": 3,
    "eval_size": 12,
}
# learning rates from harmless to deadly: networks diverge at the first update, and at later ones
WILD: dict[str, Any] = {"gain": [0.7, 1e25], "clip": [0.1, "none"], "lr": [0.05, 30.0, 1e20]}
COPY = {"task": "copy", "length": 3, "payload": 2, "alphabet": 2}
JOBS: dict[str, dict[str, Any]] = {
    "adam": {**COPY, "optimizer": "adam", "schedule": "cosine"},
    "random phase": {**COPY, "mode": "chunked", "K": 3, "align": "random", "momentum": 0.9},
    "reset": {**COPY, "mode": "chunked", "K": 2, "border": "reset", "frozen": [False, True]},
    "frozen and decaying": {**COPY, "optimizer": "adamw", "frozen": [False, True]},
    "by value": {**COPY, "clip_kind": ["value", "norm"]},
    "features": {"task": "adding", "length": 7, "mode": "sliding", "K": 3, "cell": "relu"},
    "carried state": {"task": "text", "window": 6, "optimizer": "rmsprop", "h0": "learned"},
    "brackets": {"task": "brackets", "length": 8, "mode": "buffered", "K": 2},
    "lstm": {**COPY, "cell": "lstm", "h0": "learned"},
    "gru": {**COPY, "cell": "gru"},
    "omega": {**COPY, "omega": [0.0, 2.0]},
    "double": {**COPY, "cell": "sigmoid", "dtype": "float64"},
}
each_job = pytest.mark.parametrize("name", JOBS)


class Exact(DeviceTrainer):
    """Its sums are NumPy's, as the Trainer's are: the rest of the tables can be held to the bit."""

    tally = Scores


def planned(name: str, **more: Any) -> PlannedJob:
    (job,) = expand("x", "s", {**SMALL, **WILD, **JOBS[name], **more}, "here").jobs
    return job


def trained(
    monkeypatch: pytest.MonkeyPatch, kind: type[Trainer], job: PlannedJob, **more: Any
) -> Tables:
    monkeypatch.setattr(training, "Trainer", kind)
    return training.train(job, **more)


def hashes(made: Tables) -> list[str]:
    return [tables.content_hash(getattr(made, name)) for name in JOB_TABLES]


@pytest.mark.slow
@each_job
def test_the_tables_are_those_of_the_trainer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_updates, "UPDATES", 5)  # 13 updates: three stages, the last cut off
    job = planned(name, keep_weights=True)
    expected = trained(monkeypatch, Trainer, job)
    made = trained(monkeypatch, Exact, job)
    assert hashes(made) == hashes(expected)
    assert np.array_equal(made.weights, expected.weights)  # zero where a network has diverged
    ends = expected.summary["diverged_at"].dropna()
    assert 0 < len(ends) < len(job.grid)
    assert (ends % 5 != 0).any()  # in the middle of a stage


def test_networks_diverge_at_the_same_late_update(monkeypatch: pytest.MonkeyPatch) -> None:
    job = planned("adam", optimizer="sgd", lr=[1.0, 3.0, 10.0, 100.0], updates=40, seeds=3)
    monkeypatch.setattr(Copy, "loss_bound", 4.0)  # soon passed
    expected = trained(monkeypatch, Trainer, job)
    ends = expected.summary["diverged_at"].dropna()
    assert ends.nunique() > 3
    monkeypatch.setattr(device_updates, "UPDATES", 7)
    assert hashes(trained(monkeypatch, Exact, job)) == hashes(expected)


def test_data_that_are_too_many_for_a_stage_are_sent_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = planned("adam")
    expected = trained(monkeypatch, Trainer, job)
    monkeypatch.setattr(device_updates, "STAGED", 1)  # not even one update's: one at a time
    assert hashes(trained(monkeypatch, Exact, job)) == hashes(expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adam", "random phase", "carried state"])
def test_killed_in_the_middle_of_a_stage_it_ends_with_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_updates, "UPDATES", 5)
    job = planned(name, keep_weights=True)
    kills = 0
    while True:
        try:
            made = trained(monkeypatch, Exact, job, block=6, keeper=Dying(tmp_path, 2, late=True))
            break
        except Killed:
            kills += 1
    assert kills > 3
    expected = trained(monkeypatch, Trainer, job, block=6)
    assert hashes(made) == hashes(expected)
    assert np.array_equal(made.weights, expected.weights)  # zero where a network has diverged


@each_job
def test_no_update_waits_for_the_device(name: str) -> None:
    """A tensor of the device ``meta`` has no numbers: to ask for one is an error, as it is to mix
    it with one of the CPU.
    """
    job = planned(name)
    block = DeviceTrainer(job.job, job.grid, Evaluators(job.job), "meta")
    for number in range(1, 13):
        block.update(number)
    assert block.place == 12
    for tensor in (block.flat, block.gradient, block.loss, block.readings):
        assert tensor.device.type == "meta"
    with pytest.raises((NotImplementedError, RuntimeError)):
        block.settle()  # this does


# Graphs -------------------------------------------------------------------------------------------


class Calls(TorchDispatchMode):
    """What a CUDA graph does, on the CPU: it keeps every operation with the memory that it reads
    and writes, and does them again without the Python around them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, out))
        return out

    def replay(self) -> None:
        for func, args, kwargs, out in self.calls:
            new = func(*args, **kwargs)
            many = isinstance(out, (tuple, list))
            for old, now in zip(out, new, strict=True) if many else [(out, new)]:
                if isinstance(old, Tensor) and old.data_ptr() != now.data_ptr():
                    old.copy_(now)


class Replaying(Recorder):
    """Records on the CPU."""

    count = 0

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        Replaying.count += 1
        calls = Calls()
        with calls:
            work()
        return calls.replay


def recorded(device: str) -> Recorder:
    return Replaying(device, records=True)


@pytest.mark.slow
@each_job
def test_what_is_recorded_once_is_right_at_every_update(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    smooth = name not in ("lstm", "gru", "double")  # NumPy's functions are not seen by torch
    job = planned(name, **({"cell": "relu"} if smooth else {"cell": "identity", "h0": "zero"}))
    expected = trained(monkeypatch, Trainer, job)
    monkeypatch.setattr(device_updates, "Recorder", recorded)
    monkeypatch.setattr(Replaying, "count", 0)
    assert hashes(trained(monkeypatch, Exact, job)) == hashes(expected)
    assert Replaying.count == (3 if name == "random phase" else 1)


def test_a_recorder_does_work_of_a_kind_as_it_is_once_and_replays_it_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_updates, "GRAPHS", 1)
    done: list[str] = []

    class Named(Recorder):
        def record(self, work: Callable[[], None]) -> Callable[[], None]:
            return lambda: done.append("replayed")

    recorder = Named("cpu", records=True)
    for kind in ("a", "a", "b", "b", "a"):
        recorder.run(kind, lambda kind=kind: done.append(kind))
    assert done == ["a", "replayed", "b", "b", "replayed"]  # no room for a graph of b
    done.clear()
    plain = Named("cpu")
    for _ in range(3):
        plain.run("a", lambda: done.append("a"))
    assert done == ["a"] * 3


# Judgement ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["adam", "features", "carried state", "brackets"])
def test_sums_on_the_device_are_those_of_the_host(name: str) -> None:
    job = planned(name)
    evaluators = Evaluators(job.job)
    block = Trainer(job.job, job.grid, evaluators)
    alive = np.isfinite(block.scores(evaluators.check).loss)
    assert alive.any()
    for judge in evaluators.final.values():
        program = block.variant_program(judge.task)
        host = judge.scores(program, block.flat)
        device = judge.scores(program, block.flat, tally=DeviceScores)
        assert dict(device.count) == dict(host.count)
        assert list(device.groups()) == list(host.groups())
        assert np.allclose(device.loss, host.loss, rtol=1e-12, equal_nan=True)
        for group in host.groups():
            assert np.allclose(
                device.measure(group), host.measure(group), rtol=1e-12, equal_nan=True
            )
        (one, by), (other, on) = host.by_sequence, device.by_sequence
        assert np.array_equal(one, other)
        assert np.allclose(by, on, rtol=1e-12, equal_nan=True)


def test_tables_of_the_device_differ_by_rounding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    job = planned("carried state")
    host, device = (trained(monkeypatch, kind, job) for kind in (Trainer, DeviceTrainer))
    pd.testing.assert_frame_equal(host.summary, device.summary, rtol=1e-9)
    pd.testing.assert_frame_equal(host.breakdown, device.breakdown, rtol=1e-9)
