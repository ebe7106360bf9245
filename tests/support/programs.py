"""Small programs for the engine's tests: random weights and data in float64, and a slow reading of
every truncation mode.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from throughtime.engine.bptt import Tape, Weights, input_index, with_ones
from throughtime.engine.cells import cell
from throughtime.engine.losses._base import Targets, weights
from throughtime.engine.parameters import views
from throughtime.engine.sizes import Sizes, shapes, size

PHI: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda z: z,
}


@dataclass
class Program:
    """Everything bptt.gradients needs, and the same data as plain tensors."""

    cell: str
    head: str
    sizes: Sizes
    tape: Tape
    flat: Tensor
    weights: Weights
    x: Tensor  # as the engine takes it
    dense: Tensor  # (T, G, B, I), one-hot where inputs are tokens
    targets: Targets


def program(
    name: str = "tanh", head: str = "softmax", *, rows: int = 3, steps: int = 7, batch: int = 4,
    hidden: int = 5, scored: int = 7, tokens: bool = True, learned: bool = False,
    masked: bool = False, seed: int = 0, dtype: torch.dtype = torch.float64,
) -> Program:  # fmt: skip
    """A random program; weights are large enough that all terms of a gradient count."""
    rng = torch.Generator().manual_seed(seed)
    inputs, outputs = 3, 2
    sizes = Sizes(rows, steps, batch, inputs, hidden, outputs, scored, tokens)
    layout = shapes(cell(name), inputs, hidden, outputs, learned)
    flat = torch.randn(rows, size(layout), generator=rng, dtype=torch.float64).mul_(0.6).to(dtype)
    symbols = torch.randint(inputs, (steps, rows, batch), generator=rng)
    features = torch.randn(steps, rows, batch, inputs, generator=rng, dtype=torch.float64).to(dtype)
    dense = torch.nn.functional.one_hot(symbols, inputs).to(dtype) if tokens else features
    x = input_index(symbols, inputs) if tokens else with_ones(features)
    if head == "softmax":
        values = torch.randint(outputs, (scored, rows, batch), generator=rng)
    else:
        values = torch.randn(scored, rows, batch, outputs, generator=rng, dtype=torch.float64).to(
            dtype
        )
    mask = torch.rand(scored, rows, batch, generator=rng) < 0.5 if masked else None
    tape = Tape(cell(name), sizes, dtype)
    return Program(
        name,
        head,
        sizes,
        tape,
        flat,
        views(flat, layout),
        x,
        dense,
        Targets(values, weights(mask, values, dtype)),
    )


def losses(
    p: Program, w: Weights, h: Tensor, start: int, stop: int, reset: bool = False
) -> list[Tensor]:
    """Each step's part of each row's loss, for an Elman network run over steps start..stop-1 from
    state h (G, B, N).
    """
    result = []
    first = p.sizes.steps - p.sizes.scored
    for t in range(start, stop):
        h = PHI[p.cell](p.dense[t] @ w["W_xh"] + h @ w["W_hh"] + w["b_h"][:, None])
        y = h @ w["W_hy"] + w["b_y"][:, None]
        if t < first:
            result.append(torch.zeros(p.sizes.rows, dtype=h.dtype))
            continue
        values, weight = p.targets.values[t - first], p.targets.weight[t - first]
        if p.head == "softmax":
            each = -torch.log_softmax(y, -1).gather(-1, values[..., None])[..., 0]
        else:
            each = (y - values).square().mean(-1)
        result.append((each * weight).sum(1))
    return result


def start_state(p: Program, w: Weights) -> Tensor:
    """(G, B, N): h_0 where it is learned, else zero."""
    zero = torch.zeros(p.sizes.rows, p.sizes.batch, p.sizes.hidden, dtype=p.dense.dtype)
    return zero + w["h_0"][:, None] if "h_0" in w else zero


def slow_gradient(
    p: Program, depth: Callable[[int], int], border: Callable[[int], int] | None = None
) -> Weights:
    """The truncated gradient, by its definition: the loss at step t is differentiated with the
    state ``depth(t)`` steps back held constant.

    Args:
        p: the program.
        depth: steps that the loss at step t sees, its own included.
        border: where the state is reset, the first step of t's chunk; None: the state is carried.
    """
    w = {k: v.clone().requires_grad_() for k, v in p.weights.items()}
    total = {k: torch.zeros_like(v) for k, v in p.weights.items()}
    for t in range(p.sizes.steps - p.sizes.scored, p.sizes.steps):
        begin = max(0, t + 1 - depth(t))
        h = start_state(p, w)
        if begin > 0:
            with torch.no_grad():
                h = state_at(p, w, begin) if border is None else torch.zeros_like(h)
        loss = losses(p, w, h, begin, t + 1)[-1].sum()
        for (name, value), g in zip(
            w.items(), torch.autograd.grad(loss, list(w.values()), allow_unused=True), strict=True
        ):
            total[name] += torch.zeros_like(value) if g is None else g
    return total


def state_at(p: Program, w: Weights, t: int) -> Tensor:
    """(G, B, N): the state before step t."""
    h = start_state(p, w)
    for s in range(t):
        h = PHI[p.cell](p.dense[s] @ w["W_xh"] + h @ w["W_hh"] + w["b_h"][:, None])
    return h


def assert_close(a: Weights, b: Weights, tolerance: float = 1e-10) -> None:
    """Assert that gradients agree to ``tolerance`` relative to their largest element, weight by
    weight.
    """
    assert a.keys() == b.keys()
    for name in a:
        scale = b[name].abs().max().clamp_min(1e-12)
        assert (a[name] - b[name]).abs().max() / scale < tolerance, name
