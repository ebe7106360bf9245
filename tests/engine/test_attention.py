"""Attention: what it computes, its gradient, what its window hides, and how it trains."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.support.blocks import block
from throughtime.engine.attention import AttentionProgram
from throughtime.engine.cells import cells
from throughtime.engine.cells.attention import Attention
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.losses._base import Targets
from throughtime.engine.parameters import initial, views
from throughtime.engine.program import Examples
from throughtime.engine.sizes import Sizes, size
from throughtime.planning.axes import grid
from throughtime.planning.sweep import expand

G, T, B, INPUTS, N, OUTPUTS, SCORED = 3, 9, 2, 3, 8, 4, 5
MODEL = Attention()
SHAPES = MODEL.shapes(INPUTS, N, OUTPUTS)
Floats = NDArray[np.float64]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weights(seed: int = 0) -> dict[str, Tensor]:
    """Of one network; gains near 1."""
    named = {n: w[0] for n, w in views(0.4 * random(1, size(SHAPES), seed=seed), SHAPES).items()}
    return {n: w + 1 if n.startswith("g_") else w for n, w in named.items()}


def examples(head: str, *, tokens: bool) -> Examples:
    """Two sources, of which the first is the data of two networks."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, INPUTS, (2, T, B)) if tokens else rng.standard_normal((2, T, B, INPUTS))
    shape = (2, SCORED, B)
    soft = head == "softmax"
    values = rng.integers(0, OUTPUTS, shape) if soft else rng.standard_normal((*shape, OUTPUTS))
    weight = np.full(shape, 1 / (SCORED * B))
    return Examples(x, values, weight, np.array([0, 1, 0]))


def made(head: str, window: int = T, *, tokens: bool, rows: int = G) -> AttentionProgram:
    sizes = Sizes(rows, T, B, INPUTS, N, OUTPUTS, SCORED, tokens)
    return AttentionProgram(MODEL, head, sizes, SHAPES, window)


# What it computes ---------------------------------------------------------------------------------


def norm(u: Floats, gain: Floats) -> Floats:
    centred: Floats = gain * (u - u.mean()) / math.sqrt(u.var() + 1e-5)
    return centred


def turned(v: Floats, t: int) -> Floats:
    half = len(v) // 2
    out = np.empty_like(v)
    for i in range(half):
        angle = t * 10_000.0 ** (-2 * i / len(v))
        out[i] = v[i] * math.cos(angle) - v[i + half] * math.sin(angle)
        out[i + half] = v[i] * math.sin(angle) + v[i + half] * math.cos(angle)
    return out


def by_hand(w: dict[str, Floats], x: Floats, window: int) -> Floats:
    """(T, O) of one sequence (T, I), step by step and head by head."""
    us = [row @ w["W_xh"] + w["b_h"] for row in x]
    width = N // MODEL.heads
    for i in range(MODEL.layers):
        parts = [norm(u, w["g_attention"][i]) @ w["W_qkv"][i] for u in us]
        mixed = [np.zeros(N) for _ in us]
        for head in range(MODEL.heads):
            q, k, v = (
                [p[at * N + head * width : at * N + (head + 1) * width] for p in parts]
                for at in range(3)
            )
            for t in range(len(us)):
                seen = range(max(0, t - window + 1), t + 1)
                scores = [turned(q[t], t) @ turned(k[s], s) / math.sqrt(width) for s in seen]
                shares = np.exp(scores) / np.exp(scores).sum()
                own = np.sum([share * v[s] for share, s in zip(shares, seen, strict=True)], 0)
                mixed[t][head * width : (head + 1) * width] = own
        us = [u + m @ w["W_o"][i] for u, m in zip(us, mixed, strict=True)]
        for t, u in enumerate(us):
            z = norm(u, w["g_up"][i]) @ w["W_up"][i] + w["b_up"][i]
            gelu = np.array([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in z])
            us[t] = u + gelu @ w["W_down"][i] + w["b_down"][i]
    return np.stack([norm(u, w["g_out"]) @ w["W_hy"] + w["b_y"] for u in us])


@pytest.mark.parametrize("window", [1, 3, T])
def test_it_is_the_equations_step_by_step(window: int) -> None:
    w, x = weights(), random(T, B, INPUTS, seed=1)
    y = MODEL.outputs(w, x, window, T)
    for b in range(B):
        hand = by_hand({n: v.numpy() for n, v in w.items()}, x[:, b].numpy(), window)
        assert np.allclose(y[:, b], hand, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("window", "reach"), [(1, 0), (2, 2), (3, 4), (T, T - 1)])
def test_a_step_sees_what_its_layers_reach_and_no_more(window: int, reach: int) -> None:
    """dy_t/dx_s is zero for s > t and for t - s > layers (window - 1), and for no lag between."""
    x = random(T, 1, INPUTS, seed=1).requires_grad_()
    y = MODEL.outputs(weights(), x, window, T)
    (found,) = torch.autograd.grad(y[-1].square().sum(), x)
    seen = found.abs().sum((1, 2)).flip(0) > 0
    assert seen.tolist() == [lag <= reach for lag in range(T)]
    (early,) = torch.autograd.grad(MODEL.outputs(weights(), x, window, T)[2].sum(), x)
    assert (early[3:] == 0).all()


def test_positions_are_relative() -> None:
    """What is older than all layers see changes nothing, wherever the sequence begins."""
    w, x = weights(), random(T, B, INPUTS, seed=1)
    last = MODEL.outputs(w, x, 3, 1)
    assert torch.allclose(MODEL.outputs(w, x[-5:], 3, 1), last, rtol=1e-10)
    assert not torch.allclose(MODEL.outputs(w, x[-4:], 3, 1), last, rtol=1e-3)


# Its gradient -------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("head", ["softmax", "regression"])
def test_the_gradient_is_that_of_finite_differences(head: str, tokens: bool) -> None:
    program, data = made(head, 4, tokens=tokens), examples(head, tokens=tokens)
    flat, along = 0.4 * random(G, size(SHAPES)), random(G, size(SHAPES), seed=1)
    loss, gradient = program.gradients(flat, data, [])

    def at(moved: Tensor) -> Tensor:
        y = program.outputs(moved, data)
        values, weight = (
            torch.from_numpy(part[data.rows]).transpose(0, 1).contiguous()
            for part in (data.values, data.weight)
        )
        return loss_of(head)(y.contiguous(), Targets(values, weight))[0]

    assert torch.allclose(at(flat), loss, rtol=1e-12)
    numeric = (at(flat + 1e-6 * along) - at(flat - 1e-6 * along)) / 2e-6
    assert torch.allclose((gradient * along).sum(1), numeric, rtol=1e-6)


def test_a_row_has_the_same_bits_alone_and_among_others_and_the_dead_have_none() -> None:
    data = examples("softmax", tokens=True)
    flat = (0.4 * random(G, size(SHAPES))).float()
    data = Examples(data.x, data.values, data.weight.astype(np.float32), data.rows)
    loss, gradient = made("softmax", tokens=True).gradients(flat, data, [])
    only = Examples(data.x, data.values, data.weight, data.rows[1:2])
    alone = made("softmax", tokens=True, rows=1).gradients(flat[1:2], only, [])
    assert torch.equal(alone[0], loss[1:2])
    assert torch.equal(alone[1], gradient[1:2])
    living = torch.tensor([True, False, True])
    kept = made("softmax", tokens=True).gradients(flat, data, [], alive=living)[1]
    assert torch.equal(kept[[0, 2]], gradient[[0, 2]])
    assert (kept[1] == 0).all()


# Its weights, and training ------------------------------------------------------------------------


def test_first_weights_keep_the_variance_of_what_comes_in() -> None:
    shapes = MODEL.shapes(50, 64, 40)
    rows = grid({"seed": [0], "output_gain": [2.0]})
    w = {n: v[0] for n, v in views(initial(MODEL, rows, shapes, torch.float64), shapes).items()}
    for name, deviation in {
        "W_xh": 50**-0.5,
        "W_qkv": 64**-0.5,
        "W_o": (2 * MODEL.layers * 64) ** -0.5,
        "W_down": (2 * MODEL.layers * 256) ** -0.5,
        "W_hy": 2 * 64**-0.5,
    }.items():
        assert w[name].std().item() == pytest.approx(deviation, rel=0.05), name
    assert all((w[n] == 1).all() for n in w if n.startswith("g_"))
    assert all((w[n] == 0).all() for n in w if n.startswith("b_"))


def test_it_is_a_model_without_gates() -> None:
    assert cells()["attention"] is Attention
    assert not Attention.recurrent


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"mode": "chunked", "K": 3}, "mode chunked: attention has mode full or sliding"),
        ({"probes": ["spectrum"]}, "probe spectrum: attention has no recurrent state to measure"),
        ({"frozen": [True, False]}, "frozen: attention has no W_hh to freeze"),
        ({"hidden": 6}, "hidden 6: the cell attention needs a multiple of 4"),
    ],
)
def test_what_it_does_not_have_is_left_out_with_its_reason(
    axes: dict[str, Any], reason: str
) -> None:
    own = {"task": "copy", "length": 8, "cell": "attention", "hidden": 8, "updates": 1, "seeds": 1}
    plan = expand("tests", "tests", own | axes, "tests")
    assert [s.reason for s in plan.skipped] == [reason]
    assert plan.networks == (1 if "frozen" in axes else 0)


def test_on_a_device_it_is_left_out() -> None:
    own = {"task": "copy", "length": 8, "cell": "attention", "hidden": 8, "updates": 1, "seeds": 1}
    plan = expand("t", "t", own, "t", device="cuda")
    assert plan.networks == 0
    assert [s.reason for s in plan.skipped] == ["device cuda: attention runs on the CPU alone"]


def test_its_window_reaches_as_far_as_its_layers_together() -> None:
    own = {"task": "copy", "length": 8, "cell": "attention", "hidden": 8, "updates": 1, "seeds": 1}
    (planned,) = expand("t", "t", own | {"mode": "sliding", "K": 3}, "t").jobs
    assert planned.job.reach == 4
    (planned,) = expand("t", "t", own, "t").jobs
    assert planned.job.reach == planned.job.steps - 1


@pytest.mark.slow
def test_it_learns_to_copy_where_its_window_reaches() -> None:
    axes = {"cell": "attention", "hidden": 16, "optimizer": "adam", "lr": 0.01, "gain": 1.0}
    far = {"length": 10, "payload": 3, "alphabet": 2, "batch": 16, "updates": 250}
    whole = block("copy", **axes, **far)
    short = block("copy", **axes, **far, mode="sliding", K=3)  # two layers see 4 steps of 13
    scores = []
    for trainer in (whole, short):
        trainer.train()
        scores.append(trainer.scores(trainer.judges.check).measure())
    assert (scores[0] > 0.99).all()
    assert (scores[1] < 0.8).all()
