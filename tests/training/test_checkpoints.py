"""Trainings that are broken off and go on: the same bits as one that ran through, whatever moment
it was broken off at.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from throughtime.core import files
from throughtime.planning.plan import PlannedJob
from throughtime.planning.sweep import expand
from throughtime.probes import probe, probe_names
from throughtime.results import tables
from throughtime.results.tables import JOB_TABLES
from throughtime.training.checkpoints import Arrays, Checkpoints
from throughtime.training.result import Tables
from throughtime.training.train import train

pytestmark = pytest.mark.slow

SMALL: dict[str, Any] = {"hidden": 7, "batch": 3, "updates": 7, "points": 3, "eval_size": 12}
WILD: dict[str, Any] = {
    "gain": [0.7, 1e25],
    "clip": [0.1, "none"],
    "lr": [0.05, 1e20],
    "seeds": 2,
}  # many diverge
PROBES = [
    name for name in probe_names() if name not in ("context", "generated")
]  # which are of text
JOBS: dict[str, dict[str, Any]] = {
    "copy": {"task": "copy", "length": 3, "payload": 2, "alphabet": 2, "optimizer": "adam"},
    "random phase": {
        "task": "copy",
        "length": 4,
        "payload": 2,
        "mode": "chunked",
        "K": 3,
        "align": "random",
        "momentum": 0.9,
    },
    "randomized": {
        "task": "copy",
        "length": 4,
        "payload": 2,
        "mode": "randomized",
        "K": 3,
    },
    "lengths": {"task": "temporal_order", "length": 20, "shortest": 8, "mode": "chunked", "K": 9},
    "adaptive": {
        "task": "streaming_copy",
        "window": 9,
        "payload": 2,
        "cell": "lstm",
        "mode": "buffered",
        "K": 3,
        "align": "random",
        "adapt": 0.5,
        "adapt_every": 2,
        "adapt_rates": True,
        "gain": 0.7,  # such networks train alone: 4, and not 16
        "seeds": 1,
    },
    "carried state": {"task": "text", "window": 6, "optimizer": "rmsprop"},
    "probed": {
        "task": "adding",
        "length": 8,
        "h0": "learned",
        "probes": PROBES,
        "moments": [0, 0.4, 1],
    },
}


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


class Dying(Checkpoints):
    """Saves at every update and dies at its n-th save, before or after the file is written."""

    def __init__(self, folder: Path, lives: int, late: bool, token: str = "token") -> None:
        super().__init__(folder, token, every=0.0)
        self.lives, self.late = lives, late

    def save(self, arrays: Arrays) -> None:
        self.lives -= 1
        if self.lives == 0 and not self.late:
            raise Killed
        super().save(arrays)
        if self.lives == 0:
            raise Killed


def planned(name: str) -> PlannedJob:
    (job,) = expand("x", "s", {**SMALL, **WILD, **JOBS[name]}, "here").jobs
    return job


def hashes(made: Tables) -> list[str]:
    return [tables.content_hash(getattr(made, name)) for name in JOB_TABLES]


def train_with_kills(job: PlannedJob, folder: Path, lives: int, late: bool) -> tuple[Tables, int]:
    """Tables, and how often it was killed."""
    kills = 0
    while True:
        try:
            return train(job, block=6, keeper=Dying(folder, lives, late), probe=probe), kills
        except Killed:
            kills += 1


@pytest.mark.parametrize("name", JOBS)
def test_killed_at_every_second_update_it_ends_with_the_same_bits(
    tmp_path: Path, name: str
) -> None:
    job = planned(name)
    made, kills = train_with_kills(job, tmp_path, lives=2, late=True)
    blocks = len(job.grid) if job.job.adapt else -(-len(job.grid) // 6)
    assert kills >= 3 * blocks
    assert hashes(made) == hashes(train(job, block=6, probe=probe))


def test_killed_before_the_file_is_written_it_goes_on_from_the_one_before(tmp_path: Path) -> None:
    job = planned("copy")
    made, kills = train_with_kills(job, tmp_path, lives=3, late=False)
    assert kills > 0
    assert hashes(made) == hashes(train(job, block=6, probe=probe))


def kept(folder: Path, job: PlannedJob) -> list[Path]:
    """Break a training off in its second block; what it kept."""
    with pytest.raises(Killed):
        train(job, block=6, keeper=Dying(folder, lives=9, late=True), probe=probe)
    return [p for p in files.files_with_checksum(folder) if p.suffix in (".npz", ".parquet")]


@pytest.mark.parametrize("content", [b"", b"PK nonsense", None])
def test_a_damaged_or_missing_checkpoint_is_passed_over(
    tmp_path: Path, content: bytes | None
) -> None:
    job = planned("copy")
    expected = hashes(train(job, block=6, probe=probe))
    for path in kept(tmp_path, job):
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        assert (
            hashes(train(job, block=6, keeper=Checkpoints(tmp_path, "token", 1e9), probe=probe))
            == expected
        )


def test_what_was_finished_is_not_trained_again(tmp_path: Path) -> None:
    job = planned("copy")
    assert len([p for p in kept(tmp_path, job) if p.name == "summary.parquet"]) == 1
    keeper = Checkpoints(tmp_path, "token", 1e9)
    assert keeper.start == 6
    saved = keeper.load()
    assert saved is not None
    # the ninth save: six of the first block, then the third of this one
    assert int(saved["updates"]) == 3
    assert keeper.spent() > 0


def test_another_code_does_not_go_on_from_it(tmp_path: Path) -> None:
    job = planned("copy")
    kept(tmp_path, job)
    other = Checkpoints(tmp_path, "other", 1e9)
    assert (other.start, other.load(), other.finished()) == (0, None, [])


def test_a_checkpoint_of_the_block_before_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    keeper = Checkpoints(tmp_path, "token", 0.0)
    keeper.save({"updates": np.array(3)})
    assert keeper.load() == {"updates": 3}
    keeper.start = 6
    assert keeper.load() is None


def test_no_checkpoint_holds_python_objects(tmp_path: Path) -> None:
    paths = kept(tmp_path, planned("probed"))
    (block,) = [p for p in paths if p.suffix == ".npz"]
    with np.load(block, allow_pickle=False) as saved:
        assert {saved[name].dtype.kind for name in saved.files} <= set("fiubU")
        assert "measured.quantity" in saved.files


def test_it_is_gone_when_the_job_is_done(tmp_path: Path) -> None:
    job = planned("copy")
    kept(tmp_path / "checkpoints" / "job", job)
    Checkpoints(tmp_path / "checkpoints" / "job", "token", 1.0).clear()
    assert list(tmp_path.iterdir()) == []


def test_none_is_due_before_its_time(tmp_path: Path) -> None:
    assert not Checkpoints(tmp_path, "token", 1e9).due()
    assert Checkpoints(tmp_path, "token", 0.0).due()
