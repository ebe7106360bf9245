"""What a recurrent cell is: a pointwise map and its adjoint.

Every cell here has the affine part ``z_t = x_t W_xh + h_{t-1} W_hh + b_h`` in common; the engine does it, forward and backward. What is
left is pointwise: a new state from (z_t, the state before), and its adjoint. That covers Elman cells and LSTM; a GRU whose reset gate acts
before the matrix product does not fit.

Shapes: G rows, B sequences, N units. A state has ``states`` blocks of N numbers, the first of which is h; z has ``gates`` blocks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


class Cell(ABC):
    """A cell without state of its own: all methods are pure but for the outputs they write in place."""

    name: ClassVar[str]
    source: ClassVar[str]
    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    in_place: ClassVar[bool] = (
        False  # True: z_t and the new state share memory, and the adjoint needs the state alone
    )

    @abstractmethod
    def step(self, z: Tensor, previous: Tensor, state: Tensor) -> None:
        """Write the new state.

        Args:
            z: (G, B, gates N) pre-activation; may be overwritten only where ``in_place``.
            previous: (G, B, states N) state before.
            state: (G, B, states N), written; the same tensor as ``z`` where ``in_place``.
        """

    @abstractmethod
    def adjoint(
        self, dstate: Tensor, z: Tensor, previous: Tensor, state: Tensor, dz: Tensor
    ) -> Tensor | None:
        """Write dL/dz to ``dz`` and return the part of dL/dprevious that does not pass through W_hh.

        Args:
            dstate: (G, B, states N) dL/dstate; not changed.
            z, previous, state: as ``step`` left them.
            dz: (G, B, gates N), written.

        Returns:
            (G, B, states N), or None where there is no such part.
        """


class Elman(Cell):
    """``h_t = phi(z_t)`` with a phi whose derivative is known from its value (Elman 1990)."""

    source = "Elman 1990, Finding structure in time"
    in_place = True

    @abstractmethod
    def phi_(self, z: Tensor) -> None:
        """Apply phi in place."""

    @abstractmethod
    def pull(self, dh: Tensor, h: Tensor, dz: Tensor) -> None:
        """Write phi'(z) dh to ``dz``, from h = phi(z)."""

    def step(self, z: Tensor, previous: Tensor, state: Tensor) -> None:
        """h = phi(z), in place."""
        self.phi_(z)

    def adjoint(
        self, dstate: Tensor, z: Tensor, previous: Tensor, state: Tensor, dz: Tensor
    ) -> None:
        """dz = phi'(z) dh; all of dL/dprevious passes through W_hh."""
        self.pull(dstate, state, dz)


def tanh_(z: Tensor) -> None:
    """tanh in place.

    On the CPU by NumPy: its vectorised tanh is 5 to 10 times as fast as torch's on processors where MKL takes a slow path (0.3 against
    2.2 ns an element on an AMD EPYC with AVX-512), both accurate to a few units in the last place, and it gives an element the same
    bits wherever it stands.
    """
    if z.device.type == "cpu":
        values = z.numpy()
        np.tanh(values, out=values)
    else:
        z.tanh_()
