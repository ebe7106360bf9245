"""Initial weights: their distributions, and that nothing but a row's own entries moves them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.engine.cells import cell
from throughtime.engine.initialization import recurrent
from throughtime.engine.parameters import initial, views
from throughtime.engine.sizes import shapes, size
from throughtime.planning.axes import grid

N = 64
LAYOUT = shapes(cell("tanh"), 3, N, 2, learned_h0=True)


def weights(**axes):
    rows = grid({k: v if isinstance(v, list) else [v] for k, v in axes.items()})
    return views(initial(cell("tanh"), rows, LAYOUT, torch.float64), LAYOUT)


@given(st.integers(0, 1000), st.sampled_from([0.25, 0.9, 1.0, 1.7]))
@settings(max_examples=15, deadline=None)
def test_orthogonal_is_gain_times_an_orthogonal_matrix(seed, gain):
    w = weights(seed=seed, gain=gain, init="orthogonal")["W_hh"][0].numpy()
    assert np.allclose(w @ w.T, gain**2 * np.eye(N), atol=1e-12)
    assert np.abs(np.linalg.eigvals(w)).max() == pytest.approx(gain, rel=1e-10)


def test_orthogonal_is_haar():
    """E[tr Q] = 0 and E[(tr Q)^2] = 1 for Haar measure; QR without the sign correction has
    neither.
    """
    traces = np.array([np.trace(recurrent("orthogonal", seed, 8)) for seed in range(600)])
    assert abs(traces.mean()) < 4 / math.sqrt(600)
    assert (traces**2).mean() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(
    ("init", "std"), [("gaussian", 1 / math.sqrt(N)), ("pytorch", 1 / math.sqrt(3 * N))]
)
def test_standard_deviations(init, std):
    values = np.stack([recurrent(init, seed, N) for seed in range(20)])
    assert values.std() == pytest.approx(std, rel=0.02)
    assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
    if init == "pytorch":
        assert np.abs(values).max() <= 1 / math.sqrt(N)


@pytest.mark.parametrize("hidden", [6, N])
def test_sparse_has_15_incoming_connections_and_spectral_radius_1(hidden):
    w = recurrent("sparse", 3, hidden)
    assert ((w != 0).sum(0) == min(15, hidden)).all()
    assert np.abs(np.linalg.eigvals(w)).max() == pytest.approx(1, rel=1e-10)
    kept = w[w != 0] / w[w != 0].std()
    assert abs(kept.mean()) < 4 / math.sqrt(kept.size)
    if hidden == N:  # who connects to whom is random: outgoing connections vary around 15
        assert (w != 0).sum(1).std() > 1


def test_identity_and_the_other_weights():
    w = weights(seed=list(range(40)), init="identity", gain=0.5, input_gain=2.0)
    assert torch.equal(w["W_hh"][3], 0.5 * torch.eye(N, dtype=torch.float64))
    assert w["W_xh"].std().item() == pytest.approx(2 / math.sqrt(3), rel=0.03)
    assert w["W_hy"].std().item() == pytest.approx(1 / math.sqrt(N), rel=0.03)
    assert all(w[name].abs().max() == 0 for name in ("b_h", "b_y", "h_0"))


def test_one_seed_has_one_matrix_for_every_gain():
    w = weights(seed=3, gain=[0.5, 2.0], clip=[1.0, "none"])
    assert torch.equal(w["W_hh"][0] * 4, w["W_hh"][2])
    assert torch.equal(w["W_xh"][0], w["W_xh"][3])


def test_a_row_does_not_depend_on_the_others():
    alone = initial(cell("tanh"), grid({"seed": [5], "gain": [1.5]}), LAYOUT, torch.float32)
    many = initial(cell("tanh"), grid({"seed": [2, 5], "gain": [0.5, 1.5]}), LAYOUT, torch.float32)
    assert torch.equal(alone[0], many[3])


def test_views_are_the_row():
    flat = torch.zeros(2, size(LAYOUT))
    for i, view in enumerate(views(flat, LAYOUT).values()):
        view += i + 1
    assert flat.min() == 1
    assert flat.sum() == 2 * sum((i + 1) * math.prod(s) for i, s in enumerate(LAYOUT.values()))
