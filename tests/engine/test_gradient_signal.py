"""Gradient by lag against autograd and closed forms."""

import math

import pytest
import torch

from tests.support.programs import PHI, program
from throughtime.engine.bptt import Tape, with_ones
from throughtime.engine.cells import cell
from throughtime.engine.gradient_signal import log_signal_by_lag, signal_ratio
from throughtime.engine.losses._base import Targets, weights
from throughtime.engine.parameters import views
from throughtime.engine.sizes import Sizes, shapes, size


@pytest.mark.parametrize("name", sorted(PHI))
@pytest.mark.parametrize("head", ["softmax", "regression"])
@pytest.mark.parametrize("scored", [1, 7])
def test_against_autograd(name, head, scored):
    p = program(name, head, scored=scored)
    logs = log_signal_by_lag(p.tape, p.weights, p.x, p.targets, head)
    h, states = torch.zeros(3, 4, 5, dtype=torch.float64), []
    for x_t in p.dense:
        h = PHI[name](
            x_t @ p.weights["W_xh"] + h @ p.weights["W_hh"] + p.weights["b_h"][:, None]
        ).requires_grad_()
        states.append(h)
    y = h @ p.weights["W_hy"] + p.weights["b_y"][:, None]
    target, weight = p.targets.values[-1], p.targets.weight[-1]
    if head == "softmax":
        each = -torch.log_softmax(y, -1).gather(-1, target[..., None])[..., 0]
    else:
        each = (y - target).square().mean(-1)
    for lag, g in enumerate(reversed(torch.autograd.grad((each * weight).sum(), states))):
        assert torch.allclose(logs[:, lag].exp(), g.flatten(1).norm(dim=1), rtol=1e-10)


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_neither_half_nor_two_to_the_power_of_a_thousand_is_lost(gain):
    """A linear orthogonal network's signal is gain^lag: both are far outside float64 at lag
    1,200.
    """
    steps, hidden = 1201, 4
    layout = shapes(cell("identity"), 1, hidden, 1)
    flat = torch.zeros(1, size(layout), dtype=torch.float64)
    w = views(flat, layout)
    w["W_hh"][0] = gain * torch.eye(hidden).flip(0)
    w["W_hy"].fill_(1.0)
    tape = Tape(cell("identity"), Sizes(1, steps, 2, 1, hidden, 1, 1, False), torch.float64)
    values = torch.ones(1, 1, 2, 1, dtype=torch.float64)
    targets = Targets(values, weights(None, values, torch.float64))
    logs = log_signal_by_lag(
        tape, w, with_ones(torch.zeros(steps, 1, 2, 1, dtype=torch.float64)), targets, "regression"
    )
    assert (logs[0, 1200] - logs[0, 0]).item() == pytest.approx(1200 * math.log(gain), rel=1e-12)


def test_a_dead_network_has_no_signal():
    p = program("relu", scored=1)
    p.weights["b_h"].fill_(-1e6)
    logs = log_signal_by_lag(p.tape, p.weights, p.x, p.targets, "softmax")
    assert torch.isinf(logs[:, 1]).all()
    assert signal_ratio(logs)[:, 3].tolist() == [0.0, 0.0, 0.0]


def test_a_ratio_is_to_lag_1_or_to_lag_0_where_there_is_none():
    logs = torch.tensor([[0.0, -1.0, -3.0]], dtype=torch.float64)
    assert signal_ratio(logs)[0].tolist() == pytest.approx([math.e, 1, math.exp(-2)])
    assert signal_ratio(logs[:, :1]).item() == 1


def test_no_gradient_at_all_is_no_measurement_and_none_after_lag_0_is_no_signal():
    inf = math.inf
    logs = torch.tensor([[0.0, -inf, -inf], [-inf, -inf, -inf]], dtype=torch.float64)
    assert signal_ratio(logs)[0, 1:].tolist() == [0.0, 0.0]
    assert torch.isnan(signal_ratio(logs)[1]).all()
