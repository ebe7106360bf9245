"""What a stage refuses: errors in a task's file, and a device that is not there."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from throughtime.core.errors import UserError
from throughtime.pipeline import stages
from throughtime.planning.axes import Job, grid
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.results import provenance
from throughtime.tasks import Batch, Reference
from throughtime.tasks.copy import Copy


class Broken(Copy):
    """A task whose own code raises."""

    name: ClassVar[str] = "broken"

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        raise IndexError("no such symbol")

    def references(self) -> list[Reference]:
        return [self.nothing]  # type: ignore[attr-defined]  # it is what is tested


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> PlannedJob:
    """One network on it."""
    monkeypatch.setattr(provenance, "training_modules", lambda planned: ("throughtime.core.rng",))
    task = Broken(length=2, payload=1)
    job = Job(task=task, hidden=3, batch=2, updates=1, eval_size=4, mode="full", K=task.steps)
    return PlannedJob("tiny", "main", job, grid({"seed": [0]}), "cpu")


def line_of(text: str) -> int:
    """The number of the line of this file that begins with ``text``."""
    lines = Path(__file__).read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.strip().startswith(text))


def test_a_task_that_raises_in_training_is_named_with_its_line(
    planned: PlannedJob, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        stages.train_job(planned, tmp_path, 60, lambda done: None)
    number = line_of("raise IndexError")
    assert f"{Path(__file__).name}:{number}: IndexError: no such symbol; mend it" in str(
        raised.value
    )


def test_a_task_whose_references_raise_is_named_with_its_line(
    planned: PlannedJob, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as raised:
        stages.references(Plan((planned,), ()), tmp_path, "tiny")
    assert f"{Path(__file__).name}:{line_of('return [self.nothing]')}: AttributeError: " in str(
        raised.value
    )


def test_training_asks_for_its_device_first(
    planned: PlannedJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    there = PlannedJob("tiny", "main", planned.job, planned.grid, "cuda")
    with pytest.raises(UserError, match="device: cuda is not on this machine, which has cpu;"):
        stages.train_job(there, tmp_path, 60, lambda done: None)
    assert list(tmp_path.iterdir()) == []
