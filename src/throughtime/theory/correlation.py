"""Mean field theory of two sequences in one tanh network: how fast it forgets, or amplifies, what
told them apart.

The same model, sources, digits and domain as ``mean_field``. Correlations are written c = 1 - d,
and d is computed as such: near the critical line c* is too near to 1 for a float to hold the
difference.
"""

import math

import numpy as np

from throughtime.theory.mean_field import (
    DomainError,
    Floats,
    chi_1,
    depth_scale,
    nodes,
    q_star,
    root,
    sech2,
)


def _pairs(q: float, d: float) -> tuple[Floats, Floats, Floats]:
    """Points u (A, 1) and v (A, A), weights (A, A): Gaussian, both of variance q, of correlation 1
    - d.
    """
    x, w = nodes(q)
    u = x[:, None]
    return u, (1 - d) * u + math.sqrt(d * (2 - d)) * x[None, :], w[:, None] * w[None, :]


def next_decorrelation(d: float, q: float, sigma_w: float, s: float, rho: float) -> float:
    """1 - c' of z_t where 1 - c of z_{t-1} is d: (sigma_w^2 E (tanh u - tanh v)^2 / 2 + s (1 -
    rho)) / q.

    The same as 1 - (sigma_w^2 E tanh u tanh v + s rho) / q* at q = q*, without its cancellation.
    """
    u, v, w = _pairs(q, d)
    return (sigma_w**2 * float((w * (np.tanh(u) - np.tanh(v)) ** 2).sum()) / 2 + s * (1 - rho)) / q


def decorrelation(sigma_w: float, s: float, rho: float) -> float:
    """1 - c*, see ``c_star``.

    >>> f"{decorrelation(1.41, 0.1, 1.0):.6g}"  # sigma_w is .0007 beyond the critical line
    '0.00175913'
    """
    q = q_star(sigma_w, s)
    if not -1 <= rho <= 1:
        raise DomainError(f"rho={rho} is not in [-1, 1]")
    if q == 0:
        raise DomainError(
            f"sigma_w={sigma_w}, s=0: activity dies out (q* = 0), and silence has no correlation"
        )
    if rho < 0:
        return 2 - decorrelation(sigma_w, s, -rho)  # tanh is odd
    if s * rho == 0:
        return 1.0  # nothing is shared: independent stays independent
    low = 0.0
    if rho == 1:
        if chi_1(sigma_w, s) <= 1:
            return 0.0
        low = _below(q, sigma_w, s)
        if low == 0:
            return 0.0
    return root(lambda d: next_decorrelation(d, q, sigma_w, s, rho) - d, low, 1.0)


def _below(q: float, sigma_w: float, s: float) -> float:
    """Some d that one step makes larger, where chi_1 > 1 and rho = 1; 0 where 1 - c* < 1e-12, which
    is c* = 1 to all digits promised.
    """
    d = 0.5
    while d > 1e-12:
        if next_decorrelation(d, q, sigma_w, s, 1.0) > d:
            return d
        d /= 2
    return 0.0


def c_star(sigma_w: float, s: float, rho: float) -> float:
    """c*, the stable correlation of two sequences' z: c = (sigma_w^2 E tanh u tanh v + s rho) / q*.

    Shared inputs (rho = 1: the blanks of copy) have c* = 1 up to the critical line and c* < 1
    beyond: a true transition. For rho < 1, c* < 1 everywhere, and there is none. rho = 0 has c* =
    0.

    >>> c_star(1.0, 0.1, 1.0), round(c_star(1.5, 0.1, 1.0), 6), round(c_star(1.0, 0.1, 0.75), 6)
    (1.0, 0.80292, 0.736635)

    Raises:
        DomainError: rho is no correlation; q* = 0, where nothing is left to correlate; and as in
            ``q_star``.
    """
    return 1 - decorrelation(sigma_w, s, rho)


def chi_c(sigma_w: float, s: float, rho: float) -> float:
    """chi_c* = sigma_w^2 E sech^2 u sech^2 v at c*: the factor by which a deviation of c from c*
    changes over a step. At most 1.

    >>> (
    ...     round(chi_c(1.0, 0.1, 1.0), 6),
    ...     round(chi_c(1.5, 0.1, 1.0), 6),
    ...     round(chi_c(1.0, 0.1, 0.0), 6),
    ... )
    (0.688839, 0.95555, 0.648049)
    """
    u, v, w = _pairs(q_star(sigma_w, s), decorrelation(sigma_w, s, rho))
    return sigma_w**2 * float((w * sech2(u) * sech2(v)).sum())


def xi_c(sigma_w: float, s: float, rho: float) -> float:
    """-1 / ln chi_c*, in steps: over so many steps the network forgets all but 1/e of what told two
    sequences apart.

    Infinite on the critical line. What multiple of it bounds a recurrent network's memory is to be
    fitted, not assumed (Schoenholz et al. 2017 find about 6 for feed-forward networks).

    >>> round(xi_c(1.0, 0.1, 1.0), 6), round(xi_c(1.0, 0.1, 0.75), 6)
    (2.682779, 2.487371)
    """
    return depth_scale(chi_c(sigma_w, s, rho))
