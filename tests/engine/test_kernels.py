"""The compiled engine against the torch engine, which autograd checks, and its functions of one
number against NumPy in more digits.
"""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from throughtime.engine import kernels
from throughtime.engine.cells import cell
from throughtime.engine.clipping import Clipper
from throughtime.engine.compiled import CELLS, CompiledProgram, aligned
from throughtime.engine.program import Examples, Program, program
from throughtime.engine.sizes import Shapes, Sizes, shapes, size
from throughtime.engine.truncation import MODES, strides, windows

HEADS = ("softmax", "regression")


def units(name: str, n: int) -> int:
    """``n``, or one more where a unit has two parts."""
    multiple = cell(name).multiple
    return -(-n // multiple) * multiple


def weights(rng: np.random.Generator, layout: Shapes, rows: int, dtype: str) -> torch.Tensor:
    return torch.from_numpy((rng.standard_normal((rows, size(layout))) * 0.4).astype(dtype))


def batch(rng: np.random.Generator, s: Sizes, head: str, dtype: str, sources: int = 2) -> Examples:
    """Random data from ``sources`` sources; some scored positions have weight 0."""
    shape = (sources, s.scored, s.batch)
    x = rng.integers(s.inputs, size=(sources, s.steps, s.batch))
    if not s.tokens:
        x = rng.standard_normal((*x.shape, s.inputs)).astype(dtype)
    values = rng.integers(s.outputs, size=shape)
    if head == "regression":
        values = rng.standard_normal((*shape, s.outputs)).astype(dtype)
    mask = rng.random(shape) < 0.7
    weight = (mask / np.maximum(mask.sum((1, 2), keepdims=True), 1)).astype(dtype)
    return Examples(x, values, weight, rng.integers(sources, size=s.rows))


def both(name: str, head: str, s: Sizes, layout: Shapes, dtype: str) -> tuple[Program, Program]:
    kind = getattr(torch, dtype)
    first, second = (program(e, cell(name), head, s, layout, kind) for e in ("numba", "torch"))
    return first, second


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> bool:
    return bool((a - b).abs().max() <= tolerance * max(1.0, float(b.abs().max())))


@pytest.mark.parametrize("name", CELLS)
def test_outputs_and_gradients_are_those_of_the_torch_engine(name: str) -> None:
    @settings(max_examples=25, deadline=None)
    @given(
        st.integers(1, 9),
        st.integers(1, 20),
        st.integers(1, 4),
        st.integers(1, 35),
        st.integers(1, 18),
        st.data(),
    )
    def property_(steps: int, b: int, i: int, n: int, o: int, data: st.DataObject) -> None:
        draw, n = data.draw, units(name, n)
        head, mode, tokens = draw(st.sampled_from(HEADS)), draw(st.sampled_from(MODES)), draw(
            st.booleans()
        )  # fmt: skip
        learned, reset = draw(st.booleans()), draw(st.booleans())
        k, stride = draw(st.integers(1, steps)), 1
        if mode == "sliding":
            stride = draw(st.integers(1, k))
        s = Sizes(3, steps, b, i, n, o, draw(st.integers(1, steps)), tokens)
        layout = shapes(cell(name), i, n, o, learned)
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        k1, k2 = strides(mode, steps, k, stride)
        found = windows(steps, k1, k2, steps % k1)
        borders = frozenset(w.start for w in found if w.start) if reset else frozenset()
        flat, examples = weights(rng, layout, 3, "float64"), batch(rng, s, head, "float64")
        start = None
        if draw(st.booleans()):
            start = torch.from_numpy(rng.standard_normal((3, b, cell(name).states * n)))
        compiled, reference = both(name, head, s, layout, "float64")
        loss, gradient = compiled.gradients(flat, examples, found, start, borders)
        expected_loss, expected = reference.gradients(flat, examples, found, start, borders)
        assert close(loss, expected_loss, 1e-11)
        assert close(gradient, expected, 1e-11)
        assert close(compiled.final, reference.final, 1e-11)
        y = compiled.outputs(flat, examples, start, borders)
        assert close(y, reference.outputs(flat, examples, start, borders), 1e-11)

    property_()


@pytest.mark.parametrize(("name", "head"), list(product(CELLS, HEADS)))
def test_single_precision_rounds_about_as_torch(name: str, head: str) -> None:
    n, rng = units(name, 33), np.random.default_rng(0)
    s = Sizes(3, 40, 9, 5, n, 7, 12, head == "softmax")
    layout = shapes(cell(name), s.inputs, s.hidden, s.outputs)
    flat, examples = weights(rng, layout, 3, "float32") / 3, batch(rng, s, head, "float32")
    exact = Examples(
        examples.x.astype("float64") if not s.tokens else examples.x,
        examples.values.astype("float64") if head == "regression" else examples.values,
        examples.weight.astype("float64"),
        examples.rows,
    )
    found = windows(40, 40, 40)
    compiled, reference = both(name, head, s, layout, "float32")
    _, truth = both(name, head, s, layout, "float64")
    expected = truth.gradients(flat.double(), exact, found)[1]

    def error(engine: Program) -> float:
        return float((engine.gradients(flat, examples, found)[1].double() - expected).norm())

    assert error(compiled) <= 4 * error(reference)
    assert error(compiled) <= 1e-5 * float(expected.norm())


@pytest.mark.parametrize("name", CELLS)
def test_a_networks_bits_are_its_own_alone_among_others_and_beside_what_is_not_finite(
    name: str,
) -> None:
    rng, n = np.random.default_rng(1), units(name, 19)
    s = Sizes(5, 8, 3, 4, n, 6, 8, True)
    layout = shapes(cell(name), s.inputs, s.hidden, s.outputs)
    flat, examples = weights(rng, layout, 5, "float32"), batch(rng, s, "softmax", "float32")
    found = windows(8, 3, 3)
    many = program("numba", cell(name), "softmax", s, layout, torch.float32)
    loss, gradient = (v.clone() for v in many.gradients(flat, examples, found))
    wild = flat.clone()
    wild[0] = math.nan
    wild[3] = 1e30
    alive = torch.tensor([True, True, False, True, True])
    beside = many.gradients(wild, examples, found, alive=alive)
    for row in (1, 4):
        assert beside[0][row] == loss[row]
        assert torch.equal(beside[1][row], gradient[row])
    assert math.isnan(beside[0][0])
    assert (beside[1][2] == 0).all(), "of a network that is not alive nothing is written"
    one = Sizes(1, 8, 3, 4, n, 6, 8, True)
    alone = program("numba", cell(name), "softmax", one, layout, torch.float32)
    for row in range(5):
        own = Examples(examples.x, examples.values, examples.weight, examples.rows[[row]])
        single = alone.gradients(flat[[row]], own, found)
        assert single[0][0] == loss[row]
        assert torch.equal(single[1][0], gradient[row])


def test_denormal_weights_and_gradients_that_vanish_are_finite() -> None:
    rng, s = np.random.default_rng(2), Sizes(2, 300, 2, 3, 5, 2, 1, True)
    layout = shapes(cell("tanh"), 3, 5, 2)
    flat = weights(rng, layout, 2, "float32")
    flat[1] *= 1e-39
    flat[0] *= 0.5
    engine = program("numba", cell("tanh"), "softmax", s, layout, torch.float32)
    loss, gradient = engine.gradients(
        flat, batch(rng, s, "softmax", "float32"), windows(300, 300, 300)
    )
    assert loss[1] == pytest.approx(math.log(2), rel=1e-6)
    assert torch.isfinite(gradient).all()


def test_what_fills_the_last_vector_of_outputs_has_no_gradient() -> None:
    """Left at e^-80 it was denormal, and made the product for W_hy's gradient slow."""
    rng, s = np.random.default_rng(2), Sizes(1, 100, 8, 5, 7, 5, 100, True)
    layout = shapes(cell("tanh"), 5, 7, 5)
    engine = program("numba", cell("tanh"), "softmax", s, layout, torch.float32)
    assert isinstance(engine, CompiledProgram)
    flat, examples = weights(rng, layout, 1, "float32"), batch(rng, s, "softmax", "float32")
    engine.gradients(flat, examples, windows(100, 100, 100))
    y = engine.memory.y.reshape(100 * 8, -1)
    assert y.shape[1] > 5
    assert not y[:, 5:].any()
    assert y[:, :5].any()


@njit
def _apply(x: np.ndarray, tanh: np.ndarray, sigmoid: np.ndarray, exp: np.ndarray) -> None:
    for i in range(len(x)):
        tanh[i], sigmoid[i] = kernels.tanh(x[i]), kernels.sigmoid(x[i])
        exp[i] = kernels.exp(-abs(x[i]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "wide", "units"), [("float32", "float64", 3), ("float64", "longdouble", 3)]
)
def test_functions_of_one_number_are_within_three_units_in_the_last_place(
    dtype: str, wide: str, units: float
) -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate(
        [
            rng.uniform(-30, 30, 200_000),
            rng.uniform(-1, 1, 200_000),
            10.0 ** rng.uniform(-30, 0, 20_000),
            [0.0, -0.0, 100.0, -100.0],
        ]
    ).astype(dtype)
    results = [np.empty_like(x) for _ in range(3)]
    _apply(x, *results)
    exact = x.astype(wide)
    expected = (np.tanh(exact), 1 / (1 + np.exp(-exact)), np.exp(-np.abs(exact)))
    for name, found, right in zip(("tanh", "sigmoid", "exp"), results, expected, strict=True):
        unit = np.spacing(np.abs(right).astype(dtype)).astype(wide)
        if name == "sigmoid":  # 1/2 + tanh / 2: where it is small it is right to a unit of 1/2
            unit = np.maximum(unit, np.finfo(dtype).eps / 4)
        kept = np.abs(exact) < 80
        assert float(np.max(np.abs(found - right)[kept] / unit[kept])) <= units, name


def test_functions_of_one_number_at_the_ends() -> None:
    for dtype in ("float32", "float64"):
        x = np.array([math.inf, -math.inf, math.nan, 0.0], dtype)
        tanh, sigmoid, exp = (np.empty_like(x) for _ in range(3))
        _apply(x, tanh, sigmoid, exp)
        assert tanh[0] == 1
        assert tanh[1] == -1
        assert np.isnan([tanh[2], sigmoid[2], exp[2]]).all()
        assert (sigmoid[0], sigmoid[1], sigmoid[3], exp[3]) == (1, 0, 0.5, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_product_of_matrices_of_any_size_is_numpys(dtype: str) -> None:
    rng, lanes = np.random.default_rng(4), kernels.BYTES // np.dtype(dtype).itemsize
    for m, vectors, k in product((1, 2, 5, 8, 9, 20, 33), (1, 2, 3, 5), (0, 1, 7, 40)):
        n = vectors * lanes
        a, b, c = (aligned(count, dtype) for count in (m * k, k * n, m * n))
        a[:], b[:], c[:] = (
            rng.integers(-4, 5, size=len(v)) for v in (a, b, c)
        )  # exact in any order
        right = c.reshape(m, n) + a.reshape(m, k) @ b.reshape(k, n)
        turned = aligned(m * k, dtype)
        turned[:] = a.reshape(m, k).T.ravel()
        again = c.copy()
        kernels.multiply(a, 0, k, 1, b, 0, n, c, 0, n, m, vectors, k)
        kernels.multiply(turned, 0, 1, m, b, 0, n, again, 0, n, m, vectors, k)
        assert np.array_equal(c.reshape(m, n), right)
        assert np.array_equal(again, c)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping_is_that_of_the_torch_engine(dtype: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(1, 40), st.integers(0, 99))
    def property_(size_: int, seed: int) -> None:
        rng, rows = np.random.default_rng(seed), 6
        gradient = torch.from_numpy(rng.standard_normal((rows, size_)).astype(dtype))
        gradient[4, 0] = math.nan
        gradient[5, -1] = math.inf
        infinite = [math.inf] * rows
        by_norm = torch.tensor([0.3, math.inf, math.inf, 100.0, 0.3, 0.3], dtype=torch.float64)
        by_value = torch.tensor([*infinite[:2], 0.2, *infinite[3:]], dtype=gradient.dtype)
        frozen, span = torch.tensor([True, False, False, True, False, False]), (0, size_ // 2)
        made = []
        for compiled in (True, False):
            own = gradient.clone()
            clipper = Clipper(by_norm, by_value, frozen, span, compiled=compiled)
            norm, clipped = clipper.clip_(own)
            made.append((own, norm.clone(), clipped.clone(), clipper.finite(gradient)))
        for a, b in zip(*made, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=0, equal_nan=True)
        assert made[0][3].tolist() == [True] * 4 + [False] * 2

    property_()


@pytest.mark.parametrize("tokens", [False, True])
def test_parts_of_larger_arrays_are_not_compiled_anew(*, tokens: bool) -> None:
    """Every second step, row or weight of something: the same numbers, by what is compiled."""
    rng, s = np.random.default_rng(5), Sizes(2, 3, 2, 4, 5, 3, 2, tokens=tokens)
    layout = shapes(cell("tanh"), s.inputs, s.hidden, s.outputs)
    made, _ = both("tanh", "regression", s, layout, "float64")
    whole, flat = batch(rng, s, "regression", "float64"), weights(rng, layout, 2, "float64")
    start = torch.from_numpy(rng.standard_normal((2, 2, 5)))
    expected = [part.clone() for part in made.gradients(flat, whole, windows(3, 3, 3), start)]

    def part(array: np.ndarray) -> np.ndarray:
        return np.repeat(array, 2, axis=-1)[..., ::2]

    parts = Examples(part(whole.x), part(whole.values), part(whole.weight), whole.rows)
    before = len(kernels.run.signatures)
    wide, later = (
        torch.cat([flat, flat], 1)[:, : flat.shape[1]],
        torch.cat([start, start], 1)[:, :2],
    )
    found = made.gradients(wide, parts, windows(3, 3, 3), later)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert len(kernels.run.signatures) == before
