"""What a cluster is asked for: equal to the engine's own figures, never too little, more at every
attempt.
"""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from throughtime.core.errors import UserError
from throughtime.engine.bptt import Tape
from throughtime.engine.omega import Omega
from throughtime.engine.parameters import views
from throughtime.engine.sizes import size
from throughtime.engine.truncation import overlapping, windows
from throughtime.planning import resources
from throughtime.planning.axes import Job
from throughtime.planning.plan import PlannedJob, costs
from throughtime.planning.project import Project
from throughtime.planning.resources import SPEED, START
from throughtime.planning.sweep import expand
from throughtime.tasks import Task
from throughtime.training.evaluation import SIGNAL

ROOT = Path(__file__).parents[2]


def jobs(preset: str) -> list[PlannedJob]:
    return Project.open(ROOT, preset).plan().jobs


@pytest.mark.parametrize(
    "axes",
    [
        {},
        {"dtype": "float64"},
        {"h0": "learned", "cell": "relu"},
        {"mode": "sliding", "K": 4},
        {"mode": "sliding", "K": 4, "k1": 4},
        {"mode": "buffered", "K": 3},
        {"mode": "chunked", "K": 5, "align": "start"},
        {"task": "adding"},
    ],
)
def test_memory_is_what_the_engine_allocates(axes: dict[str, object]):
    job = (
        expand("x", "s", {"task": "copy", "length": 10, "engine": "torch", **axes}, "here")
        .jobs[0]
        .job
    )
    made = Tape(
        job.cell, resources.sizes(job, job.task, 1), getattr(torch, job.dtype),
        overlap=overlapping(windows(job.steps, *job.strides, job.offset())),
    )  # fmt: skip
    kept = [
        made.states[1:],
        *([] if job.cell.in_place else [made.zs]),
        *([] if made.dzs is None else [made.dzs]),
        made.dhs,
    ]
    bytes_kept = sum(t.numel() * t.element_size() for t in kept)
    itemsize = made.zero.element_size()
    task = job.task
    around = (
        itemsize
        * job.batch
        * (2 * job.steps * (2 if task.tokens else task.inputs + 1) + 4 * task.scored * task.outputs)
    )
    weights = 8 * itemsize * size(resources.weight_shapes(job))
    assert resources.bytes_per_row(job) == bytes_kept + around + weights


def test_memory_grows_with_the_rows_of_a_block_and_doubles_with_every_attempt():
    wide = expand(
        "x",
        "s",
        {"task": "copy", "length": 400, "batch": 100, "seeds": 200, "engine": "torch"},
        "here",
    ).jobs[0]
    one = PlannedJob(wide.experiment, wide.sweep, wide.job, wide.grid.head(1))
    per_row = resources.bytes_per_row(wide.job) / 2**20
    rows = resources.rows_at_once(wide.job)
    assert 1 < rows < len(wide.grid)
    assert resources.megabytes(wide) - resources.megabytes(one) == pytest.approx(
        resources.MARGIN * (rows - 1) * per_row, abs=1
    )
    assert resources.megabytes(one) > (resources.LIBRARIES + resources.SNAKEMAKE) / 2**20
    assert [
        resources.megabytes(wide, attempt) // resources.megabytes(wide) for attempt in (1, 2, 3)
    ] == [1, 2, 4]


@pytest.mark.parametrize("probes", [[], ["truncation_bias"]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_on_a_device_has_room_for_what_is_allocated_beside_its_tape(
    probes: list[str], dtype: str
) -> None:
    """Training's tape together with that of the signal or of a probe, in float64, or with that of
    the longest judgement: of meta tensors, which have a size and no memory.
    """
    axes = {"task": "brackets", "length": 10, "mode": "sliding", "K": 4, "probes": probes}
    job = expand("x", "s", {**axes, "dtype": dtype}, "here").jobs[0].job

    def held(task: Task, dtype: torch.dtype, overlap: bool, batch: int = job.batch) -> int:
        shape = replace(resources.sizes(job, task, 1), batch=batch)
        tape = Tape(job.cell, shape, dtype, "meta", overlap=overlap)
        own = [tape.states, tape.ys, tape.dhs, tape.zero, tape.ds, tape.dh, tape.ring]
        own += [] if job.cell.in_place else [tape.zs]
        own += [] if tape.dzs is None else [tape.dzs]
        return sum(t.nbytes for t in own)

    own = getattr(torch, job.dtype)
    longest = max(job.task.evaluation_sets.values(), key=lambda task: task.steps)
    assert longest.steps > job.steps
    training = held(job.task, own, True)
    room = resources.MARGIN * resources.bytes_on_device(job)
    assert room > training + held(longest, own, True)
    assert room > training + held(job.task, torch.float64, False, SIGNAL)
    if probes:
        assert room > training + held(job.task, torch.float64, True)


def test_a_block_on_a_device_fills_its_memory_up_to_a_limit() -> None:
    job = expand("x", "s", {"task": "copy", "length": 10}, "here").jobs[0].job
    need = math.ceil(resources.MARGIN * resources.bytes_on_device(job))
    assert resources.rows_on_device(job, 1000 * need) == 1000 > resources.MOST
    assert resources.rows_on_device(job, 10**6 * need) == resources.MOST_ON_DEVICE
    with pytest.raises(UserError, match=r"copy with .* needs .* MiB of"):
        resources.rows_on_device(job, need - 1)


def test_planning_and_training_agree_on_the_sequences_of_the_signal() -> None:
    assert resources.SIGNAL == SIGNAL


@pytest.mark.slow
def test_time_is_the_expected_one_with_a_margin_and_grows_with_every_attempt():
    longest = max(jobs("paper"), key=lambda j: j.cost)
    expected = (START + resources.job_seconds(longest.cost, SPEED)) / 60
    assert resources.minutes([longest]) == math.ceil(
        resources.ARRIVAL + resources.SAFETY * expected
    )
    assert [
        resources.minutes([longest], attempt) // resources.minutes([longest])
        for attempt in (1, 2, 3)
    ] == [1, 2, 3]


def test_a_job_that_training_refuses_is_asked_for_all_the_same():
    job = expand("x", "s", {"task": "copy", "length": 400, "batch": 100}, "here").jobs[0]
    huge = job.job.model_copy(update={"batch": 10**7})
    with pytest.raises(UserError, match="needs"):
        resources.rows_at_once(huge)
    assert (
        resources.megabytes(PlannedJob("x", "s", huge, pd.concat([job.grid])))
        > resources.MEMORY / 2**20
    )


def test_rows_with_a_penalty_need_what_omega_keeps_of_every_step():
    axes = {"task": "copy", "length": 4, "engine": "torch", "hidden": 9, "batch": 5}
    plain, penalized = (
        expand("x", "s", {**axes, "omega": omega}, "here").jobs[0] for omega in (0, [0, 4])
    )
    job = penalized.job
    kept = Omega((job.steps, 1, job.batch, job.hidden), torch.float32)
    extra = sum(t.numel() * t.element_size() for t in (kept.dhs, kept.dzs, kept.us))
    assert extra == 3 * 4 * job.steps * 5 * 9
    one = PlannedJob("x", "s", job, penalized.grid.tail(1))
    assert resources.block_bytes(one) - resources.block_bytes(plain) == extra
    need = resources.bytes_per_row(job)
    assert resources.rows_at_once(job, 10 * need) == 10
    assert resources.rows_at_once(job, 10 * need, penalized=True) < 10


def test_weights_that_do_not_act_as_they_are_trained_are_counted():
    """Of an LRU of N units 3 N / 2 numbers are trained, and a matrix of N x N acts."""
    (planned,) = expand(
        "x", "s", {"task": "copy", "length": 4, "cell": "lru", "hidden": 1024, "seeds": 64}, "here"
    ).jobs
    acting = acts_of(planned.job)
    need = resources.bytes_per_row(planned.job)
    assert 3 * acting < need < 5 * acting
    assert resources.rows_at_once(planned.job, 10 * need) < 10  # a tape is shared


def acts_of(job: Job) -> int:
    """Bytes of one network's weights as they act."""
    layout = resources.weight_shapes(job)
    flat = views(torch.zeros(1, size(layout)), layout)
    return sum(w.numel() * w.element_size() for w in job.cell.acting(flat).values())


@pytest.mark.parametrize("omega", [0, 4, [0, 4]])
def test_no_piece_of_a_job_with_omega_costs_more_than_asked(omega):
    axes = {"task": "copy", "length": 4, "engine": "torch", "hidden": 64, "batch": 200}
    (whole,) = expand("x", "s", {**axes, "omega": omega, "seeds": 40}, "here").jobs
    one, calls = costs(whole.job, whole.grid)
    bound = calls + 3 * one
    assert calls < one
    parts = expand("x", "s", {**axes, "omega": omega, "seeds": 40}, "here", max_cost=bound).jobs
    assert sum(len(part.grid) for part in parts) == len(whole.grid)
    assert max(part.cost for part in parts) <= bound + calls
