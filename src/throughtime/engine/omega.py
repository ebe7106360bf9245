"""Omega: a penalty on gradients that change their size on the way back (Pascanu, Mikolov & Bengio
2013, section 3.3).

    Omega = mean over steps and sequences of (||dL/dz_t W_hh^T||^2 / ||dL/dh_t||^2 - 1)^2

Only its immediate derivative is taken (their equation 10): states and dL/dh_t are held constant,
so that W_hh alone moves, with its one place in the formula.

With q = ||u||^2 / ||dL/dh_t||^2 and u = dL/dz_t W_hh^T,

    d Omega / d W_hh = mean of 4 (q - 1) / ||dL/dh_t||^2  u^T dL/dz_t

Where paper and code differ, this follows the authors' code (RNN.py of pascanur/trainingRNNs):

- Equation 9 has the ratio of norms, equation 10 the ratio of their squares; the code has squares.
- The paper has a sum over steps; the code has the mean over steps and sequences.
- The code leaves out steps at which ||dL/dh_t||^2 < 1e-20, the paper does not say so.
- The paper's state is the pre-activation, the code's is h, as here: phi' stands before W_hh^T.
"""

import torch
from torch import Tensor

BOUND = 1e-20  # ||dL/dh_t||^2 below it is rounding: such steps do not count


class Omega:
    """The sums of one backward pass.

    Args:
        w_hh: (G, N, N) recurrent weights.
        batch: B.
    """

    def __init__(self, w_hh: Tensor, batch: int) -> None:
        rows, units, _ = w_hh.shape
        self.back = w_hh.transpose(1, 2).contiguous()
        self.u = w_hh.new_empty(rows, batch, units)
        self.sums = torch.zeros_like(w_hh)
        self.total, self.count = w_hh.new_zeros(rows), w_hh.new_zeros(rows)

    def add(self, dh: Tensor, dz: Tensor) -> None:
        """One step's part, from dL/dh_t and dL/dz_t, both (G, B, N); neither is changed."""
        torch.bmm(dz, self.back, out=self.u)
        squared = dh.square().sum(-1)
        counted = squared >= BOUND
        size = torch.where(counted, squared, 1).sqrt()[..., None]
        u, v = self.u.div_(size), dz / size
        excess = torch.where(counted, u.square().sum(-1) - 1, 0)
        self.total += excess.square().sum(1)
        self.count += counted.sum(1)
        self.sums.baddbmm_(u.mul_(excess[..., None]).transpose(1, 2), v)

    @property
    def value(self) -> Tensor:
        """(G) Omega; 0 where no step counts."""
        return self.total / self.count.clamp_min(1)

    @property
    def gradient(self) -> Tensor:
        """(G, N, N) its immediate derivative with respect to W_hh."""
        return self.sums * (4 / self.count.clamp_min(1))[:, None, None]
