"""Spectrum and states against their definitions."""

import numpy as np
import pytest
import torch

from tests.support.blocks import block
from throughtime.probes import spectrum
from throughtime.probes.spectrum import measure


def values(found, quantity, row):
    return (
        found[(found["quantity"] == quantity) & (found["row"] == row)]
        .sort_values("index")["value"]
        .to_numpy()
    )


def test_an_orthogonal_matrix_times_its_gain():
    found = measure(block("copy", init="orthogonal"))
    for row, gain in ((0, 0.7), (1, 0.7), (2, 1.3), (3, 1.3)):
        gain = block("copy").rows["gain"][row]
        assert values(found, "spectral_radius", row) == pytest.approx([gain])
        assert values(found, "singular_value", row) == pytest.approx([gain] * 5)


def test_radius_and_norm_of_a_matrix_that_is_not_normal():
    made = block("copy", hidden=2)
    made.weights["W_hh"].copy_(torch.tensor([[0.5, 3.0], [0.0, -0.25]]))
    found = measure(made)
    assert values(found, "spectral_radius", 0) == pytest.approx([0.5])
    s = values(found, "singular_value", 0)
    assert s.prod() == pytest.approx(0.125)  # |det|
    assert (s**2).sum() == pytest.approx(0.5**2 + 3**2 + 0.25**2)  # squared Frobenius norm
    assert s[0] > s[1]


def test_states_against_a_loop(monkeypatch):
    monkeypatch.setattr(spectrum, "BATCHES", 2)
    made = block("text", gain=3.0, input_gain=6.0, seeds=1)
    found, w = measure(made), {name: v[0] for name, v in made.weights.items()}
    h, sequences = torch.zeros(4, 5, dtype=torch.float64), []
    for batch in made.judges.check.batches[:2]:
        states = []
        for symbols in torch.from_numpy(batch.inputs):
            h = torch.tanh(w["W_xh"][symbols] + h @ w["W_hh"] + w["b_h"])
            states.append(h)
        sequences.append(torch.stack(states))
    states = torch.cat(sequences, 1).numpy()  # (T, sequences, N)
    share = (np.abs(states) > 0.95).mean((1, 2))
    assert share.max() > 0.1
    assert values(found, "saturation", 0) == pytest.approx(share)
    assert values(found, "state_norm", 0) == pytest.approx(np.sqrt((states**2).sum(-1).mean(1)))


def test_what_is_summed_on_a_device_is_what_is_summed_on_the_host():
    h = torch.randn(3, 2, 4, 5, dtype=torch.float64)
    host, device = spectrum.activity(h.numpy()), spectrum.activity_on_device(h)
    assert 0 < host[0].mean() < 1
    for one, other in zip(host, device, strict=True):
        assert one == pytest.approx(other, rel=1e-14)
