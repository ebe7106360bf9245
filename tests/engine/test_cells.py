"""Every cell that is found: its contract, its derivatives, and torch's own modules as peers."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.support.blocks import RECURRENT
from throughtime.engine.bptt import Tape, Weights, backward, forward, gradients, with_ones
from throughtime.engine.cells import cell
from throughtime.engine.cells._base import tanh_
from throughtime.engine.losses._base import Targets, weights
from throughtime.engine.losses.regression import loss as squared_error
from throughtime.engine.parameters import initial, views
from throughtime.engine.program import TorchProgram
from throughtime.engine.sizes import Sizes, shapes, size
from throughtime.engine.truncation import Window, strides, windows
from throughtime.planning.axes import grid

N, B, G, T, INPUTS = 4, 3, 2, 9, 2


@pytest.mark.parametrize("name", RECURRENT)
def test_contract(name: str) -> None:
    found = cell(name)
    assert found.name == name
    assert found.source
    assert type(found).__doc__
    assert len(found.gate_gains) == found.gates
    assert found.changed() == {}
    assert not (found.in_place and (found.separate or found.states > 1))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("name", RECURRENT)
def test_adjoint_is_the_derivative_of_step(name: str) -> None:
    """Central differences of a step, contracted with a random covector, in z and in the state."""
    found = cell(name)
    z, previous = random(G, B, found.width * N), random(G, B, found.states * N, seed=1)
    covector = random(G, B, found.states * N, seed=2)
    d_z, d_previous = random(*z.shape, seed=3), random(*previous.shape, seed=4)

    def after(z: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        z = z.clone()
        state = z if found.in_place else torch.empty_like(previous)
        found.step(z, previous, state)
        return z, state

    def along(eps: float) -> Tensor:
        return (after(z + eps * d_z, previous + eps * d_previous)[1] * covector).sum()

    kept_z, state = after(z, previous)
    dz = torch.empty_like(z)
    direct = found.adjoint(covector, kept_z, previous, state, dz)
    exact = (dz * d_z).sum() + (0 if direct is None else (direct * d_previous).sum())
    numeric = (along(1e-6) - along(-1e-6)) / 2e-6
    assert exact.item() == pytest.approx(numeric.item(), rel=1e-7)


def test_tanh_is_accurate_and_gives_an_element_the_same_bits_anywhere() -> None:
    x = torch.cat([torch.linspace(-12, 12, 20001), torch.logspace(-37, 0, 2001)])
    exact = torch.tanh(x.double())
    y = tanh_(x.clone())
    ulp = torch.nextafter(exact.float().abs(), torch.tensor(torch.inf)) - exact.float().abs()
    assert ((y.double() - exact).abs() / ulp.double()).max() < 4
    for start in (0, 1, 7, 10000):
        for length in (1, 3, 16, 33, 100):
            part = tanh_(x[start : start + length].clone())
            assert torch.equal(part, y[start : start + length])


# torch's modules as peers ----------------------------------------------------------------------


class Peer:
    """One network of a program as torch's module with a linear readout."""

    def __init__(self, name: str, w: Weights, row: int) -> None:
        made: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "tanh": nn.RNN}
        self.rnn = made[name](INPUTS, N, dtype=torch.float64)
        self.readout = nn.Linear(N, 1, dtype=torch.float64)
        self.two_biases = name == "gru"
        with torch.no_grad():
            self.rnn.weight_ih_l0.copy_(w["W_xh"][row].T)
            self.rnn.weight_hh_l0.copy_(w["W_hh"][row].T)
            self.rnn.bias_ih_l0.copy_(w["b_h"][row])
            self.rnn.bias_hh_l0.copy_(w["b_hh"][row] if self.two_biases else torch.zeros(()))
            self.readout.weight.copy_(w["W_hy"][row].T)
            self.readout.bias.copy_(w["b_y"][row])
        # the engine has one bias where torch has two whose sum acts
        self.rnn.bias_hh_l0.requires_grad_(self.two_biases)

    def parameters(self) -> list[nn.Parameter]:
        own = [*self.rnn.parameters(), *self.readout.parameters()]
        return [p for p in own if p.requires_grad]

    def truncated_loss(self, x: Tensor, values: Tensor, found: list[Window]) -> Tensor:
        """The loss whose gradient is that of the windows: each window's losses see its start."""
        total = torch.zeros((), dtype=torch.float64)
        for window in found:
            state = None
            if window.start:
                with torch.no_grad():
                    _, state = self.rnn(x[: window.start])
            h, _ = self.rnn(x[window.start : window.stop], state)
            scored = self.readout(h[window.scored - window.start :])
            total = total + (scored - values[window.scored : window.stop]).square().sum()
        return total / values.numel()

    def gradient(self) -> dict[str, Tensor]:
        def of(p: nn.Parameter) -> Tensor:
            assert p.grad is not None
            return p.grad

        rnn = self.rnn
        named = {"W_xh": of(rnn.weight_ih_l0).T, "W_hh": of(rnn.weight_hh_l0).T}
        named |= {"b_h": of(rnn.bias_ih_l0)} | (
            {"b_hh": of(rnn.bias_hh_l0)} if self.two_biases else {}
        )
        return named | {"W_hy": of(self.readout.weight).T, "b_y": of(self.readout.bias)}


def program(name: str, seed: int = 0) -> tuple[Tape, Tensor, Weights, Tensor, Targets]:
    made = cell(name)
    layout = shapes(made, INPUTS, N, 1)
    flat = 0.6 * random(G, size(layout), seed=seed)
    x, values = random(T, G, B, INPUTS, seed=seed + 1), random(T, G, B, 1, seed=seed + 2)
    tape = Tape(made, Sizes(G, T, B, INPUTS, N, 1, T, False), torch.float64)
    return tape, flat, views(flat, layout), x, Targets(values, weights(None, values, torch.float64))


MODES = {
    "full": strides("full", T, T),
    "chunked": strides("chunked", T, 4),
    "sliding": strides("sliding", T, 3),
    "sliding, k1 = 2": strides("sliding", T, 4, 2),
    "buffered": strides("buffered", T, 3),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["lstm", "gru", "tanh"])
def test_outputs_and_gradients_are_torchs_in_every_mode(name: str, mode: str) -> None:
    tape, _, w, x, targets = program(name)
    k1, k2 = MODES[mode]
    found = windows(T, k1, k2, T % k1)
    assert mode == "full" or any(window.start for window in found)
    y = forward(tape, w, with_ones(x)).clone()
    _, dy = squared_error(y.clone(), targets)
    mine = backward(tape, w, with_ones(x), dy, found)
    for row in range(G):
        peer = Peer(name, w, row)
        h, _ = peer.rnn(x[:, row])
        assert torch.allclose(y[:, row], peer.readout(h), rtol=1e-12, atol=1e-14)
        peer.truncated_loss(x[:, row], targets.values[:, row], found).backward()
        for weight, theirs in peer.gradient().items():
            assert torch.allclose(mine[weight][row], theirs, rtol=1e-10, atol=1e-13), weight


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_reset_at_borders_is_a_fresh_start(name: str) -> None:
    tape, _, w, x, targets = program(name)
    found = windows(T, 3, 3)
    resets = frozenset(window.start for window in found if window.start)
    y = forward(tape, w, with_ones(x), None, resets).clone()
    _, dy = squared_error(y.clone(), targets)
    mine = backward(tape, w, with_ones(x), dy, found)
    peer = Peer(name, w, 1)
    parts = [
        peer.readout(peer.rnn(x[a:b, 1])[0]) for a, b in pairwise([w.start for w in found] + [T])
    ]
    theirs = torch.cat(parts)
    assert torch.allclose(y[:, 1], theirs, rtol=1e-12)
    (theirs - targets.values[:, 1]).square().mean().backward()
    for weight, gradient in peer.gradient().items():
        assert torch.allclose(mine[weight][1], gradient, rtol=1e-10, atol=1e-13), weight


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_fifty_updates_are_torchs(name: str) -> None:
    """SGD on one batch after the other: the same weights to 1e-10 after 50 updates."""
    tape, flat, w, _, _ = program(name)
    peers = [Peer(name, w, row) for row in range(G)]
    optimizers = [torch.optim.SGD(peer.parameters(), lr=0.1) for peer in peers]
    for update in range(50):
        x, values = (
            random(T, G, B, INPUTS, seed=100 + update),
            random(T, G, B, 1, seed=200 + update),
        )
        targets = Targets(values, weights(None, values, torch.float64))
        _, g = gradients(tape, w, with_ones(x), targets, "regression", windows(T, T, T))
        for weight, value in w.items():
            value.sub_(g[weight], alpha=0.1)
        for row, (peer, optimizer) in enumerate(zip(peers, optimizers, strict=True)):
            optimizer.zero_grad()
            peer.truncated_loss(x[:, row], values[:, row], windows(T, T, T)).backward()
            optimizer.step()
    for row, peer in enumerate(peers):
        theirs = Peer(name, w, row)
        for mine, other in zip(theirs.parameters(), peer.parameters(), strict=True):
            assert torch.allclose(mine, other, rtol=1e-10, atol=1e-12)
    assert torch.isfinite(flat).all()


@pytest.mark.parametrize("name", RECURRENT)
def test_a_row_of_every_cell_has_the_same_bits_alone_and_among_others(name: str) -> None:
    made = cell(name)
    hidden = 10 if made.multiple == 2 else 9
    layout = shapes(made, 3, hidden, 2)
    flat = random(7, size(layout)).float()
    tokens = torch.randint(3, (T, 1, 5), generator=torch.Generator().manual_seed(0))

    def gradient(rows: slice) -> tuple[Tensor, Tensor]:
        part = flat[rows].clone()
        count = len(part)
        shape = Sizes(count, T, 5, 3, hidden, 2, T, True)
        program = TorchProgram(made, "softmax", shape, layout, torch.float32)
        x = tokens.expand(T, count, 5) + 3 * torch.arange(count)[None, :, None]
        values = torch.zeros(T, count, 5, dtype=torch.int64)
        targets = Targets(values, weights(None, values, torch.float32))
        return program.differentiate(part, x, targets, windows(T, 2, 5, T % 2))

    (loss, whole), (part_loss, part) = gradient(slice(0, 7)), gradient(slice(4, 6))
    assert torch.equal(loss[4:6], part_loss)
    for weight, found in views(whole, layout).items():
        assert torch.equal(found[4:6], views(part, layout)[weight]), weight


# Initial weights ---------------------------------------------------------------------------------


def test_every_gate_has_a_matrix_and_a_scale_of_its_own() -> None:
    made = cell("lstm", forget_bias=2, candidate_gain=0.5)
    layout = shapes(made, 3, 6, 2)
    rows = grid({"seed": [3, 3, 4], "gain": [1.0, 2.0], "init": ["orthogonal"]})
    w = {k: v.numpy() for k, v in views(initial(made, rows, layout, torch.float64), layout).items()}
    for row, gain in enumerate(rows["gain"]):
        gates = np.split(w["W_hh"][row], 4, axis=1)
        for gate, factor in zip(gates, (1, 1, 0.5, 1), strict=True):
            assert np.allclose(gate @ gate.T, (gain * factor) ** 2 * np.eye(6))
        assert all(not np.allclose(a, b) for a, b in pairwise(gates))
    assert np.allclose(w["b_h"], np.repeat([0, 2, 0, 0], 6))


def test_a_cell_of_one_gate_has_the_initial_weights_that_it_always_had() -> None:
    """The first numbers of seed 0, N = 2: a change here changes every result."""
    made = cell("tanh")
    layout = shapes(made, 1, 2, 1)
    flat = initial(made, grid({"seed": [0], "init": ["gaussian"]}), layout, torch.float64)
    w = views(flat, layout)
    assert w["W_hh"].shape == (1, 2, 2)
    lstm = cell("lstm")
    gated = views(
        initial(
            lstm, grid({"seed": [0], "init": ["gaussian"]}), shapes(lstm, 1, 2, 1), torch.float64
        ),
        shapes(lstm, 1, 2, 1),
    )
    assert torch.equal(gated["W_hh"][..., :2], w["W_hh"])
