"""Theory of the minimalRNN: closed forms, and a simulated network whose weights are drawn anew."""

import numpy as np
import pytest

from throughtime.core.rng import stream
from throughtime.theory import minimal
from throughtime.theory.mean_field import DomainError

INPUTS = minimal.Inputs(s=0.3, rho=0.4, shared=0.05, fresh=0.2)
SIGMA_W, BIAS, N, STEPS, REPEATS = 3.0, 1.0, 300, 12, 16


def test_the_gate_of_a_silent_network_is_its_bias() -> None:
    silent = minimal.Inputs(0.0, 0.0, 0.0, 0.0)
    u = 1 / (1 + np.exp(-BIAS))
    assert minimal.q_star(SIGMA_W, BIAS, silent) == 0
    assert minimal.chi_1(SIGMA_W, BIAS, silent) == pytest.approx(u**2)
    assert minimal.chi_c(SIGMA_W, BIAS, silent) == pytest.approx(u**2)
    assert minimal.xi_c(SIGMA_W, BIAS, silent) == pytest.approx(-1 / np.log(u**2))


def test_a_symmetric_gate_keeps_half_where_sequences_share_nothing() -> None:
    """E sigma = 1/2 by symmetry, and the gates of the two are independent."""
    own = minimal.Inputs(0.3, 0.0, 0.0, 0.2)
    assert minimal.chi_c(SIGMA_W, 0.0, own) == pytest.approx(0.25)
    # E (1 - u)^2 = E u^2 = 1/4 + v, v the gate's variance
    q = minimal.q_star(SIGMA_W, 0.0, own)
    state = minimal.state_variance(q, 0.0, own.fresh)
    kept = state / (own.fresh + state)
    assert 0.25 < kept < 0.5
    assert q == pytest.approx(SIGMA_W**2 * state + own.s)


def test_a_larger_bias_keeps_longer() -> None:
    xi = [minimal.xi_c(1.0, bias, minimal.distractors(6, 4)) for bias in (-2, 0, 2, 4, 8)]
    assert xi == sorted(xi)
    assert xi[-1] > 1000


def test_variance_forgetting_and_gradient_are_those_of_a_simulated_network() -> None:
    q = minimal.q_star(SIGMA_W, BIAS, INPUTS)
    variance = minimal.state_variance(q, BIAS, INPUTS.fresh)
    rng = stream(0, "minimal")
    found = np.zeros((REPEATS, 3))
    for repeat in range(REPEATS):
        shared = np.sqrt(INPUTS.shared) * rng.standard_normal(N)
        start = np.sqrt(variance) * rng.standard_normal(N)
        a, b = start + shared, start + shared  # told apart from here on
        for _ in range(STEPS):
            W = SIGMA_W / np.sqrt(N) * rng.standard_normal((N, N))
            drive = np.sqrt(INPUTS.s) * rng.standard_normal((3, N))
            common = np.sqrt(INPUTS.rho) * drive[2]
            new = []
            for h, own in ((a, drive[0]), (b, drive[1])):
                e = W @ h + common + np.sqrt(1 - INPUTS.rho) * own
                u = minimal.sigma(e + BIAS)
                n = shared + np.sqrt(INPUTS.fresh) * rng.standard_normal(N)
                new.append((u * h + (1 - u) * n, u, e, h - n))
            (a, u, e, gap), (b, *_) = new
        direction = rng.standard_normal(N)
        back = u * direction + W.T @ (u * (1 - u) * gap * direction)
        found[repeat] = e.var(), ((a - shared) * (b - shared)).mean(), back @ back / N
    spread = found.std(0) / np.sqrt(REPEATS)
    told = minimal.chi_c(SIGMA_W, BIAS, INPUTS) ** STEPS * variance
    expected = np.array([q, told, minimal.chi_1(SIGMA_W, BIAS, INPUTS)])
    assert (np.abs(found.mean(0) - expected) < 4 * spread).all()
    assert (spread < [0.05 * q, 0.05 * variance, 0.1]).all()


def test_what_is_no_variance_is_refused() -> None:
    with pytest.raises(DomainError, match="variances >= 0"):
        minimal.Inputs(-0.1, 0.0, 0.0, 0.1)
