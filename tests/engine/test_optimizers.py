"""One row's step against torch.optim and torch.nn.utils."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.engine.clipping import clip_, norms
from throughtime.engine.optimizers import optimizers
from throughtime.engine.schedules import schedules
from throughtime.engine.updates import Updater

ROWS, SIZE, STEPS = 4, 11, 6
LR = torch.tensor([1e-3, 1e-2, 0.1, 0.0], dtype=torch.float64)
TORCH: dict[str, tuple[str, dict[str, float], Any]] = {
    "sgd": ("sgd", {}, torch.optim.SGD),
    "sgd, momentum": ("sgd", {"momentum": 0.9}, torch.optim.SGD),
    "sgd, decay": ("sgd", {"momentum": 0.9, "weight_decay": 0.1}, torch.optim.SGD),
    "rmsprop": ("rmsprop", {}, torch.optim.RMSprop),
    "rmsprop, momentum": ("rmsprop", {"momentum": 0.5, "alpha": 0.9}, torch.optim.RMSprop),
    "rmsprop, decay": ("rmsprop", {"weight_decay": 0.1, "eps": 1e-4}, torch.optim.RMSprop),
    "adam": ("adam", {}, torch.optim.Adam),
    "adam, decay": ("adam", {"weight_decay": 0.1, "eps": 1e-4}, torch.optim.Adam),
    "adam, betas": ("adam", {"beta1": 0.5, "beta2": 0.7}, torch.optim.Adam),
    "adamw": ("adamw", {}, torch.optim.AdamW),
    "adamw, decay": ("adamw", {"weight_decay": 0.3}, torch.optim.AdamW),
    "adamw, none": ("adamw", {"weight_decay": 0.0}, torch.optim.AdamW),
}


def test_every_optimizer_that_is_shipped_has_a_peer() -> None:
    """One that a user adds needs none: see tests/contracts."""
    assert {kind for kind, _, _ in TORCH.values()} == {"sgd", "rmsprop", "adam", "adamw"}
    assert {kind for kind, _, _ in TORCH.values()} <= set(optimizers())


def updater(kind: str, like: torch.Tensor, lr: torch.Tensor, **axes: float) -> Updater:
    return Updater(optimizers()[kind](**axes), schedules()["constant"](), STEPS, like, lr)


def peer(made: Any, parameter: torch.nn.Parameter, lr: float, axes: dict[str, float]) -> Any:
    named = {k: v for k, v in axes.items() if not k.startswith("beta")}
    if "beta1" in axes:
        named["betas"] = (axes["beta1"], axes["beta2"])
    return made([parameter], lr, **named)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("case", TORCH)
@pytest.mark.parametrize(
    ("clip_kind", "threshold"), [("norm", 1.0), ("norm", 100.0), ("value", 0.3), ("none", math.inf)]
)
def test_a_row_steps_like_torch(case, clip_kind, threshold):
    kind, axes, made = TORCH[case]
    start = random(ROWS, SIZE)
    mine = start.clone()
    optimizer = updater(kind, mine, LR, **axes)
    theirs = [torch.nn.Parameter(row.clone()) for row in start]
    reference = [peer(made, p, lr.item(), axes) for p, lr in zip(theirs, LR, strict=True)]
    by_norm = torch.full(
        (ROWS,), threshold if clip_kind == "norm" else math.inf, dtype=torch.float64
    )
    by_value = torch.full(
        (ROWS,), threshold if clip_kind == "value" else math.inf, dtype=torch.float64
    )
    for step in range(STEPS):
        gradient = random(ROWS, SIZE, seed=step + 1)
        for parameter, torch_optimizer, row in zip(theirs, reference, gradient, strict=True):
            parameter.grad = row.clone()
            if clip_kind == "norm":
                torch.nn.utils.clip_grad_norm_([parameter], threshold)
            elif clip_kind == "value":
                torch.nn.utils.clip_grad_value_([parameter], threshold)
            torch_optimizer.step()
        clip_(gradient, norms(gradient), by_norm, by_value)
        optimizer.step_(mine, gradient)
    assert torch.allclose(mine, torch.stack([p.detach() for p in theirs]), rtol=1e-12, atol=1e-14)


def test_each_row_has_its_own_kind_and_threshold():
    gradient = torch.tensor([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0], [0.3, 0.4]], dtype=torch.float64)
    by_norm = torch.tensor([1.0, math.inf, math.inf, 1.0], dtype=torch.float64)
    by_value = torch.tensor([math.inf, 3.5, math.inf, math.inf], dtype=torch.float64)
    changed = clip_(gradient, norms(gradient), by_norm, by_value)
    assert changed.tolist() == [True, True, False, False]
    expected = torch.tensor([[0.6, 0.8], [3.0, 3.5], [3.0, 4.0], [0.3, 0.4]], dtype=torch.float64)
    assert torch.allclose(gradient, expected, atol=1e-6)
    assert torch.equal(gradient[2:], expected[2:])


def test_no_threshold_on_values_is_an_infinite_one():
    gradient, by_norm = random(3, SIZE), torch.full((3,), 0.5, dtype=torch.float64)
    other = gradient.clone()
    infinite = torch.full((3,), math.inf, dtype=torch.float64)
    changed = clip_(gradient, norms(gradient), by_norm, infinite)
    assert torch.equal(clip_(other, norms(other), by_norm, None), changed)
    assert torch.equal(gradient, other)


def test_a_large_finite_gradient_has_a_finite_norm():
    gradient = torch.full((1, 4), 1e30, dtype=torch.float32)
    assert norms(gradient).item() == pytest.approx(2e30)


@given(st.sampled_from([math.nan, math.inf, -math.inf]), st.sampled_from(["norm", "value"]))
@settings(max_examples=12, deadline=None)
def test_what_is_not_finite_is_not_made_finite(bad, kind):
    gradient = torch.tensor([[bad, 1.0], [1.0, 1.0]], dtype=torch.float64)
    norm = norms(gradient)
    infinite = torch.full((2,), math.inf, dtype=torch.float64)
    clip_(
        gradient, norm, torch.ones(2, dtype=torch.float64) if kind == "norm" else infinite, infinite
    )
    assert not torch.isfinite(norm[0])
    assert not torch.isfinite(gradient[0]).all()
    assert torch.isfinite(gradient[1]).all()


def test_rows_that_are_forgotten_stand_still():
    for kind in optimizers():
        weights = random(2, SIZE)
        lr = torch.full((2,), 0.1, dtype=torch.float64)
        optimizer = updater(kind, weights, lr)
        optimizer.step_(weights, random(2, SIZE, seed=1))
        before = weights.clone()
        optimizer.forget_(torch.tensor([True, False]))
        optimizer.step_(weights, random(2, SIZE, seed=2))
        assert torch.equal(weights[0], before[0])
        assert not torch.equal(weights[1], before[1])
        # the caller's tensor is left alone
        assert torch.equal(lr, torch.full((2,), 0.1, dtype=torch.float64))
