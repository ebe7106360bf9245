"""Jobs of a killed pipeline in Slurm's queue, with a squeue and a scancel of our own;
tests/system/cluster has real ones.
"""

from pathlib import Path

import pytest

from throughtime.pipeline import slurm, startup, watchdog

QUEUE = """\
11|{root}|rule_train_train
12|{root}|rule_figure_wildcards_a|b
13|{root}/elsewhere|rule_train_train
14|{root}|my own work
15|{root}|
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that has been on a cluster, whose queue holds jobs of its own and others; what is
    cancelled is written down.
    """
    programs, root = tmp_path / "bin", tmp_path / "project"
    programs.mkdir()
    (root / slurm.LOGS).mkdir(parents=True)
    (tmp_path / "queue").write_text(QUEUE.format(root=root))
    for name, does in (
        ("squeue", f"cat {tmp_path}/queue"),
        ("scancel", f"echo $@ > {tmp_path}/cancelled"),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return root


def test_jobs_of_this_project_are_cancelled_and_no_others(cluster: Path):
    said = slurm.cancel(cluster)
    assert said == ["2 jobs of a pipeline that was killed were still in Slurm's queue: cancelled"]
    assert (cluster.parent / "cancelled").read_text() == "11 12\n"


def test_an_empty_queue_is_left_alone(cluster: Path):
    (cluster.parent / "queue").write_text("")
    assert slurm.cancel(cluster) == []
    assert not (cluster.parent / "cancelled").exists()


def test_a_project_that_was_never_on_a_cluster_asks_nobody(cluster: Path):
    (cluster / slurm.LOGS).rmdir()
    assert slurm.cancel(cluster) == []
    assert not (cluster.parent / "cancelled").exists()


def test_a_queue_that_does_not_answer_is_no_reason_to_stop(
    cluster: Path, monkeypatch: pytest.MonkeyPatch
):
    (cluster.parent / "bin" / "squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(slurm, "PATIENCE", 0.2)
    assert slurm.cancel(cluster) == []


def test_a_pipeline_begins_with_it_unless_another_one_of_the_project_is_at_work(
    cluster: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(startup, "_locks", [])
    monkeypatch.setenv(watchdog.PIPELINE, "")
    monkeypatch.setattr(
        startup, "_free", lambda _: False
    )  # whatever other lock there is, a process holds it
    (cluster / ".snakemake" / "throughtime").mkdir(parents=True)
    (cluster / ".snakemake" / "throughtime" / "elsewhere.lock").touch()
    assert startup.start_pipeline(cluster, cluster / "results") == []
    assert not (cluster.parent / "cancelled").exists()
    (cluster / ".snakemake" / "throughtime" / "elsewhere.lock").unlink()
    startup._locks.clear()
    (cluster / ".snakemake" / "throughtime" / "results.lock").unlink()
    assert len(startup.start_pipeline(cluster, cluster / "results")) == 1
    for lock in startup._locks:
        lock.release()
