"""The recurrent loop, compiled by numba: forward, loss and backward of one network after another.

Everything is built on one vector microkernel, ``C += A B`` for a tile of C that stays in registers
over the whole sum (``_tile``). It is written as LLVM code, which numba compiles for the processor
at hand: 64 bytes per vector become one register of AVX-512, two of AVX2, four of SSE2 or NEON.

A number is a chain of fused multiply-adds in a fixed order. The order depends neither on the tile
nor on the width of a register, so a network's bits depend on its own data alone, and on no
neighbour. tanh, exp and the sigmoid are written out below, with no call of a system's library.

Shapes: T steps, B sequences, I inputs, N units, O outputs, Ts scored steps (the last Ts), V lanes
per vector. N and O are padded with zeros to whole vectors: N' and O'. One
network at a time is in ``Memory``, which a core's second-level cache holds, so the number of
networks costs no memory beside their weights.
"""

import math
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba import extending, njit, types
from numba.core import cgutils
from numpy.typing import NDArray

TANH, RELU, IDENTITY, SIGMOID, LSTM, GRU, MINIMAL, LRU = range(8)
SOFTMAX, REGRESSION = range(2)
BYTES = 64  # of a vector
ROWS = 8  # of a tile, at most; with 2 vectors each
# numbers of h, and of dL/dz, that are summed into the weights' gradient at a time: 16 KiB each,
# which the first-level cache holds
CHUNK = 4096

# Without fused multiply-add in hardware a call of it is a hundred times as slow as two roundings.
FMA = binding.get_host_cpu_features().get("fma", True)
Vector = NDArray[Any]
intrinsic: Any = extending.intrinsic
# numpy: a division by zero is infinite, and no branch stands in the way of vectors
OPTIONS: dict[str, Any] = {"error_model": "numpy"}
compiled: Any = njit(cache=True, **OPTIONS)
inlined: Any = njit(forceinline=True, **OPTIONS)
# called from compiled code alone: it needs no wrapper for Python, which is long for 30 arrays
INNER: dict[str, Any] = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner: Any = njit(**INNER)


class Shape(NamedTuple):
    """What fixes the program: numbers of the module's docstring, and flags."""

    cell: int
    head: int
    T: int
    B: int
    I: int  # noqa: E741  # the name of the mathematics
    N: int
    O: int  # noqa: E741  # the name of the mathematics
    Ts: int
    gates: int
    matrices: int  # of the gates, the first ones: those to which W_hh leads as a matrix
    states: int
    tokens: bool
    learned: bool  # the initial state
    Np: int
    Op: int


class Memory(NamedTuple):
    """One network at work; all arrays flat, C order, on a border of 64 bytes."""

    h: Vector  # (T + 1, B, N'), h before step t
    c: Vector  # (T + 1, B, N'), LSTM: the cell state; LRU: real parts, then imaginary ones
    z: Vector  # (gates, T, B, N'), after the nonlinearity; LSTM, GRU and MINIMAL
    e: Vector  # (T, B, N'), LSTM: tanh(c); GRU: the h part of the new state
    zh: Vector  # (gates, B, N'), GRU: the h part of z
    dz: Vector  # (gates, T, B, N'), where windows overlap: the sum of dL/dz, its x part
    dzh: Vector  # (gates, T, B, N'), GRU: its h part; the same memory as dz for other cells
    recent: Vector  # (gates, CHUNK // (B N') or 1, B, N'), the last few steps' dL/dz
    recenth: Vector
    dh: Vector  # (B, N')
    dc: Vector  # (B, N')
    y: Vector  # (Ts, B, O'), then dL/dy
    dhs: Vector  # (Ts, B, N'), dL/dh of the scored steps, from the head
    wx: Vector  # (gates, I, N')
    wh: Vector  # (gates, N', N')
    wht: Vector  # (gates, N', N'), each transposed
    b: Vector  # (gates, N')
    bh: Vector  # (gates, N'); LRU: lambda, real parts, then imaginary ones
    wy: Vector  # (N', O')
    wyt: Vector  # (O', N')
    by: Vector  # (O')
    gwx: Vector  # gradients, as the weights
    gwh: Vector
    gb: Vector
    gbh: Vector
    gwy: Vector
    gby: Vector
    gh0: Vector  # (states N')


# The microkernel ----------------------------------------------------------------------------------


def _vector_fma(builder: Any, kind: Any, a: Any, b: Any, c: Any) -> Any:
    if not FMA:
        return builder.fadd(builder.fmul(a, b), c)
    if isinstance(kind, ir.VectorType):
        name = f"llvm.fma.v{kind.count}{'f32' if kind.element == ir.FloatType() else 'f64'}"
    else:
        name = f"llvm.fma.{'f32' if kind == ir.FloatType() else 'f64'}"
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), name
    )
    return builder.call(function, [a, b, c])


def _vector_kind(context: Any, dtype: Any) -> Any:
    """A vector of BYTES as LLVM's type."""
    element = context.get_value_type(dtype)
    return ir.VectorType(element, BYTES // context.get_abi_sizeof(element))


def _pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [offset])


def _emit_tile(
    builder: Any, kind: Any, pointers: Any, strides: Any, k: Any, rows: int, vectors: int
) -> None:
    """One tile: its sums are loaded, run through a loop over K in registers, and stored."""
    (pa, pb, pc), (ra, ka, lb, lc) = pointers, strides
    whole, small = ir.IntType(64), ir.IntType(32)
    size = 4 if kind.element == ir.FloatType() else 8

    def at(base: Any, offset: Any) -> Any:
        return builder.bitcast(builder.gep(base, [offset]), kind.as_pointer())

    def load(base: Any, offset: Any) -> Any:
        value = builder.load(at(base, offset))
        value.align = size
        return value

    wide = [whole(v * kind.count) for v in range(vectors)]
    places = [[builder.add(builder.mul(lc, whole(r)), w) for w in wide] for r in range(rows)]
    offsets = [builder.mul(ra, whole(r)) for r in range(rows)]
    sums = [[load(pc, place) for place in row] for row in places]
    before = builder.block
    loop, after = builder.append_basic_block("sum"), builder.append_basic_block("store")
    builder.branch(loop)
    builder.position_at_end(loop)
    counts = [builder.phi(whole) for _ in range(3)]  # k, and where A and B are then
    running = [[builder.phi(kind) for _ in wide] for _ in range(rows)]
    following = [builder.add(c, d) for c, d in zip(counts, (whole(1), ka, lb), strict=True)]
    for count, after_it in zip(counts, following, strict=True):
        count.add_incoming(whole(0), before)
        count.add_incoming(after_it, loop)
    columns = [load(pb, builder.add(counts[2], w)) for w in wide]
    for r in range(rows):
        scalar = builder.load(builder.gep(pa, [builder.add(counts[1], offsets[r])]))
        single = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, small(0))
        zeros = ir.Constant(ir.VectorType(small, kind.count), [0] * kind.count)
        spread = builder.shuffle_vector(single, ir.Constant(kind, ir.Undefined), zeros)
        for v in range(vectors):
            running[r][v].add_incoming(sums[r][v], before)
            sums[r][v] = _vector_fma(builder, kind, spread, columns[v], running[r][v])
            running[r][v].add_incoming(sums[r][v], loop)
    builder.cbranch(builder.icmp_signed("<", following[0], k), loop, after)
    builder.position_at_end(after)
    for row, place in zip(sums, places, strict=True):
        for value, where in zip(row, place, strict=True):
            builder.store(value, at(pc, where)).align = size


@intrinsic
def _tile(
    typing: Any, a: Any, oa: Any, ra: Any, ka: Any, b: Any, ob: Any, lb: Any, c: Any, oc: Any,
    lc: Any, k: Any, rows: Any, vectors: Any,
) -> Any:  # fmt: skip
    """``C[rows, vectors V] += A[rows, k] B[k, vectors V]`` for rows of 1..ROWS, vectors of 1 or 2,
    and k >= 1; A's element (r, k) stands at ``oa + r ra + k ka``.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a_, oa_, ra_, ka_, b_, ob_, lb_, c_, oc_, lc_, k_, rows_, vectors_ = arguments
        kind = _vector_kind(context, signature.args[0].dtype)
        whole = ir.IntType(64)
        pointers = [
            _pointer(context, builder, signature.args[i], array, offset)
            for i, array, offset in ((0, a_, oa_), (4, b_, ob_), (7, c_, oc_))
        ]
        done = builder.append_basic_block("done")
        case = builder.add(rows_, builder.mul(vectors_, whole(16)))
        switch = builder.switch(case, done)
        for rows, vectors in product(range(1, ROWS + 1), (1, 2)):
            block = builder.append_basic_block("tile")
            switch.add_case(whole(rows + 16 * vectors), block)
            builder.position_at_end(block)
            _emit_tile(builder, kind, pointers, (ra_, ka_, lb_, lc_), k_, rows, vectors)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    n = types.int64
    return types.void(a, n, n, n, b, n, n, c, n, n, n, n, n), emit


@intrinsic
def _fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c with one rounding (two where the processor has no such instruction)."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _vector_fma(builder, context.get_value_type(signature.return_type), *arguments)

    return a(a, a, a), emit


@intrinsic
def _power(typing: Any, t: Any) -> Any:
    """2^k, where t = k + 1.5 2^m for the m bits of a mantissa: k stands in t's lowest bits."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = context.get_value_type(signature.return_type)
        single = signature.return_type == types.float32
        whole, bits = (ir.IntType(32), 23) if single else (ir.IntType(64), 52)
        one = whole(0x3F800000 if single else 0x3FF0000000000000)
        k = builder.shl(builder.bitcast(arguments[0], whole), whole(bits))
        return builder.bitcast(builder.add(k, one), kind)

    return t(t), emit


def _reduction(largest: bool) -> Any:
    """The sum, or the largest, of ``vectors`` V numbers from an offset on: lane by lane, then
    halves of a vector.
    """

    @intrinsic
    def reduce(typing: Any, a: Any, offset: Any, vectors: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a_, offset_, vectors_ = arguments
            kind = _vector_kind(context, signature.args[0].dtype)
            lanes, size = kind.count, BYTES // kind.count
            whole, small = ir.IntType(64), ir.IntType(32)
            base = _pointer(context, builder, signature.args[0], a_, offset_)

            def load(place: Any) -> Any:
                value = builder.load(builder.bitcast(builder.gep(base, [place]), kind.as_pointer()))
                value.align = size
                return value

            def join(x: Any, y: Any) -> Any:
                if not largest:
                    return builder.fadd(x, y)
                return builder.select(builder.fcmp_ordered(">", y, x), y, x)

            before = builder.block
            first = load(whole(0))
            loop, body, after = (builder.append_basic_block(n) for n in ("loop", "body", "done"))
            builder.branch(loop)
            builder.position_at_end(loop)
            i, value = builder.phi(whole), builder.phi(kind)
            i.add_incoming(whole(1), before)
            value.add_incoming(first, before)
            builder.cbranch(builder.icmp_signed("<", i, vectors_), body, after)
            builder.position_at_end(body)
            value.add_incoming(join(value, load(builder.mul(i, whole(lanes)))), body)
            i.add_incoming(builder.add(i, whole(1)), body)
            builder.branch(loop)
            builder.position_at_end(after)
            result, half = value, lanes // 2
            while half:
                turned = [(lane + half) % lanes for lane in range(lanes)]
                other = builder.shuffle_vector(
                    result, result, ir.Constant(ir.VectorType(small, lanes), turned)
                )
                result, half = join(result, other), half // 2
            return builder.extract_element(result, small(0))

        return a.dtype(a, types.int64, types.int64), emit

    return reduce


_sum, _max = _reduction(largest=False), _reduction(largest=True)


@compiled
def multiply(
    a: Vector, oa: int, ra: int, ka: int, b: Vector, ob: int, lb: int, c: Vector, oc: int, lc: int,
    m: int, vectors: int, k: int,
) -> None:  # fmt: skip
    """``C[m, vectors V] += A[m, k] B[k, vectors V]``, each a part of a flat array.

    Args:
        a, oa, ra, ka: A's element (r, k) is ``a[oa + r ra + k ka]``.
        b, ob, lb: B's row k begins at ``b[ob + k lb]``.
        c, oc, lc: C's row r begins at ``c[oc + r lc]``.
        m, vectors, k: sizes. Tiles share m out evenly: 20 rows are 6 + 7 + 7.
    """
    lanes = BYTES // a.itemsize
    if k < 1 or m < 1:
        return
    tiles = (m + ROWS - 1) // ROWS
    for j in range(0, vectors, 2):
        i = 0
        for tile in range(tiles):
            rows = (m - i) // (tiles - tile)
            _tile(a, oa + i * ra, ra, ka, b, ob + j * lanes, lb, c, oc + i * lc + j * lanes, lc, k,
                  rows, min(2, vectors - j))  # fmt: skip
            i += rows


# Functions of one number --------------------------------------------------------------------------
# exp(x) - 1 = 2^k (exp(r) - 1) + (2^k - 1) with x = k ln 2 + r and |r| <= ln 2 / 2, by the Taylor
# series of exp(r) - 1 up to the degree whose rest is below half a unit in the last place.

LN2 = math.log(2)
LN2_REST = 2.3190468138462996e-17  # ln 2 - LN2
LN2_SINGLE = float(np.float32(LN2))
LN2_SINGLE_REST = LN2 - LN2_SINGLE


@intrinsic
def _like(typing: Any, value: Any, x: Any) -> Any:
    """A constant as a number of x's type."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.cast(builder, arguments[0], types.float64, signature.return_type)

    return x(types.float64, x), emit


@inlined
def _reduce_single(x: Any) -> Any:
    t = _fma(x, _like(1 / LN2, x), _like(1.5 * 2**23, x))
    k = t - _like(1.5 * 2**23, x)
    r = _fma(k, _like(-LN2_SINGLE_REST, x), _fma(k, _like(-LN2_SINGLE, x), x))
    p = _fma(_like(1 / 5040, x), r, _like(1 / 720, x))
    p = _fma(p, r, _like(1 / 120, x))
    p = _fma(p, r, _like(1 / 24, x))
    p = _fma(p, r, _like(1 / 6, x))
    p = _fma(p, r, _like(0.5, x))
    return _power(t), _fma(r * r, p, r)


@inlined
def _reduce_double(x: Any) -> Any:
    t = _fma(x, 1 / LN2, 1.5 * 2**52)
    k = t - 1.5 * 2**52
    r = _fma(k, -LN2_REST, _fma(k, -LN2, x))
    p = _fma(1 / 6227020800, r, 1 / 479001600)
    p = _fma(p, r, 1 / 39916800)
    p = _fma(p, r, 1 / 3628800)
    p = _fma(p, r, 1 / 362880)
    p = _fma(p, r, 1 / 40320)
    p = _fma(p, r, 1 / 5040)
    p = _fma(p, r, 1 / 720)
    p = _fma(p, r, 1 / 120)
    p = _fma(p, r, 1 / 24)
    p = _fma(p, r, 1 / 6)
    p = _fma(p, r, 0.5)
    return _power(t), _fma(r * r, p, r)


def _reduce(x: Any) -> Any:
    """(2^k, exp(r) - 1)."""
    raise NotImplementedError


@extending.overload(_reduce, inline="always")
def _reduce_by_type(x):  # type: ignore[no-untyped-def]  # numba compares signatures
    if x == types.float32:
        return lambda x: _reduce_single(x)
    return lambda x: _reduce_double(x)


@inlined
def tanh(x: Any) -> Any:
    """(e^2x - 1) / (e^2x + 1); odd, NaN for NaN, within 3 units in the last place."""
    u, limit, one = abs(x) + abs(x), _like(40.0, x), _like(1.0, x)
    u = limit if u > limit else u
    scale, p = _reduce(u)
    e = _fma(scale, p, scale - one)
    result = e / (e + _like(2.0, x))
    return -result if x < _like(0.0, x) else result


@inlined
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x), by tanh(x / 2)."""
    half = _like(0.5, x)
    return _fma(half, tanh(half * x), half)


@inlined
def exp(x: Any) -> Any:
    """e^x for x <= 0; what is below -80 counts as -80."""
    limit = _like(-80.0, x)
    x = limit if x < limit else x
    scale, p = _reduce(x)
    return _fma(scale, p, scale)


# One network --------------------------------------------------------------------------------------


# A slice's index counts from 0, so numba looks for no negative index, and the loop is vectorised.


@inlined
def part(a: Vector, start: int, count: int) -> Vector:
    """``count`` numbers from ``start`` on."""
    return a[start : start + count]


@inlined
def fill(a: Vector, start: int, count: int, value: float) -> None:
    """``count`` numbers from ``start`` on become ``value``."""
    into = part(a, start, count)
    for i in range(len(into)):
        into[i] = value


@inlined
def copy(a: Vector, start: int, b: Vector, first: int, count: int) -> None:
    """``a[start + i] = b[first + i]``."""
    into, of = part(a, start, count), part(b, first, count)
    for i in range(len(into)):
        into[i] = of[i]


@inlined
def add(a: Vector, start: int, b: Vector, first: int, count: int) -> None:
    """``a[start + i] += b[first + i]``."""
    into, of = part(a, start, count), part(b, first, count)
    for i in range(len(into)):
        into[i] += of[i]


@inner
def load(s: Shape, row: Vector, m: Memory) -> None:
    """One network's weights, laid out as in parameters.views, become a padded matrix per gate."""
    N, at = s.Np, 0
    for i in range(s.I):
        for gate in range(s.gates):
            copy(m.wx, (gate * s.I + i) * N, row, at, s.N)
            at += s.N
    if s.cell == LRU:  # W_hh is [[diag a, diag b], [-diag b, diag a]]
        for i in range(s.N // 2):
            m.bh[i] = row[at + i * s.N + i]
            m.bh[s.N // 2 + i] = row[at + i * s.N + s.N // 2 + i]
        at += s.N * s.N
    else:
        for i in range(s.N):
            for gate in range(s.gates):
                copy(m.wh, (gate * N + i) * N, row, at, s.N)
                for j in range(s.N):
                    m.wht[(gate * N + j) * N + i] = row[at + j]
                at += s.N
    for gate in range(s.gates):
        copy(m.b, gate * N, row, at, s.N)
        at += s.N
    if s.cell == GRU:
        for gate in range(s.gates):
            copy(m.bh, gate * N, row, at, s.N)
            at += s.N
    for i in range(s.N):
        copy(m.wy, i * s.Op, row, at, s.O)
        for j in range(s.O):
            m.wyt[j * N + i] = row[at + j]
        at += s.O
    copy(m.by, 0, row, at, s.O)
    fill(m.by, s.O, s.Op - s.O, -1e30)  # outputs that are not there have no probability


@inner
def unload(s: Shape, m: Memory, row: Vector) -> None:
    """The gradients as a row, in the order of ``load``."""
    N, at = s.Np, 0
    if s.tokens:  # every step has one symbol: the bias's gradient is the sum over symbols
        for gate in range(s.gates):
            for i in range(s.I):
                add(m.gb, gate * N, m.gwx, (gate * s.I + i) * N, N)
    for i in range(s.I):
        for gate in range(s.gates):
            copy(row, at, m.gwx, (gate * s.I + i) * N, s.N)
            at += s.N
    if s.cell == LRU:
        fill(row, at, s.N * s.N, 0.0)
        for i in range(s.N // 2):  # of a and of b, where they stand first
            row[at + i * s.N + i] = m.gbh[i]
            row[at + i * s.N + s.N // 2 + i] = m.gbh[s.N // 2 + i]
        at += s.N * s.N
    else:
        for i in range(s.N):
            for gate in range(s.gates):
                copy(row, at, m.gwh, (gate * N + i) * N, s.N)
                at += s.N
    for gate in range(s.gates):
        copy(row, at, m.gb, gate * N, s.N)
        at += s.N
    if s.cell == GRU:
        for gate in range(s.gates):
            copy(row, at, m.gbh, gate * N, s.N)
            at += s.N
    for i in range(s.N):
        copy(row, at, m.gwy, i * s.Op, s.O)
        at += s.O
    copy(row, at, m.gby, 0, s.O)
    at += s.O
    if s.learned:
        for state in range(s.states):
            copy(row, at, m.gh0, state * N, s.N)
            at += s.N


@inner
def begin(s: Shape, m: Memory, row: Vector, start: Vector) -> None:
    """The state before step 0: ``start`` (B states N), if it is given; else the learned one, or
    zero.
    """
    fill(m.h, 0, s.B * s.Np, 0.0)
    if s.states == 2:
        fill(m.c, 0, s.B * s.Np, 0.0)
    if not len(start) and not s.learned:
        return
    learned = len(row) - s.states * s.N
    for i in range(s.B):
        for state in range(s.states):
            into = m.h if state == 0 else m.c
            if len(start):
                copy(into, i * s.Np, start, (i * s.states + state) * s.N, s.N)
            else:
                copy(into, i * s.Np, row, learned + state * s.N, s.N)


@inner
def end(s: Shape, m: Memory, final: Vector) -> None:
    """The state after the last step, as ``final`` (B states N)."""
    for i in range(s.B):
        at = (s.T * s.B + i) * s.Np
        copy(final, i * s.states * s.N, m.h, at, s.N)
        if s.states == 2:
            copy(final, (i * s.states + 1) * s.N, m.c, at, s.N)


@inner
def forward(s: Shape, m: Memory, tokens: Vector, features: Vector, resets: Vector) -> None:
    """All steps; ``y`` of the scored ones."""
    N, n, lanes = s.Np, s.B * s.Np, BYTES // m.h.itemsize
    if s.tokens:
        for gate in range(s.gates):
            for i in range(s.I):
                add(m.wx, (gate * s.I + i) * N, m.b, gate * N, N)
    in_place = s.cell <= SIGMOID or s.cell == LRU
    z = m.h if s.cell <= SIGMOID else (m.c if s.cell == LRU else m.z)
    for t in range(s.T):
        now, after = t * n, (t + 1) * n
        for gate in range(s.gates):
            # in place: z_t is where the state after step t will be
            at = after if in_place else gate * s.T * n + now
            if s.tokens:
                for i in range(s.B):
                    copy(z, at + i * N, m.wx, (gate * s.I + tokens[t * s.B + i]) * N, N)
            else:
                for i in range(s.B):
                    copy(z, at + i * N, m.b, gate * N, N)
                multiply(features, t * s.B * s.I, s.I, 1, m.wx, gate * s.I * N, N, z, at, N, s.B,
                         N // lanes, s.I)  # fmt: skip
            into = z
            if s.cell == GRU:
                into, at = m.zh, gate * n
                for i in range(s.B):
                    copy(m.zh, at + i * N, m.bh, gate * N, N)
            if not resets[t] and gate < s.matrices:
                multiply(m.h, now, N, 1, m.wh, gate * N * N, N, into, at, N, s.B, N // lanes, s.N)
        h = part(m.h, after, n)
        if s.cell <= SIGMOID:
            _step_elman(s.cell, h)
            continue
        if s.cell == LRU:
            _step_lru(s, m, now, after, resets[t])
            continue
        size = s.T * n
        z0, z1 = part(m.z, now, n), part(m.z, size + now, n)
        if s.cell == MINIMAL:
            _step_minimal(z0, z1, part(m.h, now, n), h, resets[t])
            continue
        z2 = part(m.z, 2 * size + now, n)
        if s.cell == LSTM:
            _step_lstm(z0, z1, z2, part(m.z, 3 * size + now, n), part(m.c, now, n),
                       part(m.c, after, n), part(m.e, now, n), h, resets[t])  # fmt: skip
        else:
            _step_gru(z0, z1, z2, part(m.zh, 0, n), part(m.zh, n, n), part(m.zh, 2 * n, n),
                      part(m.e, now, n), part(m.h, now, n), h, resets[t])  # fmt: skip
    for i in range(s.Ts * s.B):
        copy(m.y, i * s.Op, m.by, 0, s.Op)
    multiply(m.h, (s.T - s.Ts + 1) * n, N, 1, m.wy, 0, s.Op, m.y, 0, s.Op, s.Ts * s.B,
             s.Op // lanes, s.N)  # fmt: skip


@inner
def _step_elman(cell: int, h: Vector) -> None:
    """h = phi(z), in place."""
    if cell == TANH:
        for i in range(len(h)):
            h[i] = tanh(h[i])
    elif cell == RELU:
        for i in range(len(h)):
            h[i] = _like(0.0, h[i]) if h[i] <= _like(0.0, h[i]) else h[i]  # NaN stays
    elif cell == SIGMOID:
        for i in range(len(h)):
            h[i] = sigmoid(h[i])


# Below, a loop writes one array and reads few: so LLVM sees that they are apart, and uses vectors.


@inner
def _step_lstm(
    i: Vector, f: Vector, g: Vector, o: Vector, before: Vector, c: Vector, e: Vector, h: Vector,
    reset: bool,
) -> None:  # fmt: skip
    """c = sigma(f) c + sigma(i) tanh(g), h = sigma(o) tanh(c); e = tanh(c)."""
    for gate in (i, f, o):
        for k in range(len(gate)):
            gate[k] = sigmoid(gate[k])
    for k in range(len(g)):
        g[k] = tanh(g[k])
    for k in range(len(c)):
        c[k] = i[k] * g[k]
    if not reset:
        for k in range(len(c)):
            c[k] = _fma(f[k], before[k], c[k])
    for k in range(len(e)):
        e[k] = tanh(c[k])
    for k in range(len(h)):
        h[k] = o[k] * e[k]


@inner
def _step_gru(
    r: Vector, u: Vector, n: Vector, hr: Vector, hu: Vector, hn: Vector, e: Vector, before: Vector,
    h: Vector, reset: bool,
) -> None:  # fmt: skip
    """h = n + u (h - n) with n = tanh(n + r e), e = h_n."""
    for k in range(len(r)):
        r[k] = sigmoid(r[k] + hr[k])
    for k in range(len(u)):
        u[k] = sigmoid(u[k] + hu[k])
    for k in range(len(e)):
        e[k] = hn[k]
    for k in range(len(n)):
        n[k] = tanh(_fma(r[k], hn[k], n[k]))
    _mix(u, n, before, h, reset)


@inner
def _step_minimal(u: Vector, n: Vector, before: Vector, h: Vector, reset: bool) -> None:
    """h = n + u (h - n), u = sigma(u), n = tanh(n)."""
    for k in range(len(u)):
        u[k] = sigmoid(u[k])
    for k in range(len(n)):
        n[k] = tanh(n[k])
    _mix(u, n, before, h, reset)


@inner
def _mix(u: Vector, n: Vector, before: Vector, h: Vector, reset: bool) -> None:
    """h = n + u (h - n)."""
    if reset:
        for k in range(len(h)):
            h[k] = n[k] - u[k] * n[k]
    else:
        for k in range(len(h)):
            h[k] = _fma(u[k], before[k] - n[k], n[k])


@inner
def _step_lru(s: Shape, m: Memory, now: int, after: int, reset: bool) -> None:
    """c += lambda c, h = tanh(c)."""
    half = s.N // 2
    a, b = part(m.bh, 0, half), part(m.bh, half, half)
    if not reset:
        for i in range(s.B):
            at = now + i * s.Np
            re, im = part(m.c, at, half), part(m.c, at + half, half)
            to = after + i * s.Np
            _add_turned(a, b, re, im, part(m.c, to, half), part(m.c, to + half, half))
    h, c = part(m.h, after, s.B * s.Np), part(m.c, after, s.B * s.Np)
    for k in range(len(h)):
        h[k] = tanh(c[k])


@inner
def _add_turned(
    a: Vector, b: Vector, re: Vector, im: Vector, into_re: Vector, into_im: Vector
) -> None:
    """into += (a + i b) (re + i im)."""
    for k in range(len(a)):
        into_re[k] += a[k] * re[k] - b[k] * im[k]
    for k in range(len(a)):
        into_im[k] += a[k] * im[k] + b[k] * re[k]


@inner
def softmax(s: Shape, m: Memory, targets: Vector, weight: Vector) -> float:
    """Mean cross-entropy in nats; ``y`` becomes dL/dy."""
    total, vectors = 0.0, s.Op // (BYTES // m.y.itemsize)
    for i in range(s.Ts * s.B):
        y, w = part(m.y, i * s.Op, s.Op), weight[i]
        largest = _max(y, 0, vectors)
        right = y[targets[i]] - largest
        for j in range(len(y)):
            y[j] = exp(y[j] - largest)
        # What fills the last vector is no class. Left at e^-80 it would become denormal below, and
        # a product with a denormal number is some hundred times as slow.
        fill(y, s.O, s.Op - s.O, 0.0)
        sum_ = _sum(y, 0, vectors)
        total += w * (math.log(float(sum_)) - right)
        factor = w / sum_
        for j in range(len(y)):
            y[j] *= factor
        y[targets[i]] -= w
    return total


@inner
def squared(s: Shape, m: Memory, targets: Vector, weight: Vector) -> float:
    """Mean squared error; ``y`` becomes dL/dy."""
    total = 0.0
    for i in range(s.Ts * s.B):
        at, w, sum_ = i * s.Op, weight[i], 0.0
        for j in range(s.O):
            error = m.y[at + j] - targets[i * s.O + j]
            sum_ += float(error) * float(error)
            m.y[at + j] = error * w * _like(2.0 / s.O, w)
        fill(m.y, at + s.O, s.Op - s.O, 0.0)
        total += w * sum_ / s.O
    return total


@inner
def backward(
    s: Shape, m: Memory, tokens: Vector, features: Vector, resets: Vector, windows: Vector,
    overlap: bool,
) -> None:  # fmt: skip
    """All gradients, from dL/dy in ``y``, through ``windows`` (start, scored, stop), in order."""
    n, lanes, first = s.B * s.Np, BYTES // m.h.itemsize, s.T - s.Ts
    for g in (m.gwx, m.gwh, m.gb, m.gbh, m.gwy, m.gby, m.gh0):
        fill(g, 0, len(g), 0.0)
    # The head
    fill(m.dhs, 0, s.Ts * n, 0.0)
    multiply(m.y, 0, s.Op, 1, m.wyt, 0, s.Np, m.dhs, 0, s.Np, s.Ts * s.B, s.Np // lanes, s.O)
    for t in range(0, s.Ts, max(1, CHUNK // n)):
        steps = min(s.Ts - t, max(1, CHUNK // n))
        multiply(m.h, (first + t + 1) * n, 1, s.Np, m.y, t * s.B * s.Op, s.Op, m.gwy, 0, s.Op,
                 s.N, s.Op // lanes, steps * s.B)  # fmt: skip
    for i in range(s.Ts * s.B):
        add(m.gby, 0, m.y, i * s.Op, s.Op)
    # The windows
    visited, earliest = False, 0
    for w in range(len(windows) // 3):
        start, scored, stop = windows[3 * w], windows[3 * w + 1], windows[3 * w + 2]
        if stop <= first:
            continue
        if not visited:
            visited, earliest = True, start
            if overlap:
                fill(m.dz, 0, len(m.dz), 0.0)
                if s.cell == GRU:
                    fill(m.dzh, 0, len(m.dzh), 0.0)
        _run_back(s, m, tokens, features, resets, start, max(scored, first), stop, overlap)
    if overlap and visited:
        _sum_chunks(s, m, tokens, features, resets, m.dz, m.dzh, s.T, 0, earliest, s.T)


@inner
def _run_back(
    s: Shape, m: Memory, tokens: Vector, features: Vector, resets: Vector, start: int,
    injected: int, stop: int, overlap: bool,
) -> None:  # fmt: skip
    """One window, last step to first; losses at steps ``injected``.. count."""
    N, n, lanes, first = s.Np, s.B * s.Np, BYTES // m.h.itemsize, s.T - s.Ts
    chunk, flushed, size = max(1, CHUNK // n), stop, s.T * n
    dz, dzh, apart = m.recent, m.recenth, chunk * n  # apart: from one gate's dL/dz to the next's
    dh, dc = part(m.dh, 0, n), part(m.dc, 0, n)
    fill(dc, 0, len(dc), 0.0)
    copy(dh, 0, m.dhs, (stop - 1 - first) * n, n)
    for t in range(stop - 1, start - 1, -1):
        now, after = t * n, (t + 1) * n
        at = 0 if overlap else (t - max(start, flushed - chunk)) * n
        # a function for these branches would build its parts of arrays at every step: 0.7 us each
        if s.cell <= SIGMOID:
            _adjoint_elman(s.cell, part(m.h, after, n), dh, part(dz, at, n))
        elif s.cell == LRU:
            _adjoint_lru(part(m.h, after, n), dh, dc, part(dz, at, n))
        elif s.cell == MINIMAL:
            _adjoint_mix(part(m.z, now, n), part(m.z, size + now, n), part(m.h, now, n), dh,
                         part(dz, at, n), part(dz, apart + at, n), resets[t])  # fmt: skip
        else:
            z0, z1, z2 = part(m.z, now, n), part(m.z, size + now, n), part(m.z, 2 * size + now, n)
            d0, d1, d2 = part(dz, at, n), part(dz, apart + at, n), part(dz, 2 * apart + at, n)
            e = part(m.e, now, n)
            if s.cell == LSTM:
                _adjoint_lstm(z0, z1, z2, part(m.z, 3 * size + now, n), part(m.c, now, n), e, dh,
                              dc, d0, d1, d2, part(dz, 3 * apart + at, n), resets[t])  # fmt: skip
            else:
                h0, h1 = part(dzh, at, n), part(dzh, apart + at, n)
                h2 = part(dzh, 2 * apart + at, n)
                _adjoint_gru(z0, z1, z2, part(m.h, now, n), e, dh, d0, d1, d2, h0, h1, h2,
                             resets[t])  # fmt: skip
        if overlap:
            for gate in range(s.gates):
                add(m.dz, gate * size + now, dz, gate * apart, n)
                if s.cell == GRU:
                    add(m.dzh, gate * size + now, dzh, gate * apart, n)
        elif flushed - t >= chunk or t == start:
            _sum_chunks(s, m, tokens, features, resets, dz, dzh, chunk, t, t, flushed)
            flushed = t
        if t == start and not (t == 0 and s.learned):
            return  # what would come next lies outside of the window
        if resets[t]:  # nothing before the reset has any influence
            fill(dh, 0, n, 0.0)
            fill(dc, 0, len(dc), 0.0)
        elif s.cell != GRU and s.cell != MINIMAL:
            fill(dh, 0, n, 0.0)
        if t > start and t - 1 >= injected:
            add(dh, 0, m.dhs, (t - 1 - first) * n, n)
        if not resets[t]:
            for gate in range(s.matrices):
                multiply(dzh, gate * apart + at, N, 1, m.wht, gate * N * N, N, dh, 0, N, s.B,
                         N // lanes, s.N)  # fmt: skip
            if s.cell == LRU:
                _turn_back(s, m, dz, at)
    if start == 0 and s.learned:
        for i in range(s.B):
            add(m.gh0, 0, dh, i * N, N)
            if s.states == 2:
                add(m.gh0, N, dc, i * N, N)


@inner
def _sum_chunks(
    s: Shape, m: Memory, tokens: Vector, features: Vector, resets: Vector, dz: Vector, dzh: Vector,
    steps: int, base: int, start: int, stop: int,
) -> None:  # fmt: skip
    """The part of steps ``start``..``stop - 1`` in the gradients of W_xh, W_hh and the biases.

    ``dz`` and ``dzh`` are (gates, steps, B, N'), from step ``base`` on.
    """
    N, n, lanes = s.Np, s.B * s.Np, BYTES // m.h.itemsize
    t = start
    while t < stop:
        after = min(stop, t + max(1, CHUNK // n))
        for u in range(t + 1, after):
            if resets[u]:
                after = u
                break
        k = (after - t) * s.B
        begun = t + 1 if resets[t] else t  # before step t the state was zero
        for gate in range(s.gates):
            at = (gate * steps + t - base) * n
            if gate < s.matrices:
                multiply(m.h, begun * n, 1, N, dzh, at + (begun - t) * n, N, m.gwh, gate * N * N,
                         N, s.N, N // lanes, (after - begun) * s.B)  # fmt: skip
            elif s.cell == LRU:
                _sum_lambda(s, m, dz, begun * n, at + (begun - t) * n, (after - begun) * s.B)
            if s.tokens:
                for i in range(k):
                    add(m.gwx, (gate * s.I + tokens[t * s.B + i]) * N, dz, at + i * N, N)
            else:
                multiply(features, t * s.B * s.I, 1, s.I, dz, at, N, m.gwx, gate * s.I * N, N,
                         s.I, N // lanes, k)  # fmt: skip
                for i in range(k):
                    add(m.gb, gate * N, dz, at + i * N, N)
            if s.cell == GRU:
                for i in range(k):
                    add(m.gbh, gate * N, dzh, at + i * N, N)
        t = after


@inner
def _adjoint_elman(cell: int, h: Vector, dh: Vector, dz: Vector) -> None:
    """dz = phi'(z) dh, with phi' from h."""
    if cell == TANH:
        for i in range(len(dz)):
            dz[i] = dh[i] * (_like(1.0, h[i]) - h[i] * h[i])
    elif cell == RELU:
        for i in range(len(dz)):
            dz[i] = dh[i] if h[i] > _like(0.0, h[i]) else _like(0.0, h[i])
    elif cell == SIGMOID:
        for i in range(len(dz)):
            dz[i] = dh[i] * (h[i] * (_like(1.0, h[i]) - h[i]))
    else:
        for i in range(len(dz)):
            dz[i] = dh[i]


@inner
def _adjoint_lstm(
    i: Vector, f: Vector, g: Vector, o: Vector, before: Vector, e: Vector, dh: Vector, dc: Vector,
    di: Vector, df: Vector, dg: Vector, do: Vector, reset: bool,
) -> None:  # fmt: skip
    """See cells/lstm.py; ``dc`` becomes that of the state before."""
    one = _like(1.0, dh[0])
    for k in range(len(dc)):
        dc[k] += dh[k] * o[k] * (one - e[k] * e[k])
    for k in range(len(do)):
        do[k] = dh[k] * e[k] * (o[k] * (one - o[k]))
    for k in range(len(di)):
        di[k] = dc[k] * g[k] * (i[k] * (one - i[k]))
    for k in range(len(dg)):
        dg[k] = dc[k] * i[k] * (one - g[k] * g[k])
    if reset:
        fill(df, 0, len(df), 0.0)
    else:
        for k in range(len(df)):
            df[k] = dc[k] * before[k] * (f[k] * (one - f[k]))
    for k in range(len(dc)):
        dc[k] *= f[k]


@inner
def _adjoint_gru(
    r: Vector, u: Vector, n: Vector, before: Vector, e: Vector, dh: Vector, dr: Vector, du: Vector,
    dn: Vector, hr: Vector, hu: Vector, hn: Vector, reset: bool,
) -> None:  # fmt: skip
    """See cells/gru.py; ``dh`` becomes the part that passes u alone."""
    one = _like(1.0, dh[0])
    _adjoint_mix(u, n, before, dh, du, dn, reset)
    for k in range(len(dr)):
        dr[k] = dn[k] * e[k] * (r[k] * (one - r[k]))
    for k in range(len(hr)):
        hr[k] = dr[k]
    for k in range(len(hu)):
        hu[k] = du[k]
    for k in range(len(hn)):
        hn[k] = dn[k] * r[k]


@inner
def _adjoint_mix(
    u: Vector, n: Vector, before: Vector, dh: Vector, du: Vector, dn: Vector, reset: bool
) -> None:
    """Of ``_mix``, its sigmoid and its tanh: all of cells/minimal.py; ``dh`` becomes the part that
    passes u alone.
    """
    one = _like(1.0, dh[0])
    for k in range(len(dn)):
        dn[k] = dh[k] * (one - u[k]) * (one - n[k] * n[k])
    if reset:
        for k in range(len(du)):
            du[k] = -dh[k] * n[k] * (u[k] * (one - u[k]))
    else:
        for k in range(len(du)):
            du[k] = dh[k] * (before[k] - n[k]) * (u[k] * (one - u[k]))
    for k in range(len(dh)):
        dh[k] *= u[k]


@inner
def _adjoint_lru(h: Vector, dh: Vector, dc: Vector, dz: Vector) -> None:
    """dz = dc + dh (1 - h^2)."""
    one = _like(1.0, dh[0])
    for k in range(len(dz)):
        dz[k] = _fma(dh[k], one - h[k] * h[k], dc[k])


@inner
def _turn_back(s: Shape, m: Memory, dz: Vector, at: int) -> None:
    """dc of the state before: dz, turned by the conjugate of lambda."""
    half = s.N // 2
    a, b = part(m.bh, 0, half), part(m.bh, half, half)
    fill(m.dc, 0, s.B * s.Np, 0.0)
    for i in range(s.B):
        to = i * s.Np
        _add_turned(a, b, part(dz, at + to + half, half), part(dz, at + to, half),
                    part(m.dc, to + half, half), part(m.dc, to, half))  # fmt: skip


@inner
def _sum_lambda(s: Shape, m: Memory, dz: Vector, before: int, at: int, rows: int) -> None:
    """The gradient of lambda: of a, re dre + im dim; of b, re dim - im dre."""
    half = s.N // 2
    da, db = part(m.gbh, 0, half), part(m.gbh, half, half)
    for i in range(rows):
        one, other = before + i * s.Np, at + i * s.Np
        re, im = part(m.c, one, half), part(m.c, one + half, half)
        dre, dim = part(dz, other, half), part(dz, other + half, half)
        for k in range(half):
            da[k] += re[k] * dre[k] + im[k] * dim[k]
        for k in range(half):
            db[k] += re[k] * dim[k] - im[k] * dre[k]


# Many networks ------------------------------------------------------------------------------------


@compiled
def run(
    s: Shape, m: Memory, flat: Vector, source: Vector, tokens: Vector, features: Vector,
    resets: Vector, start: Vector, alive: Vector, final: Vector, y: Vector, classes: Vector,
    values: Vector, weight: Vector, windows: Vector, overlap: bool, loss: Vector, gradient: Vector,
) -> None:  # fmt: skip
    """Outputs ``y`` (G, Ts B O), or loss (G) and gradient (G, P), of all networks that are alive;
    zero for the others, whose weights are not read.

    One function for both, because LLVM would compile all that they share twice.

    Args:
        s, m: the program, and its memory.
        flat: (G, P) weights.
        source: (G), which of the S data sets is a network's.
        tokens, features: (S, T B) or (S, T B I), and (S, 0) for the one that is not in use.
        resets: (T) bool.
        start: (G, B states N), or (G, 0): the state before step 0.
        alive: (G) bool.
        final: (G, B states N), written.
        y: written; (G, 0): gradients are asked for.
        classes, values: (S, Ts B) or (S, Ts B O), and (S, 0) for the one that is not in use.
        weight: (S, Ts B), of Targets.
        windows: (3 W) start, scored, stop.
        overlap: whether any step is in two windows.
        loss, gradient: written, unless ``y`` is.
    """
    outputs = y.shape[1] > 0
    for g in range(len(flat)):
        if not alive[g]:
            if outputs:
                fill(y[g], 0, y.shape[1], 0.0)
            else:
                loss[g] = 0.0
                fill(gradient[g], 0, gradient.shape[1], 0.0)
            continue
        i = source[g]
        load(s, flat[g], m)
        begin(s, m, flat[g], start[g])
        forward(s, m, tokens[i], features[i], resets)
        end(s, m, final[g])
        if outputs:
            for k in range(s.Ts * s.B):
                copy(y[g], k * s.O, m.y, k * s.Op, s.O)
            continue
        if s.head == SOFTMAX:
            loss[g] = softmax(s, m, classes[i], weight[i])
        else:
            loss[g] = squared(s, m, values[i], weight[i])
        backward(s, m, tokens[i], features[i], resets, windows, overlap)
        unload(s, m, gradient[g])


@compiled
def clip(
    gradient: Vector, frozen: Vector, first: int, last: int, by_norm: Vector, by_value: Vector,
    epsilon: float, norm: Vector, clipped: Vector,
) -> None:  # fmt: skip
    """What clipping.clip_ does, in one pass over a row.

    Args:
        gradient: (G, P), changed.
        frozen, first, last: (G) bool; of such rows the numbers ``first``..``last - 1`` become 0.
        by_norm, by_value: (G) thresholds.
        epsilon: clipping.CLIP_EPS.
        norm, clipped: (G) float64 and bool, written.
    """
    for g in range(len(gradient)):
        row = gradient[g]
        if frozen[g]:
            fill(row, first, last - first, 0.0)
        # four sums, so that one addition need not wait for the one before
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        whole = len(row) // 4 * 4
        for i in range(0, whole, 4):
            a += float(row[i]) * float(row[i])
            b += float(row[i + 1]) * float(row[i + 1])
            c += float(row[i + 2]) * float(row[i + 2])
            d += float(row[i + 3]) * float(row[i + 3])
        for i in range(whole, len(row)):
            a += float(row[i]) * float(row[i])
        size = math.sqrt((a + b) + (c + d))
        norm[g] = size
        factor = by_norm[g] / (size + epsilon)
        changed = factor < 1.0
        if not factor >= 1.0:  # NaN stays NaN
            single = _like(factor, row[0])
            for i in range(len(row)):
                row[i] *= single
        limit = by_value[g]
        if not math.isinf(limit):
            for i in range(len(row)):
                value = row[i]
                if value > limit:
                    row[i] = limit
                    changed = True
                elif value < -limit:
                    row[i] = -limit
                    changed = True
        clipped[g] = changed


@compiled
def finite(flat: Vector, result: Vector) -> None:
    """Whether all numbers of a row (G, P) are finite, (G) bool."""
    for g in range(len(flat)):
        row, wrong = flat[g], 0
        for i in range(len(row)):
            wrong |= 0 if row[i] - row[i] == 0 else 1
        result[g] = wrong == 0
