"""Which inputs a loss can reach under a truncation mode, and the share of copy's dependencies that
is within reach.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from throughtime.engine.truncation import strides, windows
from throughtime.theory.mean_field import DomainError

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def depths(mode: str, steps: int, K: int, k1: int = 1, offset: int = 0) -> Ints:
    """(T,): how many steps the loss of each step sees, its own included.

    Args:
        mode: ``full``, ``chunked``, ``sliding`` or ``buffered``.
        steps: T.
        K: truncation length in steps.
        k1: steps between backward passes, for ``sliding``.
        offset: length of the first stride, see ``truncation.windows``; ``T % stride`` aligns to the
            end.

    >>> depths("chunked", steps=7, K=3, offset=1).tolist()
    [1, 1, 2, 3, 1, 2, 3]
    >>> depths("buffered", steps=7, K=3, offset=1).tolist()
    [1, 2, 3, 4, 3, 4, 5]
    """
    result = np.empty(steps, np.int64)
    for window in windows(steps, *strides(mode, steps, K, k1), offset):
        losses = np.arange(window.scored, window.stop)
        result[losses] = losses - window.start + 1
    return result


def reachable(
    mode: str, steps: int, K: int, k1: int = 1, offset: int = 0, resets: Iterable[int] = ()
) -> Mask:
    """(T, T): [t, i] is True where gradient can flow from the loss of step t to the input of step
    i.

    Args:
        mode, steps, K, k1, offset: as in ``depths``.
        resets: steps before which the state is set to zero; no gradient passes there, whatever the
            mode.

    >>> reachable("chunked", steps=4, K=2).astype(int).tolist()
    [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    """
    t, i = np.arange(steps)[:, None], np.arange(steps)[None, :]
    segment = np.cumsum(np.isin(np.arange(steps), list(resets)))
    seen = (i <= t) & (t - i < depths(mode, steps, K, k1, offset)[:, None])
    return seen & (segment[:, None] == segment[None, :])


def covered(mask: Mask, dependencies: Ints) -> float:
    """The share of ``dependencies``, (D, 2) pairs of a loss's step and an input's step, that
    ``mask`` of ``reachable`` holds.

    >>> covered(reachable("chunked", steps=4, K=2), np.array([[3, 2], [3, 1]]))
    0.5
    """
    return float(mask[dependencies[:, 0], dependencies[:, 1]].mean())


def copy_dependencies(length: int, payload: int) -> Ints:
    """(payload, 2): the step at which each symbol of ``tasks.copy`` is recalled, and the step at
    which it was read.

    >>> copy_dependencies(length=4, payload=2).tolist()
    [[6, 0], [7, 1]]
    """
    read = np.arange(payload)
    return np.stack([read + length + payload, read], 1)


def copy_coverage(
    mode: str, K: int, length: int, payload: int, align: str = "end", k1: int = 1
) -> float:
    """The share of copy's symbols whose recall can reach them; the lag is L = length + payload for
    all.

    With a stride k1 and a depth k2 (chunked: K and K; sliding: k1 and K; buffered: K and 2K - 1), a
    loss d steps before its window's end sees k2 - d steps, and needs L + 1. So m = clip(k2 - L, 0,
    k1) of the k1 values of d will do, and

    - aligned to the end, where the recalls are the last ``payload`` steps, their d count 0, 1, ..
      k1 - 1, 0, 1 ..: (m (payload // k1) + min(m, payload % k1)) / payload. For chunked that is
      clip((K - L) / payload, 0, 1);
    - at a random phase, where d is uniform: m / k1 in expectation. For chunked that is max(0, 1 - L
      / K). This is for a sequence within a stream: at the end of the stream ``truncation.windows``
      lets a last, short window look k2 steps back from the end.

    >>> [copy_coverage("chunked", K, length=4, payload=4) for K in (8, 9, 10, 12)]
    [0.0, 0.25, 0.5, 1.0]
    >>> copy_coverage("chunked", 10, length=4, payload=4, align="random")
    0.2

    Raises:
        DomainError: ``align`` is neither ``end`` nor ``random``.
    """
    stride, depth = strides(mode, length + 2 * payload, K, k1)
    enough = min(max(depth - length - payload, 0), stride)
    if align == "random":
        return enough / stride
    if align != "end":
        raise DomainError(f"align {align!r}: the law is known for end and random")
    cycles, rest = divmod(payload, stride)
    return (enough * cycles + min(enough, rest)) / payload
