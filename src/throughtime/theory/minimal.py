"""Mean field theory of the minimalRNN: how fast it forgets, and what a step does to a gradient.

A unit's gate is ``u_t = sigma(e_t)`` with ``e_t = W h_{t-1} + V x_t + bias``, and ``h_t = u_t
h_{t-1} + (1 - u_t) n_t``. As in ``mean_field`` N -> infinity and weights are drawn anew at every
step; W_ij ~ N(0, sigma_w^2 / N). The inputs enter by three variances: ``s`` of V x_t, and of n_t a
part that is ``shared`` by all steps and sequences and one that is ``fresh``, independent at each of
them. Of a unit g = h - shared part obeys the same equation with the fresh part alone, hence

    Q = fresh E (1 - u)^2 / (1 - E u^2)                      variance of g
    q = sigma_w^2 (Q + shared) + s                           variance of e - bias
    chi_1 = E u^2 + sigma_w^2 (Q + fresh) E u'^2             of a squared gradient, per step
    chi_c = E u_a u_b                                        of two sequences' covariance, per step

The last is for sequences whose fresh parts are independent: nothing but the state links them, and
their gates have the correlation of what they share.

Source: the quantities are those of Chen, Pennington & Schoenholz 2018. Their text could not be
read; the equations are derived here and held against simulation (tests/theory/test_minimal.py).

*Domain.* That of ``mean_field``; variances are not negative, correlations lie in [-1, 1].
"""

import math
from dataclasses import dataclass

import numpy as np

from throughtime.theory.mean_field import (
    DomainError,
    Floats,
    check,
    depth_scale,
    mean,
    nodes,
    root,
)


def sigma(x: Floats) -> Floats:
    """The logistic function, without overflow."""
    return (1 + np.tanh(x / 2)) / 2


@dataclass(frozen=True)
class Inputs:
    """What a task's inputs give to a unit.

    Attributes:
        s: variance of the gate's drive.
        rho: its correlation between two sequences.
        shared: variance, over units, of what n has at all steps of all sequences.
        fresh: variance of the rest of n.
    """

    s: float
    rho: float
    shared: float
    fresh: float

    def __post_init__(self) -> None:
        if min(self.s, self.shared, self.fresh) < 0 or not -1 <= self.rho <= 1:
            raise DomainError(f"{self}: variances >= 0 and -1 <= rho <= 1 are needed")


def distractors(inputs: int, kinds: int, input_gain: float = 1.0) -> Inputs:
    """One-hot symbols, of which ``kinds`` appear, uniformly and independently, with the usual start
    of W_xh: N(0, input_gain^2 / I).

    >>> distractors(6, 4).rho
    0.25
    """
    s = input_gain**2 / inputs
    variance = mean(lambda x: np.tanh(x) ** 2, s)
    return Inputs(s, 1 / kinds, variance / kinds, variance * (1 - 1 / kinds))


def state_variance(q: float, bias: float, fresh: float) -> float:
    """Q where the gate's drive has variance q."""
    kept = mean(lambda x: sigma(x + bias) ** 2, q)
    return fresh * mean(lambda x: sigma(-x - bias) ** 2, q) / (1 - kept)


def q_star(sigma_w: float, bias: float, inputs: Inputs) -> float:
    """q that reproduces itself. It lies between what the inputs give alone and what a state as
    strong as they would add, as Q <= fresh.

    >>> round(q_star(6.88, 0.0, Inputs(1.39**2 * 0.46, 0.0, 0.0, 0.46)), 4)
    15.9362
    """
    low = sigma_w**2 * inputs.shared + inputs.s
    high = low + sigma_w**2 * inputs.fresh
    check(sigma_w, high)
    if low == high:
        return low
    return root(
        lambda q: low + sigma_w**2 * state_variance(q, bias, inputs.fresh) - q, low, high * 1.001
    )


def chi_1(sigma_w: float, bias: float, inputs: Inputs) -> float:
    """Factor on a squared gradient per step, at the fixed point.

    >>> round(chi_1(6.88, 0.0, Inputs(1.39**2 * 0.46, 0.0, 0.0, 0.46)), 4)
    0.9988
    """
    q = q_star(sigma_w, bias, inputs)
    power = state_variance(q, bias, inputs.fresh) + inputs.fresh
    slope = mean(lambda x: (sigma(x + bias) * sigma(-x - bias)) ** 2, q)
    return mean(lambda x: sigma(x + bias) ** 2, q) + sigma_w**2 * power * slope


def chi_c(sigma_w: float, bias: float, inputs: Inputs) -> float:
    """Factor on the covariance of two sequences' states per step.

    >>> round(chi_c(1.0, 0.0, Inputs(0.1, 0.0, 0.0, 0.1)), 12)
    0.25
    """
    q = q_star(sigma_w, bias, inputs)
    c = (sigma_w**2 * inputs.shared + inputs.s * inputs.rho) / q if q else 0.0
    x, w = nodes(q)
    u = x[:, None]
    v = c * u + math.sqrt(max(1 - c * c, 0.0)) * x
    pairs = w[:, None] * w
    return float((pairs * sigma(u + bias) * sigma(v + bias)).sum())


def xi_c(sigma_w: float, bias: float, inputs: Inputs) -> float:
    """-1 / ln chi_c, in steps: over so many of them all but 1/e is forgotten of what two sequences
    had in common, or of what told one from the rest.

    >>> inputs = distractors(6, 4)
    >>> [round(xi_c(1.0, bias, inputs), 2) for bias in (0.0, 2.0, 4.0)]
    [0.73, 3.69, 25.08]
    """
    return depth_scale(chi_c(sigma_w, bias, inputs))
