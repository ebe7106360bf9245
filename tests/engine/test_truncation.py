"""Windows against the definitions of the modes, by brute force."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.engine.truncation import MODES, Window, reach, strides, windows

STEPS = st.integers(1, 40)
DEPTH = st.integers(1, 45)


def depths(steps: int, k1: int, k2: int, offset: int) -> list[int]:
    """How many steps the loss of each step sees, itself included, read off the windows one by
    one.
    """
    seen = []
    for t in range(steps):
        (window,) = [w for w in windows(steps, k1, k2, offset) if w.scored <= t < w.stop]
        seen.append(t - window.start + 1)
    return seen


@given(STEPS, DEPTH, DEPTH, st.data())
def test_every_loss_is_injected_exactly_once(
    steps: int, k1: int, k2: int, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, min(k1, steps) - 1))
    scored = [t for w in windows(steps, k1, k2, offset) for t in range(w.scored, w.stop)]
    assert scored == list(range(steps))


@given(STEPS, DEPTH, st.data())
def test_a_window_is_as_deep_as_k2_unless_the_sequence_starts(
    steps: int, k1: int, data: st.DataObject
) -> None:
    k2 = data.draw(st.integers(k1, 50))
    offset = data.draw(st.integers(0, min(k1, steps) - 1))
    for window in windows(steps, k1, k2, offset):
        # where its stride would end if the sequence went on
        whole = window.scored + k1 if window.scored else window.stop
        assert window.start == max(0, whole - k2)
        assert window.start <= window.scored < window.stop


@given(STEPS, DEPTH, st.data())
def test_chunks_are_disjoint_at_every_phase(steps: int, K: int, data: st.DataObject) -> None:
    found = windows(steps, K, K, data.draw(st.integers(0, min(K, steps) - 1)))
    assert [w.start for w in found] == [0, *(w.stop for w in found[:-1])]
    assert [w.start for w in found] == [w.scored for w in found]


@given(STEPS, DEPTH)
def test_sliding_by_one_lets_every_loss_see_exactly_K_steps(steps: int, K: int) -> None:
    assert depths(steps, *strides("sliding", steps, K), 0) == [min(t + 1, K) for t in range(steps)]


@given(st.integers(1, 8), st.integers(1, 8))
def test_chunks_see_half_of_K_on_average(K: int, count: int) -> None:
    seen = depths(K * count, *strides("chunked", K * count, K), 0)
    assert seen == [j % K + 1 for j in range(K * count)]
    assert sum(seen) / len(seen) == (K + 1) / 2


@given(st.integers(1, 8), st.integers(3, 8))
def test_buffered_losses_see_K_to_2K_minus_1_steps(K: int, count: int) -> None:
    seen = depths(K * count, *strides("buffered", K * count, K), 0)[
        2 * K :
    ]  # away from the start of the sequence
    assert (min(seen), max(seen)) == (K, 2 * K - 1)


@given(STEPS)
def test_full_is_one_window_in_which_every_loss_sees_all_before_it(steps: int) -> None:
    assert windows(steps, *strides("full", steps, steps)) == [Window(0, 0, steps)]


@given(STEPS, DEPTH, st.sampled_from(["chunked", "sliding", "buffered"]))
def test_aligned_to_the_end_the_last_loss_sees_all_that_its_mode_allows(
    steps: int, K: int, mode: str
) -> None:
    k1, k2 = strides(mode, steps, K)
    assert depths(steps, k1, k2, steps % k1)[-1] == min(k2, steps)


@given(STEPS, DEPTH, DEPTH, st.data())
def test_reach_is_the_deepest_scored_loss(
    steps: int, k1: int, k2: int, data: st.DataObject
) -> None:
    scored = data.draw(st.integers(1, steps))
    offset = data.draw(st.integers(0, min(k1, steps) - 1))
    seen = depths(steps, k1, k2, offset)
    assert reach(steps, k1, k2, scored, offset) == max(seen[steps - scored :]) - 1


def test_a_case_by_hand() -> None:
    assert windows(7, k1=3, k2=5, offset=1) == [Window(0, 0, 1), Window(0, 1, 4), Window(2, 4, 7)]


def test_depth_beyond_the_sequence_is_full() -> None:
    assert windows(4, k1=9, k2=9) == [Window(0, 0, 4)]


def test_one_step() -> None:
    assert all(windows(1, *strides(mode, 1, 1)) == [Window(0, 0, 1)] for mode in MODES)


def test_a_stride_longer_than_the_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="k1=3 > K=2"):
        strides("sliding", 10, 2, 3)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="mode 'chunky' is none of"):
        strides("chunky", 10, 2)
