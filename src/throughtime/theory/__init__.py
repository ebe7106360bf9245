"""What theory says beforehand: numbers to hold measurements against. NumPy and SciPy alone.

- ``mean_field``: tanh networks of infinite width: q*, chi_1, c*, chi_c, xi, the critical line.
- ``drives``: the variance and correlation that a task's inputs put into those formulas.
- ``gradients``: gradient norm by lag, singular values, orthogonal weights, corrections for finite
  width.
- ``lyapunov``: spectra that are known in closed form.
- ``reach``: which input a loss can reach under a truncation mode, and the share of copy's
  dependencies within reach.
- ``bias``: the bound of Aicher, Foti & Fox 2019 on the bias of a truncated gradient.
- ``influence``: influence balancing of Tallec & Ollivier 2018, solved.

All of it holds for networks at initialization; what depends on width assumes weights that are drawn
anew at every step ("untied").
"""

from throughtime.theory.mean_field import ConvergenceError, DomainError

__all__ = ["ConvergenceError", "DomainError"]
