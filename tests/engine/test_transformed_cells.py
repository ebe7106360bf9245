"""Cells that train other numbers than those that act: what acts, and the same in both engines."""

import numpy as np
import pytest
import torch
from torch import Tensor

from throughtime.engine.bptt import forward, with_ones
from throughtime.engine.cells import cell
from throughtime.engine.parameters import acting, initial, views
from throughtime.engine.program import Examples, TorchProgram, program
from throughtime.engine.sizes import Sizes, shapes, size
from throughtime.engine.truncation import windows
from throughtime.planning.axes import grid
from throughtime.planning.sweep import expand

G, T, B, INPUTS, N, OUTPUTS = 3, 7, 4, 2, 6, 2
SHAPE = Sizes(G, T, B, INPUTS, N, OUTPUTS, T, tokens=False)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weights(name: str, **parameters: float) -> dict[str, Tensor]:
    """What acts, of random trained weights."""
    made = cell(name, **parameters)
    layout = shapes(made, INPUTS, N, OUTPUTS)
    return acting(made, random(G, size(layout)), layout)


@pytest.mark.parametrize("scale", [1.0, 0.9])
def test_the_matrix_of_orthogonal_is_orthogonal_whatever_is_trained(scale: float) -> None:
    w = weights("orthogonal", scale=scale)["W_hh"]
    square = scale**2 * torch.eye(N, dtype=w.dtype).expand(G, N, N)
    assert torch.allclose(w @ w.transpose(1, 2), square, atol=1e-12)


def test_orthogonal_starts_at_the_matrix_of_its_scheme() -> None:
    made = cell("orthogonal")
    layout = shapes(made, INPUTS, N, OUTPUTS)
    rows = grid({"seed": [0, 1], "gain": [0.5, 2.0], "init": ["orthogonal"]})
    flat = initial(made, rows, layout, torch.float64)
    trained, acts = views(flat, layout)["W_hh"], acting(made, flat, layout)["W_hh"]
    gains = torch.tensor(rows["gain"].to_numpy())[:, None, None]
    assert torch.allclose(trained, gains * acts, atol=1e-12)  # gain alone does not act


def test_the_polar_factor_is_the_nearest_orthogonal_matrix() -> None:
    """Procrustes: no other orthogonal matrix has a larger inner product with X."""
    x = random(1, N, N)
    found = cell("orthogonal").acting({"W_hh": x})["W_hh"]
    others = torch.linalg.qr(random(500, N, N, seed=1))[0]
    assert (x * others).sum((1, 2)).max() < (x * found).sum()


@pytest.mark.parametrize("name", ["orthogonal", "lru", "minimal"])
def test_pull_back_is_autograds_gradient_of_acting(name: str) -> None:
    made = cell(name)
    layout = shapes(made, INPUTS, N, OUTPUTS)
    named = {
        n: w.clone().requires_grad_() for n, w in views(random(G, size(layout)), layout).items()
    }
    acts = made.acting(named)
    covector = {n: random(*w.shape, seed=i) for i, (n, w) in enumerate(acts.items())}
    torch.stack([(acts[n] * covector[n]).sum() for n in acts]).sum().backward()
    found = made.pull_back({n: w.detach() for n, w in named.items()}, covector)
    for n, w in named.items():
        assert w.grad is not None
        assert torch.allclose(found[n], w.grad, rtol=1e-9, atol=1e-11), n


def test_a_network_that_has_diverged_disturbs_nobody() -> None:
    """Its weights are all zero; those beside it have the gradient that they have without it."""
    made = cell("orthogonal")
    x, g = random(2, N, N), random(2, N, N, seed=1)
    beside = made.pull_back({"W_hh": x}, {"W_hh": g})["W_hh"][0]
    x[1] = 0
    found = made.pull_back({"W_hh": x}, {"W_hh": g})["W_hh"]
    assert torch.equal(found[0], beside)
    assert torch.isfinite(found[1]).all()


def test_lru_is_a_diagonal_recurrence_of_complex_numbers() -> None:
    """The same in torch's complex numbers, one unit after another."""
    made = cell("lru")
    layout = shapes(made, INPUTS, N, OUTPUTS)
    assert layout["W_hh"] == (3, N // 2)
    flat = 0.5 * random(G, size(layout))
    named, x = views(flat, layout), random(T, G, B, INPUTS, seed=1)
    made_program = TorchProgram(made, "regression", SHAPE, layout, torch.float64)
    y = forward(made_program.tape, acting(made, flat, layout), with_ones(x))
    nu, theta, g = (named["W_hh"][:, i][:, None] for i in range(3))
    decay = torch.exp(torch.complex(-nu.exp(), theta.exp()))
    state = torch.zeros(G, B, N // 2, dtype=torch.complex128)
    for t in range(T):
        u = x[t] @ named["W_xh"] + named["b_h"][:, None]
        state = decay * state + g.exp() * torch.complex(*u.chunk(2, -1))
        h = torch.tanh(torch.cat([state.real, state.imag], -1))
        assert torch.allclose(y[t], h @ named["W_hy"] + named["b_y"][:, None], atol=1e-12)


def test_lru_starts_in_its_ring_with_inputs_of_unit_scale() -> None:
    made = cell("lru", r_min=0.5, r_max=0.8)
    own = made.draw_recurrent(seed=0, hidden=4000, init="orthogonal", gain=7.0)
    radius, phase, scale = np.exp(-np.exp(own[0])), np.exp(own[1]), np.exp(own[2])
    assert 0.5 <= radius.min() < 0.51 < 0.79 < radius.max() <= 0.8
    assert (radius**2).mean() == pytest.approx((0.25 + 0.64) / 2, abs=0.01)  # uniform in area
    assert 0 < phase.min() < 0.1 < 6.2 < phase.max() <= 6.283
    assert scale == pytest.approx(np.sqrt(1 - radius**2))


def test_an_odd_width_is_left_out_with_its_reason() -> None:
    axes = {"task": "copy", "length": 4, "cell": "lru", "hidden": 5, "updates": 1, "seeds": 1}
    (skipped,) = expand("tests", "tests", axes, "tests").skipped
    assert skipped.reason == "hidden 5: the cell lru needs a multiple of 2"


@pytest.mark.parametrize("name", ["irnn", "orthogonal"])
def test_both_engines_compute_the_same(name: str) -> None:
    made = cell(name)
    layout = shapes(made, INPUTS, N, OUTPUTS)
    flat = 0.5 * random(G, size(layout))
    shape = (1, T, B)
    values, weight = random(*shape, OUTPUTS, seed=2).numpy(), torch.ones(shape, dtype=torch.float64)
    x = random(*shape, INPUTS, seed=1).numpy()
    examples = Examples(x, values, weight.numpy(), np.zeros(G, np.int64))
    found = [
        program(engine, made, "regression", SHAPE, layout, torch.float64).gradients(
            flat, examples, windows(T, 2, 4, T % 2)
        )
        for engine in ("numba", "torch")
    ]
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)
