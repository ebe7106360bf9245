"""Lyapunov spectra in closed form: what the QR method must find. Natural logarithms per step,
largest first.

The exponents of h_t = J_t h_{t-1} are the limits of (1/t) ln of the singular values of J_t .. J_1
(Vogt et al. 2022; Engelken, Wolf & Abbott 2023). For tanh networks of infinite width the largest is
``gradients.slope``, ln(chi_1) / 2.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma

from throughtime.theory.mean_field import DomainError, Floats


def linear(matrix: ArrayLike) -> Floats:
    """(N,): ln |eigenvalues| of a constant J. For a diagonal J that is ln |diagonal|; for g
    times an orthogonal one, ln g N times.

    >>> linear([[0.5, 0.0], [0.0, -2.0]]).round(6).tolist()
    [0.693147, -0.693147]
    >>> linear(0.9 * np.array([[0.6, -0.8], [0.8, 0.6]])).round(6).tolist()
    [-0.105361, -0.105361]
    """
    with np.errstate(divide="ignore"):  # a zero eigenvalue: -inf
        return np.sort(np.log(np.abs(np.linalg.eigvals(np.asarray(matrix, dtype=float)))))[::-1]


def diagonals(steps: ArrayLike) -> Floats:
    """(N,): of diagonal J_t that change with t, one period (T, N) of their diagonals: means of ln
    |d|.

    >>> diagonals([[2.0, 0.5], [1.0, 0.5]]).round(6).tolist()
    [0.346574, -0.693147]
    """
    with np.errstate(divide="ignore"):
        return np.sort(np.log(np.abs(np.asarray(steps, dtype=float))).mean(0))[::-1]


def orthogonal(gain: float, units: int) -> Floats:
    """(N,): ln g, for J_t = g O_t with any orthogonal O_t, constant or not.

    >>> orthogonal(1.0, 3).tolist()
    [0.0, 0.0, 0.0]
    """
    if gain <= 0:
        raise DomainError(f"gain={gain} is not positive")
    return np.full(units, np.log(gain))


def gaussian(sigma_w: float, units: int) -> Floats:
    """(N,): for J_t drawn anew at every step, entries N(0, sigma_w^2 / N): ln sigma_w + (ln(2/N) +
    digamma((N - i + 1) / 2)) / 2.

    Source: Newman 1986. The largest tends to ln sigma_w = ln(chi_1) / 2 as N grows, and is about 1
    / (2 N) below it.

    >>> gaussian(1.0, 2).round(6).tolist()
    [-0.288608, -0.981755]
    """
    if sigma_w <= 0:
        raise DomainError(f"sigma_w={sigma_w} is not positive")
    return np.log(sigma_w) + (np.log(2 / units) + digamma((units - np.arange(units)) / 2)) / 2
