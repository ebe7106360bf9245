"""The profile of a training: it changes nothing that is trained, and its shares make one whole."""

import pandas as pd
import pytest

from throughtime.benchmarks.profile import (
    PARTS,
    REST,
    Stopwatch,
    costliest,
    markdown,
    profile,
    watched,
)
from throughtime.planning.sweep import expand
from throughtime.probes import probe
from throughtime.results import tables
from throughtime.results.tables import JOB_TABLES
from throughtime.training import train as training
from throughtime.training.trainer import Trainer

TINY = {
    "task": "copy",
    "length": 3,
    "payload": 2,
    "alphabet": 2,
    "hidden": 5,
    "batch": 3,
    "updates": 6,
    "points": 2,
    "eval_size": 12,
    "gain": [0.7, 1.3],
    "seeds": 2,
    "probes": "updates",
}


def planned(**more):
    return expand("x", "s", {**TINY, **more}, "here").jobs


@pytest.mark.slow
def test_watching_changes_no_number_and_is_over_afterwards():
    (job,) = planned()
    expected = training.train(job, probe=probe)
    with watched(Stopwatch()):
        made = training.train(job, probe=probe)
    assert training.Trainer is Trainer
    for name in JOB_TABLES:
        assert tables.content_hash(getattr(made, name)) == tables.content_hash(
            getattr(expected, name)
        )


def test_every_part_is_called_and_the_shares_are_of_one_whole():
    (job,) = planned()
    row = profile(job)
    assert row["networks"] == 4
    assert sum(row[part] for part in (*PARTS, REST)) == pytest.approx(1)
    assert min(row[part] for part in (*PARTS, REST)) > 0
    assert len(markdown(pd.DataFrame([row])).splitlines()) == 3


def test_a_part_inside_another_is_not_counted_twice():
    stopwatch = Stopwatch()
    inner = stopwatch.timed("update", lambda: None)
    stopwatch.timed("evaluation", inner)()
    assert stopwatch.seconds["update"] == 0 < stopwatch.seconds["evaluation"]


def test_the_costliest_job_of_a_sweep_stands_for_it():
    plan = expand("x", "s", {**TINY, "length": [3, 9]}, "here")
    (only,) = costliest(plan)
    assert only.job.task.length == 9
    assert costliest(expand("x", "s", {**TINY, "updates": 0}, "here")) == []
