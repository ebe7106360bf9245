"""Copy: the sequence of Arjovsky et al. 2016, scored where it is recalled."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.measured import best_constant, uniform
from throughtime.tasks.copy import Copy


def test_one_sequence_by_hand() -> None:
    batch = Copy(length=3, payload=2, alphabet=4).sample(np.random.default_rng(0), 1)
    a, b = batch.targets[:, 0]
    blank, marker = 4, 5
    assert batch.inputs[:, 0].tolist() == [a, b, blank, blank, marker, blank, blank]


@given(
    length=st.integers(1, 30),
    payload=st.integers(1, 12),
    alphabet=st.integers(2, 9),
    seed=st.integers(0, 99),
)
def test_layout(length: int, payload: int, alphabet: int, seed: int) -> None:
    task = Copy(length=length, payload=payload, alphabet=alphabet)
    batch = task.sample(np.random.default_rng(seed), 3)
    assert len(batch.inputs) == task.steps == length + 2 * payload
    for column in batch.inputs.T.tolist():
        # payload, then length - 1 blanks, then the marker
        assert column.index(alphabet + 1) == payload + length - 1
        assert column.count(alphabet + 1) == 1
        assert column.count(alphabet) == length - 1 + payload
    lag = task.lags[0]
    first = task.steps - task.scored
    for t in range(first, task.steps):
        assert (batch.inputs[t - lag] == batch.targets[t - first]).all()


def test_papers_own_numbers() -> None:
    task = Copy(length=100)
    assert (task.steps, task.lags) == (120, (110, 110))
    whole_sequence = task.chance_loss * task.payload / task.steps
    assert whole_sequence == pytest.approx(10 * math.log(8) / (100 + 20))  # the paper's baseline


def test_payload_is_uniform_and_chance_is_measured() -> None:
    task = Copy(length=5)
    batch = task.sample(np.random.default_rng(1), 20_000)
    assert all(uniform(row, 0, 8) for row in batch.targets)
    loss, accuracy = best_constant(task, batch)
    assert loss == pytest.approx(task.chance_loss, abs=1e-3)
    assert accuracy == pytest.approx(task.chance, abs=3e-3)


def test_symbols_of_one_sequence_are_independent() -> None:
    a, b = Copy(length=5).sample(np.random.default_rng(2), 20_000).targets[:2]
    assert uniform(8 * a + b, 0, 64)


def test_solved_at_99_percent() -> None:
    assert Copy().solved(0.99)
    assert not Copy().solved(0.9899)


def test_wide_alphabets_stay_aligned() -> None:
    task = Copy(length=4, payload=3, alphabet=12)
    read, write = task.show(task.sample(np.random.default_rng(0), 1), 0).splitlines()
    assert len(read) == len(write)
    assert read.split()[1:4] == write.split()[1:]


def test_the_whole_sequence_by_hand() -> None:
    task = Copy(length=3, payload=2, alphabet=4, score="whole")
    batch = task.sample(np.random.default_rng(0), 1)
    recall = Copy(length=3, payload=2, alphabet=4).sample(np.random.default_rng(0), 1)
    assert (batch.inputs == recall.inputs).all()
    a, b = recall.targets[:, 0]
    assert batch.targets[:, 0].tolist() == [4, 4, 4, 4, 4, a, b]
    assert batch.groups["position"][:, 0].tolist() == [-1, -1, -1, -1, -1, 0, 1]
    assert (task.scored, task.outputs) == (7, 5)
    assert task.show(batch, 0).splitlines()[1].split() == ["target", *".....", str(a), str(b)]


@pytest.mark.parametrize("length", [100, 200, 300, 500])
def test_the_memoryless_strategy_has_the_papers_baseline(length: int) -> None:
    """Blanks, then a uniform guess: its cross-entropy and accuracy on drawn sequences."""
    task = Copy(length=length, score="whole")
    targets = task.sample(np.random.default_rng(3), 2000).targets
    guess = np.zeros((task.steps, task.outputs))
    guess[:-10, 8] = 1
    guess[-10:, :8] = 1 / 8
    p = np.take_along_axis(guess, targets, axis=1)
    assert -np.log(p).mean() == pytest.approx(10 * math.log(8) / (length + 20))
    assert task.chance_loss == pytest.approx(10 * math.log(8) / (length + 20))
    assert p.mean() == pytest.approx(task.chance)
    (line,) = [r for r in task.references() if r.measure == "loss"]
    assert line.value == task.chance_loss


def test_solved_over_the_whole_sequence_is_solved_at_recall() -> None:
    """120 scored steps, 10 of them recall: .99 of the recall leaves .1 of 120 wrong."""
    task = Copy(length=100, score="whole")
    assert task.solved(1 - 0.0999 / 120)
    assert not task.solved(1 - 0.1001 / 120)
    assert not task.solved(task.chance)


def test_scoring_changes_no_key_by_default() -> None:
    assert "score" not in Copy(length=7).changed()
    assert Copy(score="whole").changed() == {"score": "whole"}


@pytest.mark.parametrize("wrong", [{"length": 0}, {"payload": 0}, {"alphabet": 1}, {"lenght": 3}])
def test_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Copy(**wrong)
