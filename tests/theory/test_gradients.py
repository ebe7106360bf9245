"""Gradient predictions against simulated networks of finite width, in NumPy."""

import math

import numpy as np
import pytest

from throughtime.theory import gradients as gr
from throughtime.theory import lyapunov
from throughtime.theory.mean_field import DomainError, chi_1, mean, q_star, sech2

pytestmark = pytest.mark.slow

Array = np.ndarray


def draw(rng: np.random.Generator, weights: str, count: int, n: int) -> Array:
    """(count, n, n) matrices of gain 1."""
    normal = rng.standard_normal((count, n, n))
    if weights == "gaussian":
        return normal / math.sqrt(n)
    q, r = np.linalg.qr(normal)
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]


def jacobians(
    weights: str, sigma_w: float, s: float, steps: int, n: int, count: int, tied: bool = False
) -> Array:
    """(T, count, n, n): dh_t/dh_{t-1} of ``count`` networks from h_0 = 0, fresh weights at every
    step unless tied.
    """
    rng = np.random.default_rng(5)
    w, h, result = sigma_w * draw(rng, weights, count, n), np.zeros((count, n)), []
    for step in range(steps):
        if step and not tied:
            w = sigma_w * draw(rng, weights, count, n)
        h = np.tanh((w @ h[:, :, None])[:, :, 0] + math.sqrt(s) * rng.standard_normal((count, n)))
        result.append((1 - h**2)[:, :, None] * w)
    return np.array(result)


def squared_norms(found: Array) -> Array:
    """(T, count): ||dL/dh_{T-k}||^2 for k = 0..T-1, from a gradient of norm 1."""
    v = np.random.default_rng(6).standard_normal(found.shape[1:3])
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    result = [np.ones(len(v))]
    for jacobian in found[:0:-1]:
        v = (v[:, None, :] @ jacobian)[:, 0]
        result.append((v**2).sum(1))
    return np.array(result)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
@pytest.mark.parametrize(("sigma_w", "s"), [(0.8, 0.1), (1.5, 0.02)])
def test_the_mean_square_follows_theory_at_every_lag_with_its_transient(
    weights: str, sigma_w: float, s: float
) -> None:
    norms = squared_norms(jacobians(weights, sigma_w, s, steps=12, n=128, count=40))
    predicted = gr.log_norm_by_lag(sigma_w, s, 12)
    assert np.log(norms.mean(1)) / 2 == pytest.approx(predicted, abs=0.06)
    assert np.diff(predicted)[0] == pytest.approx(gr.slope(sigma_w, s), abs=5e-3)
    assert (
        np.diff(predicted)[-1] > gr.slope(sigma_w, s) + 0.01
    )  # early states are small: a larger gain


def test_a_drive_by_step_is_used_in_order() -> None:
    # Only the last state is driven: q_1 = q_2 = 0 give sigma_w^2, q_3 = 0.5 comes first when going
    # back.
    last = math.log(4 * mean(lambda x: sech2(x) ** 2, 0.5)) / 2
    assert gr.log_norm_by_lag(2.0, np.array([0.0, 0.0, 0.5]), 3) == pytest.approx(
        [0, last, last + math.log(2)]
    )


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_a_typical_narrow_network_is_below_the_mean_by_the_shift(weights: str) -> None:
    n, steps, sigma_w, s = 48, 14, 1.6, 0.3
    logs = np.log(squared_norms(jacobians(weights, sigma_w, s, steps, n, count=250))) / 2
    rate = (logs[9] - logs[0]) / 9
    error = rate.std() / math.sqrt(len(rate))
    shift = gr.finite_width_shift(sigma_w, s, n, weights)
    assert rate.mean() == pytest.approx(gr.slope(sigma_w, s) + shift, abs=4 * error + 2e-3)
    assert abs(shift) > 4 * error  # so the shift was needed


def test_for_linear_units_the_shift_is_that_of_random_matrices() -> None:
    for n in (20, 200):
        exact = lyapunov.gaussian(0.9, n)[0] - math.log(0.9)
        assert gr.finite_width_shift(0.9, 0.0, n, "gaussian") == pytest.approx(exact, abs=1 / n**2)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_tied_weights_with_fresh_inputs_follow_the_slope(weights: str) -> None:
    norms = squared_norms(jacobians(weights, 1.1, 0.1, steps=40, n=300, count=3, tied=True))
    assert np.log(norms[25]).mean() / 2 / 25 == pytest.approx(gr.slope(1.1, 0.1), abs=0.02)


def test_without_drive_a_tied_orthogonal_network_has_gain_g_exactly() -> None:
    norms = squared_norms(jacobians("orthogonal", 0.9, 0.0, steps=10, n=30, count=2, tied=True))
    assert np.log(norms) / 2 == pytest.approx(
        np.repeat(gr.log_norm_by_lag(0.9, 0.0, 10)[:, None], 2, 1), abs=1e-9
    )


def test_orthogonal_jacobians_have_the_singular_values_of_theory() -> None:
    g, s = 1.3, 0.2
    last = jacobians("orthogonal", g, s, steps=12, n=200, count=12)[-1]
    found = np.sort(np.linalg.svd(last, compute_uv=False).ravel())
    share = (np.arange(2400) + 0.5) / 2400
    assert found == pytest.approx(gr.singular_values(g, s, share), abs=0.04)
    assert found.mean() == pytest.approx(gr.mean_singular_value(g, s), rel=0.02)
    assert found.max() <= g
    assert gr.singular_values(g, 0.0, 1.0) == pytest.approx(g)


def test_the_quantiles_integrate_to_the_moments() -> None:
    values = gr.singular_values(1.3, 0.2, (np.arange(100_000) + 0.5) / 100_000)
    assert values.mean() == pytest.approx(gr.mean_singular_value(1.3, 0.2), rel=1e-4)
    assert (values**2).mean() == pytest.approx(chi_1(1.3, 0.2), rel=1e-4)
    assert gr.singular_values(0.9, 0.0, np.array([0.0, 1.0])) == pytest.approx([0.9, 0.9])


def test_the_spectral_radius_is_the_root_mean_square_singular_value_not_their_mean() -> None:
    g, s = 1.6, 0.4
    rng = np.random.default_rng(8)
    radii = []
    for matrix in draw(rng, "orthogonal", 3, 300):
        d = sech2(math.sqrt(q_star(g, s)) * rng.standard_normal(300))
        radii.append(np.abs(np.linalg.eigvals(g * d[:, None] * matrix)).max())
    assert np.mean(radii) == pytest.approx(math.sqrt(chi_1(g, s)), rel=0.05)
    assert np.mean(radii) > 1.1 * gr.mean_singular_value(g, s)


@pytest.mark.parametrize("weights", ["gaussian", "orthogonal"])
def test_products_spread_as_theory_says(weights: str) -> None:
    sigma_w, s, lag = 1.2, 0.2, 4
    found = jacobians(weights, sigma_w, s, steps=14, n=200, count=4)
    product = found[-1] @ found[-2] @ found[-3] @ found[-4]
    squares = np.linalg.svd(product, compute_uv=False) ** 2
    assert (squares.var(1) / squares.mean(1) ** 2).mean() == pytest.approx(
        gr.singular_spread(sigma_w, s, lag, weights), rel=0.12
    )


def test_unknown_weights_and_empty_networks_are_refused() -> None:
    with pytest.raises(DomainError, match="gaussian and orthogonal"):
        gr.singular_spread(1.0, 0.1, 3, "identity")
    with pytest.raises(DomainError, match="at least one"):
        gr.finite_width_shift(1.0, 0.1, 0, "gaussian")
