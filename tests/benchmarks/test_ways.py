"""Ways of training: operations counted, shapes, what is timed. No test looks at a clock."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from throughtime.benchmarks import ways
from throughtime.benchmarks.ways import PARTS, Shape
from throughtime.planning.sweep import expand

TINY = Shape("tanh", 5, 3, 24, 4)


def test_operations_by_hand():
    """T B N^2 is 21 x 2 x 9, the head 10 x 2 x 3 x 8; multiplied and added, three times."""
    assert Shape("tanh", 3, 2, 21).flops == 6 * (378 + 480)
    assert Shape("lstm", 3, 2, 21).flops == 6 * (4 * 378 + 480)
    assert Shape("gru", 3, 2, 21).flops == 6 * (3 * 378 + 480)


@pytest.mark.slow
def test_operations_are_those_that_torch_counts():
    s = TINY
    w_h = torch.randn(s.N, s.N, requires_grad=True)
    w_y = torch.randn(s.N, s.classes, requires_grad=True)
    x = torch.randn(s.T, s.B, s.N)
    h = torch.zeros(s.B, s.N, requires_grad=True)
    counter = FlopCounterMode(display=False)
    with counter:
        state, total = h, torch.zeros(())
        for t in range(s.T):
            state = torch.tanh(x[t] + state @ w_h)
            if t >= s.T - s.scored:
                total = total + (state @ w_y).logsumexp(-1).sum()
        total.backward()
    assert counter.get_total_flops() == s.flops


def test_the_axes_are_the_shape():
    (planned,) = expand("bench", "bench", TINY.axes, "bench").jobs
    job = planned.job
    assert (job.hidden, job.batch, job.steps, job.task.scored) == (5, 3, 24, TINY.scored)
    assert (job.task.inputs, job.task.outputs) == (TINY.symbols, TINY.classes)
    assert len(planned.grid) == Shape("tanh", 5, 3).rows
    assert (job.mode, job.cell.name) == ("full", "tanh")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_our_ways_train_the_rows(engine, cell, part):
    run, networks = ways.throughtime(engine)(Shape(cell, 5, 3, 24, 4), part)
    run()
    run()
    assert networks == 4


def test_our_gradients_are_one_gradient():
    """What is timed is forward and backward of the same networks with both engines."""
    kept = {}
    for engine in ("numba", "torch"):
        run, _ = ways.throughtime(engine)(TINY, "gradients")
        kept[engine] = run()
    for a, b in zip(kept["numba"], kept["torch"], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
        assert a.abs().max() > 0


def test_without_numba_there_is_a_reason(monkeypatch):
    monkeypatch.setattr(ways, "numba_is_installed", lambda: False)
    with pytest.raises(ways.Unavailable, match="numba is not installed"):
        ways.throughtime("numba")(TINY, "step")


def test_without_a_compiler_there_is_a_reason(monkeypatch):
    monkeypatch.setattr(ways.shutil, "which", lambda name: None)
    with pytest.raises(ways.Unavailable, match=r"no C\+\+ compiler"):
        ways.compiled_module(TINY, "step")


@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
def test_one_at_a_time_trains_in_step_alone(cell):
    shape, losses = Shape(cell, 5, 3, 24), {}
    for part in PARTS:
        torch.manual_seed(0)
        network = ways.Network(shape)
        before = [p.clone() for p in network.parameters()]
        ways._by_autograd(network, network, shape, part)()
        moved = [not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)]
        losses[part] = moved
        assert all(p.grad is not None for p in network.parameters())
    assert all(losses["step"])
    assert not any(losses["gradients"])


def test_vmap_of_grad_is_autograd_one_by_one(monkeypatch):
    """Its gradient, of a network that torch.nn.RNN computes too."""
    shape, found = Shape("tanh", 5, 3, 24, 2), {}
    data = ways._data(shape)
    monkeypatch.setattr(ways, "_data", lambda _: data)
    vmap = torch.func.vmap

    def watched(function):
        def call(weights):
            found.update(weights=weights, gradient=vmap(function)(weights))
            return found["gradient"]

        return call

    monkeypatch.setattr(torch.func, "vmap", watched)
    run, networks = ways.vmap_of_grad(shape, "gradients")
    run()
    assert networks == 2
    for row in range(2):
        network = ways.Network(shape)
        w = {name: value[row] for name, value in found["weights"].items()}
        with torch.no_grad():
            network.body.weight_ih_l0.copy_(w["w_x"].T)
            network.body.weight_hh_l0.copy_(w["w_h"].T)
            network.body.bias_ih_l0.copy_(w["b"])
            network.body.bias_hh_l0.zero_()
            network.head.weight.copy_(w["w_y"].T)
            network.head.bias.copy_(w["b_y"])
        network(*data).backward()
        for name, own in {
            "w_x": network.body.weight_ih_l0.grad.T,
            "w_h": network.body.weight_hh_l0.grad.T,
            "b": network.body.bias_ih_l0.grad,
            "w_y": network.head.weight.grad.T,
            "b_y": network.head.bias.grad,
        }.items():
            torch.testing.assert_close(found["gradient"][name][row], own, rtol=1e-4, atol=1e-6)


def test_vmap_of_grad_clips_each_network_by_its_own_norm(monkeypatch):
    """A network with a gradient of norm 30 moves by 1e-3, one with .3 by 3e-4."""
    gradient = {"w_h": torch.stack([torch.full((3, 3), 10.0), torch.full((3, 3), 0.1)])}
    seen = {}

    def found(weights):
        seen.update(weights=weights, before=weights["w_h"].clone())
        return gradient

    monkeypatch.setattr(torch.func, "vmap", lambda function: found)
    run, _ = ways.vmap_of_grad(Shape("tanh", 3, 2, 24, 2), "step")
    run()
    moved = (seen["before"] - seen["weights"]["w_h"]).flatten(1).norm(dim=1)
    assert moved.tolist() == pytest.approx([1e-3, 3e-4], rel=1e-3)
