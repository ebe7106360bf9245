"""Adding: two marks, one in each half, and their sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import kstest

from tests.support.measured import best_constant, uniform
from throughtime.tasks.adding import BINS, Adding


@given(length=st.integers(2, 60), seed=st.integers(0, 99))
def test_marks_target_and_lag_by_a_slow_reading(length: int, seed: int) -> None:
    task = Adding(length=length)
    batch = task.sample(np.random.default_rng(seed), 4)
    for b in range(4):
        values, marks = batch.inputs[:, b, 0], batch.inputs[:, b, 1]
        assert set(marks.tolist()) <= {0.0, 1.0}
        first, second = (t for t in range(length) if marks[t])
        assert first < length // 2 <= second
        assert batch.targets[0, b, 0] == np.float32(values[first] + values[second])
        lag = length - 1 - first
        assert task.lags[0] <= lag <= task.lags[1]
        assert 0 <= lag - batch.groups["lag"][0, b] < task.bin_width


@pytest.mark.parametrize("length", [2, 7, 40])
def test_every_mark_is_equally_likely_and_lags_are_tight(length: int) -> None:
    task = Adding(length=length)
    marks = task.sample(np.random.default_rng(0), 20_000).inputs[:, :, 1]
    first, second = marks.argmax(0), length - 1 - marks[::-1].argmax(0)
    assert uniform(first, 0, length // 2)
    assert uniform(second, length // 2, length)
    assert (length - 1 - first.max(), length - 1 - first.min()) == task.lags


def test_values_are_uniform() -> None:
    values = Adding(length=10).sample(np.random.default_rng(1), 2000).inputs[:, :, 0]
    assert kstest(values.ravel(), "uniform").pvalue > 1e-3


def test_chance_and_the_other_line_are_measured() -> None:
    task = Adding(length=8)
    batch = task.sample(np.random.default_rng(2), 100_000)
    loss, mse = best_constant(task, batch)
    assert loss == mse == pytest.approx(task.chance, abs=2e-3)
    marks = batch.inputs[:, :, 1]
    second = batch.inputs[len(marks) - 1 - marks[::-1].argmax(0), np.arange(batch.size), 0]
    known = ((batch.targets[0, :, 0] - second - 0.5) ** 2).mean()
    line = {r.name: r.value for r in task.references()}["one operand known"]
    assert known == pytest.approx(line, abs=2e-3)


@pytest.mark.parametrize(("length", "width"), [(2, 1), (40, 1), (41, 1), (42, 2), (200, 5)])
def test_lags_are_binned_only_where_there_are_many(length: int, width: int) -> None:
    task = Adding(length=length)
    bins = np.unique(task.sample(np.random.default_rng(0), 5000).groups["lag"])
    assert task.bin_width == width
    assert len(bins) <= BINS + 1
    assert (bins % width == 0).all()


def test_solved_below_one_hundredth() -> None:
    assert Adding().solved(0.00999)
    assert not Adding().solved(0.01)


def test_one_step_has_no_two_halves() -> None:
    with pytest.raises(ValidationError):
        Adding(length=1)
