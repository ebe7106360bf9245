"""Omega: its value against its formula, its derivative against finite differences with states and
backpropagated errors held constant, and a case worked by hand.
"""

from typing import Any

import pytest
import torch

from tests.support.programs import PHI, losses, program, start_state
from throughtime.engine.bptt import backward, forward
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.omega import Omega
from throughtime.engine.truncation import windows
from throughtime.planning.sweep import expand
from throughtime.training.train import train

SLOPE = {
    "tanh": lambda h: 1 - h**2,
    "relu": lambda h: (h > 0).to(h.dtype),
    "identity": torch.ones_like,
}
SMALL = {"task": "temporal_order", "length": 10, "engine": "torch", "hidden": 7, "batch": 3}


def passed(p) -> tuple[torch.Tensor, torch.Tensor]:
    """Omega and its derivative, of a backward pass at full depth."""
    _, dy = loss_of(p.head)(forward(p.tape, p.weights, p.x), p.targets)
    steps = p.sizes.steps
    omega = Omega((steps, p.sizes.rows, p.sizes.batch, p.sizes.hidden), torch.float64)
    backward(p.tape, p.weights, p.x, dy, windows(steps, steps, steps), omega)
    return omega.differentiate(p.weights["W_hh"])


def states_and_errors(p) -> tuple[torch.Tensor, torch.Tensor]:
    """h_t and dL/dh_t (T, G, B, N) by autograd, of all that comes after step t too."""
    shape = (p.sizes.steps, p.sizes.rows, p.sizes.batch, p.sizes.hidden)
    nudges = torch.zeros(shape, dtype=p.dense.dtype, requires_grad=True)
    phi, kept = PHI[p.cell], []

    def nudged(z):
        kept.append(phi(z) + nudges[len(kept)])
        return kept[-1]

    PHI[p.cell] = nudged
    try:
        parts = losses(p, p.weights, start_state(p, p.weights), 0, p.sizes.steps)
    finally:
        PHI[p.cell] = phi
    (errors,) = torch.autograd.grad(torch.stack(parts).sum(), nudges)
    return torch.stack(kept).detach(), errors


def formula(p, h, errors, w_hh):
    """(G): Omega as the authors' code has it, of constant states and errors."""
    u = (errors * SLOPE[p.cell](h)) @ w_hh.transpose(1, 2)
    squared = errors.square().sum(-1)
    counted = squared >= 1e-20
    ratio = u.square().sum(-1) / torch.where(counted, squared, 1)
    part = torch.where(counted, (ratio - 1) ** 2, 0)
    return part.sum((0, 2)) / counted.sum((0, 2))


@pytest.mark.parametrize("name", sorted(SLOPE))
@pytest.mark.parametrize("scored", [1, 7])
def test_the_derivative_is_that_of_finite_differences(name, scored):
    p = program(name, scored=scored)
    h, errors = states_and_errors(p)
    (value, derivative), w = passed(p), p.weights["W_hh"]
    assert torch.allclose(value, formula(p, h, errors, w), rtol=1e-12)
    direction = torch.randn(w.shape, dtype=w.dtype, generator=torch.Generator().manual_seed(1))
    ends = [formula(p, h, errors, w + eps * direction) for eps in (1e-5, -1e-5)]
    expected = (ends[0] - ends[1]) / 2e-5
    assert torch.allclose((derivative * direction).sum((1, 2)), expected, rtol=1e-7)


def test_one_unit_worked_by_hand():
    """dL/dh = 2, dL/dz = 1, w = 3: q = (3 / 2)^2, so Omega = (5 / 4)^2 and its slope is
    2 (q - 1) dq/dw = 2 (5 / 4) (3 / 2).
    """
    omega = Omega((3, 1, 2, 1), torch.float32)  # of three steps one is visited
    dh, dz = torch.tensor([[[2.0], [1e-11]]]), torch.tensor([[[1.0], [1e-11]]])
    omega.keep(1, dh, dz)  # the second sequence's error is rounding, and does not count
    value, derivative = omega.differentiate(torch.tensor([[[3.0]]]))
    assert value.tolist() == [1.25**2]
    assert derivative.tolist() == [[[2 * 1.25 * 3 / 2]]]
    omega.clear()
    assert [found.sum() for found in omega.differentiate(torch.ones(1, 1, 1))] == [0, 0]


def test_an_orthogonal_linear_network_has_none():
    p = program("identity", scored=1)
    p.weights["W_hh"].copy_(torch.linalg.qr(p.weights["W_hh"])[0])
    value, derivative = passed(p)
    assert value.abs().max() < 1e-25
    assert derivative.abs().max() < 1e-12


def trained(**axes: Any):
    points = {"updates": 5, "points": 1, "eval_size": 6, "keep_weights": True, "lr": 0.1}
    (job,) = expand("x", "s", {**SMALL, **points, **axes}, "here").jobs
    return dict(zip(job.grid["omega"], train(job).weights, strict=True))


def test_rows_are_independent_and_a_weight_of_zero_changes_no_bit():
    many = trained(omega=[0, 0.5, 4, 1e30], clip=1)
    for omega, weights in many.items():
        assert (trained(omega=omega, clip=1)[omega] == weights).all()
    assert (many[0.5] != many[4.0]).any()
    assert (many[0.5] != many[0.0]).any()


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"engine": "auto"}, "engine numba does not have it; write engine: torch"),
        ({"cell": "gru"}, "gru is no Elman cell whose W_hh is trained as it is"),
        ({"cell": "orthogonal"}, "orthogonal is no Elman cell whose W_hh is trained as it is"),
        ({"mode": "sliding", "K": 3}, "in mode sliding windows overlap, and a step has several"),
    ],
)
def test_what_it_does_not_support_is_skipped_in_one_line(axes, reason):
    plan = expand("x", "s", {**SMALL, "omega": [0, 1], **axes}, "here")
    assert plan.networks == 1
    (skipped,) = plan.skipped
    assert skipped.reason.startswith(f"omega: {reason}")
