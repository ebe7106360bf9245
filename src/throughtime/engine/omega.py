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

from copy import copy

import torch
from torch import Tensor

BOUND = 1e-20  # ||dL/dh_t||^2 below it is rounding: such steps do not count


class Omega:
    """What a backward pass finds, kept for all steps, because few calls for all steps together
    take less time than many for each step.

    Args:
        shape: (T, G, B, N).
        dtype, device: of the program.
    """

    def __init__(
        self, shape: tuple[int, int, int, int], dtype: torch.dtype, device: str = "cpu"
    ) -> None:
        self.dhs, self.dzs, self.us = torch.zeros((3, *shape), dtype=dtype, device=device).unbind()
        self.dh, self.dz, self.u = self.dhs.unbind(), self.dzs.unbind(), self.us.unbind()

    def first(self, steps: int) -> "Omega":
        """The first ``steps`` steps, in the same memory."""
        if steps == len(self.dh):
            return self
        own = copy(self)
        own.dhs, own.dzs = self.dhs[:steps], self.dzs[:steps]
        own.us, own.u = self.us[:steps], self.u[:steps]
        own.dh, own.dz = self.dh[:steps], self.dz[:steps]
        return own

    def clear(self) -> None:
        """Forget the last pass: steps that are not visited do not count."""
        self.dhs.zero_()
        self.dzs.zero_()

    def keep(self, t: int, dh: Tensor, dz: Tensor) -> None:
        """dL/dh_t and dL/dz_t, both (G, B, N)."""
        self.dh[t].copy_(dh)
        self.dz[t].copy_(dz)

    def differentiate(self, w_hh: Tensor) -> tuple[Tensor, Tensor]:
        """Omega (G), 0 where no step counts, and its immediate derivative with respect to W_hh (G,
        N, N). What was kept is used up.
        """
        back = w_hh.transpose(1, 2).contiguous()
        for dz, u in zip(self.dz, self.u, strict=True):
            torch.bmm(dz, back, out=u)
        squared = self.dhs.square().sum(-1)
        counted = squared >= BOUND
        size = torch.where(counted, squared, 1).sqrt_()[..., None]
        self.us.div_(size)
        self.dzs.div_(size)
        excess = torch.where(counted, self.us.square().sum(-1) - 1, 0)
        self.us.mul_(excess[..., None])
        sums = torch.zeros_like(w_hh)
        for dz, u in zip(self.dz, self.u, strict=True):
            sums.baddbmm_(u.transpose(1, 2), dz)
        count = counted.sum((0, 2)).clamp_min(1)
        return excess.square().sum((0, 2)) / count, sums * (4 / count)[:, None, None]
