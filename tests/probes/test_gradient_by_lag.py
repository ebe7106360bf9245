"""Gradient by lag of each sequence, against autograd and closed forms."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.support.blocks import RECURRENT, block, linear
from tests.support.programs import PHI, program
from throughtime.engine.bptt import forward
from throughtime.probes import gradient_by_lag
from throughtime.probes.gradient_by_lag import by_example, log_rms, measure
from throughtime.training import evaluation


def slow(p):
    """(T, G, B) norms by lag from autograd: each sequence's loss at its own last scored step; NaN
    where there is none.
    """
    h, states = torch.zeros(p.sizes.rows, p.sizes.batch, p.sizes.hidden, dtype=torch.float64), []
    for x_t in p.dense:
        h = PHI[p.cell](
            x_t @ p.weights["W_xh"] + h @ p.weights["W_hh"] + p.weights["b_h"][:, None]
        ).requires_grad_()
        states.append(h)
    first = p.sizes.steps - p.sizes.scored
    result = torch.full((p.sizes.steps, p.sizes.rows, p.sizes.batch), math.nan, dtype=torch.float64)
    for g in range(p.sizes.rows):
        for b in range(p.sizes.batch):
            scored = p.targets.weight[:, g, b].nonzero()
            if not len(scored):
                continue
            i = int(scored[-1])
            y = states[first + i][g, b] @ p.weights["W_hy"][g] + p.weights["b_y"][g]
            target = p.targets.values[i, g, b]
            loss = (
                -torch.log_softmax(y, -1)[target]
                if p.head == "softmax"
                else (y - target).square().mean()
            )
            known = states[: first + i + 1]
            for lag, gradient in enumerate(
                reversed(torch.autograd.grad(loss, known, retain_graph=True))
            ):
                result[lag, g, b] = gradient[g, b].norm()
    return result


@pytest.mark.parametrize("name", sorted(PHI))
@pytest.mark.parametrize("head", ["softmax", "regression"])
@pytest.mark.parametrize(("scored", "masked"), [(1, False), (4, True), (7, True)])
def test_against_autograd(name, head, scored, masked):
    p = program(name, head, scored=scored, masked=masked, batch=5)
    found = by_example(p.tape, p.weights, forward(p.tape, p.weights, p.x), p.targets, head)
    expected = slow(p)
    assert torch.isnan(expected).any() == masked
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.allclose(found.exp().nan_to_num(), expected.nan_to_num(), rtol=1e-10)


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_neither_half_nor_two_to_the_power_of_a_thousand_is_lost(gain):
    """Of a linear network with an orthogonal matrix every sequence's signal is gain^lag, far
    outside float64 at lag 1,200.
    """
    subject = linear(gain * torch.eye(3).flip(0), steps=1201)
    (run,) = subject.runs(1)
    logs = by_example(subject.tape, subject.weights, run.y, run.targets, "softmax")
    assert torch.allclose(
        logs[1200] - logs[0], torch.tensor(1200 * math.log(gain), dtype=torch.float64), rtol=1e-12
    )


def test_the_table_sums_up_the_sequences():
    made = block("brackets", batch=7)
    found = measure(made)
    rms = found[(found["quantity"] == "log_gradient_rms") & (found["row"] == 2)].set_index("index")[
        "value"
    ]
    middle = found[(found["quantity"] == "log_gradient_q50") & (found["row"] == 2)].set_index(
        "index"
    )["value"]
    subject = gradient_by_lag.Subject(made)
    runs = subject.runs(gradient_by_lag.BATCHES)
    logs = [
        by_example(subject.tape, subject.weights, r.y, r.targets, "softmax")[:, 2] for r in runs
    ]
    norms = torch.cat(logs, 1).exp()
    assert norms.shape[1] == 7 * gradient_by_lag.BATCHES
    assert norms.isnan().any()
    for lag, row in enumerate(norms):
        known = np.sort(row[~row.isnan()].numpy())
        assert rms[lag] == pytest.approx(math.log(math.sqrt((known**2).mean())), rel=1e-9)
        assert middle[lag] == pytest.approx(
            math.log(known[math.ceil(len(known) / 2) - 1]), rel=1e-9
        )


@pytest.mark.parametrize("name", RECURRENT)
def test_the_ratio_is_the_summary_tables_signal(name, monkeypatch):
    """The signal at every lag over that at lag 1, where both see all sequences."""
    monkeypatch.setattr(gradient_by_lag, "BATCHES", evaluation.CHECK)
    monkeypatch.setattr(evaluation, "SIGNAL", evaluation.CHECK)
    made = block("copy", cell=name)
    found = (
        measure(made)
        .query("quantity == 'log_gradient_rms'")
        .pivot(index="row", columns="index", values="value")
    )
    ratios = np.exp(found.sub(found[1], axis=0))
    assert made.job.task.lags[1] in ratios
    assert ratios.to_numpy() == pytest.approx(made.signal()[:, ratios.columns], rel=1e-9)


def test_a_dead_network_has_no_signal():
    p = program("relu", scored=1)
    p.weights["b_h"].fill_(-1e6)
    logs = by_example(p.tape, p.weights, forward(p.tape, p.weights, p.x), p.targets, "softmax")
    assert torch.isneginf(logs[1:]).all()


@given(arrays(float, (2, 5), elements=st.floats(-300, 300)))
def test_log_rms_is_the_definition_where_that_can_be_computed(logs):
    assert log_rms(logs) == pytest.approx(
        np.log(np.sqrt(np.exp(2 * logs).mean(-1))), rel=1e-9, abs=1e-9
    )
    assert log_rms(logs - 5000) == pytest.approx(log_rms(logs) - 5000, rel=1e-9)


def test_log_rms_of_nothing_and_of_zeros():
    with_gap = np.array([[-np.inf, -np.inf], [np.nan, np.nan], [0.0, np.nan], [-np.inf, 0.0]])
    assert np.array_equal(
        log_rms(with_gap), [-np.inf, np.nan, 0.0, -math.log(2) / 2], equal_nan=True
    )


@pytest.mark.parametrize("task", ["copy", "text"])
def test_below_gain_one_orthogonal_networks_cannot_but_vanish(task):
    """Every singular value of a step's Jacobian is at most g: so no claim is made of it."""
    found = measure(block(task, init="orthogonal", gain=[0.5, 0.9], hidden=6))
    norms = found[found["quantity"] == "log_gradient_rms"]
    for row, gain in enumerate([0.5, 0.9] * 2):
        own = norms[norms["row"] == row].sort_values("index")["value"].to_numpy()
        assert len(own) > 3
        assert (np.diff(own) <= math.log(gain) + 1e-9).all()
