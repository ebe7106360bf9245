"""What a stage refuses: errors in a task's file, and a device that is not there."""

import os
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from throughtime.core.errors import UserError
from throughtime.pipeline import failures, progress, stages
from throughtime.planning.axes import Job, grid
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.results import paths, provenance
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


def copies(*seeds: int) -> list[PlannedJob]:
    """Jobs of one small network each, on a task that works."""
    task = Copy(length=2, payload=1)
    job = Job(task=task, hidden=3, batch=2, updates=1, eval_size=4, mode="full", K=task.steps)
    return [PlannedJob("tiny", "main", job, grid({"seed": [seed]})) for seed in seeds]


def test_a_job_that_fails_fails_itself_and_the_rest_of_its_pack_goes_on(
    planned: PlannedJob, tmp_path: Path
) -> None:
    first, last = copies(0, 1)
    failed = stages.train_jobs([first, planned, last], tmp_path, 60)
    assert len(failed) == 1
    assert failed[0].startswith(f"tiny {planned.key}: ")
    assert "IndexError: no such symbol" in failed[0]
    logs = [failures.job_log(tmp_path, job) for job in (first, planned, last)]
    assert [failures.has_failed(log) for log in logs] == [False, True, False]
    assert "IndexError: no such symbol" in failures.why(logs[1])
    assert [progress.is_finished(tmp_path, job) for job in (first, planned, last)] == [
        True,
        False,
        True,
    ]
    assert logs[0].read_text().splitlines()[-1] == "1 of 1 networks"


def test_a_defect_keeps_its_traceback_in_the_log_of_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*arguments: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(stages, "train_job", raises)
    (job,) = copies(0)
    assert stages.train_jobs([job], tmp_path, 60) == [
        f"tiny {job.key}: ZeroDivisionError: a defect"
    ]
    log = failures.job_log(tmp_path, job).read_text()
    assert log.startswith("Traceback")
    assert log.endswith("ZeroDivisionError: a defect\n")


def test_a_finished_job_is_passed_over_and_one_without_a_table_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = copies(0, 1)
    assert stages.train_jobs(jobs, tmp_path, 60) == []
    trained: list[PlannedJob] = []
    monkeypatch.setattr(stages, "train_job", lambda planned, *rest: trained.append(planned))
    assert stages.train_jobs(jobs, tmp_path, 60) == []
    assert trained == []
    (paths.job_folder(tmp_path, jobs[1]) / "curves.parquet").unlink()
    stages.train_jobs(jobs, tmp_path, 60)
    assert trained == jobs[1:]


def test_what_libraries_of_c_say_goes_to_the_log_too_and_only_for_a_while(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "logs" / "x.log"
    with stages.errors_in(log):
        os.write(2, b"from C\n")
        print("from Python", file=sys.stderr)
    os.write(2, b"afterwards\n")
    assert log.read_text() == "from C\nfrom Python\n"
    assert capfd.readouterr().err == "afterwards\n"


def test_where_the_log_cannot_be_written_it_is_said_on_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").touch()
    with stages.errors_in(tmp_path / "logs" / "x.log"):
        os.write(2, b"said\n")
    assert capfd.readouterr().err == "said\n"
