"""Cost: the programs compute what they say, and keep the memory they claim. No test looks at what a
clock said.
"""

from dataclasses import replace

import pytest

from experiments.cost.analysis import laws
from tests.support.programs import assert_close
from throughtime.benchmarks.cost import DEFAULT, Program, Size, measure, phases
from throughtime.engine.bptt import RING, Tape, gradients
from throughtime.engine.cells import cell
from throughtime.engine.losses._base import Targets
from throughtime.engine.truncation import strides, windows

SMALL = Size("full", 24, 24, hidden=5, batch=3, rows=2)


@pytest.mark.parametrize(
    ("mode", "K"), [("full", 24), ("chunked", 8), ("sliding", 5), ("buffered", 5)]
)
def test_an_update_is_the_engines(mode, K):
    """Chunk after chunk on one chunk's memory gives the gradient of windows over all steps."""
    program, whole = Program(replace(SMALL, mode=mode, K=K)), Program(SMALL)
    plan = windows(24, *strides(mode, 24, K))
    tape = Tape(cell("tanh"), whole.sizes)
    _, expected = gradients(
        tape, whole.weights, whole.x, Targets(whole.values, whole.weight), "softmax", plan
    )
    assert_close(program.update(), expected, 1e-5)


def test_kept_memory_of_chunks_is_that_of_one_chunk():
    kept = [Program(replace(SMALL, mode="chunked", K=K)).kept_bytes() for K in (6, 12, 24)]
    assert kept == [Program(replace(SMALL, T=K, K=K)).kept_bytes() for K in (6, 12, 24)]
    assert kept[2] - kept[1] == 2 * (kept[1] - kept[0])  # a line


def test_kept_memory_by_hand():
    """h of T + 1 steps, y and dL/dh of T; and a few steps of N: zero, ds, dh, and dz of RING steps;
    float32. Overlap adds dz of T steps.
    """
    rows, T, B, N, symbols = 2, 24, 3, 5, 10
    plain = 4 * rows * B * ((T + 1) * N + T * (symbols + N) + (3 + RING) * N)
    assert Program(SMALL).kept_bytes() == plain
    assert Program(replace(SMALL, mode="sliding", K=5)).kept_bytes() == plain + 4 * rows * B * T * N


def test_the_prediction_grows_at_least_as_fast_as_what_is_kept():
    for mode in ("full", "chunked", "sliding"):
        a, b = (Program(Size(mode, T, T if mode != "sliding" else 5)) for T in (50, 100))
        assert b.kept_bytes() - a.kept_bytes() <= b.predicted_bytes() - a.predicted_bytes()
        assert b.kept_bytes() <= b.predicted_bytes()


def test_chunks_must_fill_the_sequence():
    with pytest.raises(ValueError, match="K=7 does not divide T=24"):
        Program(replace(SMALL, mode="chunked", K=7))


def test_the_table():
    sizes = [
        SMALL,
        replace(SMALL, T=48, K=48),
        replace(SMALL, T=96, K=96),
        replace(SMALL, mode="chunked", K=12),
    ]
    found = measure(sizes, repeats=1)
    assert found["T"].tolist() == [24, 48, 96, 24]
    assert found["backward_ms"].notna().tolist() == [True, True, True, False]
    tokens = found["rows"] * found["T"] * found["batch"]
    assert (found["tokens_per_second"] * found["update_ms"] / 1e3).tolist() == pytest.approx(
        tokens.tolist()
    )
    memory = laws(found, ["kept_bytes"]).set_index("mode").loc["full"]
    assert memory["slope"] == pytest.approx(4 * 2 * 3 * (5 + 10 + 5))
    assert memory["r2"] == pytest.approx(1)


def test_what_is_measured_by_default_can_be_built():
    assert {s.mode for s in DEFAULT} == {"full", "chunked", "sliding", "buffered"}
    for s in DEFAULT:
        program = Program(replace(s, rows=1, hidden=1, batch=1))
        assert next(iter(phases(program))) == "update"
        assert s.K <= s.T
