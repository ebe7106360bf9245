"""Temporal order: two relevant symbols at two places, four classes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.measured import best_constant, uniform
from throughtime.tasks.temporal_order import CLASSES, SYMBOLS, TemporalOrder


def places(length: int, tenths: int) -> list[int]:
    """The steps of [tenths/10 L, (tenths + 1)/10 L), in exact arithmetic."""
    return [
        p
        for p in range(length)
        if Fraction(tenths, 10) * length <= p < Fraction(tenths + 1, 10) * length
    ]


@given(length=st.integers(6, 130), seed=st.integers(0, 99))
def test_symbols_places_and_class_by_a_slow_reading(length: int, seed: int) -> None:
    task = TemporalOrder(length=length)
    batch = task.sample(np.random.default_rng(seed), 4)
    for b in range(4):
        text = "".join(SYMBOLS[i] for i in batch.inputs[:, b])
        first, second = (t for t in range(length) if text[t] in "AB")
        assert first in places(length, 1)
        assert second in places(length, 5)
        assert CLASSES[batch.targets[0, b]] == text[first] + text[second]
        assert 0 <= length - 1 - first - batch.groups["lag"][0, b] < task.bin_width


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
