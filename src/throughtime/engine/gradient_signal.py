"""How much gradient arrives at a state k steps back."""

import torch
from torch import Tensor

from throughtime.engine.bptt import Tape, Weights, forward
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.losses._base import Targets


def log_signal_by_lag(
    tape: Tape, weights: Weights, x: Tensor, targets: Targets, head: str
) -> Tensor:
    """log ||dL/dh_{T-k}|| for k = 0..T-1, where L is the loss of the last step alone; root mean
    square over the batch.

    The adjoint is rescaled to norm 1 at every step and the logarithms are summed, so that neither
    .5^300 nor 2^300 is lost; at full depth, whatever a run was trained with. State here is all of
    the cell's state, h first.

    Args:
        tape: memory; float64 recommended.
        weights, x, targets: as in bptt.gradients.
        head: ``softmax`` or ``regression``.

    Returns:
        (G, T) natural logarithms; -inf where the gradient is exactly zero, NaN where a state is not
        finite.
    """
    y = forward(tape, weights, x)
    _, dy = loss_of(head)(y, targets)
    back = weights["W_hh"].transpose(1, 2).contiguous()
    ds, ds_h, dz = tape.ds, tape.ds_h, tape.dz
    ds.zero_()
    ds_h.copy_(torch.bmm(dy[-1], weights["W_hy"].transpose(1, 2)))
    norms = []
    for t in range(tape.sizes.steps - 1, -1, -1):
        norm = torch.linalg.vector_norm(ds.flatten(1), dim=1)
        norms.append(norm)
        ds.div_(torch.where(norm > 0, norm, 1)[:, None, None])
        direct = tape.cell.adjoint(ds, tape.z[t], tape.state[t], tape.state[t + 1], dz)
        ds.zero_() if direct is None else ds.copy_(direct)
        tape.ds_carried.add_(torch.bmm(tape.h_part(dz), back))
    return torch.stack(norms).log().cumsum(0).T


def signal_ratio(log_signal: Tensor) -> Tensor:
    """(G, T): the signal at each lag over that at lag 1 (lag 0 where T = 1), from its (G, T)
    logarithms.

    0 where no gradient arrives, though some does at lag 0; NaN where the loss has no gradient at
    all.

    >>> signal_ratio(torch.tensor([[0.0, -1.0, -3.0]]).double()).log().tolist()
    [[1.0, 0.0, -2.0]]
    """
    near = log_signal[:, min(1, log_signal.shape[1] - 1)]
    ratio = (log_signal - near[:, None]).exp()
    none = torch.isneginf(log_signal) & ~torch.isneginf(log_signal[:, :1])
    return torch.where(none, torch.zeros_like(ratio), ratio)
