"""A device that is not there is refused in one line, before anything trains."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from throughtime.core.errors import UserError
from throughtime.pipeline import startup
from throughtime.planning.axes import Job, grid
from throughtime.planning.plan import PlannedJob
from throughtime.planning.resources import rows_at_once, rows_on_device
from throughtime.results.identity import identity
from throughtime.tasks.copy import Copy
from throughtime.training import devices
from throughtime.training import train as training
from throughtime.training.devices import check_device


def machine(monkeypatch: pytest.MonkeyPatch, devices: int) -> None:
    """A machine with so many GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)


@pytest.mark.parametrize(
    ("devices", "asked", "there"),
    [(0, "cuda", "cpu"), (0, "cuda:0", "cpu"), (2, "cuda:2", "cpu, cuda, cuda:0, cuda:1")],
)
def test_it_names_what_there_is(
    devices: int, asked: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, devices)
    with pytest.raises(UserError, match=f"^device: {asked} is not on this machine, which has "):
        check_device(asked)
    with pytest.raises(UserError, match=f"which has {there}; give one of these"):
        check_device(asked)


@pytest.mark.parametrize("asked", ["cpu", "cuda", "cuda:1"])
def test_what_is_there_is_taken(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 2)
    check_device(asked)


@pytest.mark.slow
def test_a_pipeline_asks_before_it_starts_and_only_where_it_trains_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(monkeypatch, 0)
    started: list[Path] = []

    def start_pipeline(root: Path, results: Path) -> list[str]:
        started.append(results)
        return []

    monkeypatch.setattr(startup, "start_pipeline", start_pipeline)
    project = SimpleNamespace(config=SimpleNamespace(device="cuda"), root=Path())
    pipeline: Any = SimpleNamespace(project=project, results="results")
    with pytest.raises(UserError, match="device: cuda is not on this machine"):
        startup.prepare(pipeline, True, ["--cores", "2"])
    assert started == []
    startup.prepare(pipeline, True, ["-n"])  # nothing runs
    startup.prepare(pipeline, True, ["--cores", "2"], local=False)  # on a cluster: elsewhere
    assert started == [Path("results")]


def test_a_job_is_trained_on_the_device_of_its_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    class Reached(Exception):
        pass

    def trainer(job: Job, rows: Any, judges: Any, device: str, probe: Any) -> None:
        assert device == "cuda:1"
        raise Reached

    monkeypatch.setattr(training, "DeviceTrainer", trainer)
    monkeypatch.setattr(devices, "free_memory", lambda device: 1 << 30)
    job = Job(task=Copy(length=1), K=2)
    with pytest.raises(Reached):
        training.train(PlannedJob("mine", "main", job, grid({"seed": [0]}), "cuda:1"))


def test_a_block_takes_a_share_of_the_devices_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def free_memory(device: str) -> int:
        asked.append(device)
        return 1 << 24

    monkeypatch.setattr(devices, "free_memory", free_memory)
    job = Job(task=Copy(length=1), K=2)
    planned = PlannedJob("mine", "main", job, grid({"seed": [0]}), "cuda:1")
    rows = devices.rows_of_a_block(planned)
    assert rows == rows_on_device(job, int(devices.SHARE * 2**24)) > 1
    assert devices.rows_of_a_block(replace(planned, device="cpu")) == rows_at_once(job)
    assert asked == ["cuda:1"]


def test_float32_is_float32_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True  # as torch has it
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    devices.prepare_device("cpu")
    assert torch.backends.cuda.matmul.allow_tf32
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # the owner's choice stays
    devices.prepare_device("cuda")
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_tables_name_the_engine_that_computed() -> None:
    planned = PlannedJob("mine", "main", Job(task=Copy(length=1), K=2), grid({"seed": [0]}))
    for device, engine in (("cpu", planned.job.kernel), ("cuda", "torch")):
        own = replace(planned, device=device)
        row = identity(own, own.grid, own.run_keys).iloc[0]
        assert (row["device"], row["engine"]) == (device, engine)
