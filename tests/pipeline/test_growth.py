"""Results grow: what was trained is taken from where it lies, and nothing is trained twice."""

from pathlib import Path
from typing import Any

import pytest

from throughtime.pipeline import stages
from throughtime.planning.plan import PlannedJob
from throughtime.planning.sweep import expand
from throughtime.results import provenance, tables
from throughtime.results.paths import job_folder, recorded
from throughtime.results.tables import JOB_TABLES
from throughtime.results.trained import count_trained, find_trained
from throughtime.training import measuring
from throughtime.training import train as training

pytestmark = pytest.mark.slow

COPY: dict[str, Any] = {
    "task": "copy", "length": 3, "payload": 2, "alphabet": 2, "hidden": 5, "batch": 4,
    "updates": 4, "points": 2, "eval_size": 20, "lr": 0.1, "gain": [0.5, 1.0],
}  # fmt: skip


def planned(**axes: Any) -> PlannedJob:
    (job,) = expand("tests", "main", {**COPY, "seeds": 2, **axes}, "tests").jobs
    return job


class Pipeline:
    """Jobs trained below a folder, one after the other, with a count of what was trained."""

    def __init__(self, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.results, self.trained, self.measured = results, 0, 0
        train, measure = training.train, measuring.measure

        def counted_training(job: PlannedJob, *rest: Any, **named: Any) -> Any:
            self.trained += len(job.grid)
            return train(job, *rest, **named)

        def counted_measuring(job: PlannedJob, *rest: Any, **named: Any) -> Any:
            self.measured += len(job.grid)
            return measure(job, *rest, **named)

        monkeypatch.setattr(training, "train", counted_training)
        monkeypatch.setattr(measuring, "measure", counted_measuring)

    def run(self, job: PlannedJob) -> tuple[int, int]:
        """Networks trained, and networks measured again, for this job."""
        before = self.trained, self.measured
        stages.train_job(job, self.results, 60, lambda done: None)
        return self.trained - before[0], self.measured - before[1]

    def hashes(self, job: PlannedJob) -> dict[str, str]:
        """Content of a job's tables, whose every column but none of the files' bytes counts."""
        folder = job_folder(self.results, job)
        return {n: tables.content_hash(tables.read(n, folder / f"{n}.parquet")) for n in JOB_TABLES}


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    return Pipeline(tmp_path / "grown", monkeypatch)


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    return Pipeline(tmp_path / "fresh", monkeypatch)


@pytest.mark.parametrize(
    ("change", "new"),
    [
        ({"seeds": 5}, 6),
        ({"gain": [0.5, 1.0, 1.5]}, 2),
        ({"clip": [1.0, "none"]}, 4),
        ({"seeds": 1}, 0),
        ({"gain": 1.0}, 0),
        ({"seeds": 3, "gain": [1.0, 2.0]}, 4),
        ({"updates": 5}, 4),
    ],
)
def test_a_changed_grid_trains_exactly_what_is_new(
    pipeline: Pipeline, fresh: Pipeline, change: dict[str, Any], new: int
) -> None:
    assert pipeline.run(planned()) == (4, 0)
    job = planned(**change)
    assert count_trained(pipeline.results, job) == len(job.grid) - new
    assert pipeline.run(job) == (new, 0)
    assert fresh.run(job) == (len(job.grid), 0)
    assert pipeline.hashes(job) == fresh.hashes(job)


def test_the_record_of_a_grown_job_says_what_was_trained_for_it(pipeline: Pipeline) -> None:
    pipeline.run(planned())
    job = planned(seeds=3)
    pipeline.run(job)
    record = recorded(job_folder(pipeline.results, job) / "timing.json")
    assert record is not None
    assert (record["networks"], record["cost"]) == (6, 2 * job.job.cost)
    assert record["run_keys"] == job.run_keys


def test_networks_of_an_edited_engine_are_trained_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.run(planned())
    monkeypatch.setattr("throughtime.results.trained.training_digest", lambda job: "edited")
    assert find_trained(pipeline.results, planned(seeds=3)) == []


def test_a_damaged_table_is_not_taken_for_trained(pipeline: Pipeline) -> None:
    pipeline.run(planned())
    (job_folder(pipeline.results, planned()) / "curves.parquet").unlink()
    assert count_trained(pipeline.results, planned(seeds=3)) == 0


# Probes and weights ------------------------------------------------------------------------------


def test_a_probe_added_later_trains_again_without_weights(pipeline: Pipeline) -> None:
    pipeline.run(planned())
    assert pipeline.run(planned(probes=["spectrum"])) == (4, 0)
    assert pipeline.run(planned(probes=["spectrum"], seeds=3)) == (2, 0)
    assert pipeline.run(planned()) == (0, 0)


@pytest.mark.parametrize("cell", ["tanh", "lstm"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_with_weights_a_probe_added_later_only_measures_and_finds_the_same(
    pipeline: Pipeline, fresh: Pipeline, cell: str, seeds: int
) -> None:
    axes = {"keep_weights": True, "cell": cell, "seeds": seeds, "gain": [1.0], "clip": 1.0}
    if seeds > 1:
        axes |= {"gain": [1.0, 1e25], "lr": [0.1, 1e20]}  # some diverge
    pipeline.run(planned(**axes))
    job = planned(**axes, probes=["spectrum", "gradient_by_lag"])
    assert pipeline.run(job) == (0, len(job.grid))
    assert fresh.run(job) == (len(job.grid), 0)
    assert pipeline.hashes(job) == fresh.hashes(job)


def test_an_edited_probe_measures_again_where_weights_are_kept(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = planned(keep_weights=True, probes=["spectrum"])
    pipeline.run(job)
    assert pipeline.run(job) == (0, 0)
    edited = provenance.probe_digest
    for module in ("throughtime.results.trained", "throughtime.pipeline.progress"):
        monkeypatch.setattr(f"{module}.probe_digest", lambda name: edited(name) + "'")
    for path in job_folder(pipeline.results, job).iterdir():
        path.unlink()  # as Snakemake does before it runs a job again
    assert pipeline.run(job) == (0, 4)


@pytest.mark.parametrize("change", [{"moments": [0, 0.5, 1]}, {"probes": ["updates"]}])
def test_what_weights_cannot_tell_is_trained_again(
    pipeline: Pipeline, change: dict[str, Any]
) -> None:
    pipeline.run(planned(keep_weights=True))
    job = planned(**{"keep_weights": True, "probes": ["spectrum"], **change})
    assert pipeline.run(job) == (4, 0)


def test_keeping_weights_trains_networks_once_more(pipeline: Pipeline) -> None:
    pipeline.run(planned())
    job = planned(keep_weights=True)
    assert planned().run_keys == job.run_keys
    assert pipeline.run(job) == (4, 0)
    assert pipeline.run(planned(keep_weights=True, seeds=3)) == (2, 0)
