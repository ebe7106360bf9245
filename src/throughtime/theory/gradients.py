"""What mean field theory says of gradients: their norm by lag, singular values, orthogonal weights,
finite width.

Model and domain as in ``mean_field``. Lag k is counted as in ``throughtime.probes.signal``: k = 0
is the state that the loss reads.

*Orthogonal weights.* W = g O with O Haar-random. For any h that does not depend on O, every unit's
z is again Gaussian with variance g^2 ||h||^2 / N, so q*, chi_1 and the critical line are those of
Gaussian weights with sigma_w = g. What differs is the spread: the singular values of one step's
Jacobian g O diag(sech^2 z) are g sech^2(z_i) exactly: all g at the origin, in [0, g] elsewhere, of
mean g E sech^2 (``singular_values``). So its singular values never exceed g, where Gaussian ones
reach 2 sigma_w. The norm of a gradient in no particular direction changes by their root mean
square, sqrt(chi_1), and so, for large N, does the spectral radius (single ring theorem, Guionnet,
Krishnapur & Zeitouni 2011). The assumption is that state and O are independent; with tied weights
they are not, and a constant input (copy's blanks) breaks it most.
"""

import math
from typing import Literal

import numpy as np
from scipy.special import ndtri

from throughtime.theory.mean_field import (
    DomainError,
    Floats,
    chi_1,
    gain,
    mean,
    q_star,
    sech2,
    variances,
)

Weights = Literal["gaussian", "orthogonal"]


def slope(sigma_w: float, s: float) -> float:
    """lambda_1 = ln(chi_1) / 2: log ||dL/dh_{t-k}|| changes by it with every step of lag, in
    nats; the largest Lyapunov exponent.

    >>> round(slope(0.5, 0.0), 6), round(slope(1.5, 0.1), 6)
    (-0.693147, 0.0262)
    """
    return math.log(chi_1(sigma_w, s)) / 2


def log_norm_by_lag(sigma_w: float, s: float | Floats, steps: int) -> Floats:
    """(steps,): ln of the root mean square of ||dL/dh_{T-k}|| / ||dL/dh_T|| for k = 0..T-1, the
    transient from h_0 = 0 included.

    Early states are small, and small states pass gradients with a gain near sigma_w: the line bends
    upward at the largest lags.

    Args:
        sigma_w: standard deviation of sqrt(N) W_ij, or the gain of orthogonal weights.
        s: variance of the drive, of all steps or (T,) of each.
        steps: T.

    >>> log_norm_by_lag(1.0, 0.1, 4).round(6).tolist()
    [0.0, -0.174215, -0.334682, -0.467496]
    """
    gains = [gain(q, sigma_w) for q in variances(sigma_w, s, steps)]
    return np.concatenate([[0.0], np.cumsum(np.log(gains[:0:-1])) / 2])


def _moments(q: float) -> tuple[float, float]:
    """E sech^4 and E sech^8, mu_1 and mu_2 of Pennington, Schoenholz & Ganguli 2017."""
    return mean(lambda x: sech2(x) ** 2, q), mean(lambda x: sech2(x) ** 4, q)


def singular_values(g: float, s: float, share: Floats | float) -> Floats:
    """Quantiles of the singular values of one step's Jacobian, orthogonal weights: g
    sech^2(sqrt(q*) z) has them exactly.

    >>> singular_values(1.0, 0.1, np.array([0.0, 0.5, 1.0])).round(6).tolist()
    [0.0, 0.876954, 1.0]
    """
    z = np.minimum(
        ndtri(1 - np.asarray(share, dtype=float) / 2), 1e9
    )  # sech^2 falls with |z|; finite, for q* = 0
    return np.asarray(g * sech2(math.sqrt(q_star(g, s)) * z))


def mean_singular_value(g: float, s: float) -> float:
    """g E sech^2(sqrt(q*) z), the mean singular value of one step's Jacobian, orthogonal weights.

    Below sqrt(chi_1), their root mean square, which is what a gradient's norm follows.

    >>> round(mean_singular_value(1.0, 0.1), 6), round(math.sqrt(chi_1(1.0, 0.1)), 6)
    (0.805015, 0.829963)
    """
    return g * mean(sech2, q_star(g, s))


def singular_spread(sigma_w: float, s: float, lag: int, weights: Weights) -> float:
    """Variance over squared mean of the SQUARED singular values of a product of ``lag`` Jacobians,
    untied weights.

    lag (mu_2 / mu_1^2 - 1 - s_1), s_1 = -1 for Gaussian and 0 for orthogonal weights: it grows with
    lag for both unless weights are orthogonal and units linear (dynamical isometry). Source:
    Pennington, Schoenholz & Ganguli 2017.

    >>> singular_spread(0.9, 0.0, 10, "gaussian"), singular_spread(0.9, 0.0, 10, "orthogonal")
    (10.0, 0.0)
    """
    mu_1, mu_2 = _moments(q_star(sigma_w, s))
    return lag * (mu_2 / mu_1**2 - 1 + _gaussian(weights))


def finite_width_shift(sigma_w: float, s: float, units: int, weights: Weights) -> float:
    """What N units add to the slope of the TYPICAL log norm, in nats a step, to first order in 1/N,
    untied weights.

    ``slope`` is about ln E ||.||^2; a single network shows E ln ||.||^2, which is smaller by half
    the variance of a step's factor: -(3 mu_2 / mu_1^2 - 1) / (4 N) for Gaussian and
    -3 (mu_2 / mu_1^2 - 1) / (4 N) for orthogonal weights. Own derivation: the factor is
    sum_i d_i^2 u_i^2 with d_i = sech^2 z_i and u = W^T v for a gradient v of norm 1; its logarithm
    is expanded to second order. For linear units this is the expansion of ``lyapunov.gaussian``. It
    is for one gradient: the norm over many, as of a batch, is averaged before the logarithm, and
    starts nearer to ``slope``.

    >>> finite_width_shift(0.9, 0.0, 32, "gaussian"), finite_width_shift(0.9, 0.0, 32, "orthogonal")
    (-0.015625, 0.0)
    """
    if units < 1:
        raise DomainError(f"units={units}: a network has at least one")
    mu_1, mu_2 = _moments(q_star(sigma_w, s))
    return (3 * (1 - mu_2 / mu_1**2) - 2 * _gaussian(weights)) / (4 * units)


def _gaussian(weights: Weights) -> int:
    """1 for Gaussian, 0 for orthogonal weights."""
    if weights not in ("gaussian", "orthogonal"):
        raise DomainError(f"weights {weights!r}: theory knows gaussian and orthogonal")
    return int(weights == "gaussian")
