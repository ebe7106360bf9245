"""Probes in training: the hook's numbers are the probes' own, and it changes none of the
networks'.
"""

from typing import Any

import pandas as pd
import pytest

from throughtime.planning.plan import PlannedJob
from throughtime.planning.sweep import expand
from throughtime.probes import (
    context,
    generated,
    jacobian,
    probe,
    probe_names,
    truncation_bias,
)
from throughtime.results import tables
from throughtime.training.evaluation import Evaluators
from throughtime.training.reproducibility import one_thread
from throughtime.training.result import Tables
from throughtime.training.train import train
from throughtime.training.trainer import Trainer

pytestmark = pytest.mark.slow

TASKS: dict[str, dict[str, Any]] = {
    "copy": {"length": 4, "payload": 3, "alphabet": 2},
    "text": {"window": 7},
    "adding": {"length": 9},
}
SMALL = {
    "hidden": 7,
    "batch": 5,
    "updates": 6,
    "points": 2,
    "eval_size": 15,
    "gain": [0.7, 2.0],
    "seeds": 2,
    "lr": 0.1,
}
KEY = ["run_key", "step", "probe", "quantity", "index"]


@pytest.fixture(autouse=True)
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough to tell one network's numbers from another's."""
    for module, name, value in (
        (context, "POSITIONS", 300),
        (context, "LONGEST", 30),
        (generated, "LENGTH", 40),
        (jacobian, "TRAJECTORIES", 1),
        (jacobian, "EXAMPLES", 2),
        (truncation_bias, "BATCHES", 2),
        (truncation_bias, "SEQUENCES", 2),
    ):
        monkeypatch.setattr(module, name, value)


def planned(task: str = "copy", **axes: Any) -> PlannedJob:
    (made,) = expand("tests", "main", {"task": task, **TASKS[task], **SMALL, **axes}, "tests").jobs
    return made


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(KEY).reset_index(drop=True)


@pytest.mark.parametrize("task", TASKS)
def test_the_hook_finds_what_the_probes_find_on_a_block(task: str) -> None:
    job = planned(task, probes=probe_names(), moments=[0, 0.5, 1])
    found = train(job, probe=probe).probes
    parts = []
    for step in (0, 3, 6):
        with one_thread():
            made = Trainer(job.job, job.grid, Evaluators(job.job), probe=probe)
            for number in range(1, step + 1):
                made.update(number)
            frames = [probe(name)(made).assign(step=step, probe=name) for name in probe_names()]
        parts += [
            f.assign(run_key=[job.run_keys[i] for i in f["row"]]).drop(columns="row")
            for f in frames
        ]
    joined = pd.concat(parts, ignore_index=True)
    order = joined["run_key"].map({key: i for i, key in enumerate(job.run_keys)})
    expected = tables.conform(joined.loc[order.sort_values(kind="stable").index], "probes")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.parametrize("task", TASKS)
def test_probes_change_no_bit_of_the_networks(task: str) -> None:
    plain, probed = planned(task), planned(task, probes=probe_names(), moments=[0, 0.2, 0.7, 1])
    assert plain.run_keys == probed.run_keys
    assert plain.key != probed.key
    a, b = train(plain, probe=probe), train(probed, probe=probe)
    for name in ("summary", "curves", "breakdown"):
        left, right = (getattr(t, name).drop(columns="job_key", errors="ignore") for t in (a, b))
        pd.testing.assert_frame_equal(left, right, check_exact=True)
    assert a.probes.equals(tables.empty("probes"))
    assert set(b.probes["step"]) == {0, 1, 4, 6}


@pytest.mark.parametrize("task", TASKS)
def test_a_probed_row_has_the_same_bits_in_every_grid(task: str) -> None:
    job = planned(task, probes=probe_names())
    whole = ordered(train(job, probe=probe).probes)
    assert not whole.duplicated(KEY).any()
    for block in (1, 3):
        pd.testing.assert_frame_equal(
            ordered(train(job, block=block, probe=probe).probes), whole, check_exact=True
        )


def test_a_network_that_has_diverged_is_not_measured_any_more() -> None:
    job = planned(
        gain=[1.0],
        lr=[0.01, 1e30],
        probes=["spectrum", "updates"],
        moments=[0, 0.5, 1],
        clip_kind="none",
        clip="none",
    )
    made = train(job, probe=probe)
    gone = made.summary.loc[made.summary["status"] == "diverged", "run_key"]
    assert 0 < len(gone) < len(made.summary)
    last = made.probes[made.probes["probe"] == "spectrum"].groupby("run_key")["step"].max()
    assert (last[gone] < made.summary.set_index("run_key")["diverged_at"][gone]).all()
    assert set(last.drop(gone)) == {6}
    past = made.probes[(made.probes["probe"] == "updates") & (made.probes["step"] == 6)]
    assert set(gone) <= set(past["run_key"])  # what is known of their past


def test_moments_between_the_points_of_a_curve_add_no_point() -> None:
    curves = [
        train(planned(probes=["updates"], points=points, moments=[0.5]), probe=probe).curves
        for points in (1, 2)
    ]
    assert [sorted(set(c["step"])) for c in curves] == [[0, 6], [0, 3, 6]]


def test_a_network_that_is_not_trained_is_measured_once() -> None:
    made: Tables = train(planned(updates=0, probes="spectrum"), probe=probe)
    assert set(made.probes["step"]) == {0}
    assert not made.probes.duplicated(KEY).any()
    assert not made.curves.duplicated(["run_key", "step", "metric"]).any()
