"""Truncation modes as windows: which steps a loss can reach.

Every mode is a list of windows. A window is run backward from its last step to its first; only the
losses of its last k1 steps are injected, so that every loss is injected exactly once.

- ``full``: one window over all T steps.
- ``chunked`` (k1 = k2 = K): disjoint windows of K; the loss at offset j (from 1) of a window sees j
  steps, (K + 1) / 2 on average.
- ``sliding`` (k1, k2 = K): Williams & Peng 1990, BPTT(h; h') with h = K, h' = k1. With k1 = 1 every
  loss sees exactly K steps.
- ``buffered`` (k1 = K, k2 = 2K - 1): Aicher, Foti & Fox 2019; a loss sees K to 2K - 1 steps.

A depth of K steps counts the loss's own step: it reaches the inputs at lags 0..K-1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MODES = ("full", "chunked", "sliding", "buffered")


@dataclass(frozen=True)
class Window:
    """Backward runs over steps ``start``..``stop - 1``; the losses at ``scored``..``stop - 1`` are
    injected.
    """

    start: int
    scored: int
    stop: int


def strides(mode: str, steps: int, K: int, k1: int = 1) -> tuple[int, int]:
    """(k1, k2): steps between backward passes, and depth of a pass, both in steps.

    >>> strides("sliding", steps=100, K=7, k1=2), strides("buffered", steps=100, K=7)
    ((2, 7), (7, 13))

    Raises:
        ValueError: unknown mode, or k1 > K in ``sliding``, which would leave losses without any
            gradient.
    """
    if mode == "full":
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

    >>> windows(5, k1=2, k2=2, offset=1)  # doctest: +NORMALIZE_WHITESPACE
    [Window(start=0, scored=0, stop=1), Window(start=1, scored=1, stop=3),
     Window(start=3, scored=3, stop=5)]
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
