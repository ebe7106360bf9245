"""Ways in processes of their own: orders and answers, a commit from git, and reasons."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from throughtime.benchmarks import earlier, peers, worker
from throughtime.benchmarks.ways import PARTS, Shape, Unavailable

TINY = Shape("tanh", 5, 3, 24, 4)
WAY = """
import os

def prepare(shape, part):
    print("a library that prints")
    if shape.N == 7:
        raise ValueError("seven\\nunits")
    calls = []
    def run():
        calls.append(1)
        if shape.N == 8 and len(calls) > 1:
            os._exit(3)
    return run, shape.rows
"""


@pytest.fixture
def process(tmp_path):
    (tmp_path / "way.py").write_text(WAY)
    started = peers.Worker(Path(sys.executable), str(tmp_path / "way.py"))
    yield started
    started.close()


def test_a_worker_times_what_it_was_told_to_prepare(process):
    timed = process.prepare(TINY, "step")
    assert timed(0.0) >= 0


def test_what_a_worker_raises_is_a_reason(process):
    with pytest.raises(Unavailable, match="ValueError: seven units"):
        process.prepare(Shape("tanh", 7, 3), "step")
    assert process.prepare(TINY, "step")(0.0) >= 0  # it goes on


def test_the_end_of_a_worker_is_a_reason(process):
    timed = process.prepare(Shape("tanh", 8, 3), "step")
    with pytest.raises(Unavailable, match="its process ended"):
        timed(0.0)
    with pytest.raises(Unavailable, match="its process ended"):
        timed(0.0)


def test_an_answer_is_per_network():
    """The time of a call of 4 networks, over 4: the fastest of two calls at least."""
    calls = []
    ready = {"step": (lambda: calls.append(1), 4)}
    found = worker.answer(None, ready, {"part": "step", "seconds": 0.0})
    assert len(calls) == 2
    assert set(found) == {"seconds"}


def test_the_fastest_call_counts(monkeypatch):
    """Clock: calls of 3, 1 and 2 seconds within 5."""
    readings = iter([0.0, 0.0, 3.0, 3.0, 4.0, 4.0, 4.0, 6.0, 6.0])
    monkeypatch.setattr(worker.time, "perf_counter", lambda: next(readings))
    assert worker.fastest(lambda: None, 5.0) == 1.0


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "project"
    (root / "src" / "package").mkdir(parents=True)
    (root / "src" / "package" / "old.py").write_text("before\n")
    (root / "other.txt").write_text("left out\n")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    own = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*own, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(root), *command], check=True, env=environment)
    (root / "src" / "package" / "old.py").write_text("after\n")
    return root


def test_a_commit_is_unpacked_as_it_was(repository, tmp_path):
    source = peers.check_out(repository, tmp_path / "out", "HEAD")
    assert source == tmp_path / "out" / "src"
    assert (source / "package" / "old.py").read_text() == "before\n"
    assert not (tmp_path / "out" / "other.txt").exists()


def test_a_missing_commit_is_a_reason(repository, tmp_path):
    with pytest.raises(Unavailable, match="no commit 0123456: fatal"):
        peers.check_out(repository, tmp_path / "out", "0123456")
    with pytest.raises(Unavailable, match="no commit"):
        peers.check_out(tmp_path, tmp_path / "out")


def test_without_git_there_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match="no commit"):
        peers.check_out(tmp_path, tmp_path / "out")


def test_what_cannot_be_installed_is_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(peers.sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(Unavailable, match="cannot be installed"):
        peers.install_jax(tmp_path / "environment")
    assert not (tmp_path / "environment").exists()


def test_a_failed_installation_is_tried_again(tmp_path, monkeypatch):
    asked = []

    def run(command, **_):
        asked.append(command)
        failed = "pip" in command and len(asked) < 3
        (tmp_path / "environment").mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, int(failed), "", "no network\n")

    monkeypatch.setattr(peers.subprocess, "run", run)
    with pytest.raises(Unavailable, match="no network"):
        peers.install_jax(tmp_path / "environment")
    python = peers.install_jax(tmp_path / "environment")
    assert python == tmp_path / "environment" / "bin" / "python"
    assert len(asked) == 4
    peers.install_jax(tmp_path / "environment")
    assert len(asked) == 4  # it is there


def test_todays_package_is_not_taken_for_the_earlier_one():
    with pytest.raises(RuntimeError, match="is not the package of the earlier commit"):
        earlier.prepare(TINY, "step")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no affinity")
def test_all_is_measured_on_one_core_and_workers_too():
    before = os.sched_getaffinity(0)
    with peers.one_core():
        code = "import os; print(len(os.sched_getaffinity(0)))"
        own = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert (len(os.sched_getaffinity(0)), own.stdout.strip()) == (1, b"1")
    assert os.sched_getaffinity(0) == before


def test_all_ways_where_nothing_else_is_at_hand(tmp_path, monkeypatch):
    """Without git history and JAX every way is there, and two say why they cannot be measured."""
    monkeypatch.setattr(peers, "install_jax", lambda folder: peers.missing("no network")(0, ""))
    with peers.all_ways(tmp_path) as found:
        reasons = {}
        for way in found:
            if way.name in (peers.EARLIER, "jax jit(vmap(grad(scan)))"):
                with pytest.raises(Unavailable) as raised:
                    way.prepare(TINY, PARTS[0])
                reasons[way.name] = str(raised.value)
    assert reasons["jax jit(vmap(grad(scan)))"] == "no network"
    assert reasons[peers.EARLIER].startswith("no commit b346b3a")
    assert {way.name for way in found if "gru" in way.cells} == {
        peers.OURS,
        peers.TORCH,
        "torch.nn, one at a time",
    }


@pytest.mark.slow
def test_the_earlier_commit_trains(monkeypatch):
    """Where the history is there: a fresh clone has it, a download does not."""
    root = Path(__file__).parents[2]
    monkeypatch.setattr(peers, "install_jax", lambda folder: peers.missing("not asked for")(0, ""))
    with peers.all_ways(root) as found:
        (way,) = (w for w in found if w.name == peers.EARLIER)
        try:
            timed = [way.prepare(TINY, part) for part in PARTS]
        except Unavailable as reason:
            pytest.skip(str(reason))
        assert all(t(0.0) > 0 for t in timed)
