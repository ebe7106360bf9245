"""Adaptive truncation: geometric gradients have a closed form, and so does a linear network."""

import math

import numpy as np
import pytest
import torch

from tests.support.programs import PHI, program
from throughtime.engine.adaptive_truncation import (
    SMALLEST,
    ZERO,
    bias_bounds,
    choose_K,
    gradients_by_lag,
    log_decay,
    relative_bias,
)
from throughtime.engine.bptt import Tape, with_ones
from throughtime.engine.cells import cell, cells
from throughtime.engine.gradient_signal import log_signal_by_lag
from throughtime.engine.losses._base import Targets, weights
from throughtime.engine.parameters import acting, views
from throughtime.engine.sizes import Sizes, shapes, size

W, TAU = 40, 32  # four fifths


def geometric(beta: float, scale: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """phi_k, and g_k of gradients that all have one direction."""
    phi = scale * beta ** np.arange(W)
    return phi, phi.cumsum()


def expected(beta: float, delta: float) -> int:
    """The closed form: a bound on the bias is beta^K, and below tau the norm at tau counts twice;
    the lower bound of the full gradient's norm is best at k = W - 1.
    """
    for K in range(1, W + 1):
        bias = beta**K + ((1 - beta) * beta**TAU if K < TAU else 0)
        if bias < delta * (1 - beta**W - beta ** (W - 1)):
            return max(K, SMALLEST)
    return W


@pytest.mark.parametrize("beta", [0.2, 0.5, 0.8, 0.9])
def test_of_geometric_norms_all_is_known(beta: float) -> None:
    phi, g = geometric(beta)
    assert math.exp(log_decay(phi)) == pytest.approx(beta, rel=1e-12)
    K = np.arange(W + 1)
    twice = np.where(K < TAU, phi[TAU], 0)
    assert np.allclose(bias_bounds(phi, TAU), phi[0] * beta**K / (1 - beta) + twice, rtol=1e-9)
    for delta in (0.9, 0.5, 0.1, 0.01):
        assert choose_K(phi, g, delta, largest=W) == expected(beta, delta)


def test_the_bias_of_a_long_window_is_beta_to_the_power_of_K() -> None:
    phi, g = geometric(0.5)
    assert relative_bias(phi, g, TAU)[:20] == pytest.approx(0.5 ** np.arange(1, 21), rel=1e-3)


def test_norms_that_are_zero_take_no_part_in_the_slope() -> None:
    phi = 0.1 ** np.arange(W)
    assert phi[-1] < ZERO < phi[20]
    assert log_decay(np.where(phi < ZERO, 0, phi)) == pytest.approx(math.log(0.1), rel=1e-12)


@pytest.mark.parametrize("beta", [1.0, 1.1])
def test_a_gradient_that_does_not_decay_takes_the_largest(beta: float) -> None:
    phi, g = geometric(beta)
    assert np.isinf(relative_bias(phi, g, TAU)).all()
    assert choose_K(phi, g, 0.9, largest=17) == 17


def test_nothing_that_arrives_and_what_is_not_finite_take_the_largest() -> None:
    phi, g = geometric(0.5)
    assert choose_K(np.zeros(W), np.zeros(W), 0.9, largest=17) == 17
    assert choose_K(np.where(phi == phi[3], np.nan, phi), g, 0.9, largest=17) == 17
    assert choose_K(phi, g * np.inf, 0.9, largest=17) == 17


def test_a_gradient_that_ends_at_the_first_lag_takes_the_smallest() -> None:
    phi = np.zeros(W)
    phi[0] = 1.0
    assert choose_K(phi, phi.cumsum(), 0.1, largest=17) == SMALLEST
    assert choose_K(phi, phi.cumsum(), 0.1, largest=1) == 1  # what fits goes before


def test_a_smaller_delta_never_takes_a_smaller_K() -> None:
    rng = np.random.default_rng(0)
    for beta in rng.uniform(0.3, 1.02, 40):
        phi = beta ** np.arange(W) * rng.uniform(0.3, 1, W)
        found = [choose_K(phi, phi.cumsum(), d, largest=30) for d in (2, 0.9, 0.5, 0.1, 0.01)]
        assert found == sorted(found)
        assert all(SMALLEST <= K <= 30 for K in found)


@pytest.mark.parametrize("beta", [0.5, 0.8])
def test_a_linear_network_with_known_decay(beta: float) -> None:
    """h_t = beta h_{t-1}: the gradient falls by beta per step, in one direction."""
    hidden = 3
    layout = shapes(cell("identity"), 1, hidden, 1)
    flat = torch.zeros(1, size(layout), dtype=torch.float64)
    w = views(flat, layout)
    w["W_hh"][0] = beta * torch.eye(hidden, dtype=torch.float64)
    w["W_hy"].fill_(0.1)
    tape = Tape(cell("identity"), Sizes(1, W, 2, 1, hidden, 1, 1, False), torch.float64)
    values = torch.ones(1, 1, 2, 1, dtype=torch.float64)
    x = with_ones(torch.zeros(W, 1, 2, 1, dtype=torch.float64))
    targets = Targets(values, weights(None, values, torch.float64))
    phi, g = (part[0].numpy() for part in gradients_by_lag(tape, w, x, targets, "regression"))
    assert np.allclose(phi[1:] / phi[:-1], beta, rtol=1e-12)
    assert np.allclose(g, phi.cumsum(), rtol=1e-12)
    for delta in (0.9, 0.5, 0.1):
        assert choose_K(phi, g, delta, largest=W) == expected(beta, delta)


@pytest.mark.parametrize("head", ["softmax", "regression"])
def test_against_autograd_from_a_given_state(head: str) -> None:
    p = program("tanh", head)
    start = torch.rand(3, 4, 5, dtype=torch.float64) - 0.5
    phi, g = gradients_by_lag(p.tape, p.weights, p.x, p.targets, head, start)
    h, before = start, []
    for x_t in p.dense:
        before.append(h.requires_grad_())
        z = x_t @ p.weights["W_xh"] + h @ p.weights["W_hh"] + p.weights["b_h"][:, None]
        h = PHI["tanh"](z)
    y = h @ p.weights["W_hy"] + p.weights["b_y"][:, None]
    target = p.targets.values[-1]
    if head == "softmax":
        each = -torch.log_softmax(y, -1).gather(-1, target[..., None])[..., 0]
    else:
        each = (y - target).square().mean(-1)
    found = torch.stack(torch.autograd.grad(each.mean(1).sum(), before)).flip(0)  # (T, G, B, N)
    assert torch.allclose(phi, found.norm(dim=-1).mean(-1).T, rtol=1e-10)
    assert torch.allclose(g, found.mean(2).cumsum(0).norm(dim=-1).T, rtol=1e-10)


@pytest.mark.parametrize("name", [n for n, c in cells().items() if c.recurrent])
def test_of_one_sequence_it_is_the_signal_of_every_cell(name: str) -> None:
    hidden = 5 + -5 % cell(name).multiple
    p = program(name, batch=1, scored=1, hidden=hidden)
    w = acting(p.tape.cell, p.flat, shapes(p.tape.cell, 3, hidden, 2))
    signal = log_signal_by_lag(p.tape, w, p.x, p.targets, "softmax").exp()
    phi, _ = gradients_by_lag(p.tape, w, p.x, p.targets, "softmax")
    assert torch.allclose(phi[:, :-1], signal[:, 1:], rtol=1e-10)
