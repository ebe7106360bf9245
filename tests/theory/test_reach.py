"""Reach against autograd on graphs that are cut as each mode's definition says; copy's coverage
against counting.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.support.modes import losses
from throughtime.engine.truncation import strides
from throughtime.theory import reach
from throughtime.theory.mean_field import DomainError

MODES = st.sampled_from(["full", "chunked", "sliding", "buffered"])


def by_autograd(
    mode: str, steps: int, K: int, k1: int = 1, resets: frozenset[int] = frozenset()
) -> np.ndarray:
    """(T, T): whether the loss of step t has a gradient at the input of step i."""
    x = torch.linspace(0.1, 0.5, steps, dtype=torch.float64, requires_grad=True)

    def step(h: Tensor, t: int) -> Tensor:
        return torch.tanh((0.0 if t in resets else 0.9) * h + x[t])

    result = np.zeros((steps, steps), bool)
    for t, h in losses(mode, step, torch.zeros((), dtype=torch.float64), steps, K, k1):
        (gradient,) = torch.autograd.grad(h, x, retain_graph=True)
        result[t] = gradient.numpy() != 0
    return result


@given(MODES, st.integers(1, 9), st.integers(1, 10), st.data())
def test_gradient_flows_exactly_where_theory_says(
    mode: str, steps: int, K: int, data: st.DataObject
) -> None:
    k1 = data.draw(st.integers(1, K)) if mode == "sliding" else 1
    resets = data.draw(st.frozensets(st.integers(0, steps - 1), max_size=2))
    offset = steps % strides(mode, steps, K, k1)[0]
    found = reach.reachable(mode, steps, K, k1, offset, resets)
    assert (found == by_autograd(mode, steps, K, k1, resets)).all()


def test_a_sliding_case_by_hand() -> None:
    assert reach.reachable("sliding", steps=4, K=2).astype(int).tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 1, 1],
    ]


@given(
    st.sampled_from(["chunked", "sliding", "buffered"]),
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(1, 45),
    st.data(),
)
def test_the_law_of_copy_is_what_counting_gives(
    mode: str, length: int, payload: int, K: int, data: st.DataObject
) -> None:
    steps, dependencies = length + 2 * payload, reach.copy_dependencies(length, payload)
    k1 = data.draw(st.integers(1, min(K, 8))) if mode == "sliding" else 1
    stride, _ = strides(mode, steps, K, k1)
    counted = reach.covered(reach.reachable(mode, steps, K, k1, steps % stride), dependencies)
    assert reach.copy_coverage(mode, K, length, payload, k1=k1) == pytest.approx(counted)
    stream = [reach.reachable(mode, steps + 2 * stride, K, k1, offset) for offset in range(stride)]
    counted = np.mean([reach.covered(mask, dependencies) for mask in stream])
    assert reach.copy_coverage(mode, K, length, payload, "random", k1) == pytest.approx(counted)


@given(st.integers(1, 20), st.integers(1, 10), st.integers(1, 60))
def test_for_chunks_the_law_is_the_short_one(length: int, payload: int, K: int) -> None:
    lag = length + payload
    assert reach.copy_coverage("chunked", K, length, payload) == pytest.approx(
        np.clip((K - lag) / payload, 0, 1)
    )
    assert reach.copy_coverage("chunked", K, length, payload, "random") == pytest.approx(
        max(0, 1 - lag / K)
    )


def test_copy_dependencies_are_those_of_the_task() -> None:
    from throughtime.tasks.copy import Copy

    task = Copy(length=7, payload=3)
    batch = task.sample(np.random.default_rng(0), 5)
    for j, (recall, read) in enumerate(reach.copy_dependencies(7, 3)):
        assert recall == task.steps - task.scored + j
        assert (batch.targets[j] == batch.inputs[read]).all()


def test_full_depth_covers_all() -> None:
    assert reach.copy_coverage("full", 1, 5, 3) == 1


def test_an_alignment_without_a_law_is_refused() -> None:
    with pytest.raises(DomainError, match="align 'start'"):
        reach.copy_coverage("chunked", 5, 3, 2, "start")
