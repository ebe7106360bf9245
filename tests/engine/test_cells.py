"""Every cell that is found; and that the protocol holds a gated cell too."""

import pytest
import torch
from torch import Tensor

from throughtime.engine.bptt import Tape, forward, gradients, with_ones
from throughtime.engine.cells import cell, cell_names
from throughtime.engine.cells._base import Cell, tanh_
from throughtime.engine.losses import Targets, weights
from throughtime.engine.parameters import views
from throughtime.engine.sizes import Sizes, shapes, size
from throughtime.engine.truncation import windows


@pytest.mark.parametrize("name", cell_names())
def test_contract(name):
    found = cell(name)
    assert found.name == name
    assert found.source
    assert type(found).__doc__


@pytest.mark.parametrize("name", cell_names())
def test_adjoint_is_the_derivative_of_step(name):
    """Central differences of a step, contracted with a random covector."""
    found, rng = cell(name), torch.Generator().manual_seed(0)
    shape = (2, 3, 4)
    z = torch.randn(shape, generator=rng, dtype=torch.float64)
    previous = torch.zeros(shape, dtype=torch.float64)
    covector, direction = (torch.randn(shape, generator=rng, dtype=torch.float64) for _ in range(2))

    def after(value):
        state = value.clone()
        found.step(state, previous, state)
        return state

    dz = torch.empty_like(z)
    assert found.adjoint(covector, after(z), previous, after(z), dz) is None
    eps = 1e-6
    numeric = (
        (after(z + eps * direction) - after(z - eps * direction)) / (2 * eps) * covector
    ).sum()
    assert (dz * direction).sum().item() == pytest.approx(numeric.item(), rel=1e-7)


def test_tanh_is_accurate_and_gives_an_element_the_same_bits_anywhere():
    x = torch.cat([torch.linspace(-12, 12, 20001), torch.logspace(-37, 0, 2001)])
    exact = torch.tanh(x.double())
    y = x.clone()
    tanh_(y)
    ulp = torch.nextafter(exact.float().abs(), torch.tensor(torch.inf)) - exact.float().abs()
    assert ((y.double() - exact).abs() / ulp.double()).max() < 4
    for start in (0, 1, 7, 10000):
        for length in (1, 3, 16, 33, 100):
            part = x[start : start + length].clone()
            tanh_(part)
            assert torch.equal(part, y[start : start + length])


class Lstm(Cell):
    """Hochreiter & Schmidhuber 1997 with forget gates, torch's order of gates; the state is (h, c)."""

    name, source, gates, states = "lstm", "a user's own", 4, 2

    def step(self, z: Tensor, previous: Tensor, state: Tensor) -> None:
        i, f, g, o = z.chunk(4, -1)
        c = previous.chunk(2, -1)[1] * f.sigmoid() + i.sigmoid() * g.tanh()
        state.copy_(torch.cat([o.sigmoid() * c.tanh(), c], -1))

    def adjoint(
        self, dstate: Tensor, z: Tensor, previous: Tensor, state: Tensor, dz: Tensor
    ) -> Tensor:
        i, f, o = (z.chunk(4, -1)[j].sigmoid() for j in (0, 1, 3))
        g, c = z.chunk(4, -1)[2].tanh(), state.chunk(2, -1)[1].tanh()
        dh, dc = dstate.chunk(2, -1)
        dc = dc + dh * o * (1 - c * c)
        before = previous.chunk(2, -1)[1]
        dz.copy_(
            torch.cat(
                [
                    dc * g * i * (1 - i),
                    dc * before * f * (1 - f),
                    dc * i * (1 - g * g),
                    dh * c * o * (1 - o),
                ],
                -1,
            )
        )
        return torch.cat([torch.zeros_like(dh), dc * f], -1)


def test_a_gated_cell_is_one_class_and_equals_torchs():
    lstm, rng = Lstm(), torch.Generator().manual_seed(0)
    sizes = Sizes(2, 6, 3, 2, 4, 1, 6, False)
    layout = shapes(lstm, 2, 4, 1)
    flat = torch.randn(2, size(layout), generator=rng, dtype=torch.float64)
    w = views(flat, layout)
    x = torch.randn(6, 2, 3, 2, generator=rng, dtype=torch.float64)
    values = torch.randn(6, 2, 3, 1, generator=rng, dtype=torch.float64)
    targets = Targets(values, weights(None, values, torch.float64))
    tape = Tape(lstm, sizes, torch.float64)
    _, g = gradients(tape, w, with_ones(x), targets, "regression", windows(6, 6, 6))
    row = 1
    theirs = torch.nn.LSTM(2, 4, dtype=torch.float64)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(w["W_xh"][row].T)
        theirs.weight_hh_l0.copy_(w["W_hh"][row].T)
        theirs.bias_ih_l0.copy_(w["b_h"][row])
        theirs.bias_hh_l0.zero_()
    h, _ = theirs(x[:, row])
    ((h @ w["W_hy"][row] + w["b_y"][row] - values[:, row]) ** 2).mean().backward()
    assert torch.allclose(
        forward(tape, w, with_ones(x))[:, row], h @ w["W_hy"][row] + w["b_y"][row], rtol=1e-12
    )
    assert torch.allclose(g["W_hh"][row], theirs.weight_hh_l0.grad.T, rtol=1e-10)
    assert torch.allclose(g["W_xh"][row], theirs.weight_ih_l0.grad.T, rtol=1e-10)
