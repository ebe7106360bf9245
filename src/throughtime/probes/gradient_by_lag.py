"""Gradient by lag: how much of a loss's gradient arrives at the state k steps before it.

Quantities, index = lag k in steps, natural logarithms:

- ``log_gradient_rms``: of the root mean square over sequences of ||dL_b/ds_{t_b - k}||, where L_b
  is the loss of sequence b at its last scored step t_b alone, and s the state. In mean field theory
  its slope is ln(chi_1) / 2 per step.
- ``log_gradient_q05`` .. ``q95``: quantiles over sequences.
"""

import math

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.engine.bptt import Tape, Weights
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.losses._base import Targets
from throughtime.probes._base import Floats, Networks, Subject, quantiles

BATCHES = 5  # check batches: 100 sequences of 20


def measure(networks: Networks) -> pd.DataFrame:
    """The quantities above, on BATCHES check batches, lags 0..T-1."""
    subject = Subject(networks)
    head = networks.job.task.head
    logs = torch.cat(
        [
            by_example(subject.tape, subject.weights, r.y, r.targets, head)
            for r in subject.runs(BATCHES)
        ],
        -1,
    )
    by_row = logs.transpose(0, 1).cpu().numpy()  # (G, T, sequences)
    values = {"log_gradient_rms": log_rms(by_row)}
    return subject.frame(
        values | {f"log_gradient_{name}": q for name, q in quantiles(by_row).items()}
    )


def by_example(tape: Tape, weights: Weights, y: Tensor, targets: Targets, head: str) -> Tensor:
    """log ||dL_b/ds_{t_b - k}|| of every sequence b, L_b its own loss at its last scored step t_b.

    The adjoint of each sequence is rescaled to norm 1 at every step and the logarithms are summed,
    so that neither .5^300 nor 2^300 is lost. s is all of the cell's state.

    Args:
        tape: after ``bptt.forward`` without resets; float64 recommended.
        weights: of parameters.views.
        y: (Ts, G, B, O), what forward returned.
        targets: what is scored; the weights' size does not matter.
        head: ``softmax`` or ``regression``.

    Returns:
        (T, G, B), the first axis the lag; -inf where the gradient is exactly zero; NaN where the
        lag reaches before the sequence, where nothing of the sequence is scored, and where a state
        is not finite.
    """
    scored = targets.weight > 0
    _, dy = loss_of(head)(y, Targets(targets.values, scored.to(y.dtype)))
    first = tape.sizes.steps - tape.sizes.scored
    count = torch.arange(1, tape.sizes.scored + 1, device=y.device)[:, None, None]
    last = first - 1 + (scored * count).amax(0)  # (G, B); first - 1: nothing is scored
    injected = torch.bmm(_at(dy, last - first), weights["W_hy"].transpose(1, 2))
    logs = _run_back(tape, weights, injected, last, first)
    steps = torch.arange(tape.sizes.steps, device=y.device)[:, None, None]
    before = last - steps  # the step that is ``lag`` before the last scored one
    return torch.where(
        (before >= 0) & (last >= first), logs.gather(0, before.clamp_min(0)), math.nan
    )


def _at(dy: Tensor, place: Tensor) -> Tensor:
    """(G, B, O): dy (Ts, G, B, O) at each sequence's own scored step."""
    index = place.clamp_min(0)[None, :, :, None].expand(1, -1, -1, dy.shape[-1])
    return dy.gather(0, index)[0]


def _run_back(tape: Tape, weights: Weights, injected: Tensor, last: Tensor, first: int) -> Tensor:
    """(T, G, B): log norm of the adjoint of the state after each step; NaN after ``last``."""
    back = weights["W_hh"].transpose(1, 2).contiguous()
    ds, ds_h, dz = tape.ds.zero_(), tape.ds_h, tape.dz
    total = torch.full_like(injected[..., 0], math.nan)
    logs = torch.empty((tape.sizes.steps, *total.shape), dtype=total.dtype, device=total.device)
    for t in range(tape.sizes.steps - 1, -1, -1):
        if t >= first:
            here = last == t
            ds_h.add_(injected * here[..., None])
            total = torch.where(here, 0.0, total)
        norm = torch.linalg.vector_norm(ds, dim=-1)
        total = total + norm.log()
        logs[t] = total
        ds.div_(torch.where(norm > 0, norm, 1.0)[..., None])
        direct = tape.cell.adjoint(ds, tape.z[t], tape.state[t], tape.state[t + 1], dz)
        ds.zero_() if direct is None else ds.copy_(direct)
        tape.ds_carried.add_(torch.bmm(tape.h_part(dz).contiguous(), back))
    return logs


def log_rms(logs: Floats) -> Floats:
    """log of the root mean square over the last axis of exp(logs), NaN left out; no exponential
    over- or underflows.

    >>> log_rms(np.array([[-2000.0, -2000.0, np.nan]])).tolist()
    [-2000.0]
    """
    is_number = ~np.isnan(logs)
    top = np.max(np.where(is_number, logs, -np.inf), -1)
    shift = np.where(np.isfinite(top), top, 0.0)
    squares = np.where(is_number, np.exp(2 * (logs - shift[..., None])), 0.0).sum(-1)
    count = is_number.sum(-1)
    with np.errstate(divide="ignore"):  # a mean of zeros is zero, and its logarithm minus infinity
        result = shift + np.log(squares / np.maximum(count, 1)) / 2
    return np.where(count > 0, result, math.nan)
