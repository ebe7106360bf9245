"""The engine's gradients against autograd, against a slow reading of each truncation mode, and
against cases worked by hand.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.programs import PHI, assert_close, losses, program, slow_gradient, start_state
from throughtime.engine.bptt import (
    Tape,
    add_by_symbol_,
    backward,
    forward,
    gradients,
    input_index,
    with_ones,
)
from throughtime.engine.cells import cell
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.losses._base import Targets, weights
from throughtime.engine.parameters import views
from throughtime.engine.sizes import shapes
from throughtime.engine.truncation import overlapping, strides, windows

CELLS = sorted(PHI)
HEADS = ["softmax", "regression"]


def engine_gradient(p, mode="full", K=1, k1=1, resets=False):
    stride, depth = strides(mode, p.sizes.steps, K, k1)
    found = windows(p.sizes.steps, stride, depth, p.sizes.steps % stride)
    borders = frozenset(w.start for w in found if w.start) if resets else frozenset()
    return gradients(p.tape, p.weights, p.x, p.targets, p.head, found, resets=borders)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize(
    ("scored", "masked", "learned"), [(7, True, False), (1, False, True), (3, False, False)]
)
def test_full_gradient_is_autograds(name, head, tokens, scored, masked, learned):
    p = program(name, head, tokens=tokens, scored=scored, masked=masked, learned=learned)
    w = {k: v.clone().requires_grad_() for k, v in p.weights.items()}
    loss = torch.stack(losses(p, w, start_state(p, w), 0, p.sizes.steps)).sum(0)
    expected = dict(zip(w, torch.autograd.grad(loss.sum(), list(w.values())), strict=True))
    found, g = engine_gradient(p)
    assert torch.allclose(found, loss, rtol=1e-12)
    assert_close(g, expected)


def test_a_sum_by_symbol_is_that_of_its_steps_worked_by_hand():
    x = input_index(torch.tensor([[[0, 2, 0]], [[1, 1, 0]]]).expand(2, 2, 3), 4)
    dzs = torch.arange(1.0, 7.0, dtype=torch.float64).view(2, 1, 3, 1)
    sums = torch.ones(2, 4, 1, dtype=torch.float64)
    add_by_symbol_(sums, x, torch.cat([dzs, 10 * dzs], 1))
    assert sums[..., 0].tolist() == [[1 + 1 + 3 + 6, 1 + 4 + 5, 1 + 2, 1], [101, 91, 21, 1]]


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_a_row_is_torch_nn_rnn(name):
    p = program(name, "softmax", tokens=False)
    _, g = engine_gradient(p)
    for row in range(p.sizes.rows):
        rnn = torch.nn.RNN(3, p.sizes.hidden, nonlinearity=name, dtype=torch.float64)
        w = {k: v[row] for k, v in p.weights.items()}
        with torch.no_grad():
            rnn.weight_ih_l0.copy_(w["W_xh"].T)
            rnn.weight_hh_l0.copy_(w["W_hh"].T)
            rnn.bias_ih_l0.copy_(w["b_h"])
            rnn.bias_hh_l0.zero_()
        h, _ = rnn(p.dense[:, row])
        y = h @ w["W_hy"] + w["b_y"]
        loss = torch.nn.functional.cross_entropy(
            y.flatten(0, 1), p.targets.values[:, row].flatten()
        )
        loss.backward()
        pairs = [
            ("W_xh", rnn.weight_ih_l0.grad.T),
            ("W_hh", rnn.weight_hh_l0.grad.T),
            ("b_h", rnn.bias_ih_l0.grad),
        ]
        assert_close({k: g[k][row] for k, _ in pairs}, dict(pairs))


def test_all_rows_are_torch_func_vmap_of_grad():
    p = program("tanh", "softmax", tokens=False, scored=1)

    def loss(w, x, target):
        h = torch.zeros(p.sizes.batch, p.sizes.hidden, dtype=torch.float64)
        for x_t in x:
            h = torch.tanh(x_t @ w["W_xh"] + h @ w["W_hh"] + w["b_h"])
        return torch.nn.functional.cross_entropy(h @ w["W_hy"] + w["b_y"], target)

    expected = torch.func.vmap(torch.func.grad(loss), in_dims=(0, 1, 0))(
        p.weights, p.dense, p.targets.values[0]
    )
    assert_close(engine_gradient(p)[1], expected)


# What each mode means, read off its definition; t counts from 0, windows are aligned to the end of
# T steps.
DEPTH = {
    "chunked": lambda t, T, K, k1: (t + (K - T % K) % K) % K + 1,  # offset in its chunk, from 1
    "sliding": lambda t, T, K, k1: (
        K - k1 + 1 + (t + (k1 - T % k1) % k1) % k1
    ),  # the pass ends at the end of the stride
    "buffered": lambda t, T, K, k1: K + (t + (K - T % K) % K) % K,  # K to 2K - 1
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("scored", [7, 1])
@pytest.mark.parametrize(
    ("mode", "K", "k1"),
    [
        ("chunked", 1, 1),
        ("chunked", 2, 1),
        ("chunked", 7, 1),
        ("chunked", 9, 1),
        ("sliding", 1, 1),
        ("sliding", 3, 1),
        ("sliding", 3, 2),
        ("sliding", 4, 3),
        ("sliding", 20, 1),
        ("buffered", 1, 1),
        ("buffered", 2, 1),
        ("buffered", 3, 1),
    ],
)
def test_truncated_gradient_is_its_slow_reading(name, head, scored, mode, K, k1):
    p = program(name, head, scored=scored, learned=True)
    T = p.sizes.steps
    expected = slow_gradient(p, lambda t: DEPTH[mode](t, T, K, k1))
    assert_close(engine_gradient(p, mode, K, k1)[1], expected)


@pytest.mark.parametrize("K", [1, 2, 3, 7])
def test_resetting_at_borders_is_its_slow_reading(K):
    p = program("tanh", "softmax", tokens=False, learned=True)
    T = p.sizes.steps

    def depth(t):
        return DEPTH["chunked"](t, T, K, 1)

    expected = slow_gradient(p, depth, border=lambda t: t + 1 - depth(t))
    assert_close(engine_gradient(p, "chunked", K, resets=True)[1], expected)


@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 12), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_sliding_at_any_stride_and_depth(steps, K, k1, seed):
    k1 = min(k1, K)
    p = program(steps=steps, scored=1 + seed % steps, seed=seed)
    assert_close(
        engine_gradient(p, "sliding", K, k1)[1],
        slow_gradient(p, lambda t: DEPTH["sliding"](t, steps, K, k1)),
    )


def test_three_steps_by_hand():
    """One linear unit, h_t = w h_{t-1} + u x_t, y = v h_3, L = (y - 1)^2, with w = 2, u = 1, v = 3
    and x = 1, 2, 3.

    h = 1, 4, 11; y = 33; dL/dy = 64; dL/dh = 192, 384, 768 at steps 3, 2, 1. dL/dw = 192 h_2 + 384
    h_1 + 768 h_0 = 768 + 384 = 1152; dL/du = 192 3 + 384 2 + 768 1 = 2112; dL/db = 1344; dL/dv = 64
    11 = 704. Cut after two steps: dL/dw = 1152, dL/du = 1344, dL/db = 576. After one: dL/dw = 768,
    dL/du = 576, dL/db = 192.
    """
    p = program(
        "identity", "regression", rows=1, steps=3, batch=1, hidden=1, scored=1, tokens=False
    )
    layout = shapes(cell("identity"), 1, 1, 1)
    p.flat = torch.tensor([[1.0, 2.0, 0.0, 3.0, 0.0]], dtype=torch.float64)
    p.weights = views(p.flat, layout)
    p.x = with_ones(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64).reshape(3, 1, 1, 1))
    values = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    p.targets = Targets(values, weights(None, values, torch.float64))
    p.sizes = type(p.sizes)(1, 3, 1, 1, 1, 1, 1, False)
    p.tape = Tape(cell("identity"), p.sizes, torch.float64)
    for K, (dw, du, db) in {
        3: (1152, 2112, 1344),
        2: (1152, 1344, 576),
        1: (768, 576, 192),
    }.items():
        _, g = engine_gradient(p, "sliding", K)
        found = [g[k].item() for k in ("W_hh", "W_xh", "b_h", "W_hy")]
        assert found == [dw, du, db, 704]


@given(st.floats(-1.2, 1.2), st.integers(1, 12), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_scalar_linear_network_has_a_closed_form(w, steps, seed):
    """h_T = sum_t w^(T-t) x_t, so dh_T/dw = sum_t (T - t) w^(T-t-1) x_t."""
    x = torch.randn(steps, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    lags = [steps - 1 - t for t in range(steps)]
    h = sum(w**k * v for k, v in zip(lags, x.tolist(), strict=True))
    slope = sum(k * w ** (k - 1) * v for k, v in zip(lags, x.tolist(), strict=True) if k > 0)
    p = program(
        "identity", "regression", rows=1, steps=steps, batch=1, hidden=1, scored=1, tokens=False
    )
    p.sizes = type(p.sizes)(1, steps, 1, 1, 1, 1, 1, False)
    p.tape = Tape(cell("identity"), p.sizes, torch.float64)
    p.weights = views(
        torch.tensor([[1.0, w, 0.0, 1.0, 0.0]], dtype=torch.float64),
        shapes(cell("identity"), 1, 1, 1),
    )
    p.x = with_ones(x.reshape(steps, 1, 1, 1))
    values = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    p.targets = Targets(values, weights(None, values, torch.float64))
    loss, g = engine_gradient(p)
    assert loss.item() == pytest.approx(h * h, rel=1e-10, abs=1e-12)
    assert g["W_hh"].item() == pytest.approx(2 * h * slope, rel=1e-10, abs=1e-12)


def test_one_step_one_row():
    p = program(rows=1, steps=1, scored=1)
    assert_close(engine_gradient(p)[1], slow_gradient(p, lambda t: 1))
    assert engine_gradient(p)[1]["W_hh"].abs().max() == 0  # nothing comes before the first step


def test_a_row_without_scored_positions_has_no_loss_and_no_gradient():
    p = program(masked=True)
    p.targets.weight[:, 1] = 0
    loss, g = engine_gradient(p)
    assert loss[1] == 0
    assert all(v[1].abs().max() == 0 for v in g.values())
    assert loss[0] > 0


def test_a_tape_is_used_again_without_a_trace():
    p, other = program(seed=1), program(seed=2)
    _, first = engine_gradient(p, "buffered", 2)
    gradients(p.tape, other.weights, other.x, other.targets, "softmax", windows(7, 7, 7))
    _, again = engine_gradient(p, "buffered", 2)
    assert all(torch.equal(first[k], again[k]) for k in first)


def test_overlapping_windows_without_memory_for_sums_give_the_same_gradient():
    p = program()
    found = windows(7, 2, 5, 1)
    assert overlapping(found)
    _, expected = gradients(p.tape, p.weights, p.x, p.targets, "softmax", found)
    p.tape = Tape(cell("tanh"), p.sizes, torch.float64, overlap=False)
    assert_close(gradients(p.tape, p.weights, p.x, p.targets, "softmax", found)[1], expected, 1e-13)


def test_full_gradient_is_a_finite_difference():
    p = program("tanh", "regression", rows=1, learned=True)
    _, g = engine_gradient(p)
    flat_g = torch.cat([g[k].flatten(1) for k in p.weights], 1)[0]
    for i in range(0, p.flat.shape[1], 7):
        values = []
        for step in (1e-5, -1e-5):
            p.flat[0, i] += step
            y = forward(p.tape, p.weights, p.x)
            values.append(loss_of("regression")(y, p.targets)[0].item())
            p.flat[0, i] -= step
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(flat_g[i].item(), rel=1e-6, abs=1e-9)


def test_memory_is_linear_in_steps_and_what_is_allocated():
    p = program(dtype=torch.float32)
    tape = p.tape
    kept = sum(t.numel() * 4 for t in (tape.states[1:], tape.dzs, tape.dhs, tape.ys))
    promised = cell("tanh").tape_bytes(p.sizes) * p.sizes.rows
    assert kept <= promised <= 2.5 * kept

    def need(steps):
        sizes = type(p.sizes)(1, steps, 4, 3, 5, 2, 1, True)
        return cell("tanh").tape_bytes(sizes)

    assert need(30) - need(20) == need(20) - need(10)


def test_gradient_at_a_loss_beyond_float32_is_not_hidden():
    p = program("identity", "regression", dtype=torch.float32, steps=7)
    p.weights["W_hh"].mul_(1e12)
    loss, g = engine_gradient(p)
    assert not torch.isfinite(loss).any()
    assert not torch.isfinite(g["W_hh"]).all()


def test_backward_needs_no_forward_of_its_own():
    p = program()
    y = forward(p.tape, p.weights, p.x)
    loss, dy = loss_of("softmax")(y, p.targets)
    g = backward(p.tape, p.weights, p.x, dy, windows(7, 7, 7))
    assert all(torch.equal(g[k], v) for k, v in engine_gradient(p)[1].items())
    assert math.isfinite(loss.sum())
