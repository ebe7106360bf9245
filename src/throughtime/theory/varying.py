"""Mean field theory of tanh networks whose drive differs from step to step and from sequence to
sequence.

``mean_field`` and ``correlation`` take one variance s of the drive. Where it varies (adding: a
value in [0, 1) at every step, and a mark at two of T) the mean of sech^4 is not sech^4 at the mean,
because it is convex: at small gains the gradient of adding is smaller by .03 nats per step than at
its mean drive. Here q, chi_1 and chi_c are averaged over the DISTRIBUTION of the drive.

The network is that of ``mean_field``; the part of a unit's variance that comes from other units,
r, is taken at its mean: ``r = sigma_w^2 E_s E_z tanh^2(sqrt(r + s) z)``. That is exact to first
order in how much r varies between sequences, which falls with the gain.

*Quadrature.* Values by Gauss-Legendre of VALUES points; Gaussian integrals over one variable as in
``mean_field``, over two by equal steps of .3 up to 6 standard deviations, which is good to 5 digits
for variances up to 7.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from throughtime.theory.mean_field import (
    DomainError,
    Floats,
    check,
    depth_scale,
    gain,
    mean,
    root,
    sech2,
)

VALUES = 6


@dataclass(frozen=True, eq=False)
class VaryingDrive:
    """The drive of two sequences at one step: what they have, with which weight.

    Attributes:
        a, b: (P,) variances of the drive in the one and in the other.
        shared: (P,) their covariance.
        weight: (P,), sums to 1.
    """

    a: Floats
    b: Floats
    shared: Floats
    weight: Floats

    @cached_property
    def own(self) -> tuple[tuple[float, float], ...]:
        """(variance, weight) of one sequence's drive."""
        values, place = np.unique(np.round(self.a, 12), return_inverse=True)
        return tuple(zip(values.tolist(), np.bincount(place, self.weight).tolist(), strict=True))


def constant(s: float, rho: float) -> VaryingDrive:
    """The same drive at every step: ``mean_field`` and ``correlation``."""
    return VaryingDrive(*(np.array([v]) for v in (s, s, s * rho, 1.0)))


def adding(length: int, input_gain: float = 1.0) -> VaryingDrive:
    """A value v, uniform in [0, 1), and a mark m at one step of each half: the variance is
    input_gain^2 (v^2 + m) / 2, that of two sequences shared input_gain^2 (v v' + m m') / 2.

    The marks are taken at their mean frequency 1 / (steps of the half), halves with equal weight.

    >>> drive = adding(50)
    >>> round(float(drive.weight @ drive.a), 6), round(float(drive.weight @ drive.shared), 6)
    (0.186667, 0.1258)
    """
    if length < 2:
        raise DomainError(f"length={length}: adding has two marks, it needs 2 steps or more")
    x, w = np.polynomial.legendre.leggauss(VALUES)
    v, p = (x + 1) / 2, w / 2
    parts = []
    for half in (length // 2, length - length // 2):
        for m in (0, 1):
            for n in (0, 1):
                chance = (1 / half if m else 1 - 1 / half) * (1 / half if n else 1 - 1 / half)
                marks = chance * half / length
                parts.append(
                    (
                        (v[:, None] ** 2 + m + 0 * v) / 2,
                        (v**2 + n + 0 * v[:, None]) / 2,
                        (v[:, None] * v + m * n) / 2,
                        p[:, None] * p * marks,
                    )
                )
    a, b, shared, weight = (np.concatenate([p[i].ravel() for p in parts]) for i in range(4))
    square = input_gain**2
    return VaryingDrive(square * a, square * b, square * shared, weight)


def recurrent(sigma_w: float, drive: VaryingDrive) -> float:
    """r*, the variance that comes from other units; ``q_star`` less s, where the drive is constant.

    Raises:
        DomainError: see ``mean_field.check``.
    """
    check(sigma_w, max(s for s, _ in drive.own))

    def surplus(r: float) -> float:
        return _next(r, sigma_w, drive) - r

    low = 1e-12
    return root(surplus, low, sigma_w**2) if surplus(low) > 0 else 0.0


def _next(r: float, sigma_w: float, drive: VaryingDrive) -> float:
    return sigma_w**2 * sum(w * mean(lambda x: np.tanh(x) ** 2, r + s) for s, w in drive.own)


def _gain(r: float, sigma_w: float, drive: VaryingDrive) -> float:
    return sum(w * gain(r + s, sigma_w) for s, w in drive.own)


def chi_1(sigma_w: float, drive: VaryingDrive) -> float:
    """sigma_w^2 E sech^4, over the distribution of the drive.

    >>> round(chi_1(1.0, constant(0.1, 0.0)), 6)
    0.688839
    """
    return _gain(recurrent(sigma_w, drive), sigma_w, drive)


def critical_sigma_w(drive: VaryingDrive) -> float:
    """The sigma_w at which chi_1 = 1.

    >>> round(critical_sigma_w(constant(0.1, 0.0)), 6)
    1.409281
    """
    high = 1.5
    while chi_1(high, drive) <= 1:
        high *= 1.5
    return root(lambda sigma_w: chi_1(sigma_w, drive) - 1, 0.99, high)


def log_norm_by_lag(sigma_w: float, drive: VaryingDrive, steps: int) -> Floats:
    """(steps,): ln of the root mean square of ||dL/dh_{T-k}|| / ||dL/dh_T||, as
    ``gradients.log_norm_by_lag``.
    """
    r, gains = 0.0, []
    for _ in range(steps):
        gains.append(_gain(r, sigma_w, drive))
        r = _next(r, sigma_w, drive)
    return np.concatenate([[0.0], np.cumsum(np.log(gains[:0:-1])) / 2])


def xi_c(sigma_w: float, drive: VaryingDrive) -> float:
    """-1 / ln chi_c, in steps, as ``correlation.xi_c``: how long two sequences of the task stay
    told apart. chi_c = sigma_w^2 E sech^2 u sech^2 v, over the distribution of both drives.

    >>> round(xi_c(1.0, constant(0.1, 0.75)), 4)
    2.4874
    """
    r = recurrent(sigma_w, drive)
    z = np.arange(-20, 21) * 0.3
    w = np.exp(-(z**2) / 2)
    weight = w[:, None] * w / w.sum() ** 2
    first, second = np.sqrt(r + drive.a), np.sqrt(r + drive.b)

    def average(f: Callable[[Floats], Floats], covariance: float) -> float:
        c = np.clip((covariance + drive.shared) / (first * second), -1, 1)[:, None, None]
        u = first[:, None, None] * z[:, None]
        v = second[:, None, None] * (c * z[:, None] + np.sqrt(1 - c**2) * z)
        products = f(u) * f(v)
        return float(drive.weight @ (products * weight).sum((1, 2)))

    def surplus(covariance: float) -> float:
        return sigma_w**2 * average(np.tanh, covariance) - covariance

    # the largest covariance is r, of two copies of one sequence
    covariance = root(surplus, 0.0, r) if surplus(0.0) > 0 > surplus(r) else r
    return depth_scale(sigma_w**2 * average(sech2, covariance))
