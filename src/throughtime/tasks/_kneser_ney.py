"""Modified interpolated Kneser-Ney: the n-gram lines that a network's bits per character are held
against.

A model of order n predicts a symbol from the n symbols before it (an (n+1)-gram model; ``nltk``
would call it order n + 1)::

    p_k(w | h) = (c(h w) - D_k(c(h w))) / c(h) + b_k(h) p_{k-1}(w | h without its first symbol)
    b_k(h) = (D_k(1) N_1(h) + D_k(2) N_2(h) + D_k(3) N_3+(h)) / c(h)

with c the counts of the text at k = n, and at k < n the number of different symbols seen before ``h
w``; N_i(h) the number of different symbols seen i times after h (N_3+: three times or more); D_k(0)
= 0 and D_k(c) = D_k(3) for c > 3. An unseen context defers to the shorter one. p_{-1} is uniform
over the alphabet, so that a symbol never seen in training has a probability, too; probabilities sum
to one over the alphabet.

Source: Kneser & Ney 1995; Chen & Goodman 1999, eq. 26, with three discounts per order::

    Y = n_1 / (n_1 + 2 n_2), D(1) = Y, D(2) = 2 - 3 Y n_3 / n_2, D(3) = 3 - 4 Y n_4 / n_3

where n_i k-grams are counted i times (D(1) = 1 - 2 Y n_2 / n_1 is Y). Deviation: an estimate
outside of (0, i], which few n-grams can give, is Y; and without n_1 or n_2, Y is .5.
``nltk.lm.KneserNeyInterpolated`` differs: one discount (.1) for all orders and counts, none at
order 0 and no uniform floor, and N(h) from the counts of the text even where c are continuations
(which matters only for n-grams that stand at the very start of the text and nowhere else).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Discounts = tuple[float, float, float]  # of what was counted once, twice, and more often


@dataclass(frozen=True, eq=False)
class _Level:
    """The counts of one order, n-grams coded as integers in base ``symbols``, sorted."""

    symbols: int
    grams: Integers
    counts: Integers
    contexts: Integers
    totals: Integers  # of the counts, by context
    spared: Floats  # what the discounts take from the counts, by context
    discounts: Floats  # of counts 0, 1, 2, and 3 or more

    def interpolate(self, queries: Integers, lower: Floats) -> Floats:
        """The probability of each coded n-gram's last symbol, given the next lower order's."""
        has_context, context = _lookup(self.contexts, queries // self.symbols)
        seen, gram = _lookup(self.grams, queries)
        counts = np.where(seen, self.counts[gram], 0)
        own = counts - self.discounts[np.minimum(counts, 3)] + self.spared[context] * lower
        return np.where(has_context, own / self.totals[context], lower)


class KneserNey:
    """Counts of orders 0 to ``order`` over one text, from which every lower order can be read, too.

    >>> text = np.array([0, 1, 0, 1, 0, 2, 0, 1])
    >>> model = KneserNey(text, symbols=3, order=1)
    >>> model.distribution([0], order=1).sum().round(12).item()
    1.0
    >>> model.bits(text) < model.bits(text, order=0) < 1.58  # log2(3)
    True
    """

    def __init__(
        self,
        text: NDArray[np.integer],
        symbols: int,
        order: int = 5,
        discounts: Sequence[Discounts | float] | None = None,
    ):
        """Count.

        Args:
            text: (L,) symbols in [0, symbols), L > order.
            symbols: size of the alphabet.
            order: the longest context; at most ``max_order(symbols)``.
            discounts: for k = 0..order D_k(1), D_k(2) and D_k(3), each D_k(i) in [0, i]; or one
                number in [0, 1] for all three. None: estimated from the counts.

        Raises:
            ValueError: the text is too short, or n-grams of that order cannot be coded in 63 bits.
        """
        if not 0 <= order <= max_order(symbols):
            raise ValueError(
                f"order {order} is outside 0..{max_order(symbols)}, what 63 bits hold of {symbols} "
                "symbols"
            )
        if len(text) <= order:
            raise ValueError(f"a text of {len(text)} symbols is too short for order {order}")
        self.symbols, self.order = symbols, order
        self._raw: list[_Level] = []
        self._continuation: list[
            _Level
        ] = []  # of order k from the different n-grams of order k + 1
        for k in range(order + 1):
            grams, counts = np.unique(_codes(text, k + 1, symbols), return_counts=True)
            discount = None if discounts is None else discounts[k]
            self._raw.append(_level(grams, counts, symbols, discount))
            if k:
                ends, before = np.unique(grams % symbols**k, return_counts=True)
                self._continuation.append(
                    _level(ends, before, symbols, None if discounts is None else discounts[k - 1])
                )

    def probabilities(self, text: NDArray[np.integer], order: int | None = None) -> Floats:
        """(L,): of each symbol of ``text`` given the ``order`` before it; the first ones have the
        context they have.
        """
        order = self.order if order is None else order
        p = np.full(len(text), 1 / self.symbols)
        for k in range(min(order, len(text) - 1) + 1):
            level = self._raw[k] if k == order else self._continuation[k]
            p[k:] = level.interpolate(_codes(text, k + 1, self.symbols), p[k:])
        return p

    def distribution(self, context: Sequence[int], order: int | None = None) -> Floats:
        """(symbols,): the probabilities of what follows ``context``."""
        return np.array(
            [self.probabilities(np.array([*context, w]), order)[-1] for w in range(self.symbols)]
        )

    def bits(self, text: NDArray[np.integer], order: int | None = None) -> float:
        """Bits per symbol of ``text``: the mean of -log2 p."""
        return float(-np.log2(self.probabilities(text, order)).mean())


def max_order(symbols: int) -> int:
    """The longest context whose n-grams can be coded in 63 bits; one symbol is coded as two would
    be.

    Raises:
        ValueError: there is no symbol.

    >>> max_order(88), max_order(2), max_order(1)
    (8, 61, 61)
    """
    if symbols < 1:
        raise ValueError(f"an alphabet of {symbols} symbols")
    order = 0
    while max(symbols, 2) ** (order + 2) < 2**63:
        order += 1
    return order


def _codes(text: NDArray[np.integer], n: int, symbols: int) -> Integers:
    """All n-grams of ``text``, in its order, as integers in base ``symbols``.

    >>> _codes(np.array([1, 2, 0]), 2, 10).tolist()
    [12, 20]
    """
    last = len(text) - n + 1
    codes = np.zeros(last, np.int64)
    for i in range(n):
        codes *= symbols
        codes += text[i : i + last]
    return codes


def _level(
    grams: Integers, counts: Integers, symbols: int, chosen: Discounts | float | None
) -> _Level:
    contexts, first = np.unique(grams // symbols, return_index=True)
    if chosen is None:
        chosen = _discounts(counts)
    three = chosen if isinstance(chosen, tuple) else (chosen,) * 3
    discounts = np.array([0.0, *three])
    return _Level(
        symbols,
        grams,
        counts,
        contexts,
        np.add.reduceat(counts, first),
        np.add.reduceat(discounts[np.minimum(counts, 3)], first),
        discounts,
    )


def _discounts(counts: Integers) -> Discounts:
    """Chen & Goodman's three discounts of the n-grams with these counts (see the module's text).

    >>> _discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4]))
    (0.5, 1.25, 1.0)
    """
    n = [0, *(int((counts == i).sum()) for i in (1, 2, 3, 4))]
    one = n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else 0.5
    discounts = [one]
    for i in (2, 3):
        estimate = i - (i + 1) * one * n[i + 1] / n[i] if n[i] else one
        discounts.append(estimate if 0 < estimate <= i else one)
    return discounts[0], discounts[1], discounts[2]


def _lookup(table: Integers, keys: Integers) -> tuple[NDArray[np.bool_], Integers]:
    """Whether each key is in the sorted table, and where (some valid place if not)."""
    place = np.minimum(np.searchsorted(table, keys), len(table) - 1)
    return table[place] == keys, place
