"""Streaming copy against a slow reading of whole streams."""

from itertools import islice

import numpy as np

from throughtime.tasks._base import POOL
from throughtime.tasks.streaming_copy import BLANK, MARKER, StreamingCopy

TASK = StreamingCopy(window=7, payload=4, alphabet=3)
LONG = POOL + 3  # windows: over the border of a pool


def streams() -> tuple[np.ndarray, np.ndarray]:
    """What is read and asked for, (T, B), over many windows."""
    batches = list(islice(TASK.batches(np.random.default_rng(0), 50), LONG))
    return np.concatenate([b.inputs for b in batches]), np.concatenate([b.targets for b in batches])


def test_the_target_is_what_was_read_a_payload_before_over_all_borders() -> None:
    read, asked = streams()
    assert (asked[4:] == read[:-4]).all()
    assert (asked[:4] == BLANK).all()  # nothing was read before


def test_blocks_are_a_marker_symbols_and_as_many_blanks() -> None:
    read, _ = streams()
    for stream in read.T:
        begins = np.flatnonzero(stream == MARKER)
        assert (np.diff(begins) == 8).all()
        for start in begins[begins + 8 <= len(stream)]:
            assert (stream[start + 1 : start + 4] >= 2).all()
            assert (stream[start + 4 : start + 8] == BLANK).all()


def test_streams_start_at_every_step_of_a_block_and_symbols_are_even() -> None:
    read, _ = streams()
    assert {int(np.flatnonzero(s == MARKER)[0]) for s in read.T} == set(range(8))
    counts = np.bincount(read[read >= 2])[2:] / (read >= 2).sum()
    assert np.abs(counts - 1 / 3).max() < 0.03


def test_evaluation_goes_on_from_window_to_window_too() -> None:
    found = list(TASK.evaluation(np.random.default_rng(0), 5, 14))
    assert len(found) == 3
    assert (found[0].inputs[-4:] == found[1].targets[:4]).all()


def test_chance_of_the_papers_setting_worked_by_hand() -> None:
    p = np.array([10, 1, 2.25, 2.25, 2.25, 2.25]) / 20
    assert np.isclose(StreamingCopy().chance, -(p * np.log2(p)).sum())
