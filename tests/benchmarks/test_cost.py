"""Cost: the programs compute what they say, and keep the memory they claim. No test looks at what a
clock said.
"""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
import torch

from experiments.cost.analysis import laws
from tests.support.worlds import ROOT
from throughtime.benchmarks import cost
from throughtime.benchmarks.cost import DEFAULT, Size, Update, measure
from throughtime.engine.bptt import RING, Tape, gradients
from throughtime.engine.cells import cell
from throughtime.engine.kernels import CHUNK
from throughtime.engine.parameters import views
from throughtime.engine.sizes import shapes
from throughtime.engine.truncation import strides, windows
from throughtime.figures.draw import STYLE
from throughtime.planning.experiment_files import load_module
from throughtime.results import tables
from throughtime.results.load import Results

pytestmark = pytest.mark.slow

ENGINES = ("numba", "torch")
SMALL = Size("full", 24, 24, hidden=5, batch=3, rows=2)
OF_TORCH, OF_NUMBA = (replace(SMALL, engine=engine) for engine in ("torch", "numba"))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("mode", "K"), [("full", 24), ("chunked", 8), ("sliding", 5), ("buffered", 5)]
)
def test_an_update_is_the_gradient_of_its_windows(engine, mode, K):
    """Chunk after chunk on one chunk's memory gives the gradient of windows over all steps, as
    bptt.py computes it.
    """
    update = Update(replace(SMALL, mode=mode, K=K, engine=engine))
    whole = Update(OF_TORCH)
    layout = shapes(cell("tanh"), cost.SYMBOLS, 5, cost.SYMBOLS)
    plan = windows(24, *strides(mode, 24, K))
    x, targets = whole.parts[0].tensors(whole.sizes)
    tape = Tape(cell("tanh"), whole.sizes)
    _, named = gradients(tape, views(whole.flat, layout), x, targets, "softmax", plan)
    expected = torch.cat([named[name].flatten(1) for name in layout], 1)
    torch.testing.assert_close(update.run(), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(update.run(), expected, rtol=1e-4, atol=1e-6)  # from the same state


@pytest.mark.parametrize("engine", ENGINES)
def test_kept_memory_of_chunks_is_that_of_one_chunk(engine):
    s = replace(SMALL, engine=engine)
    kept = [Update(replace(s, mode="chunked", K=K)).kept_bytes() for K in (6, 12, 24)]
    assert kept == [Update(replace(s, T=K, K=K)).kept_bytes() for K in (6, 12, 24)]
    assert kept[2] - kept[1] == 2 * (kept[1] - kept[0])  # a line


def test_torch_s_memory_by_hand():
    """h of T + 1 steps, y and dL/dh of T; and a few steps of N: zero, ds, dh, and dz of RING steps;
    float32. Overlap adds dz of T steps.
    """
    rows, T, B, N, symbols = 2, 24, 3, 5, 10
    plain = 4 * rows * B * ((T + 1) * N + T * (symbols + N) + (3 + RING) * N)
    assert Update(OF_TORCH).kept_bytes() == plain
    sliding = replace(OF_TORCH, mode="sliding", K=5)
    assert Update(sliding).kept_bytes() == plain + 4 * rows * B * T * N


def test_numba_s_memory_by_hand():
    """One row's, with N = 5 and 10 outputs as vectors of 16: h of T + 1 steps, dz, y and dL/dh of
    T; dL/dh of a step, and dz of as many as CHUNK takes; W_hh, its transpose and its gradient,
    W_xh, W_hy and its transpose, their gradients, six vectors of biases and h_0. And the last state
    of both rows.
    """
    rows, T, B, symbols, V = 2, 24, 3, 10, 16
    recent = CHUNK // (B * V) * B * V
    weights = 3 * V * V + 2 * symbols * V + 3 * V * V + 7 * V
    tape = (4 * T + 1) * B * V + B * V + recent
    assert Update(OF_NUMBA).kept_bytes() == 4 * (tape + weights + rows * B * 5)


def test_numba_s_memory_grows_with_the_rows_by_their_last_state():
    few, many = (Update(replace(OF_NUMBA, rows=rows)).kept_bytes() for rows in (2, 12))
    assert many - few == 10 * 4 * 3 * 5


@pytest.mark.parametrize("engine", ENGINES)
def test_the_prediction_grows_at_least_as_fast_as_what_is_kept(engine):
    for mode in ("full", "chunked", "sliding"):
        a, b = (
            Update(Size(mode, T, T if mode != "sliding" else 5, engine=engine)) for T in (50, 100)
        )
        assert b.kept_bytes() - a.kept_bytes() <= b.predicted_bytes() - a.predicted_bytes()
        assert b.kept_bytes() <= b.predicted_bytes()


def test_the_engine_in_use(monkeypatch):
    assert Size("full", 5, 5).kernel == "numba"
    monkeypatch.setattr(cost, "numba_is_installed", lambda: False)
    assert Size("full", 5, 5).kernel == "torch"
    assert Size("full", 5, 5, engine="numba").kernel == "numba"


def test_chunks_must_fill_the_sequence():
    with pytest.raises(ValueError, match="K=7 does not divide T=24"):
        Update(replace(SMALL, mode="chunked", K=7))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_table(engine, monkeypatch):
    """On a clock by which an update takes 30 ms and forward 10 ms."""
    monkeypatch.setattr(
        cost, "milliseconds", lambda run, repeats: {"run": 30.0, "forward": 10.0}[run.__name__]
    )
    small = replace(SMALL, engine=engine)
    sizes = [
        small,
        replace(small, T=48, K=48),
        replace(small, T=96, K=96),
        replace(small, mode="chunked", K=12),
    ]
    found = measure(sizes, repeats=1)
    assert found["T"].tolist() == [24, 48, 96, 24]
    assert set(found["engine"]) == {engine}
    assert found["backward_ms"].fillna(-1).tolist() == [20, 20, 20, -1]
    assert found["forward_ms"].fillna(-1).tolist() == [10, 10, 10, -1]
    tokens = found["rows"] * found["T"] * found["batch"]
    assert (found["tokens_per_second"] * 0.03).tolist() == pytest.approx(tokens.tolist())
    memory = laws(found, ["kept_bytes"]).set_index("mode").loc["full"]
    by_hand = {"torch": 4 * 2 * 3 * (5 + 10 + 5), "numba": 4 * 3 * 4 * 16}
    assert memory["slope"] == pytest.approx(by_hand[engine])
    assert memory["r2"] == pytest.approx(1)


@pytest.mark.parametrize("engine", ENGINES)
def test_forward_is_the_outputs(engine):
    update = Update(replace(SMALL, engine=engine))
    y = update.forward()
    assert tuple(y.shape) == (24, 2, 3, cost.SYMBOLS)
    np.testing.assert_allclose(y, Update(OF_TORCH).forward(), rtol=1e-4, atol=1e-5)


def test_what_is_measured_by_default_can_be_built():
    assert {s.mode for s in DEFAULT} == {"full", "chunked", "sliding", "buffered"}
    for s in DEFAULT:
        Update(replace(s, rows=1, hidden=1, batch=1))
        assert s.K <= s.T


@pytest.mark.parametrize("engine", ENGINES)
def test_the_figure_of_cost_names_the_engine(engine, monkeypatch):
    monkeypatch.setattr(cost, "numba_is_installed", lambda: engine == "numba")
    folder = ROOT / "experiments" / "cost"
    computed = load_module(folder / "compute.py", "compute").compute("smoke")
    assert set(computed.loc[computed["quantity"] == "compiled", "value"]) == {engine == "numba"}
    computed = tables.conform(computed, "computed")
    results = Results(**{**vars(Results.empty()), "computed": computed})
    drawn = load_module(folder / "figure.py", "figure", "caption")
    assert f"Measured on the engine {engine}." in drawn.caption(results)
    with mpl.rc_context(STYLE):
        axes = drawn.figure(results).axes
    titles = [" ".join(ax.get_title(loc="left").split()) for ax in axes]
    assert any(title.endswith(f"(engine {engine})") for title in titles), titles
