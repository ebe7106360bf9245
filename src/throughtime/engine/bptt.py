"""Backpropagation through time over a whole grid of networks, written out.

Shapes: G rows of the grid, T steps, B sequences, I inputs, N units, O outputs, S = states N, Z =
gates N, Y = width N (Z, or 2 Z where a cell has the x and h parts of z separate: first the x parts,
then the h parts), Ts scored steps (the last Ts).

Everything is laid out time first, (T, G, B, .), because one step's (G, B, .) must be contiguous:
only then is torch's batched matrix product one call of the library, and a row's product has the
same bits in every batch of rows (on one thread).

The gradient of the weights needs dL/dz_t alone, whatever the truncation mode: with overlapping
windows a step is visited several times, and its dL/dz_t are summed first. So a mode is a list of
windows, and nothing else here knows of modes.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import torch
from torch import Tensor

from throughtime.engine.cells._base import Cell
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.losses._base import Targets
from throughtime.engine.omega import Omega
from throughtime.engine.sizes import Sizes
from throughtime.engine.truncation import Window, overlapping

Weights = dict[str, Tensor]
# steps whose dL/dz are kept before they are summed over symbols: a call of index_add_ costs as much
# as 300 of its rows
RING = 4


class Tape:
    """The memory of one unrolled program, allocated once and used by every update.

    ``state[t]`` is the state before step t, ``state[t + 1]`` after it; ``z[t]`` the pre-activation
    of step t (the same memory as ``state[t + 1]`` where the cell works in place). Where windows
    overlap, ``dzs[t]`` is the sum of dL/dz_t over the windows that visit step t; else dL/dz_t is
    used up while it is in the cache (``ring`` holds that of the last few steps), and ``dzs`` is
    None.
    """

    def __init__(
        self,
        cell: Cell,
        sizes: Sizes,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        *,
        overlap: bool = True,
    ) -> None:
        g, b, n = sizes.rows, sizes.batch, sizes.hidden
        self.cell, self.sizes = cell, sizes

        def empty(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.states = empty(sizes.steps + 1, g, b, cell.states * n)
        self.zs = self.states[1:] if cell.in_place else empty(sizes.steps, g, b, cell.width * n)
        self.dzs = empty(sizes.steps, g, b, cell.width * n) if overlap else None
        self.ys = empty(sizes.scored, g, b, sizes.outputs)
        self.dhs = empty(sizes.scored, g, b, n)
        self.zero = empty(g, b, cell.states * n)
        self.ds, self.dh = empty(g, b, cell.states * n), empty(g, b, n)
        self.ring = empty(RING, g, b, cell.width * n)
        self.dz = self.ring[0]
        self.state, self.z = self.states.unbind(), self.zs.unbind()
        self.y, self.dh_scored = self.ys.unbind(), self.dhs.unbind()
        # Views made once: a view costs about a microsecond, and every step of every update would
        # make several.
        self.h = tuple(s[..., :n] for s in self.state)  # (G, B, N), h before step t
        self.h_back = tuple(h.transpose(1, 2) for h in self.h)
        self.ds_h = self.ds[..., :n]
        # the block that W_hh multiplies: h itself, but for cells that say otherwise
        self.carrier = slice(cell.carrier * n, (cell.carrier + 1) * n)
        self.carried = tuple(s[..., self.carrier] for s in self.state) if cell.carrier else self.h
        self.carried_back = tuple(c.transpose(1, 2) for c in self.carried)
        self.ds_carried = self.ds[..., self.carrier]
        self.resets: frozenset[int] = frozenset()

    def first(self, steps: int) -> "Tape":
        """The first ``steps`` steps, a program of their own in the same memory.

        Raises:
            ValueError: fewer steps than are scored, or more than there are.
        """
        if steps == self.sizes.steps:
            return self
        self.sizes.check(steps)
        tape = copy(self)
        tape.sizes = replace(self.sizes, steps=steps)
        tape.states, tape.zs = self.states[: steps + 1], self.zs[:steps]
        tape.dzs = None if self.dzs is None else self.dzs[:steps]
        tape.state, tape.z = self.state[: steps + 1], self.z[:steps]
        tape.h, tape.h_back = self.h[: steps + 1], self.h_back[: steps + 1]
        tape.carried = self.carried[: steps + 1]
        tape.carried_back = self.carried_back[: steps + 1]
        return tape

    def x_part(self, z: Tensor) -> Tensor:
        """The part of z, or of dL/dz, (.., Y) that the inputs reach; (.., Z)."""
        return z[..., : z.shape[-1] // 2] if self.cell.separate else z

    def h_part(self, z: Tensor) -> Tensor:
        """The part that the state before reaches; (.., Z). The whole of z where they are one."""
        return z[..., z.shape[-1] // 2 :] if self.cell.separate else z


def input_index(tokens: Tensor, inputs: int) -> Tensor:
    """(T, G, B) symbols as indices of a table of all rows' W_xh, (G I, Z), one below the other."""
    rows = torch.arange(tokens.shape[1], device=tokens.device) * inputs
    return tokens + rows[None, :, None]


def with_ones(features: Tensor) -> Tensor:
    """(T, G, B, I) features with a column of ones, by which b_h is a row of W_xh."""
    return torch.cat([features, torch.ones_like(features[..., :1])], -1)


def add_by_symbol_(sums: Tensor, x: Tensor, dzs: Tensor) -> None:
    """Add to the row of ``sums`` (G, I, Z) of each symbol what it was given in ``dzs`` (steps, G,
    B, Z).

    By products with one-hot matrices: ``index_add_`` adds in whatever order the threads of a GPU
    arrive, so that two runs would differ.

    Args:
        x: (steps, G, B), of ``input_index``.
    """
    rows, symbols, _ = sums.shape
    table = torch.arange(rows * symbols, device=x.device).view(rows, symbols, 1)
    for x_t, dz in zip(x.unbind(), dzs.unbind(), strict=True):
        sums.baddbmm_((x_t[:, None] == table).to(dz.dtype), dz)


def forward(
    tape: Tape,
    weights: Weights,
    x: Tensor,
    start: Tensor | None = None,
    resets: frozenset[int] = frozenset(),
) -> Tensor:
    """Run all steps and read out the scored ones.

    Args:
        tape: memory, written.
        weights: of parameters.views.
        x: ``input_index`` (T, G, B) of tokens, or ``with_ones`` (T, G, B, I + 1) of features.
        start: (G, B, S) state before step 0; None: h_0 where it is learned, else zero.
        resets: steps before which the state is set to zero.

    Returns:
        (Ts, G, B, O), y of the scored steps (the tape's memory).
    """
    cell, w_hh, last = tape.cell, weights["W_hh"].contiguous(), tape.sizes.steps - tape.sizes.scored
    initial = weights["h_0"][:, None] if start is None and "h_0" in weights else start
    tape.state[0].copy_(tape.zero if initial is None else initial.expand_as(tape.zero))
    tape.resets = resets
    _project(tape, weights, x)
    for t, z in enumerate(tape.z):
        before = tape.zero if t in resets else tape.state[t]
        if cell.separate:
            carried = before[..., tape.carrier]
            tape.h_part(z).copy_(torch.baddbmm(weights["b_hh"][:, None], carried, w_hh))
        elif t not in resets:
            z.baddbmm_(tape.carried[t], w_hh)
        cell.step(z, before, tape.state[t + 1])
    bias = weights["b_y"][:, None]
    for i, y in enumerate(tape.y):
        torch.baddbmm(bias, tape.h[last + i + 1], weights["W_hy"], out=y)
    return tape.ys


def _project(tape: Tape, weights: Weights, x: Tensor) -> None:
    """z_t = x_t W_xh + b_h for all steps."""
    w, b = weights["W_xh"], weights["b_h"]
    if tape.sizes.tokens:
        table = (w + b[:, None]).flatten(0, 1)
        if tape.cell.separate:
            tape.x_part(tape.zs).copy_(table.index_select(0, x.flatten()).unflatten(0, x.shape))
        else:
            torch.index_select(table, 0, x.flatten(), out=tape.zs.view(-1, table.shape[1]))
    else:
        both = torch.cat([w, b[:, None]], 1)
        for x_t, z in zip(x.unbind(), tape.z, strict=True):
            if tape.cell.separate:
                tape.x_part(z).copy_(torch.bmm(x_t, both))
            else:
                torch.bmm(x_t, both, out=z)


def backward(
    tape: Tape,
    weights: Weights,
    x: Tensor,
    dy: Tensor,
    windows: Sequence[Window],
    omega: Omega | None = None,
) -> Weights:
    """Gradients of the loss with respect to every weight, through the given windows.

    Args:
        tape, weights, x: as in ``forward``, which has filled the tape.
        dy: (Ts, G, B, O) dL/dy.
        windows: of truncation.windows; with one window over all steps the gradient is the exact
            one.
        omega: is given every step that is visited; for windows that do not overlap.

    Returns:
        Name -> (G, *shape), new memory.
    """
    first = tape.sizes.steps - tape.sizes.scored
    g = _Gradients(tape, weights, x)
    _readout(tape, weights, dy, g.named)
    visited = [w for w in windows if w.stop > first]
    sums = tape.dzs if overlapping(visited) else None
    if sums is not None:
        sums.zero_()
    for window in visited:
        _run_back(tape, weights, window, first, g, sums, omega)
    if sums is not None:
        for t in range(visited[0].start, tape.sizes.steps):
            g.add(t, sums[t])
        g.add_inputs(visited[0].start, sums[visited[0].start :])
    return g.finish()


class _Gradients:
    """Sums of outer products over steps, kept in contiguous memory of their own."""

    def __init__(self, tape: Tape, weights: Weights, x: Tensor) -> None:
        self.tape, self.x = tape, x
        self.named = {
            name: torch.zeros(w.shape, dtype=w.dtype, device=w.device)
            for name, w in weights.items()
        }
        w_hh, (g, i, z) = weights["W_hh"], weights["W_xh"].shape
        self.inputs = torch.zeros(
            g, i if tape.sizes.tokens else i + 1, z, dtype=w_hh.dtype, device=w_hh.device
        )
        self.table = self.inputs.flatten(0, 1)
        self.ones = torch.ones(g, 1, tape.sizes.batch, dtype=w_hh.dtype, device=w_hh.device)

    def add(self, t: int, dz: Tensor) -> None:
        """Step t's part in the gradients of W_hh and b_hh, from dL/dz_t (G, B, Y)."""
        dz = self.tape.h_part(dz).contiguous()
        if t not in self.tape.resets:
            self.named["W_hh"].baddbmm_(self.tape.carried_back[t], dz)
        if self.tape.cell.separate:
            self.named["b_hh"][:, None].baddbmm_(self.ones, dz)

    def add_inputs(self, t: int, dzs: Tensor) -> None:
        """The part of steps t, t + 1, .. in the gradients of W_xh and b_h, from their dL/dz (steps,
        G, B, Y).
        """
        x, dzs = self.x[t : t + len(dzs)], self.tape.x_part(dzs).contiguous()
        if self.tape.sizes.tokens and x.device.type == "cpu":
            self.table.index_add_(0, x.flatten(), dzs.flatten(0, 2))
        elif self.tape.sizes.tokens:
            add_by_symbol_(self.inputs, x, dzs)
        else:
            for x_t, dz in zip(x.unbind(), dzs.unbind(), strict=True):
                self.inputs.baddbmm_(x_t.transpose(1, 2), dz)

    def finish(self) -> Weights:
        """All gradients by name."""
        w = self.inputs
        if (
            self.tape.sizes.tokens
        ):  # every step has one symbol: the bias's gradient is the sum over symbols
            bias = torch.bmm(
                torch.ones(w.shape[0], 1, w.shape[1], dtype=w.dtype, device=w.device), w
            ).squeeze(1)
        else:
            w, bias = w[:, :-1], w[:, -1]
        return {**self.named, "W_xh": w, "b_h": bias}


def _readout(tape: Tape, weights: Weights, dy: Tensor, g: Weights) -> None:
    """Gradients of the head, and dL/dh at the scored steps."""
    first = tape.sizes.steps - tape.sizes.scored
    back = weights["W_hy"].transpose(1, 2)
    ones = torch.ones(tape.sizes.rows, 1, tape.sizes.batch, dtype=dy.dtype, device=dy.device)
    bias = g["b_y"][:, None]
    for i, d in enumerate(dy.unbind()):
        torch.bmm(d, back, out=tape.dh_scored[i])
        g["W_hy"].baddbmm_(tape.h_back[first + i + 1], d)
        bias.baddbmm_(ones, d)


def _run_back(
    tape: Tape,
    weights: Weights,
    window: Window,
    first: int,
    g: _Gradients,
    sums: Tensor | None,
    omega: Omega | None,
) -> None:
    """One window, last step to first."""
    cell, ds, ds_h, ring = tape.cell, tape.ds, tape.ds_h, tape.ring.unbind()
    factors = None if window.factors is None else torch.from_numpy(window.factors).to(ds)
    back = weights["W_hh"].transpose(1, 2).contiguous()
    ds.zero_()
    injected, flushed = max(window.scored, first), window.stop
    for t in range(window.stop - 1, window.start - 1, -1):
        if t >= injected:
            ds_h.add_(tape.dh_scored[t - first])
        dz = ring[t % RING]
        before = tape.zero if t in tape.resets else tape.state[t]
        direct = cell.adjoint(ds, tape.z[t], before, tape.state[t + 1], dz)
        if omega is not None and t not in tape.resets:
            omega.keep(t, ds, dz)
        if sums is not None:
            sums[t].add_(dz)
        else:
            g.add(t, dz)
            if t % RING == 0 or t == window.start:
                g.add_inputs(t, tape.ring[t % RING : t % RING + flushed - t])
                flushed = t
        if t == window.start and not (t == 0 and "h_0" in weights):
            return  # what would come next lies outside of the window
        if t in tape.resets:
            ds.zero_()  # nothing before the reset has any influence
            continue
        if direct is None and cell.states == 1:
            torch.bmm(dz, back, out=ds)
        else:
            torch.bmm(tape.h_part(dz).contiguous(), back, out=tape.dh)
            ds.zero_() if direct is None else ds.copy_(direct)
            tape.ds_carried.add_(tape.dh)
        if factors is not None and t:
            ds.mul_(factors[t][:, None, None])
    if window.start == 0 and "h_0" in weights:
        g.named["h_0"] += ds.sum(1)


def gradients(
    tape: Tape,
    weights: Weights,
    x: Tensor,
    targets: Targets,
    head: str,
    windows: Sequence[Window],
    start: Tensor | None = None,
    resets: frozenset[int] = frozenset(),
) -> tuple[Tensor, Weights]:
    """Loss (G) and gradients of one batch: forward, head, backward.

    Args:
        head: ``softmax`` or ``regression``.
        tape, weights, x, targets, windows, start, resets: as above.
    """
    y = forward(tape, weights, x, start, resets)
    loss, dy = loss_of(head)(y, targets)
    return loss, backward(tape, weights, x, dy, windows)
