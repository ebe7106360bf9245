"""Intervals with seeds as the unit: against the sign-flip test itself, and by how often they hold
the truth.
"""

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.analysis import stats, verdicts

pytestmark = pytest.mark.slow


def flip_p(values: np.ndarray, seeds: np.ndarray, truth: float) -> float:
    """Two-sided p of the sign-flip test on the seeds' sums, by enumeration."""
    sums = pd.Series(values - truth).groupby(seeds).sum().to_numpy()
    flipped = np.array([np.dot(s, sums) for s in product([1, -1], repeat=len(sums))])
    upper, lower = ((side * flipped >= side * sums.sum() - 1e-9).mean() for side in (1, -1))
    return min(1.0, 2 * min(upper, lower))


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(-3, 3)), min_size=6, max_size=30),
    st.sampled_from([0.8, 0.95]),
)
def test_the_interval_is_what_the_sign_flip_test_does_not_reject(pairs, level):
    seeds, values = (np.array(v, float) for v in zip(*pairs, strict=True))
    mean, low, high = stats.by_seed(values, seeds, level)
    assert mean == pytest.approx(values.mean())
    assert low <= mean + 1e-9
    assert mean <= high + 1e-9
    for end, side in ((low, -1), (high, 1)):
        if math.isinf(end):
            assert flip_p(values, seeds, side * 1e3) > 1 - level - 1e-9
        else:
            assert flip_p(values, seeds, end + side * 1e-4) <= 1 - level + 1e-9
            assert flip_p(values, seeds, end - side * 1e-4) > 1 - level - 1e-9


def test_pairs_of_one_seed_count_once():
    """Ten pairs of one seed that all agree say no more than one."""
    once = stats.by_seed([1, 1, 1, 0, 1, 1, 0, 1], range(8))
    tenfold = stats.by_seed(np.repeat([1, 1, 1, 0, 1, 1, 0, 1], 10), np.repeat(range(8), 10))
    assert once == pytest.approx(tenfold)


def test_it_holds_the_truth_where_seeds_agree_within_themselves_and_newcombe_does_not():
    rng = np.random.default_rng(0)
    held = {"seeds": 0, "pairs": 0}
    for _ in range(300):
        # each seed's 20 pairs share their luck; the truth is no difference
        luck = rng.choice([-1, 0, 1], size=10, p=[0.3, 0.4, 0.3]).repeat(20)
        both = pd.DataFrame(
            {
                "status_a": np.where(luck > 0, "solved", "unsolved"),
                "status_b": np.where(luck < 0, "solved", "unsolved"),
                "seed": np.arange(10).repeat(20),
            }
        )
        for name, table in (("seeds", both), ("pairs", both.drop(columns="seed"))):
            _, low, high, _, _ = verdicts.more_solved(table)
            held[name] += low <= 0 <= high
    assert held["seeds"] >= 0.95 * 300 - 12
    assert held["pairs"] < 0.6 * 300


def test_many_seeds_have_random_subsets_and_about_students_interval():
    values = np.random.default_rng(1).normal(size=40)
    _, low, high = stats.by_seed(values, range(40))
    _, least, most, _ = verdicts.mean(values)
    assert (low, high) == (pytest.approx(least, abs=0.05), pytest.approx(most, abs=0.05))
    assert stats.by_seed(values, range(40)) == stats.by_seed(values, range(40))


def test_no_value_has_no_mean():
    assert all(math.isnan(v) for v in stats.by_seed([math.nan], [0]))


def test_a_resample_takes_whole_seeds():
    counts = stats.resamples([3, 3, 5, 7, 7], 50)
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[:, 3] == counts[:, 4]).all()
    assert (counts[:, [0, 2, 3]].sum(1) == 3).all()
