"""The shapes of a program and of its weights, and the memory that they take. Imports no torch."""

from dataclasses import dataclass
from math import prod

from throughtime.engine.cells._base import Model, Shapes

__all__ = ["Shapes", "Sizes", "shapes", "size"]


def shapes(
    model: Model, inputs: int, hidden: int, outputs: int, learned_h0: bool = False
) -> Shapes:
    """Shape of every weight of one network, in the order in which they lie in a row."""
    return model.shapes(inputs, hidden, outputs, learned_h0)


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

    def check(self, steps: int) -> None:
        """Raise ValueError where a batch of ``steps`` steps does not fit: a compiled engine would
        write beside its memory.
        """
        if not self.scored <= steps <= self.steps:
            raise ValueError(
                f"a batch has {steps} steps, and this program takes {self.scored} to {self.steps}"
            )
