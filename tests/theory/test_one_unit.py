"""The one-unit network against autograd, finite differences and hand-worked paths."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from throughtime.theory.one_unit import (
    B_RANGE,
    W_RANGE,
    default_surface,
    descend,
    loss_and_gradient,
    surface,
)

WEIGHTS, BIASES = st.floats(-8, 8), st.floats(-5, 5)


def autograd(w, b, steps=50):
    w, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (w, b))
    x = torch.tensor(0.5, dtype=torch.float64)
    for _ in range(steps):
        x = w * torch.sigmoid(x) + b
    loss = (torch.sigmoid(x) - 0.7) ** 2
    return [v.item() for v in (loss, *torch.autograd.grad(loss, [w, b]))]


@given(WEIGHTS, BIASES, st.integers(1, 50))
def test_against_autograd(w, b, steps):
    found = [float(v) for v in loss_and_gradient(w, b, steps)]
    expected = autograd(w, b, steps)
    # Next to the wall 50 steps of rounding are stretched like the gradient itself.
    stretch = max(1.0, abs(expected[1]), abs(expected[2]))
    assert found == pytest.approx(expected, rel=1e-9 * stretch, abs=1e-11 * stretch)


@pytest.mark.parametrize(("w", "b"), [(4.5, -2.0), (5.0, -2.7), (5.0, -1.0), (-3.0, 1.0)])
def test_against_finite_differences(w, b):
    eps = 1e-6
    _, dw, db = loss_and_gradient(w, b)
    up, down = (
        loss_and_gradient([w + eps, w], [b, b + eps])[0],
        loss_and_gradient([w - eps, w], [b, b - eps])[0],
    )
    assert ((up - down) / (2 * eps)).tolist() == pytest.approx([dw, db], rel=1e-5, abs=1e-9)


def test_one_step_by_hand():
    s = 1 / (1 + math.exp(-0.5))
    x = 2 * s - 1
    y = 1 / (1 + math.exp(-x))
    loss, dw, db = loss_and_gradient(2.0, -1.0, steps=1)
    assert loss == pytest.approx((y - 0.7) ** 2)
    assert db == pytest.approx(2 * (y - 0.7) * y * (1 - y))
    assert dw == pytest.approx(db * s)


def test_the_surface_is_every_pair():
    found = surface([5.0, 6.0], [-3.0, -2.0, -1.0])
    assert found[["w", "b"]].to_numpy().tolist() == [[w, b] for w in (5, 6) for b in (-3, -2, -1)]
    for row in found.itertuples():
        loss, dw, db = autograd(row.w, row.b)
        assert (row.loss, row.grad_norm) == pytest.approx((loss, math.hypot(dw, db)), rel=1e-6)


def test_the_wall_stands_in_the_default_ranges():
    """Two plateaus, and between them, for w > 4, gradients a hundred times as large as on either
    side.
    """
    found = default_surface(81)
    assert (found["w"].min(), found["w"].max(), found["b"].min(), found["b"].max()) == (
        *W_RANGE,
        *B_RANGE,
    )
    assert found["grad_norm"].max() > 100 * found["grad_norm"].median()
    at_6 = found[found["w"] == found["w"].iloc[(found["w"] - 6).abs().argmin()]].sort_values("b")
    assert at_6["loss"].diff().abs().max() > 0.3  # in one step of the grid
    edge = at_6["b"].iloc[at_6["loss"].diff().abs().argmax()]
    # where x_0 = .5 is the unstable fixed point
    assert edge == pytest.approx(0.5 - 6 / (1 + math.exp(-0.5)), abs=0.05)


def test_a_path_by_hand():
    path = descend(4.5, -2.0, lr=0.1, updates=2)
    w, b = 4.5, -2.0
    for row in path.itertuples():
        loss, dw, db = (float(v) for v in loss_and_gradient(w, b))
        assert (row.w, row.b, row.loss, row.grad_norm) == (w, b, loss, math.hypot(dw, db))
        w, b = w - 0.1 * dw, b - 0.1 * db
    assert path["update"].tolist() == [0, 1, 2]


def test_clipping_bounds_a_step_and_keeps_its_direction():
    free, cut = descend(4.6, -2.7, 0.05, 300), descend(4.6, -2.7, 0.05, 300, clip=0.1)
    length = np.hypot(cut["w"].diff(), cut["b"].diff())[1:].to_numpy()
    norm = cut["grad_norm"].to_numpy()[:-1]
    assert length == pytest.approx(0.05 * np.minimum(norm, 0.1))
    assert (norm > 0.1).any()
    _, dw, db = loss_and_gradient(4.6, -2.7)
    assert math.atan2(*(cut[["w", "b"]].diff().iloc[1])) == pytest.approx(math.atan2(-dw, -db))
    # one step throws it off the surface ..
    assert np.hypot(free["w"].diff(), free["b"].diff()).max() > 1
    assert free["w"].iloc[-1] > W_RANGE[1]
    # .. and clipping keeps it on the wall, where the minimum is
    assert cut["loss"].iloc[-1] < 0.01 < free["loss"].iloc[-1]
