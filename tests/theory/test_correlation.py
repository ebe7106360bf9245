"""The correlation map in its textbook form, by adaptive quadrature; its slope; its limits; two
simulated sequences.
"""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from throughtime.theory import correlation as co
from throughtime.theory import mean_field as mf

CASES = [
    (0.7, 0.1, 1.0),
    (1.45, 0.1, 1.0),
    (3.0, 0.5, 1.0),
    (1.0, 0.1, 0.75),
    (1.5, 0.2, 0.25),
    (1.0, 0.1, -0.5),
]


def textbook(c: float, sigma_w: float, s: float, rho: float) -> float:
    """c' = (sigma_w^2 E tanh u tanh v + s rho) / q*, nested adaptive quadrature; v = c u + sqrt(1 -
    c^2) w.
    """
    q = mf.q_star(sigma_w, s)
    root = math.sqrt(q)

    def density(z: float) -> float:
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    def inner(z: float) -> float:
        def f(y: float) -> float:
            return density(y) * math.tanh(root * (c * z + math.sqrt(1 - c * c) * y))

        return quad(f, -10, 0, epsabs=1e-11)[0] + quad(f, 0, 10, epsabs=1e-11)[0]

    def outer(z: float) -> float:
        return density(z) * math.tanh(root * z) * inner(z)

    return (sigma_w**2 * 2 * quad(outer, 0, 10, epsabs=1e-10)[0] + s * rho) / q


@pytest.mark.parametrize(("sigma_w", "s", "rho"), CASES)
def test_c_star_is_a_fixed_point_of_the_textbook_map(sigma_w: float, s: float, rho: float) -> None:
    c = co.c_star(sigma_w, s, rho)
    assert textbook(c, sigma_w, s, rho) == pytest.approx(c, abs=1e-8)


@pytest.mark.parametrize(("sigma_w", "s", "rho"), CASES)
@pytest.mark.parametrize("start", [-0.9, 0.1, 0.999])
def test_every_pair_of_sequences_is_drawn_to_c_star(
    sigma_w: float, s: float, rho: float, start: float
) -> None:
    q, d = mf.q_star(sigma_w, s), 1 - start
    for _ in range(600):
        d = co.next_decorrelation(d, q, sigma_w, s, rho)
    assert 1 - d == pytest.approx(co.c_star(sigma_w, s, rho), abs=1e-5)


@pytest.mark.parametrize(("sigma_w", "s", "rho"), CASES)
def test_chi_c_is_the_slope_of_the_map(sigma_w: float, s: float, rho: float) -> None:
    q, d = mf.q_star(sigma_w, s), co.decorrelation(sigma_w, s, rho)
    step = 1e-5 if d > 0.1 else 1e-7
    low = max(d - step, 0.0)
    slope = (
        co.next_decorrelation(d + step, q, sigma_w, s, rho)
        - co.next_decorrelation(low, q, sigma_w, s, rho)
    ) / (d + step - low)
    assert co.chi_c(sigma_w, s, rho) == pytest.approx(slope, abs=1e-5)
    assert co.chi_c(sigma_w, s, rho) < 1


@pytest.mark.parametrize("s", [0.02, 0.1, 1.0])
def test_shared_inputs_have_a_transition_where_gradients_do(s: float) -> None:
    critical = mf.critical_sigma_w(s)
    assert co.c_star(critical * 0.99, s, 1.0) == 1
    assert co.chi_c(critical * 0.99, s, 1.0) == pytest.approx(
        mf.chi_1(critical * 0.99, s), rel=1e-12
    )
    assert 0.5 < co.c_star(critical * 1.01, s, 1.0) < 0.999
    scales = [co.xi_c(critical * f, s, 1.0) for f in (0.8, 0.9, 0.99, 0.999)]
    assert (np.diff(scales) > 0).all()
    assert scales[-1] > 200


def test_independent_inputs_have_none() -> None:
    scales = [
        co.xi_c(f * mf.critical_sigma_w(0.1), 0.1, 0.0) for f in (0.9, 0.99, 0.999, 1.001, 1.01)
    ]
    assert max(scales) < 10
    assert co.c_star(1.4, 0.1, 0.0) == 0
    assert co.chi_c(1.4, 0.1, 0.0) == pytest.approx(
        1.4**2 * mf.mean(mf.sech2, mf.q_star(1.4, 0.1)) ** 2, rel=1e-9
    )


def test_a_hair_beyond_the_line_the_difference_is_not_lost() -> None:
    critical = mf.critical_sigma_w(0.1)
    near, far = (co.decorrelation(critical * (1 + e), 0.1, 1.0) for e in (1e-7, 1e-6))
    assert 0 < near < 1e-5
    assert far / near == pytest.approx(10, rel=0.01)  # linear in the distance


def test_two_simulated_sequences_end_at_c_star() -> None:
    rng = np.random.default_rng(2)
    n, sigma_w, s, rho = 1500, 1.3, 0.2, 0.6
    w, h, found = sigma_w * rng.standard_normal((n, n)) / math.sqrt(n), np.zeros((n, 2)), []
    for _ in range(40):
        a, b = rng.standard_normal((2, n))
        drive = math.sqrt(s) * np.stack([a, rho * a + math.sqrt(1 - rho**2) * b], 1)
        z = w @ h + drive
        h = np.tanh(z)
        found.append(np.corrcoef(z.T)[0, 1])
    assert np.mean(found[15:]) == pytest.approx(co.c_star(sigma_w, s, rho), abs=0.02)


def test_silence_has_no_correlation() -> None:
    with pytest.raises(mf.DomainError, match="dies out"):
        co.c_star(0.9, 0.0, 1.0)


@pytest.mark.parametrize("rho", [-1.1, 1.5, math.nan])
def test_what_is_no_correlation_is_refused(rho: float) -> None:
    with pytest.raises(mf.DomainError, match="rho"):
        co.c_star(1.0, 0.1, rho)
