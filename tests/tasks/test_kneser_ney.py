"""Kneser-Ney against a case by hand, nltk, and what any model of probability must keep."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.lm import KneserNeyInterpolated
from nltk.util import everygrams

from throughtime.tasks._kneser_ney import KneserNey, max_order
from throughtime.tasks.text import Text


def test_order_one_by_hand() -> None:
    """Text abab ac, as 0101 02: D = .5 throughout.

    Different symbols before a: {b}, b: {a}, c: {a}: 1 of 3 each. p_0(b) = (1 - .5)/3 + .5 * 3/3 *
    1/3 = 1/3. After a: b twice, c once. p_1(b | a) = (2 - .5)/3 + .5 * 2/3 * 1/3.
    """
    model = KneserNey(np.array([0, 1, 0, 1, 0, 2]), symbols=3, order=1, discounts=[0.5, 0.5])
    assert model.distribution([0])[1] == pytest.approx(1.5 / 3 + 1 / 3 * 1 / 3)
    # nothing follows c: the shorter context
    assert model.distribution([2]) == pytest.approx([1 / 3] * 3)
    assert model.distribution([], order=0) == pytest.approx(
        [(3 - 0.5) / 6 + 0.25 / 3, (2 - 0.5) / 6 + 0.25 / 3, 0.5 / 6 + 0.25 / 3]
    )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_equals_nltk(order: int) -> None:
    """With nltk's discounts; the text's start is repeated at its end, so that every n-gram has a
    predecessor (see ngram's docstring).
    """
    rng = np.random.default_rng(order)
    text = rng.choice(5, 150, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    text = np.append(text, text[: order + 1])
    peer = KneserNeyInterpolated(order + 1, discount=0.1)
    words = [str(s) for s in text]
    peer.fit([list(everygrams(words, max_len=order + 1))], vocabulary_text=words)
    model = KneserNey(text, symbols=5, order=order, discounts=[0.0] + [0.1] * order)
    for _ in range(40):
        context = rng.integers(0, 5, order).tolist()
        expected = [peer.score(str(w), [str(s) for s in context]) for w in range(5)]
        assert model.distribution(context) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(
    text=st.lists(st.integers(0, 3), min_size=6, max_size=60),
    context=st.lists(st.integers(0, 5), min_size=4, max_size=4),
    order=st.integers(0, 4),
)
def test_sums_to_one_and_leaves_nothing_at_zero(
    text: list[int], context: list[int], order: int
) -> None:
    """Also for contexts, and for symbols (4 and 5), that the text does not hold."""
    p = KneserNey(np.array(text), symbols=6, order=4).distribution(context, order)
    assert p.sum() == pytest.approx(1)
    assert p.min() > 0


def test_bits_are_those_of_each_symbol_given_its_context() -> None:
    rng = np.random.default_rng(0)
    text, fresh = rng.integers(0, 4, 300), rng.integers(0, 4, 30)
    model = KneserNey(text, symbols=4, order=3)
    slow = [
        model.distribution(fresh[max(0, t - 2) : t].tolist(), order=2)[fresh[t]]
        for t in range(2, 30)
    ]
    assert model.probabilities(fresh, order=2)[2:] == pytest.approx(slow)
    assert model.bits(fresh, order=2) == pytest.approx(
        -np.log2(model.probabilities(fresh, order=2)).mean()
    )


def test_lower_orders_of_a_model_are_models_of_that_order() -> None:
    rng = np.random.default_rng(1)
    text, fresh = rng.integers(0, 6, 500), rng.integers(0, 6, 100)
    large = KneserNey(text, symbols=6, order=4)
    for order in range(5):
        assert large.bits(fresh, order) == KneserNey(text, symbols=6, order=order).bits(fresh)


def test_finds_the_entropy_of_a_markov_chain_at_its_own_order() -> None:
    """Second order, binary: the next symbol is the one two back with probability .9."""
    rng = np.random.default_rng(2)
    flips = rng.random(40_000) < 0.1
    text = np.zeros(40_000, np.int64)
    for t in range(2, len(text)):
        text[t] = text[t - 2] ^ flips[t]
    model = KneserNey(text[:30_000], symbols=2, order=4)
    entropy = -(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1))
    bits = [model.bits(text[30_000:], n) for n in range(5)]
    assert bits[:2] == pytest.approx([1, 1], abs=0.01)
    assert bits[2:] == pytest.approx([entropy] * 3, abs=0.02)


def test_discounts_are_estimated_from_what_was_seen_one_to_four_times() -> None:
    """Symbols 0..3 counted 1, 1, 2, 3 times: Y = 2 / (2 + 2 * 1) = .5, D(2) = 2 - 3 * .5 * 1 / 1,
    D(3) = 3 - 0; over 7, which leaves .5 + .5 + .5 + 3 for all five.
    """
    model = KneserNey(np.array([0, 1, 2, 2, 3, 3, 3]), symbols=5, order=0)
    rest = 4.5 / 7 / 5
    assert model.distribution([]) == pytest.approx(
        [0.5 / 7 + rest, 0.5 / 7 + rest, 1.5 / 7 + rest, rest, rest]
    )


def test_three_discounts_by_hand() -> None:
    """Text aaaba: after a comes a twice and b once. Before a: {a, b}, before b: {a}.

    p_0(a) = (2 - D(2)) / 3 + (D(2) + D(1)) / 3 / 3; p_1(a | a) = (2 - D(2)) / 3 + (D(2) + D(1)) / 3
    p_0(a), with a discount of its own per count.
    """
    one, two = 0.4, 0.9
    model = KneserNey(np.array([0, 0, 0, 1, 0]), 3, 1, [(one, two, 1.5)] * 2)
    lower = (2 - two) / 3 + (two + one) / 3 / 3
    assert model.distribution([0])[0] == pytest.approx((2 - two) / 3 + (two + one) / 3 * lower)


def test_what_is_seen_often_has_the_third_discount() -> None:
    model = KneserNey(np.array([0] * 9 + [1]), 2, 0, [(0.0, 0.0, 1.5)])
    assert model.distribution([]) == pytest.approx([7.5 / 10 + 0.75 / 10, 1 / 10 + 0.75 / 10])


def test_three_discounts_predict_text_better_than_one() -> None:
    """As Chen & Goodman found: where most contexts are rare."""
    data = Text(limit=300_000, validation=20_000).data
    symbols = len(data.symbols)
    three = KneserNey(data.train, symbols, 5)
    one = KneserNey(data.train, symbols, 5, [level.discounts[1] for level in three._raw])
    for order in (4, 5):
        assert three.bits(data.valid, order) < one.bits(data.valid, order)


@pytest.mark.parametrize(("symbols", "order", "length"), [(88, 9, 100), (2, -1, 100), (3, 5, 5)])
def test_what_cannot_be_counted_is_refused(symbols: int, order: int, length: int) -> None:
    with pytest.raises(ValueError, match="order"):
        KneserNey(np.zeros(length, np.int64), symbols, order)


def test_an_alphabet_of_one_symbol_ends_and_costs_nothing() -> None:
    order = max_order(1)
    assert order == max_order(2)
    assert KneserNey(np.zeros(100, np.int64), 1, 5).bits(np.zeros(9, np.int64)) == 0
    with pytest.raises(ValueError, match="alphabet of 0 symbols"):
        max_order(0)


@pytest.mark.parametrize("symbols", [2, 27, 88, 256])
def test_codes_of_the_longest_context_fit_in_63_bits(symbols: int) -> None:
    longest = max_order(symbols)
    assert symbols ** (longest + 1) < 2**63 <= symbols ** (longest + 2)
    last = symbols - 1
    model = KneserNey(np.full(longest + 3, last), symbols, longest)  # the largest codes there are
    assert model.distribution([last] * longest)[-1] > 0.5
