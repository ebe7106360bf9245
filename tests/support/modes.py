"""The truncation modes as their definitions say, without the package's windows; aligned to the end
of the sequence.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Step = Callable[[Tensor, int], Tensor]


def losses(
    mode: str, step: Step, start: Tensor, steps: int, K: int, k1: int = 1
) -> Iterator[tuple[int, Tensor]]:
    """(t, state after step t) for every t once, on a graph that is cut as the mode cuts it.

    chunked: one pass, the state detached at every border. sliding: every k1 steps, back from there
    for K steps. buffered: every K steps, back for 2K - 1. full: no cut.
    """
    if mode in ("full", "chunked"):
        h = start
        for t in range(steps):
            if mode == "chunked" and (steps - t) % K == 0:
                h = h.detach()
            h = step(h, t)
            yield t, h
        return
    stride, depth = (k1, K) if mode == "sliding" else (K, 2 * K - 1)
    kept = [start]
    with torch.no_grad():
        for t in range(steps):
            kept.append(step(kept[-1], t))
    for stop in range(steps, 0, -stride):
        h = kept[max(stop - depth, 0)]
        for t in range(max(stop - depth, 0), stop):
            h = step(h, t)
            if t >= stop - stride:
                yield t, h
