"""Jacobians against autograd; their products and Lyapunov exponents against closed forms and
60-digit arithmetic.
"""

import math

import mpmath
import numpy as np
import pytest
import torch

from tests.support.blocks import block, linear
from tests.support.programs import PHI, program
from throughtime.engine.bptt import forward
from throughtime.probes._base import Subject
from throughtime.probes.jacobian import Product, jacobians, log_singular_values, lyapunov, measure


def orthogonal(n: int, seed: int = 0) -> torch.Tensor:
    return torch.linalg.qr(
        torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    )[0]


def product_values(subject: Subject, lags: list[int], examples: int = 1) -> np.ndarray:
    for _ in subject.runs(1):
        found = log_singular_values(subject.tape, subject.weights, lags, examples)
    return found


@pytest.mark.parametrize("name", sorted(PHI))
def test_jacobians_are_autograds(name):
    p = program(name)
    forward(p.tape, p.weights, p.x)
    for t in (0, 3, 6):
        found = jacobians(p.tape, p.weights, t, 2)
        for g in range(3):
            for b in range(2):

                def step(h, g=g, b=b, t=t):
                    z = (
                        p.dense[t, g, b] @ p.weights["W_xh"][g]
                        + h @ p.weights["W_hh"][g]
                        + p.weights["b_h"][g]
                    )
                    return PHI[name](z)

                expected = torch.autograd.functional.jacobian(step, p.tape.state[t][g, b])
                assert torch.allclose(found[g, b], expected, rtol=1e-12, atol=1e-14)


def test_products_of_a_tanh_network_are_those_of_exact_arithmetic():
    """60 factors whose singular values end up 30 decades apart: a plain product in float64 gets the
    small ones wrong.
    """
    steps = 60
    p = program("tanh", steps=steps, scored=1, hidden=5)
    forward(p.tape, p.weights, p.x)
    found = log_singular_values(p.tape, p.weights, [1, 10, steps], 2)
    assert found.shape == (3, 3, 2, 5)
    with mpmath.workdps(60):
        for g, b in ((0, 0), (2, 1)):
            total, plain = mpmath.eye(5), np.eye(5)
            for k in range(1, steps + 1):
                j = jacobians(p.tape, p.weights, steps - k, 2)[g, b].numpy()
                total, plain = total * mpmath.matrix(j.tolist()), plain @ j
                if k in (1, 10, steps):
                    exact = sorted(
                        (float(mpmath.log(s)) for s in mpmath.svd_r(total, compute_uv=False)),
                        reverse=True,
                    )
                    assert found[g, (1, 10, steps).index(k), b] == pytest.approx(
                        exact, rel=1e-9, abs=1e-9
                    )
            assert abs(np.log(np.linalg.svd(plain, compute_uv=False)) - exact).max() > 1


@pytest.mark.parametrize("eigenvalues", [(2.0, 1.0, 0.5), (2.0, 1.9, 0.001), (0.5, 0.49, 0.48)])
def test_the_powers_of_a_symmetric_matrix(eigenvalues):
    """Their singular values are the eigenvalues' powers: at lag 300, up to 2^300 and .001^300 side
    by side, which no float64 can hold.
    """
    q = orthogonal(3)
    subject = linear(
        q @ torch.diag(torch.tensor(eigenvalues, dtype=torch.float64)) @ q.T, steps=300
    )
    lags = [1, 2, 55, 300]
    expected = np.outer(lags, np.log(eigenvalues))
    assert product_values(subject, lags)[0, :, 0] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
def test_an_orthogonal_map_stretches_all_directions_alike(gain):
    subject = linear(gain * orthogonal(4), steps=300, hidden=4)
    found = product_values(subject, [1, 300], 3)
    assert found[0, 0] == pytest.approx(math.log(gain), abs=1e-12)
    assert found[0, 1] == pytest.approx(300 * math.log(gain), abs=1e-9)


def test_a_lost_direction_is_lost_and_the_others_are_kept():
    subject = linear(
        torch.tensor([[3.0, 0, 0], [0, 0, 1.0], [0, 0, 0]], dtype=torch.float64), steps=12
    )
    found = product_values(subject, [1, 2, 12])[0, :, 0]
    zero = -math.inf
    assert found.tolist() == [
        pytest.approx([math.log(3), 0, zero]),
        pytest.approx([2 * math.log(3), zero, zero]),
        pytest.approx([12 * math.log(3), zero, zero])
    ]  # fmt: skip


def test_a_dead_network_and_a_broken_one():
    eye = torch.eye(3, dtype=torch.float64)[None]
    dead, broken = Product(eye), Product(eye)
    dead.extend(torch.zeros_like(eye))
    dead.extend(eye)
    broken.extend(eye * math.nan)
    assert np.isneginf(dead.log_singular_values()).all()
    assert np.isnan(broken.log_singular_values()).all()


@pytest.mark.parametrize("values", [(2.0, 0.5, 0.1), (0.9, 0.9, 0.9)])
def test_exponents_of_a_diagonal_map(values):
    subject = linear(torch.diag(torch.tensor(values, dtype=torch.float64)))
    assert lyapunov(subject, 2)[0].tolist() == [pytest.approx(np.log(values), abs=1e-12)] * 2


def test_exponents_of_an_orthogonal_map_and_of_a_triangular_one():
    both = torch.stack(
        [
            1.1 * orthogonal(3),
            torch.tensor([[1.5, 4, -7], [0, 0.8, 5], [0, 0, 0.2]], dtype=torch.float64),
        ]
    )
    found = lyapunov(linear(both, rows=2), 1, q_burn=400)[:, 0]
    assert found[0].tolist() == pytest.approx([math.log(1.1)] * 3, abs=1e-12)
    assert found[1].tolist() == pytest.approx(
        np.log([1.5, 0.8, 0.2]), abs=1e-12
    )  # eigenvalues, not singular values


def test_exponents_add_up_to_the_mean_log_determinant():
    """An identity for any network: |det J| is the product of R's diagonal."""
    subject = Subject(block("text", gain=[0.9, 1.5], seeds=1))
    found = lyapunov(subject, 2, state_burn=7, q_burn=4, measured=19)
    dets = [
        jacobians(subject.tape, subject.weights, t, 2).det().abs().log() for t in subject.steps(30)
    ]
    assert torch.allclose(found.sum(-1), torch.stack(dets[11:]).mean(0), rtol=1e-10)
    assert (found.diff(dim=-1) <= 0).all()


def test_the_table_agrees_with_its_parts():
    made = block("copy", batch=6)
    found = measure(made)
    (run,) = (subject := Subject(made)).runs(1)
    assert run.y.shape[0] == 3
    T = subject.sizes.steps
    assert set(found.query("quantity == 'log_singular_max'")["index"]) == {1, 2, 3, 5, 8, T}
    last = jacobians(subject.tape, subject.weights, T - 1, 4)[3]
    values = np.log(torch.linalg.svdvals(last).numpy())  # of 4 sequences
    first = found[(found["row"] == 3) & (found["index"] == 1)].set_index("quantity")["value"]
    assert first["log_singular_max"] == pytest.approx(values[:, 0].mean())
    assert first["log_singular_q50"] == pytest.approx(np.sort(values, axis=None)[9])
    assert len(found.query("quantity == 'lyapunov'")) == 4 * 5
