"""The bound holds, and is reached where decay is exactly geometric."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.theory.bias import bound
from throughtime.theory.mean_field import DomainError


@given(st.floats(0.05, 0.95), st.integers(1, 30))
def test_a_linear_unit_reaches_the_bound(beta: float, K: int) -> None:
    # h_t = beta h_{t-1} + theta: dh_t/dtheta = sum of beta^k over all k, truncated over k < K.
    bias = 1 / (1 - beta) - sum(beta**k for k in range(K))
    assert bound(K, beta, tau=0, phi=[1.0]) == pytest.approx(bias, rel=1e-6, abs=1e-12)


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=12),
    st.floats(0, 0.9),
    st.lists(st.floats(0, 1), min_size=60, max_size=60),
)
def test_no_sequence_that_decays_from_tau_on_leaves_out_more(
    head: list[float], beta: float, slack: list[float]
) -> None:
    phi = list(head)
    for f in slack:
        phi.append(phi[-1] * beta * f)
    depth = np.arange(1, 40)
    left_out = np.array([sum(phi[k:]) for k in depth])
    assert (left_out <= bound(depth, beta, len(head) - 1, head) + 1e-9).all()


def test_a_tanh_unit_stays_below_the_bound_by_its_own_signal() -> None:
    rng = np.random.default_rng(0)
    h, states, w, steps = 0.0, [], 0.9, 60
    for x in rng.standard_normal(steps):
        h = np.tanh(w * h + x)
        states.append(h)
    slopes = 1 - np.array(states[::-1]) ** 2  # of h_t, from the last step backward
    signal = np.concatenate([[1.0], np.cumprod(w * slopes)])[:steps]  # dh_T/dh_{T-k}
    terms = signal * slopes  # with the direct derivative of h_{T-k} by the bias
    for K in (1, 3, 10, 30):
        assert abs(terms[K:].sum()) <= bound(K, beta=w, tau=0, phi=signal, M=1.0)


def test_gradients_that_do_not_decay_have_no_bound() -> None:
    with pytest.raises(DomainError, match="beta=1"):
        bound(3, 1.0, 0, [1.0])


def test_the_signal_at_tau_must_be_given() -> None:
    with pytest.raises(DomainError, match=r"phi_0\.\.phi_4"):
        bound(3, 0.5, 4, [1.0, 0.9])
