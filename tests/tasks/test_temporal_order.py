"""Temporal order: two relevant symbols at two places, four classes."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.measured import best_constant, uniform
from throughtime.planning.plan import PlannedJob
from throughtime.planning.sweep import expand
from throughtime.tasks import Batch
from throughtime.tasks.temporal_order import BINS, CLASSES, SYMBOLS, TemporalOrder
from throughtime.training.evaluation import Evaluators
from throughtime.training.train import train

MANY = TemporalOrder(length=40, shortest=11)
SMALL = {"task": "temporal_order", "hidden": 7, "batch": 3, "points": 2, "eval_size": 60}


def places(length: int, tenths: int) -> list[int]:
    """The steps of [tenths/10 L, (tenths + 1)/10 L), in exact arithmetic."""
    return [
        p
        for p in range(length)
        if Fraction(tenths, 10) * length <= p < Fraction(tenths + 1, 10) * length
    ]


def read_slowly(batch: Batch, b: int, length: int) -> int:
    """Checks the places of sequence ``b`` and its class; the lag of its first symbol."""
    text = "".join(SYMBOLS[i] for i in batch.inputs[:, b])
    first, second = (t for t in range(length) if text[t] in "AB")
    assert first in places(length, 1)
    assert second in places(length, 5)
    assert CLASSES[batch.targets[0, b]] == text[first] + text[second]
    return length - 1 - first


@given(length=st.integers(6, 130), seed=st.integers(0, 99))
def test_symbols_places_and_class_by_a_slow_reading(length: int, seed: int) -> None:
    task = TemporalOrder(length=length)
    batch = task.sample(np.random.default_rng(seed), 4)
    for b in range(4):
        lag = read_slowly(batch, b, length)
        assert 0 <= lag - batch.groups["lag"][0, b] < task.bin_width


# .1 * 30 and .1 * 70 are no whole numbers in floating point
@pytest.mark.parametrize("length", [6, 10, 30, 70, 100])
def test_every_place_is_equally_likely_and_lags_are_tight(length: int) -> None:
    task = TemporalOrder(length=length)
    relevant = task.sample(np.random.default_rng(0), 20_000).inputs < 2
    first, second = relevant.argmax(0), length - 1 - relevant[::-1].argmax(0)
    for found, tenths in ((first, 1), (second, 5)):
        allowed = places(length, tenths)
        assert uniform(found, allowed[0], allowed[-1] + 1)
    assert (length - 1 - first.max(), length - 1 - first.min()) == task.lags


def test_classes_are_balanced_and_chance_is_measured() -> None:
    task = TemporalOrder(length=20)
    batch = task.sample(np.random.default_rng(1), 40_000)
    assert uniform(batch.targets, 0, 4)
    assert uniform(batch.inputs[0], 2, 6)  # distractors
    loss, accuracy = best_constant(task, batch)
    assert loss == pytest.approx(task.chance_loss, abs=1e-3)
    assert accuracy == pytest.approx(task.chance, abs=6e-3)


@pytest.mark.parametrize("length", range(1, 30))
def test_refused_where_an_interval_is_empty(length: int) -> None:
    if places(length, 1) and places(length, 5):
        assert TemporalOrder(length=length).steps == length
    else:
        with pytest.raises(ValidationError, match=f"length={length}; use 6 or more"):
            TemporalOrder(length=length)


def test_solved_when_less_than_one_percent_is_wrong() -> None:
    assert TemporalOrder().solved(0.9901)
    assert not TemporalOrder().solved(0.99)


# Many lengths -------------------------------------------------------------------------------------


def test_lengths_are_uniform_and_the_same_whatever_the_seed() -> None:
    drawn = np.array(list(islice(MANY.drawn_lengths(), 6000)))
    assert uniform(drawn, 11, 41)
    for seed in (0, 1):
        batches = islice(MANY.batches(np.random.default_rng(seed), 2), 50)
        assert [len(b.inputs) for b in batches] == drawn[:50].tolist()
    fresh = [len(MANY.sample(rng, 1).inputs) for rng in [np.random.default_rng(0)] * 6000]
    assert uniform(np.array(fresh), 11, 41)
    assert MANY.steps_read(np.array([0, 1, 6000])).tolist() == [0, drawn[0], drawn.sum()]
    assert MANY.mean_steps == np.mean(range(11, 41))


def test_a_batch_of_many_lengths_is_one_of_its_own_length() -> None:
    for length, batch in zip(
        islice(MANY.drawn_lengths(), 40), MANY.batches(np.random.default_rng(2), 3), strict=False
    ):
        for b in range(3):
            lag = read_slowly(batch, b, length)
            assert lag in MANY.lags_of(int(batch.groups["lag"][0, b]))
            bin_ = int(batch.groups["length"][0, b])
            assert bin_ <= length < bin_ + 2  # 30 lengths in at most 20 bins
            read = " ".join(SYMBOLS[i] for i in batch.inputs[:, b])
            assert MANY.show(batch, b).splitlines()[0] == f"input   {read}"


def test_lags_are_those_of_all_lengths() -> None:
    found = [length - 1 - p for length in range(11, 41) for p in places(length, 1)]
    means = [length - 1 - np.mean(places(length, 1)) for length in range(11, 41)]
    assert MANY.lags == (min(found), max(found))
    assert MANY.mean_lag == pytest.approx(np.mean(means))
    assert len({lag - lag % MANY.bin_width for lag in found}) <= BINS + 1
    assert MANY.lags_of(MANY.lags[1]).stop - 1 == MANY.lags[1]


def test_the_task_of_one_length_is_what_it_was() -> None:
    task = TemporalOrder(length=40)
    assert task.args == '{"length":40}'
    assert task.longest == task
    assert MANY.longest == task
    assert task.evaluation_sets == {}
    assert set(task.sample(np.random.default_rng(0), 2).groups) == {"lag"}
    lengths = {name: (t.length, t.shortest) for name, t in MANY.evaluation_sets.items()}
    assert lengths == {"double": (80, 0), "fivefold": (200, 0)}


@pytest.mark.parametrize(
    ("shortest", "message"),
    [(40, "shortest=40 is not below length=40"), (5, r"for shortest=5; use 6 or more")],
)
def test_a_shortest_length_that_makes_no_sense_is_refused(shortest: int, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TemporalOrder(length=40, shortest=shortest)


@pytest.mark.parametrize(
    ("axes", "device", "message"),
    [
        ({"mode": "chunked", "K": 5, "align": "start"}, "cpu", "align=start: batches of temporal"),
        ({"mode": "chunked", "K": 5, "align": "random"}, "cpu", "align=random: batches"),
        ({"mode": "chunked", "K": 5, "border": "reset"}, "cpu", "border=reset: batches"),
        ({}, "cuda", "temporal_order of many lengths runs on the CPU alone"),
    ],
)
def test_what_needs_one_length_is_left_out_with_its_reason(
    axes: dict[str, object], device: str, message: str
) -> None:
    own = {"task": "temporal_order", "length": 20, "shortest": 10, **axes}
    plan = expand("x", "s", own, "here", device=device)
    assert not plan.jobs
    assert message in plan.skipped[0].reason


def trained(**axes: object) -> tuple[PlannedJob, dict[str, float]]:
    (job,) = expand("x", "s", {**SMALL, "length": 20, **axes}, "here").jobs
    made = train(job)
    return job, made.summary.iloc[0].to_dict() | {
        (data, by): n for (data, by), n in made.breakdown.groupby(["data", "by"])["n"].sum().items()
    }


def test_a_network_of_many_lengths_is_judged_by_length_and_on_longer_sequences() -> None:
    _, found = trained(shortest=8, updates=9)
    counted = {data for data, _ in (k for k in found if isinstance(k, tuple))}
    assert counted == {"train", "double", "fivefold"}
    for by in ("all", "lag", "length"):
        assert found["train", by] == 60
    lengths = list(islice(TemporalOrder(length=20, shortest=8).drawn_lengths(), 9))
    assert found["tokens"] == 3 * sum(lengths)
    assert (found["lag_min"], found["lag_max"], found["steps"]) == (6, 17, 20)
    assert found["parameters"] == trained(updates=1)[1]["parameters"]


@pytest.mark.slow
def test_attention_and_every_mode_train_on_many_lengths() -> None:
    for axes in ({"mode": "sliding", "K": 6}, {"mode": "buffered", "K": 4}, {"cell": "attention"},
                 {"mode": "randomized", "K": 4}, {"h0": "learned"}):  # fmt: skip
        _, found = trained(shortest=8, updates=3, **({"hidden": 8} | axes))
        assert found["status"] in ("unsolved", "solved")


def test_the_signal_is_that_of_the_longest() -> None:
    (job,) = expand("x", "s", {**SMALL, "length": 20, "shortest": 8}, "here").jobs
    judges = Evaluators(job.job)
    assert judges.signal.inputs.shape == (20, 8)
    assert len({len(b.inputs) for b in judges.check.batches}) > 1
    assert {len(b.inputs) for b in judges.longest.batches} == {20}
