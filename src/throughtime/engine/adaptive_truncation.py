"""Adaptive truncation: the smallest K whose estimated bias of the gradient is small enough.

Source: Aicher, Foti & Fox 2019, Adaptively Truncating Backpropagation Through Time to Control
Gradient Bias, arXiv 1905.07473, by their program aicherc/adaptive_tbptt
(tbptt/adaptive_truncation.py: ``calculate_gradient_norms``, ``estimate_logbeta_ols``,
``log_abs_error_estimate``, ``log_rel_error_estimate``, ``adaptive_K_estimate``), with the method
``ols``, which their scripts choose. The paper's text was not at hand.

Theirs, and so here:

- phi_k, k = 0..W-1, is the mean over sequences of the norm of dL_s/dh, where L_s is the mean loss
  at the last step alone and h is all of the cell's state k + 1 steps back: the state before the
  last step is phi_0.
- g_k is the norm of the mean over sequences of the sum of these gradients up to k.
- log beta is the slope of log phi_k by least squares over all k, but for those below e^-50. (The
  window beyond tau is an argument of their function that it does not use.)
- Beyond tau, phi is taken to fall by beta per step. See ``bias_bounds`` and ``relative_bias``.
- K is the smallest of 1..W whose relative bias is below delta, and W where none is.

Deviations:

- tau is four fifths of W. Theirs is W - 20 of W = 100, which is the same share.
- With beta >= 1 the bound is infinite for every K, so that K = W. Theirs says that for K >= tau
  alone, and 1 in the unit of the gradient below; as g_k is below 1 there, K = W too.
"""

import math

import numpy as np
import torch
from torch import Tensor

from throughtime.core.typing import Floats
from throughtime.engine.bptt import Tape, Weights, forward
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.losses._base import Targets

ZERO = math.exp(-50)  # a norm below this is taken for zero
SMALLEST = 2  # K is never below


def gradients_by_lag(
    tape: Tape,
    weights: Weights,
    x: Tensor,
    targets: Targets,
    head: str,
    start: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """phi_k and g_k of the module's docstring, from one backward pass at full depth.

    Args:
        tape: memory; float64, because nothing is rescaled.
        weights, x, targets, head, start: as in bptt.gradients; only the last step is scored.

    Returns:
        phi and g, (G, T) each, in the unit of the loss per unit of state; NaN where a state is not
        finite; zero where nothing is scored at the last step.
    """
    y = forward(tape, weights, x, start)
    weight = torch.zeros_like(targets.weight)
    weight[-1] = targets.weight[-1] / targets.weight[-1].sum(-1, keepdim=True).clamp_min(ZERO)
    _, dy = loss_of(head)(y, Targets(targets.values, weight))
    back = weights["W_hh"].transpose(1, 2).contiguous()
    ds, dz = tape.ds.zero_(), tape.dz
    tape.ds_h.copy_(torch.bmm(dy[-1], weights["W_hy"].transpose(1, 2)))
    total = torch.zeros_like(ds[:, 0])
    norms, sums = [], []
    for t in range(tape.sizes.steps - 1, -1, -1):
        direct = tape.cell.adjoint(ds, tape.z[t], tape.state[t], tape.state[t + 1], dz)
        ds.zero_() if direct is None else ds.copy_(direct)
        tape.ds_carried.add_(torch.bmm(tape.h_part(dz).contiguous(), back))
        norms.append(torch.linalg.vector_norm(ds, dim=-1).mean(-1))
        total += ds.mean(1)
        sums.append(torch.linalg.vector_norm(total, dim=-1))
    return torch.stack(norms, 1), torch.stack(sums, 1)


def log_decay(norms: Floats) -> float:
    """log beta, the slope of log ``norms`` (W) over their index by least squares; 0 where fewer
    than two norms are above ``ZERO``.

    >>> round(math.exp(log_decay(3 * 0.8 ** np.arange(20))), 12)
    0.8
    """
    lags = np.flatnonzero(norms >= ZERO)
    if len(lags) < 2:
        return 0.0
    x = lags - lags.mean()
    return float((x * np.log(norms[lags])).sum() / np.square(x).sum())


def bias_bounds(norms: Floats, tau: int) -> Floats:
    """Bounds on the norm of what a gradient that is cut after K = 0..W steps lacks, (W + 1,).

    With phi = ``norms`` the bound is ``sum(phi[K..tau]) + phi[tau] / (1 - beta)`` for K < tau, and
    ``phi[tau] beta^(K - tau) / (1 - beta)`` from K = tau on; infinite where beta >= 1. Where fewer
    than two norms are above ``ZERO`` there is no tail: ``sum(phi[K..tau])``, then ``ZERO``.

    Args:
        norms: (W) phi, finite.
        tau: where the decay is taken to begin, in 0..W-1.

    >>> bias_bounds(np.array([1.0, 0.5, 0.25, 0.125]), tau=2).round(9).tolist()
    [2.25, 1.25, 0.5, 0.25, 0.125]
    """
    K = np.arange(len(norms) + 1)
    rest = np.append(norms[: tau + 1][::-1].cumsum()[::-1], np.zeros(len(norms) - tau))
    slope = log_decay(norms)
    if slope < 0:
        tail = norms[tau] / -math.expm1(slope)
        return np.where(tau > K, rest + tail, tail * np.exp(slope * np.maximum(K - tau, 0)))
    if slope == 0 and norms[tau] < ZERO:
        return np.where(tau > K, rest, ZERO)
    return np.full(len(K), math.inf)


def relative_bias(norms: Floats, sums: Floats, tau: int) -> Floats:
    """Bounds on the relative bias of truncation after K = 1..W steps, (W,).

    That of the bias, over a lower bound on the norm of the full gradient: the largest over k =
    0..W-1 of ``sums[k]`` less the bound at K = k. Infinite where this is not above zero.

    Args:
        norms, sums: (W) phi and g.
        tau: as in ``bias_bounds``.
    """
    bounds = bias_bounds(norms, tau)
    lower = float((sums - bounds[:-1]).max())
    return bounds[1:] / lower if lower > 0 else np.full(len(norms), math.inf)


def choose_K(norms: Floats, sums: Floats, delta: float, largest: int) -> int:
    """The smallest K with a relative bias below ``delta``, within SMALLEST..``largest``.

    ``largest`` where no K of 1..W has it, and where a norm is not finite.

    Args:
        norms, sums: (W) phi and g.
        delta: largest relative bias.
        largest: in steps; where it is below SMALLEST, it holds.

    >>> phi = 0.5 ** np.arange(50)
    >>> choose_K(phi, phi.cumsum(), delta=0.1, largest=30)  # 0.5^4 < 0.1 < 0.5^3
    4
    """
    steps = len(norms)
    if not (np.isfinite(norms).all() and np.isfinite(sums).all()):
        return largest
    small = relative_bias(norms, sums, steps - max(1, steps // 5)) < delta
    K = int(small.argmax()) + 1 if small.any() else steps
    return min(max(K, SMALLEST), largest)
