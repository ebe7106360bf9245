"""The roofline: ceilings, intensities by hand, and a figure that can be drawn."""

import numpy as np
import pandas as pd
import pytest

from throughtime.benchmarks import roofline
from throughtime.benchmarks.ways import Shape


def test_the_ceilings_are_those_of_the_calls(monkeypatch):
    """Half a second for 2 x 8^3 operations, and for 2 x 4 x 16 bytes."""
    monkeypatch.setattr(roofline, "fastest", lambda run, seconds: run() is None or 0.5)
    assert roofline.sgemm(1.0, side=8) == pytest.approx(2 * 512 / 0.5 / 1e9)
    assert roofline.bandwidth(1.0, numbers=16) == pytest.approx(128 / 0.5 / 1e9)


@pytest.mark.parametrize(
    ("cell", "blocks", "weights"),
    [
        ("tanh", 1, 10 * 3 + 9 + 3 + 3 * 8 + 8),
        ("lstm", 2 + 4, 4 * (10 * 3 + 9 + 3) + 3 * 8 + 8),
        ("gru", 1 + 6, 3 * (10 * 3 + 9 + 3 + 3) + 3 * 8 + 8),
    ],
)
def test_traffic_by_hand(cell, blocks, weights):
    """tanh keeps h; an LSTM h, c and four gates; a GRU h and both parts of three gates."""
    shape = Shape(cell, 3, 2, 21)
    assert roofline.traffic(shape) == 2 * 4 * 21 * 2 * 3 * blocks + 3 * 4 * weights
    assert roofline.intensity(shape) == shape.flops / roofline.traffic(shape)


def test_the_roof_bends_where_memory_feeds_the_peak():
    assert roofline.ceiling(np.array([2.0, 5.0, 9.0]), 50, 10).tolist() == [20, 50, 50]


@pytest.mark.slow
def test_a_figure_with_a_way_that_was_not_measured(tmp_path):
    rows = [
        {"cell": c, "N": n, "B": 3, "T": 24, "part": p, "way": w, "gflops": g}
        for c in ("tanh", "gru")
        for n in (5, 8)
        for p in ("step", "gradients")
        for w, g in (("one", 2.0), ("two", np.nan))
    ]
    roofline.draw(pd.DataFrame(rows), 50, 10, tmp_path / "roofline.png")
    assert (tmp_path / "roofline.png").read_bytes().startswith(b"\x89PNG")
