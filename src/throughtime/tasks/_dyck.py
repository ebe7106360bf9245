"""The law of bounded balanced strings that end by chance, as Hewitt et al. 2020 draw them.

Their sampler is a walk of the depth: at depth 0 it opens or ends, at the largest depth it closes,
else it opens or closes, each with probability 1/2. It may not end before ``shortest`` symbols, and
strings longer than ``length``, the end counted, are drawn anew. Here the rejected strings are never
drawn: every step's probabilities are conditioned on ending in time, which gives the same law.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Law:
    """What follows after t symbols at a depth, given that the string ends in time.

    Attributes:
        opens, ends: (length, depth + 1) probabilities; else a bracket closes.
    """

    opens: Floats
    ends: Floats

    def draw(self, coin: Floats) -> tuple[Flags, Flags, Flags]:
        """(length, B) each, from as many uniform numbers: whether a bracket opens, whether one
        closes, and whether the step belongs to the string, its end included.
        """
        opens, closes, belongs = np.zeros((3, *coin.shape), bool)
        height, alive = np.zeros(coin.shape[1], np.int64), np.ones(coin.shape[1], bool)
        either = self.opens + self.ends
        for t, row in enumerate(coin):
            opens[t] = alive & (row < self.opens[t, height])
            ended = alive & ~opens[t] & (row < either[t, height])
            closes[t] = alive & ~opens[t] & ~ended
            belongs[t] = alive
            alive = alive & ~ended
            height += opens[t]
            height -= closes[t]
        return opens, closes, belongs

    @property
    def occupied(self) -> Floats:
        """(length, depth + 1): the probability that a string is there after t symbols."""
        here = np.zeros(self.opens.shape)
        here[0, 0] = 1
        closes = 1 - self.opens - self.ends
        for t in range(len(here) - 1):
            here[t + 1, 1:] += (here[t] * self.opens[t])[:-1]
            here[t + 1, :-1] += (here[t] * closes[t])[1:]
        return here

    @property
    def end_share(self) -> float:
        """The share of end signs among all symbols: one over the mean length."""
        return float(1 / self.occupied.sum())

    def ceiling(self, types: int) -> float:
        """The share of symbols that are right where the likeliest one is always named: by whoever
        knows the law, the step and the open brackets.
        """
        best = np.maximum(np.maximum(self.opens / types, self.ends), 1 - self.opens - self.ends)
        return float((self.occupied * best).sum() / self.occupied.sum())


@cache
def law(depth: int, shortest: int, length: int) -> Law:
    """The law of strings at most ``depth`` deep, of ``shortest`` symbols or more, and of at most
    ``length`` with the end sign.

    With length 5 and depth 2 there are ``()``, ``(())`` and ``()()``, which the walk draws with
    probability 1/4, 1/8 and 1/16. So after ``()`` the string ends with 4/5:

    >>> found = law(depth=2, shortest=1, length=5)
    >>> round(float(found.ends[2, 0]), 9)
    0.8
    """
    opens, ends = np.zeros((2, length, depth + 1))
    later = np.zeros(depth + 2)  # the probability to end in time, by depth, after t + 1 symbols
    for t in reversed(range(length)):
        end = np.zeros(depth + 1)
        end[0] = 0.5 if t >= shortest else 0
        up = np.full(depth + 1, 0.5)
        up[0] = 1 - end[0]
        up[depth] = 0
        down = 1 - up - end
        rise = up * later[1:]
        fall = down * np.append(0, later[:depth])
        total = rise + fall + end
        possible = total > 0
        np.divide(rise, total, out=opens[t], where=possible)
        np.divide(end, total, out=ends[t], where=possible)
        later = np.append(total, 0)
    return Law(opens, ends)
