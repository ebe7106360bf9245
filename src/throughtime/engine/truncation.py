"""Truncation modes as windows: which steps a loss can reach.

Every mode is a list of windows. A window is run backward from its last step to its first; only the
losses of its last k1 steps are injected, so that every loss is injected exactly once.

- ``full``: one window over all T steps.
- ``chunked`` (k1 = k2 = K): disjoint windows of K; the loss at offset j (from 1) of a window sees j
  steps, (K + 1) / 2 on average.
- ``sliding`` (k1, k2 = K): Williams & Peng 1990, BPTT(h; h') with h = K, h' = k1. With k1 = 1 every
  loss sees exactly K steps.
- ``buffered`` (k1 = K, k2 = 2K - 1): Aicher, Foti & Fox 2019; a loss sees K to 2K - 1 steps.
- ``randomized``: Tallec & Ollivier 2017 (ARTBP); one window over all steps, at each border of which
  the gradient is cut at random or made larger, see ``random_factors``. K is the mean length, and
  ``tail`` the exponent of the tail of lengths.

A depth of K steps counts the loss's own step: it reaches the inputs at lags 0..K-1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MODES = ("full", "chunked", "sliding", "buffered", "randomized")


@dataclass(frozen=True)
class Window:
    """Backward runs over steps ``start``..``stop - 1``; the losses at ``scored``..``stop - 1`` are
    injected.

    Attributes:
        factors: (T, G) what the gradient that goes back from step t >= 1 to step t - 1 is
            multiplied by, of each row; None: 1 everywhere. The engine ``torch`` alone takes them.
    """

    start: int
    scored: int
    stop: int
    factors: NDArray[Any] | None = field(default=None, compare=False, repr=False)


def strides(mode: str, steps: int, K: int, k1: int = 1) -> tuple[int, int]:
    """(k1, k2): steps between backward passes, and depth of a pass, both in steps.

    >>> strides("sliding", steps=100, K=7, k1=2), strides("buffered", steps=100, K=7)
    ((2, 7), (7, 13))

    Raises:
        ValueError: unknown mode, or k1 > K in ``sliding``, which would leave losses without any
            gradient.
    """
    if mode in ("full", "randomized"):
        return steps, steps
    if mode == "chunked":
        return K, K
    if mode == "buffered":
        return K, 2 * K - 1
    if mode != "sliding":
        raise ValueError(f"mode {mode!r} is none of {MODES}")
    if k1 > K:
        raise ValueError(f"k1={k1} > K={K} leaves losses without gradient")
    return k1, K


def windows(steps: int, k1: int, k2: int, offset: int = 0) -> list[Window]:
    """The windows over ``steps`` steps, first to last.

    Args:
        steps: T >= 1.
        k1, k2: stride and depth in steps; larger than T is as good as T.
        offset: the length of the first stride, in 0..k1-1, 0 for a full one. With ``offset = T %
            k1`` windows are aligned to the END of the sequence: the last loss always sees min(k2,
            T) steps.

    >>> [(w.start, w.scored, w.stop) for w in windows(5, k1=2, k2=2, offset=1)]
    [(0, 0, 1), (1, 1, 3), (3, 3, 5)]
    >>> windows(5, k1=2, k2=2)[-1]
    Window(start=4, scored=4, stop=5)
    """
    stops = list(range(offset or k1, steps, k1)) + [steps]
    scored = [0, *stops[:-1]]
    # A last stride that the sequence cuts short starts where a whole one would: chunks stay
    # disjoint.
    return [
        Window(max(0, first + k1 - k2 if first else 0), first, stop)
        for first, stop in zip(scored, stops, strict=True)
    ]


def cut_chance(since: ArrayLike, K: int, tail: float = math.inf) -> NDArray[np.float64]:
    """The chance c(d) that randomized truncation cuts at a border, d = ``since`` borders after the
    last cut or the update's first step: ``1 / c(d) = K + (d + 1 - K) / (tail - 1)``.

    It falls with d, and is 1 / K at d = K - 1. The steps between two cuts have a length l of mean
    K, whose probability falls like l^-tail. With ``tail`` infinite c is 1 / K at every d, and l is
    geometrically distributed.

    The law is derived here and was not read. A chance ``a / (b + d)`` of a cut leaves more than n
    steps uncut with the chance ``S(n) = Gamma(b - a + n) Gamma(b) / (Gamma(b - a) Gamma(b + n))``,
    which falls like n^-a. Its sum over n = 0, 1, .. is the mean length: Gauss' sum of a
    hypergeometric series, ``(b - 1) / (a - 1)``, where a > 1. With a = tail - 1, a mean of K gives
    b = (tail - 2) K + 1.

    Args:
        since: d = 0, 1, .., of any shape.
        K: mean length in steps, at least 1.
        tail: exponent of the lengths' probability, above 2: no mean length exists below.

    Raises:
        ValueError: K below 1, or ``tail`` not above 2.

    >>> cut_chance([0, 3, 6], K=4, tail=4).round(4).tolist()
    [0.3333, 0.25, 0.2]
    >>> cut_chance([0, 3, 6], K=4).tolist()
    [0.25, 0.25, 0.25]
    """
    if K < 1 or not tail > 2:
        raise ValueError(
            f"randomized truncation with K={K}, tail={tail}: its mean length K is at least 1, and "
            "the exponent of its tail above 2"
        )
    return np.asarray(1 / (K + (np.asarray(since, dtype=float) + 1 - K) / (tail - 1)))


def random_factors(
    draws: NDArray[np.float64], K: int, tail: float = math.inf
) -> NDArray[np.float64]:
    """Factors of randomized truncation, one for each border between two steps: 0 with probability
    c, which cuts the gradient there, else 1 / (1 - c).

    c is 1 / K, or falls with the time since the last cut as ``cut_chance`` says. Given all earlier
    borders a factor has the mean 1. So has the product over any stretch of borders, and the mean of
    the gradient over the draws is the full gradient. Steps between two cuts have the mean length K.
    K = 1 cuts at once, which no factor can make up for: each loss then sees its own step, as in
    mode chunked with K = 1.

    Cuts are drawn forward in time, before the backward pass, which meets the borders in the
    opposite order. That changes no product. The time since the last cut starts anew with every
    update, whose first step follows a border that no gradient crosses. The first length of an
    update is thus distributed as all others are; the last one is cut short by the update's end.

    Source: Tallec & Ollivier 2017, section 3 (ARTBP). The text at hand was the abstract and two
    summaries. The paper also has a c that falls with the time since the last cut. Its law could not
    be read, and that of ``cut_chance`` is our own.

    Args:
        draws: uniform in [0, 1); of any shape where ``tail`` is infinite. Else (T, G), row t for
            the border before step t; row 0 is the update's own border, whose factor is 0.
        K: mean length in steps.
        tail: exponent of the tail of lengths; infinite: a constant c.

    Raises:
        ValueError: see ``cut_chance``.

    >>> random_factors(np.array([0.1, 0.2, 0.9]), K=5).tolist()
    [0.0, 1.25, 1.25]
    >>> random_factors(np.array([[0.5], [0.9], [0.2], [0.3]]), K=4, tail=4).round(4).tolist()
    [[0.0], [1.5], [0.0], [0.0]]
    """
    if math.isinf(tail):
        return np.where(draws < cut_chance(0, K), 0.0, K / max(K - 1, 1))
    factors, since = np.zeros(draws.shape), np.zeros(draws.shape[1:], dtype=int)
    chance = cut_chance(np.arange(len(draws)), K, tail)
    for t in range(1, len(draws)):
        c = chance[since]
        cut = draws[t] < c
        factors[t] = np.where(cut, 0.0, 1 / (1 - np.where(cut, 0.0, c)))
        since = np.where(cut, 0, since + 1)
    return factors


def reach(steps: int, k1: int, k2: int, scored: int, offset: int) -> int:
    """The largest lag between any of the last ``scored`` losses and an input its gradient reaches.

    >>> reach(steps=30, k1=10, k2=10, scored=1, offset=0)
    9
    """
    first = steps - scored
    return max(w.stop - 1 - w.start for w in windows(steps, k1, k2, offset) if w.stop > first)


def overlapping(windows: Sequence[Window]) -> bool:
    """Whether any step is in two windows."""
    return any(a.stop > b.start for a, b in pairwise(windows))
