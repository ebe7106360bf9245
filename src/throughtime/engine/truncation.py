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
  the gradient is cut at random or made larger, see ``random_factors``. K is the mean length.

A depth of K steps counts the loss's own step: it reaches the inputs at lags 0..K-1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def random_factors(draws: NDArray[np.float64], K: int) -> NDArray[np.float64]:
    """Factors of randomized truncation, one for each border between two steps: 0 with probability
    c = 1 / K, which cuts the gradient there, else 1 / (1 - c).

    Their mean is 1 and they are independent, so the mean of the gradient over the draws is the full
    gradient. Steps between two cuts have the mean length K. K = 1 always cuts, which no factor can
    make up for: each loss then sees its own step, as in mode chunked with K = 1.

    Source: Tallec & Ollivier 2017, section 3 (ARTBP). The text at hand was the abstract and two
    summaries. Deviation: c is the same at all steps; the paper also has a c that falls with the
    time since the last cut, whose law could not be read.

    Args:
        draws: of any shape, uniform in [0, 1).
        K: mean length in steps.

    >>> random_factors(np.array([0.1, 0.2, 0.9]), K=5).tolist()
    [0.0, 1.25, 1.25]
    """
    return np.where(draws < 1 / K, 0.0, K / max(K - 1, 1))


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
