"""Rounds of a search: the same networks whenever it was stopped, and nothing trained twice."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.planning.test_project import EXPERIMENT, project
from throughtime.core.errors import UserError
from throughtime.pipeline import stages
from throughtime.pipeline.progress import progress
from throughtime.planning.project import Project
from throughtime.planning.rounds import Search

pytestmark = pytest.mark.slow

SWEEP: dict[str, Any] = {
    "task": "copy", "length": [1, 2], "payload": 2, "alphabet": 2, "K": "full", "hidden": 5,
    "batch": 4, "updates": 4, "points": 2, "eval_size": 20, "gain": [0.5, 1.0], "seeds": 2,
    "optimizer": "adam", "lr": 0.05, "frontier": {"axis": "lag", "width": 3},
}  # fmt: skip


def opened(root: Path) -> Project:
    return Project.open(root)


def made(root: Path) -> Path:
    root.mkdir()
    return project(root, reach={**EXPERIMENT, "sweeps": {"main": SWEEP}})


def search(root: Path) -> Search:
    (found,) = opened(root).searches()
    return found


def steps(root: Path) -> Iterator[int]:
    """What the pipeline does, step by step: a round is chosen, then each of its jobs is trained."""
    results, number = root / "results", 0
    while True:
        number += 1
        path = search(root).file(results, number)
        if not path.exists():
            stages.choose(search(root), results, number)
        yield number
        if not json.loads(path.read_text())["networks"]:
            return
        for planned in opened(root).plan().jobs:
            assert stages.train_jobs([planned], results, 60) == []
            yield number


def files_of(root: Path) -> dict[str, bytes]:
    """The bytes of all rounds and tables."""
    paths = [
        *root.glob("results/reach/rounds/*.json"),
        *root.glob("results/reach/jobs/*/*.parquet"),
    ]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that was never stopped."""
    root = made(tmp_path_factory.mktemp("search") / "whole")
    for _ in steps(root):
        pass
    return root


def test_a_search_that_is_stopped_again_and_again_chooses_the_same_networks(
    whole: Path, tmp_path: Path
) -> None:
    root = made(tmp_path / "stopped")
    for stop in (0, 1, 3, 4, 6):
        for place, _ in enumerate(steps(root)):
            if place == stop:  # what was written last is lost: a round, or the tables of a job
                paths = [p for p in root.glob("results/reach/*/*") if not p.name.startswith(".")]
                newest = max(paths, key=lambda p: p.stat().st_mtime_ns)
                (newest if newest.is_file() else newest / "timing.json").unlink()
                break
    assert len(files_of(root)) < len(files_of(whole))
    for _ in steps(root):
        pass
    assert files_of(root) == files_of(whole)


def test_rounds_end_with_a_known_frontier_and_no_network_twice(whole: Path) -> None:
    found, results = search(whole), whole / "results"
    rounds = found.chosen(results)
    keys = [key for own in rounds for key in own]
    assert len(rounds) > 1
    assert len(set(keys)) == len(keys) <= len(found.grid)
    last = json.loads(found.file(results, len(rounds) + 1).read_text())
    assert last["networks"] == []
    assert all(curve["known"] for curve in last["curves"])
    plan = opened(whole).plan()
    state = progress(plan, results)
    assert (state.networks, state.done, state.left) == (len(keys), len(keys), ())
    assert stages.collect(plan, results, "reach").networks == len(keys)
    assert stages.manifest(opened(whole), plan, results, "reach").exists()


def test_a_round_without_the_tables_before_it_is_refused_in_one_line(
    whole: Path, tmp_path: Path
) -> None:
    root = made(tmp_path / "fresh")
    with pytest.raises(UserError, match="no such round"):
        stages.choose(search(root), root / "results", 2)
    stages.choose(search(root), root / "results", 1)
    with pytest.raises(UserError, match=r"summary\.parquet: no such table"):
        stages.choose(search(root), root / "results", 2)


def test_another_width_takes_what_was_trained(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = whole / "experiments" / "reach" / "experiment.yaml"
    text = path.read_text()
    path.write_text(text.replace("width: 3", "width: 9"))
    try:
        monkeypatch.setattr(
            "throughtime.training.train.train", lambda *a, **k: pytest.fail("trained again")
        )
        assert len(set(steps(whole))) > 1  # a round with networks, and the last one
    finally:
        path.write_text(text)
