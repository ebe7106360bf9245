"""The bias of truncated gradients against their definition."""

import math

import pandas as pd
import pytest
import torch

from tests.support.blocks import block
from tests.support.programs import Program, assert_close, slow_gradient
from throughtime.probes import truncation_bias
from throughtime.probes._base import Subject
from throughtime.probes.truncation_bias import bias, mean_gradients, measure

T = 12


def depth(mode: str, K: int, t: int) -> int:
    """Steps that the loss at step t sees, from the definitions in science.md, windows aligned to
    the end.
    """
    if mode == "sliding":
        return K
    after = (T - 1 - t) // K  # whole windows between t and the end
    return t + 1 - max(0, T - after * K - (K if mode == "chunked" else 2 * K - 1))


@pytest.mark.parametrize("task", ["text", "brackets"])
def test_gradients_are_those_of_the_definition(task, monkeypatch):
    """Losses at all steps, windows that overlap, a K that does not divide T; the expectation is
    over several batches.
    """
    monkeypatch.setattr(truncation_bias, "BATCHES", 2)
    subject = Subject(
        block(task, window=T) if task == "text" else block(task, generate=True, opening=0.6),
        overlap=True,
    )
    assert subject.sizes.steps == T
    full, found = mean_gradients(subject, [1, 5])
    plans = {("full", T): full, **found}
    totals = {plan: {name: torch.zeros_like(g) for name, g in full.items()} for plan in plans}
    weights = subject.weights
    for run in subject.runs(2):
        tokens = (
            run.x - run.x.new_tensor([g * subject.sizes.inputs for g in range(4)])[None, :, None]
        )
        dense = torch.nn.functional.one_hot(tokens, subject.sizes.inputs).double()
        start = subject.tape.states[0].clone()
        p = Program(
            "tanh",
            "softmax",
            subject.sizes,
            subject.tape,
            subject.flat,
            weights,
            run.x,
            dense,
            run.targets,
        )
        monkeypatch.setattr("tests.support.programs.start_state", lambda p, w, start=start: start)
        for (mode, K), total in totals.items():
            slow = slow_gradient(
                p, lambda t, mode=mode, K=K: T if mode == "full" else depth(mode, K, t)
            )
            for name, g in slow.items():
                total[name] += g
    for plan, expected in totals.items():
        assert_close(plans[plan], expected)


def test_the_table_holds_every_mode_and_k():
    found = measure(block("text", window=T))
    assert set(found["quantity"]) == {
        f"{q}{part}_{mode}"
        for q in ("log_delta", "cosine")
        for part in ("", "_hh")
        for mode in truncation_bias.MODES
    } | {"log_delta_sequence_sliding"}
    assert set(found["index"]) == {1, 2, 3, 5, 8}
    wide = found.query("row == 1").pivot(index="index", columns="quantity", values="value")
    for part in ("", "_hh"):
        # K = 1: all the same
        assert wide.loc[1, f"log_delta{part}_chunked"] == pytest.approx(
            wide.loc[1, f"log_delta{part}_sliding"]
        )
        assert wide.loc[1, f"log_delta{part}_chunked"] == pytest.approx(
            wide.loc[1, f"log_delta{part}_buffered"]
        )
    subject = Subject(block("text", window=T), overlap=True)
    full, found_gradients = mean_gradients(subject, [3])
    a, b = found_gradients["sliding", 3]["W_hh"][1], full["W_hh"][1]
    assert wide.loc[3, "log_delta_hh_sliding"] == pytest.approx(math.log((a - b).norm() / b.norm()))
    assert wide.loc[3, "cosine_hh_sliding"] == pytest.approx(
        torch.cosine_similarity(a.flatten(), b.flatten(), 0).item()
    )


def test_the_bias_of_a_sequence_is_that_of_its_own_gradient(monkeypatch):
    """Of a batch of one it is the batch's; of more, the mean of the logarithms."""
    monkeypatch.setattr(truncation_bias, "BATCHES", 1)
    alone = measure(block("text", window=T, batch=1))
    both = [
        alone[alone["quantity"] == f"log_delta_{q}_sliding"].set_index(["row", "index"])["value"]
        for q in ("sequence", "hh")
    ]
    pd.testing.assert_series_equal(*both)
    subject = Subject(block("text", window=T, batch=3), overlap=True)
    found = truncation_bias.sequence_biases(subject, [3])[3]
    run = next(iter(subject.runs(1)))
    _, dy = truncation_bias.loss_of("softmax")(run.y, run.targets)
    steps, logs = subject.sizes.steps, []
    for sequence in range(3):
        only = dy * (torch.arange(3) == sequence)[:, None]
        full, cut = (
            truncation_bias.backward(
                subject.tape,
                subject.weights,
                run.x,
                only,
                truncation_bias.windows_of(mode, steps, K),
            )["W_hh"]
            for mode, K in (("full", steps), ("sliding", 3))
        )
        logs.append(((cut - full).norm(dim=(1, 2)) / full.norm(dim=(1, 2))).log())
    assert found == pytest.approx(torch.stack(logs).mean(0))


def test_a_network_without_memory_has_no_bias():
    made = block("text", window=T)
    made.weights["W_hh"].zero_()
    found = measure(made).set_index(["quantity", "index"])["value"]
    expected = [
        (name, K) for name, K in found.index if name.startswith("log_delta_") and "hh" not in name
    ]
    assert (found[expected] < math.log(1e-12)).all()


@pytest.mark.parametrize("scale", [1.0, 1e200, 1e-200])
def test_bias_at_any_scale(scale):
    a, b = (
        torch.tensor([[3.0, 0.0], [-1.0, 0.0], [1.0, 2.0]]).double(),
        torch.tensor([[3.0, 4.0], [1.0, 0.0], [1.0, 2.0]]).double(),
    )
    delta, cosine = bias(a * scale, b * scale)
    assert delta.exp().tolist() == pytest.approx([0.8, 2.0, 0.0])
    assert cosine.tolist() == pytest.approx([0.6, -1.0, 1.0])


def test_no_gradient_no_bias():
    delta, _ = bias(torch.ones(1, 2), torch.zeros(1, 2))
    assert torch.isposinf(delta).all()
    assert torch.isnan(torch.stack(bias(torch.zeros(1, 2), torch.zeros(1, 2)))).all()
