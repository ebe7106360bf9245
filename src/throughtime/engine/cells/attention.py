"""A causal decoder: attention over the steps before."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from throughtime.core.rng import stream
from throughtime.engine.cells._base import Model, Shapes

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.engine.sizes import Sizes

# What torch's autograd costs, one network at a time, beside the compiled engine for the same
# arithmetic, and what a layer costs per step and sequence whatever its width. At N = 32, B = 20 an
# update took 13.3 ms (T = 22) and 18.7 ms (T = 30), at N = 8 6.7, 9.1, 13.2 and 14.6 ms (T = 23,
# 40, 48, 50), on one of two busy threads (LOGBOOK.md, 2026-11-30).
OVERHEAD = 2.3
SMALL = 4e4
# weights of which every layer has its own
STACKED = ("g_attention", "W_qkv", "W_o", "g_up", "W_up", "b_up", "W_down", "b_down")


class Attention(Model):
    """``layers`` blocks of causal attention and a perceptron of 4 N units, each behind a layer norm
    and beside a residual path; rotary positions; a norm before the readout.

    With u_t = x_t W_xh + b_h, per block

        u <- u + softmax(q k^T / sqrt(N / heads)) v W_o,    (q, k, v) = norm(u) W_qkv
        u <- u + gelu(norm(u) W_up + b_up) W_down + b_down

    K is a window: a step attends to itself and the K - 1 steps before it, in training and after.
    With L layers it sees L (K - 1) steps back. No state is carried: a chunk of text begins anew.

    Weights are drawn from N(0, 1 / inputs), those that lead back to the residual path from N(0, 1 /
    (2 layers inputs)); ``init`` and ``gain`` do not act.

    Source: Vaswani et al. 2017; rotary positions of Su et al. 2021; the norm before each part as in
    Radford et al. 2019, whose scale of the residual path's weights it is.

    >>> Attention(heads=4).multiple, Attention().shapes(3, 8, 2)["W_qkv"]
    (8, (2, 8, 24))
    """

    name: ClassVar[str] = "attention"
    recurrent: ClassVar[bool] = False
    source: ClassVar[str] = "Vaswani et al. 2017, Attention is all you need; Su et al. 2021"

    layers: int = Field(2, ge=1, le=64, description="blocks")
    heads: int = Field(2, ge=1, le=64, description="heads of attention")

    @property
    def multiple(self) -> int:
        """Rotary positions turn pairs of a head's numbers."""
        return 2 * self.heads

    def shapes(self, inputs: int, hidden: int, outputs: int, learned_h0: bool = False) -> Shapes:
        """See Model; g_* are gains of the norms."""
        many, wide = self.layers, 4 * hidden
        return {
            "W_xh": (inputs, hidden),
            "b_h": (hidden,),
            "g_attention": (many, hidden),
            "W_qkv": (many, hidden, 3 * hidden),
            "W_o": (many, hidden, hidden),
            "g_up": (many, hidden),
            "W_up": (many, hidden, wide),
            "b_up": (many, wide),
            "W_down": (many, wide, hidden),
            "b_down": (many, hidden),
            "g_out": (hidden,),
            "W_hy": (hidden, outputs),
            "b_y": (outputs,),
        }

    def draw(self, weights: dict[str, NDArray[np.float64]], row: Mapping[str, Any]) -> None:
        """See the class."""
        gains = {"W_xh": row["input_gain"], "W_hy": row["output_gain"]}
        gains |= {name: 1 / sqrt(2 * self.layers) for name in ("W_o", "W_down")}
        for name, weight in weights.items():
            if name.startswith("W_"):
                deviation = gains.get(name, 1.0) / sqrt(weight.shape[-2])
                normal = stream(int(row["seed"]), "init", name).standard_normal(weight.shape)
                weight[:] = deviation * normal
            elif name.startswith("g_"):
                weight[:] = 1

    def work(self, hidden: int, depth: int, *, compiled: bool = False) -> float:
        """See Model."""
        return self.layers * (OVERHEAD * (12 * hidden**2 + 2 * depth * hidden) + SMALL)

    def tape_bytes(self, sizes: Sizes, itemsize: int = 4, *, overlap: bool = True) -> int:
        """See Model. Quadratic in T: every head keeps its weights on all pairs of steps."""
        wide = sizes.steps * (self.layers * 20 + 4) * sizes.hidden
        square = self.layers * self.heads * 2 * sizes.steps**2
        scored = sizes.scored * 4 * sizes.outputs
        inputs = sizes.steps * (2 if sizes.tokens else sizes.inputs) * 2
        return itemsize * sizes.batch * (wide + square + scored + inputs)

    def outputs(self, weights: Mapping[str, Tensor], x: Tensor, window: int, scored: int) -> Tensor:
        """y of the last ``scored`` steps of one network, (Ts, B, O).

        Args:
            weights: name -> tensor, of one network.
            x: (T, B) symbols, or (T, B, I) features.
            window: steps that a step attends to, its own included.
            scored: Ts.
        """
        import torch
        from torch.nn import functional

        w, features = weights, x.is_floating_point()
        u = (x @ w["W_xh"] if features else w["W_xh"][x]) + w["b_h"]
        u = u.transpose(0, 1)  # (B, T, N)
        steps, hidden = u.shape[1:]
        ago = torch.arange(steps)[:, None] - torch.arange(steps)
        seen = (ago >= 0) & (ago < window)
        turn = _turns(steps, hidden // self.heads, u.dtype)
        # split at once: autograd would make a block of zeros for every layer that is taken alone
        stacked = [w[name].unbind() for name in STACKED]
        for g_attention, qkv, out, g_up, up, b_up, down, b_down in zip(*stacked, strict=True):
            normed = functional.layer_norm(u, (hidden,), g_attention)
            q, k, v = (
                part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for part in (normed @ qkv).chunk(3, -1)
            )
            mixed = functional.scaled_dot_product_attention(
                _rotate(q, turn), _rotate(k, turn), v, attn_mask=seen
            )
            u = u + mixed.transpose(1, 2).flatten(2) @ out
            normed = functional.layer_norm(u, (hidden,), g_up)
            u = u + functional.gelu(normed @ up + b_up) @ down + b_down
        u = functional.layer_norm(u[:, steps - scored :], (hidden,), w["g_out"])
        return (u @ w["W_hy"] + w["b_y"]).transpose(0, 1)


def _turns(steps: int, width: int, dtype: Any) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every step's angles, (T, width / 2) each (Su et al. 2021)."""
    import torch

    slow = 10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(steps, dtype=torch.float64)[:, None] * slow
    return angles.cos().to(dtype), angles.sin().to(dtype)


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (i, i + width / 2) of a head's numbers by the step's angles."""
    import torch

    (a, b), (cosine, sine) = x.chunk(2, -1), turn
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1)
