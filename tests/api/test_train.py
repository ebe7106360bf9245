"""``tt.train``: the bits of the pipeline, its messages, and its processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

import throughtime as tt
from throughtime import api
from throughtime.pipeline.stages import train_job
from throughtime.planning.plan import Plan
from throughtime.planning.sweep import expand
from throughtime.probes import probe
from throughtime.results import tables
from throughtime.results.paths import job_folder
from throughtime.training import reproducibility, train

pytestmark = pytest.mark.slow

AXES: dict[str, Any] = {
    "task": "copy", "payload": 1, "length": [1, 2], "cell": ["tanh", "lstm"],
    "forget_bias": [0.0, 1.0], "hidden": 8, "batch": 4, "updates": 6, "points": 3, "eval_size": 20,
    "gain": [0.5, 1.0], "lr": 0.1, "seeds": 2, "probes": ["spectrum"],
}  # fmt: skip


def stored(plan: Plan, results: Path) -> dict[str, pd.DataFrame]:
    """The tables that the pipeline writes for a plan."""
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in tables.JOB_TABLES}
    for planned in plan.jobs:
        train_job(planned, results, 1e9, lambda _: None)
        for name, parts in found.items():
            parts.append(tables.read(name, job_folder(results, planned) / f"{name}.parquet"))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in found.items()}


@pytest.fixture(scope="module")
def here() -> tt.Runs:
    return tt.train(**AXES, workers=1)


def same(runs: tt.Runs, name: str, frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(getattr(runs, name)[list(frame.columns)], frame, check_exact=True)


def test_the_bits_are_those_of_the_pipeline(here: tt.Runs, tmp_path: Path) -> None:
    made = stored(expand("notebook", "train", AXES, "test"), tmp_path)
    assert len(made["probes"])
    for name, frame in made.items():
        same(here, name, frame)


def test_a_row_alone_has_the_bits_of_training(here: tt.Runs) -> None:
    planned = expand("notebook", "train", AXES, "test").jobs[-1]
    key = planned.run_keys[1]
    made = train.train(planned.only([key]), probe=probe).summary.drop(columns="job_key")
    row = here.summary[here.summary["run_key"] == key].reset_index(drop=True)
    pd.testing.assert_frame_equal(row[list(made.columns)], made, check_exact=True)


def test_processes_change_no_bit(here: tt.Runs) -> None:
    there = tt.train(**AXES, workers=2, progress=False)
    for name in tables.JOB_TABLES:
        same(there, name, getattr(here, name))


def test_a_training_is_cut_so_that_all_processes_have_work(monkeypatch: Any) -> None:
    cut: list[int] = []

    def instead(pieces: list[Any], workers: int, bar: Any) -> list[Any]:
        cut.extend(len(piece.grid) for piece in pieces)
        return [(piece, api._train_piece(piece)) for piece in pieces]

    monkeypatch.setattr(api, "_train_in_processes", instead)
    own = {**AXES, "length": 1, "cell": "tanh", "forget_bias": 1.0, "seeds": 6}
    del own["forget_bias"]
    runs = tt.train(**own, workers=3)
    assert cut == [4, 4, 4]
    same(runs, "summary", tt.train(**own, workers=1).summary)


def test_a_small_training_starts_no_process(monkeypatch: Any) -> None:
    monkeypatch.setattr(api, "_train_in_processes", None)
    assert len(tt.train(task="copy", payload=1, length=1, updates=1)) == 1


def test_axes_may_be_arrays_and_ranges(here: tt.Runs) -> None:
    own = {**AXES, "length": range(1, 3), "gain": np.array([0.5, 1.0]), "cell": ("tanh", "lstm")}
    assert tt.train(**{**own, "updates": 0}, workers=1).summary["run_key"].is_unique
    runs = tt.train(**own, workers=1)
    assert runs.summary["run_key"].tolist() == here.summary["run_key"].tolist()


# Mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (
            {"task": "copy", "lenght": 3},
            "train.lenght: unknown axis for task 'copy'; did you mean 'length'?",
        ),
        ({"task": "cpy"}, "train.task: unknown name 'cpy'; did you mean 'copy'?"),
        (
            {},
            "train: no task; add `task:` with one of adding, brackets, copy, streaming_copy, "
            "temporal_order, text",
        ),
        (
            {"task": "copy", "gain": []},
            "train.gain: the axis is empty; give it a value or remove it",
        ),
        (
            {"task": "copy", "gain": -1},
            "train.gain: input should be greater than or equal to 0, got -1",
        ),
        (
            {"task": "copy", "probes": "spectrun"},
            "train.probes: unknown name 'spectrun'; did you mean 'spectrum'?",
        ),
        (
            {"task": "copy", "workers": 0},
            "train.workers: 0 is not a number of processes (1 or more)",
        ),
        ({"task": "copy", "length": 1, "payload": 1, "mode": "chunked", "K": 50},
         "train: nothing to train; task=copy, length=1, payload=1, mode=chunked, K=50: K=50 is "
         "longer than"
         " the 3 steps of a sequence: the same as full"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(axes: dict[str, Any], message: str) -> None:
    with pytest.raises(tt.Error) as error:
        tt.train(**axes)
    assert str(error.value) == message


def test_a_skipped_combination_is_told() -> None:
    runs = tt.train(
        task="copy", length=1, payload=1, mode="chunked", K=[2, 50], updates=0, workers=1
    )
    assert len(runs) == 1
    assert runs.skipped["reason"].tolist() == [
        "K=50 is longer than the 3 steps of a sequence: the same as full"
    ]
    assert "1 combination skipped" in repr(runs)


def test_a_process_that_cannot_promise_bits_says_so_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(reproducibility, "same_bits_anywhere", lambda: False)
    with pytest.warns(UserWarning, match="import throughtime first") as told:
        tt.train(task="copy", payload=1, length=[1, 2, 3], updates=1, workers=1)
    assert len(told) == 1


# Processes ----------------------------------------------------------------------------------------

LONG = """
import throughtime as tt
try:
    tt.train(task="copy", length=20, updates=10**8, seeds=8, workers=2, progress=False)
except KeyboardInterrupt:
    import multiprocessing
    print("interrupted", len(multiprocessing.active_children()), flush=True)
"""


def children(process: psutil.Process, count: int) -> list[psutil.Process]:
    """Wait until that many worker processes have used a second of a core: they train."""
    while True:
        found = [
            p
            for p in process.children()
            if "spawn_main" in " ".join(p.cmdline()) and p.cpu_times().user > 0.5
        ]
        if len(found) >= count:
            return found
        assert process.is_running()
        assert process.status() != psutil.STATUS_ZOMBIE
        with pytest.raises(psutil.TimeoutExpired):
            process.wait(0.05)


def start(tmp_path: Path) -> subprocess.Popen[str]:
    # A script without a guard: processes must not run it again.
    script = tmp_path / "script.py"
    script.write_text(LONG)
    return subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_ends_the_processes(tmp_path: Path) -> None:
    with start(tmp_path) as main:
        workers = children(psutil.Process(main.pid), 2)
        os.killpg(main.pid, signal.SIGINT)  # as a terminal does: to all of the group
        out, err = main.communicate()
        assert out == "interrupted 0\n"
        assert err == ""
        assert not any(p.is_running() for p in workers)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_parent_takes_its_processes_along(tmp_path: Path) -> None:
    with start(tmp_path) as main:
        workers = children(psutil.Process(main.pid), 2)
        main.kill()
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_process_is_one_line(tmp_path: Path) -> None:
    with start(tmp_path) as main:
        children(psutil.Process(main.pid), 2)[0].kill()
        _, err = main.communicate()
        assert main.returncode == 1
        assert err.splitlines()[-1].startswith(
            "throughtime.core.errors.UserError: train: a process ended before its work was done"
        )
        assert not psutil.pid_exists(main.pid)


def test_a_device_that_is_not_there_is_named_and_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for device in ("gpu", "cuda"):
        with pytest.raises(tt.Error, match=f"^device: {device} is not on this machine, .*has cpu"):
            tt.train(task="copy", updates=0, device=device)
