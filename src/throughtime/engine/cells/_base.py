"""What a recurrent cell is: a pointwise map from pre-activations to a new state, and its adjoint.

The affine part is the engine's, forward and backward. Every gate has a pre-activation

    z_t = x_t W_xh + h_{t-1} W_hh + b_h

A cell with ``separate = True`` is given its two parts one beside the other and not their sum,

    x_t W_xh + b_h   and   h_{t-1} W_hh + b_hh

because something acts on the second part alone (the reset gate of a GRU).

Shapes: G rows, B sequences, N units. A state has ``states`` blocks of N numbers, the first of which
is h. z has ``gates`` blocks of N numbers, or twice as many where the parts are separate: first the
x parts of all gates, then the h parts.

A file here imports torch inside its functions: planning reads ``gates`` and the parameters of every
cell, and starts without torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from throughtime.core.component import Component
from throughtime.core.rng import stream

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.engine.sizes import Sizes

    Weights = dict[str, Tensor]


Shapes = dict[str, tuple[int, ...]]  # name -> shape of one network's weight


class Model(Component, ABC):
    """What computes outputs from inputs, and its weights: a recurrent cell with all that is the
    engine's around it, or attention.

    Attributes:
        recurrent: True: a state is carried from step to step, and K cuts its gradient.
        compiled: True: kernels.py knows it, and the engine ``numba`` trains it.
        kernel: the name by which kernels.py knows it; empty: its own.
        transformed: True: what is trained are parameters, from which ``acting`` computes the
            weights that act.
    """

    recurrent: ClassVar[bool]
    compiled: ClassVar[bool] = False
    kernel: ClassVar[str] = ""
    transformed: ClassVar[bool] = False

    @property
    def multiple(self) -> int:
        """N must be a multiple of it."""
        return 1

    @abstractmethod
    def shapes(self, inputs: int, hidden: int, outputs: int, learned_h0: bool = False) -> Shapes:
        """Shape of every weight of one network, in the order in which they lie in a row."""

    @abstractmethod
    def draw(self, weights: dict[str, NDArray[np.float64]], row: Mapping[str, Any]) -> None:
        """Write one network's initial weights in place; what is zero stays zero.

        Args:
            weights: name -> zeros.
            row: seed, init, gain, input_gain, output_gain.
        """

    @abstractmethod
    def work(self, hidden: int, depth: int, *, compiled: bool = False) -> float:
        """Arithmetic of a step of one sequence, in units of N^2 of a cell: what costs are balanced
        with.

        Args:
            hidden: N.
            depth: steps that a step can see.
            compiled: whether the engine numba computes it, which may do without a part.
        """

    @abstractmethod
    def tape_bytes(self, sizes: Sizes, itemsize: int = 4, *, overlap: bool = True) -> int:
        """Memory that one network's training takes beside its weights, in bytes: what is kept for
        backward, the readout and the inputs.

        Args:
            sizes: of the program; ``rows`` does not count.
            itemsize: bytes per number.
            overlap: whether any step is in two windows, so that dL/dz is kept for every step.
        """

    def acting(self, weights: Weights) -> Weights:
        """The weights that act, by name, each (G, *shape), from those that are trained. Called only
        where ``transformed``.
        """
        return weights

    def pull_back(self, weights: Weights, gradients: Weights) -> Weights:
        """dL/d(trained weights) from dL/d(acting weights); the adjoint of ``acting``.

        Args:
            weights: that are trained.
            gradients: of those that act.
        """
        return gradients


class Cell(Model):
    """A cell keeps nothing between calls: its methods write their outputs in place, no more.

    Attributes:
        gates: pre-activations per unit; each has a recurrent matrix of its own.
        states: blocks of N numbers that are carried from step to step.
        in_place: True: z_t and the new state share memory, and the adjoint needs the state alone.
        separate: True: z holds the x parts, then the h parts.
        carrier: the block of the state that W_hh multiplies; 0: h.
    """

    recurrent: ClassVar[bool] = True
    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1
    in_place: ClassVar[bool] = False
    separate: ClassVar[bool] = False
    carrier: ClassVar[int] = 0

    @property
    def width(self) -> int:
        """Blocks of N numbers in z."""
        return self.gates * (2 if self.separate else 1)

    @property
    def gate_gains(self) -> tuple[float, ...]:
        """A factor on the initial scale of each gate's recurrent matrix."""
        return (1.0,) * self.gates

    def recurrent_shape(self, hidden: int) -> tuple[int, int]:
        """Of what is trained under the name W_hh."""
        return hidden, self.gates * hidden

    def draw_recurrent(self, seed: int, hidden: int, init: str, gain: float) -> NDArray[np.float64]:
        """One network's initial W_hh: every gate ``gain`` times its factor in ``gate_gains`` times
        a matrix of scheme ``init``.
        """
        from throughtime.engine.initialization import recurrent

        gates = enumerate(self.gate_gains)
        parts = [gain * factor * recurrent(init, seed, hidden, gate) for gate, factor in gates]
        return np.concatenate(parts, axis=1)

    def shapes(self, inputs: int, hidden: int, outputs: int, learned_h0: bool = False) -> Shapes:
        """See parameters.py."""
        z = self.gates * hidden
        result: Shapes = {
            "W_xh": (inputs, z),
            "W_hh": self.recurrent_shape(hidden),
            "b_h": (z,),
        }
        if self.separate:
            result["b_hh"] = (z,)
        result |= {"W_hy": (hidden, outputs), "b_y": (outputs,)}
        return {**result, "h_0": (self.states * hidden,)} if learned_h0 else result

    def draw(self, weights: dict[str, NDArray[np.float64]], row: Mapping[str, Any]) -> None:
        """W_hh as ``draw_recurrent`` says, W_xh ~ N(0, input_gain^2 / I), W_hy ~ N(0,
        output_gain^2 / N), the rest 0; then what is the cell's own (``set_initial``).
        """
        seed, (inputs, hidden) = int(row["seed"]), (len(weights["W_xh"]), len(weights["W_hy"]))
        weights["W_hh"][:] = self.draw_recurrent(seed, hidden, row["init"], row["gain"])
        deviations = {"W_xh": row["input_gain"] / sqrt(inputs)}
        deviations["W_hy"] = row["output_gain"] / sqrt(hidden)
        for name, deviation in deviations.items():
            normal = stream(seed, "init", name).standard_normal(weights[name].shape)
            weights[name][:] = deviation * normal
        self.set_initial(weights, hidden)

    def work(self, hidden: int, depth: int, *, compiled: bool = False) -> float:
        """See Model."""
        return self.gates * (hidden**2 + 20 * hidden)

    def tape_bytes(self, sizes: Sizes, itemsize: int = 4, *, overlap: bool = True) -> int:
        """See Model. Linear in T."""
        blocks = self.states + (0 if self.in_place else self.width) + (self.width if overlap else 0)
        kept = sizes.steps * blocks * sizes.hidden
        # y, its softmax, its gradient, the targets
        scored = sizes.scored * (4 * sizes.outputs + sizes.hidden)
        inputs = sizes.steps * (2 if sizes.tokens else sizes.inputs + 1) * 2
        return itemsize * sizes.batch * (kept + scored + inputs)

    def set_initial(self, weights: dict[str, NDArray[np.float64]], hidden: int) -> None:
        """Change one network's initial weights in place; what they are before, parameters.py says.

        Args:
            weights: name -> array, of one network: W_xh (I, gates N), W_hh (N, gates N), b_h
                (gates N), and so on.
            hidden: N.
        """

    @abstractmethod
    def step(self, z: Tensor, previous: Tensor, state: Tensor) -> None:
        """Write the new state.

        Args:
            z: (G, B, width N) pre-activation; may be overwritten only where ``in_place``.
            previous: (G, B, states N) state before.
            state: (G, B, states N), written; the same tensor as ``z`` where ``in_place``.
        """

    @abstractmethod
    def adjoint(
        self, dstate: Tensor, z: Tensor, previous: Tensor, state: Tensor, dz: Tensor
    ) -> Tensor | None:
        """Write dL/dz to ``dz`` and return the part of dL/dprevious that does not pass through
        W_hh.

        Args:
            dstate: (G, B, states N) dL/dstate; not changed.
            z, previous, state: as ``step`` left them.
            dz: (G, B, width N), written.

        Returns:
            (G, B, states N), or None where there is no such part.
        """


class Elman(Cell):
    """``h_t = phi(z_t)`` with a phi whose derivative is known from its value (Elman 1990)."""

    source: ClassVar[str] = "Elman 1990, Finding structure in time"
    in_place: ClassVar[bool] = True

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


def tanh_(z: Tensor) -> Tensor:
    """tanh in place; returns ``z``.

    On the CPU by NumPy: its vectorised tanh is 5 to 10 times as fast as torch's on processors where
    MKL takes a slow path (0.3 against 2.2 ns per element on an AMD EPYC with AVX-512), both
    accurate to a few units in the last place, and it gives an element the same bits wherever it
    stands.
    """
    if z.device.type == "cpu":
        values = z.numpy()
        np.tanh(values, out=values)
    else:
        z.tanh_()
    return z


def sigmoid_(z: Tensor) -> Tensor:
    """1 / (1 + exp(-z)) in place; returns ``z``.

    On the CPU by NumPy, for the same reason as ``tanh_``: torch computes the last few elements of
    an array by another routine than the rest, and a row's bits would depend on its neighbours.
    """
    if z.device.type == "cpu":
        values = z.numpy()
        with np.errstate(over="ignore"):  # exp(-z) = inf is right: the result is 0
            np.exp(np.negative(values, out=values), out=values)
        values += 1
        np.reciprocal(values, out=values)
    else:
        z.sigmoid_()
    return z
