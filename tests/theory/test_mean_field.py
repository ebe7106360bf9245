"""Fixed points and gains against adaptive quadrature, closed forms at the edges, and a simulated
network.
"""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import quad

from throughtime.theory import mean_field as mf

CASES = [(0.3, 0.05), (1.0, 0.1), (1.5, 0.0), (1.5, 0.1), (3.0, 0.5), (12.0, 4.0)]


def expectation(f, variance: float) -> float:
    """E f(x), x ~ N(0, variance), by adaptive quadrature."""

    def integrand(z: float) -> float:
        return f(math.sqrt(variance) * z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    return (
        2 * quad(integrand, 0, 3, epsabs=1e-13, limit=200)[0]
        + 2 * quad(integrand, 3, 12, epsabs=1e-13, limit=200)[0]
    )


@pytest.mark.parametrize("variance", [1e-8, 0.01, 0.5, 1.0, 7.0, 90.0, 1000.0])
@pytest.mark.parametrize("power", [1, 2, 4])
def test_integrals_agree_with_adaptive_quadrature(variance: float, power: int) -> None:
    assert mf.mean(lambda x: np.tanh(x) ** (2 * power), variance) == pytest.approx(
        expectation(lambda x: math.tanh(x) ** (2 * power), variance), rel=1e-9, abs=1e-12
    )
    assert mf.mean(lambda x: mf.sech2(x) ** power, variance) == pytest.approx(
        expectation(lambda x: (1 - math.tanh(x) ** 2) ** power, variance), rel=1e-9
    )


@pytest.mark.parametrize(("sigma_w", "s"), CASES)
def test_q_star_reproduces_itself_and_chi_is_its_gain(sigma_w: float, s: float) -> None:
    q = mf.q_star(sigma_w, s)
    assert q > 0
    assert sigma_w**2 * expectation(lambda x: math.tanh(x) ** 2, q) + s == pytest.approx(
        q, rel=1e-8
    )
    assert sigma_w**2 * expectation(lambda x: (1 - math.tanh(x) ** 2) ** 2, q) == pytest.approx(
        mf.chi_1(sigma_w, s), rel=1e-8
    )


@pytest.mark.parametrize(("sigma_w", "s"), CASES)
def test_the_iteration_from_zero_rises_to_q_star(sigma_w: float, s: float) -> None:
    path = mf.variances(sigma_w, s or 1e-9, 400)
    assert path[0] == pytest.approx(s or 1e-9)
    assert (np.diff(path) >= -1e-12).all()
    assert path[-1] == pytest.approx(mf.q_star(sigma_w, s or 1e-9), rel=1e-8)


def test_a_small_drive_at_sigma_1_gives_the_root_of_half_of_it() -> None:
    # q = q - 2 q^2 + s + O(q^3)
    assert mf.q_star(1.0, 1e-12) == pytest.approx(math.sqrt(1e-12 / 2), rel=1e-5)


@pytest.mark.parametrize("excess", [1e-10, 1e-7, 1e-4])
def test_just_beyond_sigma_1_activity_grows_from_zero(excess: float) -> None:
    # q = (1 - 1 / sigma_w^2) / 2 + O(q^2)
    assert mf.q_star(1 + excess, 0.0) == pytest.approx(excess, rel=5 * excess + 1e-6)


@pytest.mark.parametrize("sigma_w", [0.2, 0.577, 1.0])
def test_without_drive_and_below_sigma_1_units_are_linear(sigma_w: float) -> None:
    assert mf.q_star(sigma_w, 0.0) == 0
    assert mf.chi_1(sigma_w, 0.0) == pytest.approx(sigma_w**2, rel=1e-15)


def test_pytorch_starts_deep_in_the_vanishing_phase() -> None:
    assert pytest.approx(1 / 3) == mf.PYTORCH_SIGMA_W**2
    assert mf.chi_1(mf.PYTORCH_SIGMA_W, 0.0) == pytest.approx(1 / 3)
    assert mf.xi_grad(mf.PYTORCH_SIGMA_W, 0.0) == pytest.approx(1 / math.log(3))


@given(st.floats(0, 400))
@example(5.4164426326922355e-151)  # q* is 5e-76 of 1: a root that takes hundreds of halvings
@example(5e-324)
@example(1e-310)
def test_on_the_critical_line_gradients_neither_vanish_nor_explode(s: float) -> None:
    sigma_w = mf.critical_sigma_w(s)
    assert mf.chi_1(sigma_w, s) == pytest.approx(1, abs=1e-6)
    assert mf.chi_1(sigma_w * 0.99, s) < 1 < mf.chi_1(sigma_w * 1.01, s)


def test_the_critical_line_rises_from_1() -> None:
    line = [mf.critical_sigma_w(s) for s in (0.0, 1e-9, 1e-6, 1e-4, 0.01, 0.1, 1.0, 10.0)]
    assert line[0] == 1
    assert (np.diff(line) > 0).all()


def test_a_small_drive_moves_the_critical_line_by_its_cube_root() -> None:
    # E tanh^2 = q - 2 q^2 + 17/3 q^3, E sech^4 = 1 - 2 q + 7 q^2: s = q - their ratio = 4/3 q^3,
    # and sigma_w = 1 + q.
    for s in (1e-10, 1e-8):
        assert mf.critical_sigma_w(s) - 1 == pytest.approx(
            (3 * s / 4) ** (1 / 3), rel=5 * s ** (1 / 3)
        )


def test_depth_scales_have_the_sign_of_the_phase() -> None:
    assert mf.xi_grad(0.8, 0.1) > 0 > mf.xi_grad(2.0, 0.1)
    assert mf.xi_grad(1.0, 0.0) == math.inf


def test_a_simulated_network_has_the_variance_of_theory() -> None:
    rng = np.random.default_rng(1)
    n, sigma_w, s = 1500, 1.3, 0.2
    w, h, q = sigma_w * rng.standard_normal((n, n)) / math.sqrt(n), np.zeros(n), []
    for _ in range(25):
        z = w @ h + math.sqrt(s) * rng.standard_normal(n)
        h = np.tanh(z)
        q.append((z**2).mean())
    assert q == pytest.approx(mf.variances(sigma_w, s, 25), rel=0.15)
    assert np.mean(q[10:]) == pytest.approx(mf.q_star(sigma_w, s), rel=0.03)


@pytest.mark.parametrize(
    ("sigma_w", "s"),
    [(0.0, 0.1), (-1.0, 0.1), (1.0, -0.1), (40.0, 0.0), (math.nan, 0.1), (1.0, math.inf)],
)
def test_what_is_no_network_is_refused(sigma_w: float, s: float) -> None:
    with pytest.raises(mf.DomainError, match="sigma_w"):
        mf.chi_1(sigma_w, s)


@pytest.mark.parametrize("value", [-1e-9, 1001.0, math.nan])
def test_a_variance_outside_of_the_domain_is_refused(value: float) -> None:
    with pytest.raises(mf.DomainError, match="variance"):
        mf.mean(np.tanh, value)
    with pytest.raises(mf.DomainError, match="s="):
        mf.critical_sigma_w(value)


def test_a_root_that_is_not_there_is_no_number() -> None:
    with pytest.raises(mf.ConvergenceError, match="no root found"):
        mf.root(lambda x: x * x + 1, -1.0, 1.0)
