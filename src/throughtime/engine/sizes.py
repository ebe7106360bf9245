"""The shapes of a program and of its weights, and the memory that they take. Imports no torch."""

from dataclasses import dataclass
from math import prod

from throughtime.engine.cells._base import Cell

Shapes = dict[str, tuple[int, ...]]


def shapes(cell: Cell, inputs: int, hidden: int, outputs: int, learned_h0: bool = False) -> Shapes:
    """Shape of every weight of one network, in the order in which they lie in a row."""
    z = cell.gates * hidden
    result: Shapes = {
        "W_xh": (inputs, z),
        "W_hh": cell.recurrent_shape(hidden),
        "b_h": (z,),
    }
    if cell.separate:
        result["b_hh"] = (z,)
    result |= {"W_hy": (hidden, outputs), "b_y": (outputs,)}
    return {**result, "h_0": (cell.states * hidden,)} if learned_h0 else result


def size(shapes: Shapes) -> int:
    """P, the numbers in a row."""
    return sum(prod(s) for s in shapes.values())


@dataclass(frozen=True)
class Sizes:
    """What fixes the shapes of a program, and of its memory."""

    rows: int
    steps: int
    batch: int
    inputs: int
    hidden: int
    outputs: int
    scored: int
    tokens: bool


def tape_bytes(cell: Cell, sizes: Sizes, itemsize: int = 4, *, overlap: bool = True) -> int:
    """Memory of one row's tape, in bytes: what is kept for backward, the readout and the inputs.
    Linear in T.

    Args:
        cell: the recurrent cell.
        sizes: of the program; ``rows`` does not count.
        itemsize: bytes per number.
        overlap: whether any step is in two windows, so that dL/dz is kept for every step.
    """
    blocks = cell.states + (0 if cell.in_place else cell.width) + (cell.width if overlap else 0)
    kept = sizes.steps * blocks * sizes.hidden
    # y, its softmax, its gradient, the targets
    scored = sizes.scored * (4 * sizes.outputs + sizes.hidden)
    inputs = sizes.steps * (2 if sizes.tokens else sizes.inputs + 1) * 2
    return itemsize * sizes.batch * (kept + scored + inputs)
