"""What every task keeps, whoever adds it."""

import json
import sys
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.measured import best_constant
from throughtime.results import tables
from throughtime.tasks import Batch, Task, tasks
from throughtime.tasks._base import POOL
from throughtime.tasks.adding import Adding
from throughtime.tasks.streaming_copy import StreamingCopy
from throughtime.tasks.temporal_order import TemporalOrder

ALL = [cls() for cls in tasks().values()]
MANY = TemporalOrder(length=40, shortest=10)  # whose batches differ in length
VARIANTS = [variant for task in [*ALL, MANY] for variant in task.evaluation_sets.values()]
by_name = pytest.mark.parametrize("task", ALL, ids=lambda t: t.name)
also_variants = pytest.mark.parametrize("task", [*ALL, MANY, *VARIANTS], ids=lambda t: t.name)


def check(task: Task, batch: Batch, size: int) -> None:
    """Shapes, dtypes and ranges."""
    tail = () if task.tokens else (task.inputs,)
    steps = task.steps if task.longest == task else len(batch.inputs)
    assert task.scored <= steps <= task.steps
    assert batch.inputs.shape == (steps, size, *tail)
    assert batch.inputs.dtype == (np.int64 if task.tokens else np.float32)
    tail = () if task.head == "softmax" else (task.outputs,)
    assert batch.targets.shape == (task.scored, size, *tail)
    assert batch.targets.dtype == (np.int64 if task.head == "softmax" else np.float32)
    if task.tokens:
        assert batch.inputs.min() >= 0
        assert batch.inputs.max() < task.inputs
    if task.head == "softmax":
        assert batch.targets.min() >= 0
        assert batch.targets.max() < task.outputs
    for bins in batch.groups.values():
        assert bins.shape == (task.scored, size)
        assert bins.dtype == np.int64
        assert bins.min() >= -1
    if batch.mask is not None:
        assert batch.mask.shape == (task.scored, size)
        assert batch.mask.dtype == bool
        assert batch.mask.any()


def equal(a: Batch, b: Batch) -> bool:
    """Whether two batches are the same to the bit."""
    masks = a.mask is b.mask is None or (a.mask == b.mask).all()  # type: ignore[union-attr]  # both or none, and else an error
    groups = a.groups.keys() == b.groups.keys() and all(
        (a.groups[k] == b.groups[k]).all() for k in a.groups
    )
    return bool(
        (a.inputs == b.inputs).all() and (a.targets == b.targets).all() and masks and groups
    )


@also_variants
@pytest.mark.parametrize("size", [1, 5])
def test_shapes_dtypes_and_ranges(task: Task, size: int) -> None:
    check(task, task.sample(np.random.default_rng(0), size), size)
    for batch in islice(task.batches(np.random.default_rng(0), size), POOL + 2):
        check(task, batch, size)
    for batch in task.evaluation(np.random.default_rng(0), size, 12):
        check(task, batch, size)


@also_variants
def test_data_depend_on_the_generator_alone(task: Task) -> None:
    np.random.seed(0)  # the global state, which nothing may read or move
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # MT19937's words
    streams = [islice(task.batches(np.random.default_rng(s), 3), POOL + 3) for s in (7, 7, 8)]
    one, again, other = (list(s) for s in streams)
    assert all(equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(equal(a, b) for a, b in zip(one, other, strict=True))
    assert equal(task.sample(np.random.default_rng(1), 4), task.sample(np.random.default_rng(1), 4))
    assert (before == np.random.get_state()[1]).all()  # type: ignore[index]  # as above


@by_name
def test_a_batch_is_its_pools_columns(task: Task) -> None:
    if task.carries_state:  # its batches continue each other
        now, following = islice(task.batches(np.random.default_rng(3), 4), 2)
        if isinstance(task, StreamingCopy):  # what was read is asked for after the border
            lag = task.payload
            assert (now.inputs[-lag:] == following.targets[:lag]).all()
        else:  # the one after starts where this one's targets end
            assert (now.targets[-1] == following.inputs[0]).all()
        return
    rng = np.random.default_rng(3)
    pools = [task.sample(rng, 4 * POOL) for _ in range(2)]
    for i, batch in enumerate(islice(task.batches(np.random.default_rng(3), 4), 2 * POOL)):
        start = 4 * (i % POOL)
        assert equal(batch, pools[i // POOL].columns(start, start + 4))


@by_name
def test_batches_are_not_repeated(task: Task) -> None:
    seen = [b.inputs.tobytes() for b in islice(task.batches(np.random.default_rng(0), 8), 2 * POOL)]
    assert len(set(seen)) == len(seen)


@by_name
@pytest.mark.parametrize("size", [1, 20, 33])
def test_evaluation_gives_at_least_what_is_asked(task: Task, size: int) -> None:
    found = [b.size for b in task.evaluation(np.random.default_rng(0), 20, size)]
    assert set(found) == {20}
    assert size <= sum(found) < size + 20


@by_name
def test_solved_is_monotone_and_chance_is_not_solved(task: Task) -> None:
    best_first = (
        np.linspace(1, 0, 1001) if task.measure == "accuracy" else np.linspace(0, 10, 10_001)
    )
    verdicts = [task.solved(float(v)) for v in best_first]
    assert verdicts == sorted(verdicts, reverse=True)
    assert verdicts[0]
    assert not verdicts[-1]
    assert not task.solved(task.chance)
    assert not task.solved(float("nan"))


@also_variants
def test_chance_is_the_best_constant(task: Task) -> None:
    loss, _ = best_constant(task, task.sample(np.random.default_rng(11), 20_000))
    assert loss == pytest.approx(task.chance_loss, rel=0.03)
    fresh = list(task.evaluation(np.random.default_rng(12), 1000, 4000))
    measures = [best_constant(task, b)[1] for b in fresh]
    assert np.mean(measures) == pytest.approx(task.chance, rel=0.15)
    assert task.references()[0].value == task.chance
    assert {r.measure for r in task.references()} == {task.measure}


@by_name
def test_references_fit_their_table(task: Task) -> None:
    rows = [
        {"experiment": "any", "task": task.name, "task_args": "{}", **asdict(line)}
        for line in task.references()
    ]
    frame = tables.conform(pd.DataFrame(rows), "references")
    assert not frame.duplicated(["name", "by", "bin"]).any()
    assert set(frame["by"]) - {"all"} <= set(
        next(task.evaluation(np.random.default_rng(0), 2, 2)).groups
    )


@by_name
def test_lags_lie_within_the_sequence(task: Task) -> None:
    if task.lags is not None:
        low, high = task.lags
        assert 0 <= low <= high < task.steps


@by_name
def test_length_axis_is_told_truly(task: Task) -> None:
    assert task.length_axis == ("length" in type(task).model_fields)


@by_name
def test_named_as_its_file_documented_with_source_and_example(task: Task) -> None:
    assert task.name == Path(sys.modules[type(task).__module__].__file__ or "").stem
    text = type(task).__doc__ or ""
    assert "Source: " in text
    assert "Deviation" in text
    assert ">>> " in text
    assert task.source
    assert all(field.description for field in type(task).model_fields.values())


@by_name
def test_show_has_a_line_for_what_is_read_and_one_for_what_is_asked(task: Task) -> None:
    batch = task.sample(np.random.default_rng(0), 3)
    shown = [task.show(batch, i) for i in range(3)]
    assert len(set(shown)) == 3
    for text in shown:
        lines = text.splitlines()
        assert len(lines) >= 2
        assert len({line.split()[0] for line in lines}) == len(lines)
        assert lines[-1].startswith("target")


@by_name
def test_survives_a_round_trip_through_json(task: Task) -> None:
    again = type(task)(**json.loads(json.dumps(task.model_dump(mode="json"))))
    assert again == task
    assert hash(again) == hash(task)


@by_name
def test_variants_fit_the_same_network(task: Task) -> None:
    for variant in task.evaluation_sets.values():
        assert (variant.inputs, variant.outputs, variant.head) == (
            task.inputs,
            task.outputs,
            task.head,
        )


@pytest.mark.parametrize(
    "task", [Adding(length=21), TemporalOrder(length=40)], ids=["adding", "order"]
)
def test_the_mean_lag_is_that_of_sequences(task):
    assert task.bin_width == 1
    lags = task.sample(np.random.default_rng(0), 20_000).groups["lag"]
    deviation = lags.std() / np.sqrt(lags.size)
    assert abs(lags.mean() - task.mean_lag) < 4 * deviation
    assert task.mean_lag < task.lags[1]
