"""What is done is read from the results, and each thing once."""

import json
import math
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import synthetic
from throughtime.core import files
from throughtime.core.text import duration
from throughtime.pipeline import failures, progress
from throughtime.pipeline.progress import ProgressReader
from throughtime.planning import resources
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.results import paths, provenance

RATE = 1e9


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Four jobs of 12 networks."""
    monkeypatch.setattr(
        provenance, "training_modules", lambda planned: ("throughtime.core.rng",)
    )  # the toy task is no module's
    return synthetic.toy_plan()


def finish(planned: PlannedJob, results: Path, **changes: object) -> None:
    """A record as a finished job leaves it."""
    record = {
        "seconds": 10 * planned.cost / RATE + resources.OVERHEAD,
        "networks": len(planned.grid),
        "cost": 10 * planned.cost,  # enough to tell the speed
        "code": progress.job_digest(planned),
    }
    outcomes = {"solved": 5, "unsolved": 6, "diverged": 1, "untrained": 0}
    paths.write_json(
        {**record, **outcomes, **changes}, paths.job_folder(results, planned) / "timing.json"
    )


def log(planned: PlannedJob, results: Path, text: str) -> Path:
    """What a job said."""
    path = results / "logs" / planned.experiment / f"{planned.key}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_nothing_is_done_before_anything_ran(plan, tmp_path):
    state = progress.progress(plan, tmp_path)
    assert (state.networks, state.done, state.failed, state.speed) == (48, 0, (), resources.SPEED)
    assert state.left == plan.jobs
    assert state.cost == tuple(j.cost for j in plan.jobs)


def test_finished_jobs_are_counted_as_they_come_and_read_once(plan, tmp_path, monkeypatch):
    watch, first, second = ProgressReader(plan, tmp_path), plan.jobs[0], plan.jobs[1]
    finish(first, tmp_path)
    state = watch.read()
    assert (state.done, state.solved, state.unsolved, state.diverged) == (12, 5, 6, 1)
    assert state.left == plan.jobs[1:]
    assert state.speed == pytest.approx(RATE)
    read = []
    monkeypatch.setattr(
        progress,
        "timing",
        lambda results, planned: (read.append(planned), paths.timing(results, planned))[1],
    )
    finish(second, tmp_path)
    assert watch.read().done == watch.read().done == 24
    assert read == [second]


@pytest.mark.parametrize("changes", [{"code": "of another day"}, {"cost": None}])
def test_a_job_whose_code_was_edited_since_is_not_done_until_it_is_trained_again(
    changes, plan, tmp_path
):
    watch, (job, *_) = ProgressReader(plan, tmp_path), plan.jobs
    path = paths.job_folder(tmp_path, job) / "timing.json"
    if "code" in changes:
        finish(job, tmp_path, **changes)
    else:
        paths.write_json({"networks": 12}, path)  # nor is one whose record is of another kind
    assert watch.read().done == 0
    finish(job, tmp_path)
    os.utime(path, ns=(1, 1))  # whatever the clock said then
    assert watch.read().done == 12


def test_a_job_in_training_is_counted_by_what_its_log_says_since_the_run_began(plan, tmp_path):
    job, other = plan.jobs[:2]
    path = log(job, tmp_path, "a warning\n0 of 12 networks\n4 of 12 networks\n8 of 1")
    log(other, tmp_path, "nothing yet\n")
    since = path.stat().st_mtime_ns
    state = ProgressReader(plan, tmp_path, since).read()
    assert state.done == 4
    assert state.cost[0] == pytest.approx(job.cost * 8 / 12)
    assert ProgressReader(plan, tmp_path, since + 1).read().done == 0  # of an earlier run
    assert ProgressReader(plan, tmp_path).read().done == 0  # nothing is at work
    finish(job, tmp_path)
    assert ProgressReader(plan, tmp_path, since).read().done == 12  # not 16


def test_a_failed_job_has_a_record_until_it_is_trained(plan, tmp_path):
    job = plan.jobs[0]
    path = log(
        job,
        tmp_path,
        "4 of 12 networks\nTraceback\nthroughtime: the disk is full\n8 of 12 networks\n",
    )
    failures.record_failure(path)
    state = ProgressReader(plan, tmp_path, 0).read()
    assert (state.failed, state.done, len(state.cost), len(state.left)) == ((job,), 0, 3, 4)
    assert len(progress.progress(plan, tmp_path).cost) == 4  # the next run tries again
    assert failures.failures(plan, tmp_path, state.failed) == [
        f"clipping {job.key}: the disk is full"
    ]
    assert files.damaged(tmp_path) == []
    finish(job, tmp_path)
    state = progress.progress(plan, tmp_path)
    assert state.failed == ()
    assert failures.failures(plan, tmp_path, state.failed) == []
    failures.forget_failure(path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_failures_name_other_commands_too_but_no_job_of_another_plan(plan, tmp_path):
    folder = tmp_path / "logs" / "clipping"
    folder.mkdir(parents=True)
    for name, text in (
        ("figure", "KeyError: 'gain'\n"),
        ("main-copy-T6-tanh-full6-0123456789", "gone\n"),
    ):
        (folder / f"{name}.log").write_text(text)
        failures.record_failure(folder / f"{name}.log")
    failures.record_failure(tmp_path / "logs" / "claims.log")
    assert failures.failures(plan, tmp_path, ()) == [
        "claims: it ended without a word: see its log",
        "clipping figure: KeyError: 'gain'",
    ]
    (folder / "figure.failed.json").write_text(json.dumps([]))  # damaged
    assert "clipping figure: see its log" in failures.failures(plan, tmp_path, ())


def test_the_expected_time_is_shared_among_workers_but_not_below_the_longest_job():
    none, one = to_do(), to_do(100 * RATE)
    each = 100 + resources.OVERHEAD
    assert progress.remaining_seconds(none, 1) == 0
    alone = progress.remaining_seconds(one, 1)
    assert alone == pytest.approx(each + resources.START)
    assert progress.remaining_seconds(one, 8) == alone
    shared = progress.remaining_seconds(to_do(*[100 * RATE] * 8), 2)
    assert shared == pytest.approx(4 * (each + resources.START))


def test_small_jobs_share_the_start_of_a_process():
    jobs, seconds = 200, 200 * resources.OVERHEAD
    starts = math.ceil(seconds / progress.STARTING)
    assert starts < jobs
    assert progress.remaining_seconds(to_do(*[0.0] * jobs), 1) == pytest.approx(
        seconds + starts * resources.START
    )


def test_the_expected_time_holds_what_comes_after_training(plan):
    state = replace(to_do(100 * RATE), networks=1000, done=200, left=plan.jobs)  # one experiment
    after = 800 * progress.RECORDING + progress.FINISHING
    each = 100 + resources.OVERHEAD + resources.START
    assert progress.remaining_seconds(state, 1) == pytest.approx(each + after)
    many = replace(state, networks=100_000)  # which one process records
    assert progress.remaining_seconds(many, 1000) == pytest.approx(99_800 * progress.RECORDING)


def to_do(*costs: float) -> progress.Progress:
    """Nothing but jobs of these costs is left."""
    return progress.Progress(0, 0, 0, 0, 0, 0, (), (), costs, RATE)


def test_networks_that_an_earlier_plan_has_trained_are_done(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(
        progress, "count_trained", lambda results, planned: 9 * (planned == plan.jobs[0])
    )
    state = progress.progress(plan, tmp_path)
    assert (state.done, state.left) == (9, plan.jobs)  # what is missing is trained with the rest
    assert state.cost[0] == pytest.approx(plan.jobs[0].cost * 3 / 12)
    log(plan.jobs[0], tmp_path, "11 of 12 networks\n")
    assert ProgressReader(plan, tmp_path, 0).read().done == 11


def test_the_line_says_done_rate_time_left_outcomes_and_failures(plan, tmp_path):
    finish(plan.jobs[0], tmp_path)
    failures.record_failure(log(plan.jobs[1], tmp_path, "gone\n"))
    state = ProgressReader(plan, tmp_path, 0).read()
    left = duration(progress.remaining_seconds(state, 2))
    counts = "5 solved 6 unsolved 1 diverged"
    assert (
        progress.line(state, 2, before=2, seconds=30)
        == f"12/48 networks · 20 per minute · {left} left · {counts} · 1 job failed"
    )
    for seconds in (0.1, -5.0):  # at once, or by a clock that is none
        assert (
            progress.line(state, 2, before=2, seconds=seconds)
            == f"12/48 networks · {left} left · {counts} · 1 job failed"
        )
    assert progress.line(state, 2, before=24, seconds=30).startswith(
        "12/48 networks · 0 per minute"
    )  # tables were deleted
    assert progress.line(state, 2).startswith("12/48 networks · not running, ")
    for job in plan.jobs:
        finish(job, tmp_path)
    whole = progress.line(ProgressReader(plan, tmp_path, 0).read(), 2, before=0, seconds=30)
    assert (
        whole == "48/48 networks · all trained · 20 solved 24 unsolved 4 diverged · 0 jobs failed"
    )


def test_speed_is_that_of_the_jobs_whose_arithmetic_tells_it(plan, tmp_path):
    assert progress.speed(tmp_path) == resources.SPEED
    finish(plan.jobs[0], tmp_path, seconds=30.0, cost=1e6)
    assert progress.speed(tmp_path) == resources.SPEED  # it had next to nothing to compute
    timed = 10.0 + resources.OVERHEAD
    finish(plan.jobs[1], tmp_path, seconds=timed, cost=10 * resources.SPEED / 4)
    assert progress.speed(tmp_path) == pytest.approx(resources.SPEED / 4)
    assert progress.progress(plan, tmp_path).speed == pytest.approx(resources.SPEED / 4)


def test_two_small_networks_after_smoke_jobs_take_no_hours():
    """What was seen: 24 hours for two networks, because a busy machine took seconds for jobs
    without arithmetic.
    """
    smoke = [(1.7e6 * i / 40, 0.3 + 0.1 * i) for i in range(40)]
    speed = resources.learn_speed(smoke)
    seconds = resources.job_seconds(10 * resources.SPEED, speed)
    assert seconds == pytest.approx(10 + resources.OVERHEAD)


@pytest.mark.parametrize("machine", [0.25, 1.0, 5.0])
@pytest.mark.parametrize("timed", [1, 20])
def test_jobs_of_a_second_to_ten_minutes_are_estimated_within_a_factor_of_two(machine, timed):
    """Made-up machines: slower and faster than the usual one, jobs that take up to 1.4 times as
    long or as short as their arithmetic says, tiny ones among them.
    """
    rng = random.Random(f"{machine} {timed}")
    true = machine * resources.SPEED

    def seconds(cost: float) -> float:
        return (0.4 + cost / true) * rng.uniform(1 / 1.4, 1.4)

    costs = [true * 10 ** rng.uniform(0.7, 2.5) for _ in range(timed)]
    tiny = [10 ** rng.uniform(4, 7) for _ in range(40)]
    speed = resources.learn_speed([(cost, seconds(cost)) for cost in costs + tiny])
    for exponent in range(28):
        cost = true * 10 ** (exponent / 10)  # of 1 s to 500 s
        estimate, truth = resources.job_seconds(cost, speed), 0.4 + cost / true
        assert truth / 2 < estimate < 2 * truth


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (
            200,
            "2,345/3,604 networks · 120 per minute · 15 min left · 1,500 solved 700 unsolved "
            "105 diverged 40 untrained · 12 jobs failed",
        ),
        (
            110,
            "2,345/3,604 networks · 15 min left · 1,500 solved 700 unsolved 105 diverged 40 "
            "untrained · 12 jobs failed",
        ),
        (79, "2,345/3,604 networks · 15 min left · 1,500 solved 105 diverged · 12 jobs failed"),
        (60, "2,345/3,604 networks · 15 min left · 12 jobs failed"),
        (40, "2,345/3,604 networks · 12 jobs failed"),
        (20, "12 jobs failed"),
    ],
)
def test_the_line_fits_and_says_last_of_all_how_many_jobs_failed(
    width, expected, plan, monkeypatch
):
    monkeypatch.setattr(progress, "remaining_seconds", lambda state, workers: 900.0)
    failed = tuple(plan.jobs[:1] * 12)
    state = progress.Progress(3604, 2345, 1500, 700, 105, 40, plan.jobs, failed, (1.0,), RATE)
    text = progress.line(state, 2, before=2225, seconds=60, width=width)
    assert text == expected
    assert len(text) <= width
