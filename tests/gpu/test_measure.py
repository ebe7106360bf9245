"""The measuring script, as far as the CPU can tell: it runs, and its reckoning is right."""

from pathlib import Path

import pytest

from tests.gpu import measure
from throughtime.planning.plan import PlannedJob
from throughtime.planning.sweep import expand

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("rows", [32, 1_024, 16_384])
def test_a_grid_has_the_rows_and_steps_that_are_reported(rows: int) -> None:
    planned = measure.grid(rows)
    assert len(planned.grid) == len(set(planned.run_keys)) == rows
    assert (planned.job.steps, planned.job.hidden, planned.job.batch) == (100, 32, 20)


def small() -> PlannedJob:
    axes = {"task": "copy", "length": 2, "payload": 1, "updates": 4, "points": 1, "eval_size": 8}
    return expand("x", "s", {**axes, "hidden": 4, "batch": 2, "seeds": 3}, "here").jobs[0]


def test_it_runs_on_the_cpu() -> None:
    each, count = measure.update_seconds(measure.grid(2, hidden=3, length=2), "cpu", 0.0)
    assert each > 0
    assert count == measure.FEWEST
    (time,) = measure.timed([small()], "cpu", 60.0)
    assert (time.steps, time.cost) == (4 * 4, small().cost)
    assert list(measure.timed([small()], "cpu", -1.0)) == []


def test_steps_count_every_block() -> None:
    assert measure.steps(small(), 3) == 16
    assert measure.steps(small(), 2) == 32
