"""Mean field theory of tanh networks: the fixed points of variance and correlation, and what grows
or shrinks around them.

The network is ``z_t = W h_{t-1} + V x_t + b``, ``h_t = tanh(z_t)``, with W_ij ~ N(0, sigma_w^2 /
N), N -> infinity, weights drawn anew at every step. The inputs and the bias enter by two numbers:
``s``, the variance that they give to a unit's z, and ``rho``, the correlation of that drive between
two sequences (see ``drives``).

Sources: Poole et al. 2016 (q, c, chi); Schoenholz et al. 2017 (xi; feed-forward); Chen, Pennington
& Schoenholz 2018 (recurrent, with inputs). Deviation: where they have sigma_v^2 R and sigma_b^2
apart, s is their sum and s rho is sigma_v^2 R rho + sigma_b^2.

*Quadrature.* Integrals over Gaussians are sums at equal steps, which for analytic integrands
converge faster than any power of the step: tanh(sqrt(q) z) has its poles at distance pi / (2 sqrt
q) from the real line, hence a step of 1 / (4 sqrt q) leaves an error of order exp(-4 pi^2) = 7e-18,
and cutting at 9 standard deviations one of 2e-19. Gauss-Hermite rules of fixed order lose digits as
q grows; these do not. Roots are bracketed (brentq). Results are good to 8 digits, and the tests
hold them to that against adaptive quadrature.

*Domain.* sigma_w > 0, s >= 0, -1 <= rho <= 1, and variances up to 1000 (sigma_w up to 31); else
``DomainError``.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

Floats = NDArray[np.float64]
LARGEST = 1000.0  # variance
STEPS = 5000  # of root finding: to halve an interval from 1 to 1e-300 takes a thousand
PYTORCH_SIGMA_W = 1 / math.sqrt(3)  # torch.nn.RNN's default U(+-1/sqrt N) has variance 1 / (3 N)


class DomainError(ValueError):
    """There is no answer for these arguments; the message says why."""


class ConvergenceError(ArithmeticError):
    """There is an answer, but it was not found to the promised number of digits."""


def nodes(variance: float) -> tuple[Floats, Floats]:
    """Points x and weights w such that ``(w * f(x)).sum()`` is E f(x), x ~ N(0, variance), for f
    made of tanh and its derivatives.

    Raises:
        DomainError: variance below 0, above LARGEST, or not finite.
    """
    if not 0 <= variance <= LARGEST:
        raise DomainError(f"variance {variance} is not in [0, {LARGEST:g}]")
    if variance == 0:
        return np.zeros(1), np.ones(1)
    step = 0.25 / max(1.0, math.sqrt(variance))
    last = math.ceil(9 / step)
    z = step * np.arange(-last, last + 1, dtype=np.float64)
    density: Floats = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(variance) * z, step * density


def mean(f: Callable[[Floats], Floats], variance: float) -> float:
    """E f(x), x ~ N(0, variance).

    >>> round(mean(lambda x: np.tanh(x) ** 2, 1.0), 6)
    0.394294
    """
    x, w = nodes(variance)
    return float(w @ f(x))


def sech2(x: Floats) -> Floats:
    """The derivative of tanh, without the overflow of cosh."""
    return 1 - np.tanh(x) ** 2


def next_variance(q: float, sigma_w: float, s: float) -> float:
    """The variance of z_t where that of z_{t-1} is q: sigma_w^2 E tanh^2 + s."""
    return sigma_w**2 * mean(lambda x: np.tanh(x) ** 2, q) + s


def check(sigma_w: float, s: float) -> None:
    """Refuse what is no network.

    Raises:
        DomainError: sigma_w not positive, s negative, or either not finite or too large.
    """
    if not (0 < sigma_w and 0 <= s and sigma_w**2 + s <= LARGEST):
        raise DomainError(
            f"sigma_w={sigma_w}, s={s}: sigma_w > 0, s >= 0 and sigma_w^2 + s <= {LARGEST:g} are "
            "needed"
        )


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """The root of f between low and high, where f changes sign, to all digits.

    Raises:
        ConvergenceError: f does not change sign, or STEPS steps did not suffice.
    """
    try:
        return float(brentq(f, low, high, xtol=1e-300, rtol=1e-14, maxiter=STEPS))
    except (ValueError, RuntimeError) as error:
        raise ConvergenceError(f"no root found in [{low}, {high}]: {error}") from error


def q_star(sigma_w: float, s: float) -> float:
    """q*, the variance of z that reproduces itself: q = sigma_w^2 E tanh^2(sqrt(q) z) + s. The
    stable one.

    The right side is concave in q, so there is one positive solution where s > 0 or sigma_w > 1;
    else q* = 0.

    >>> round(q_star(1.5, 0.0), 6), round(q_star(1.0, 0.1), 6), q_star(0.9, 0.0)
    (0.793354, 0.294985, 0.0)

    Raises:
        DomainError: see ``check``.
    """
    check(sigma_w, s)
    if s == 0 and sigma_w <= 1:
        return 0.0
    low = max(_below(sigma_w, s), s)
    if next_variance(low, sigma_w, s) <= low:
        return low  # they differ by less than rounding, which happens for q* < 1e-8
    return root(lambda q: next_variance(q, sigma_w, s) - q, low, sigma_w**2 + s)


def _below(sigma_w: float, s: float) -> float:
    """A bound from below on q* that is tight for small q*: tanh^2 x >= x^2 - 2/3 x^4 gives q >=
    sigma_w^2 (q - 2 q^2) + s at the root.
    """
    b = sigma_w**2 - 1
    r = math.sqrt(b**2 + 8 * sigma_w**2 * s)
    return (
        (b + r) / (4 * sigma_w**2) if b > 0 else 2 * s / (r - b)
    )  # the quadratic's root, in the form that does not cancel


def variances(sigma_w: float, s: float | Floats, steps: int) -> Floats:
    """(steps,): q_t, the variance of z_t for t = 1..steps, from h_0 = 0, hence q_1 = s.

    Args:
        sigma_w: standard deviation of sqrt(N) W_ij.
        s: of all steps, or (steps,) of each.
        steps: T.

    >>> variances(1.0, 0.1, 3).round(6).tolist()
    [0.1, 0.184214, 0.238243]
    """
    q, result = 0.0, []
    for drive in np.broadcast_to(s, steps).tolist():
        check(sigma_w, drive)
        q = next_variance(q, sigma_w, drive)
        result.append(q)
    return np.array(result)


def gain(q: float, sigma_w: float) -> float:
    """sigma_w^2 E sech^4: the mean factor by which a squared gradient changes over a step at
    variance q.
    """
    return sigma_w**2 * mean(lambda x: sech2(x) ** 2, q)


def chi_1(sigma_w: float, s: float) -> float:
    """chi_1 = sigma_w^2 E sech^4(sqrt(q*) z): E ||dL/dh_{t-k}||^2 goes like chi_1^k. Below 1
    gradients vanish, above 1 they explode.

    >>> chi_1(0.5, 0.0), round(chi_1(1.0, 0.1), 6), round(chi_1(1.5, 0.1), 6)
    (0.25, 0.688839, 1.053798)
    """
    return gain(q_star(sigma_w, s), sigma_w)


def xi_grad(sigma_w: float, s: float) -> float:
    """-1 / ln chi_1, in steps: over so many steps the SQUARED gradient norm changes by e, the norm
    by sqrt(e).

    Negative where gradients explode (chi_1 > 1), as in Schoenholz et al. 2017; infinite on the
    critical line.

    >>> round(xi_grad(0.5, 0.0), 6)
    0.721348
    """
    return depth_scale(chi_1(sigma_w, s))


def depth_scale(chi: float) -> float:
    """-1 / ln chi."""
    return math.inf if chi == 1 else -1 / math.log(chi)


def critical_sigma_w(s: float) -> float:
    """The critical line: the sigma_w at which chi_1 = 1. For s = 0 it is 1; it grows with s.

    On the line sigma_w^2 = 1 / E sech^4, so s is a function of q alone, s = q - E tanh^2 / E
    sech^4, and grows with it. For small s the line is 1 + (3 s / 4)^(1/3): a little drive moves it
    far.

    >>> critical_sigma_w(0.0), round(critical_sigma_w(0.1), 6), round(critical_sigma_w(1.0), 6)
    (1.0, 1.409281, 1.855589)

    Raises:
        DomainError: s negative or beyond LARGEST / 2.
    """
    if not 0 <= s <= LARGEST / 2:
        raise DomainError(f"s={s} is not in [0, {LARGEST / 2:g}]")
    if s < 1e-18:
        return 1 + (3 * s / 4) ** (1 / 3)  # s would be lost in the rounding of the difference below

    def surplus(q: float) -> float:
        return q - next_variance(q, 1 / math.sqrt(gain(q, 1.0)), 0.0) - s

    high = s
    while surplus(high) <= 0:
        high *= 2
    return 1 / math.sqrt(gain(root(surplus, s / 2, high), 1.0))
