"""Streams: fixed by seed and name alone, independent, without global state."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from throughtime.core.rng import stream

SEEDS = st.integers(0, 2**31 - 1)
NAMES = st.lists(st.text(max_size=5) | st.integers(0, 99), max_size=3).map(tuple)


@given(SEEDS, NAMES)
def test_a_stream_is_fixed_by_its_seed_and_names(seed: int, names: tuple[str | int, ...]) -> None:
    assert stream(seed, *names).bytes(16) == stream(seed, *names).bytes(16)


@given(
    SEEDS,
    SEEDS,
    st.sampled_from(["data", "init", "eval"]),
    st.sampled_from(["data", "init", "eval"]),
)
def test_other_seeds_or_names_give_other_streams(a: int, b: int, one: str, other: str) -> None:
    assert (stream(a, one).bytes(16) == stream(b, other).bytes(16)) == ((a, one) == (b, other))


def test_names_are_not_run_together() -> None:
    assert stream(0, "ab", "c").bytes(16) != stream(0, "a", "bc").bytes(16)


def test_streams_of_neighbouring_seeds_are_uncorrelated_and_uniform() -> None:
    drawn = np.stack([stream(seed, "data").random(2000) for seed in range(20)])
    off_diagonal = np.atleast_2d(np.corrcoef(drawn))[np.triu_indices(20, 1)]
    # 190 correlations of standard deviation 1/sqrt(2000)
    assert np.abs(off_diagonal).max() < 4.5 / np.sqrt(2000)
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-3


def test_the_numbers_themselves_are_pinned() -> None:
    """A change here changes every result: it must be meant."""
    assert stream(1, "data").integers(0, 1000, 4).tolist() == [809, 883, 361, 213]


def test_global_state_is_neither_read_nor_moved() -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    first = stream(5, "data").random()
    np.random.seed(4)
    assert stream(5, "data").random() == first
    np.random.seed(3)
    stream(5, "data").random(100)
    assert (np.random.get_state()[1] == before).all()


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="seed must be >= 0, got -1"):
        stream(-1, "data")
