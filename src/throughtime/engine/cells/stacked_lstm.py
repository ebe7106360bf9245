"""Layers of LSTM, one above the other, as one cell."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from throughtime.core.rng import stream
from throughtime.engine.cells._base import Shapes
from throughtime.engine.cells.lstm import Lstm
from throughtime.engine.initialization import recurrent

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.engine.cells._base import Weights


class StackedLstm(Lstm):
    """``layers`` layers of n = N / ``layers`` LSTM units: layer 1 sees the input, layer l > 1 the
    layer below it, and the readout the last layer.

    All layers are computed at once, as one LSTM of N units that lacks most connections. So layer l
    sees layer l - 1 as it was one step before:

        h^l_t = lstm(h^{l-1}_{t-1}, h^l_{t-1}, c^l_{t-1})   for l > 1

    That is the deviation from a stack such as torch.nn.LSTM(num_layers=L), where layer l sees
    layer l - 1 of the same step. Layer l runs l - 1 steps late and is otherwise the same, but for
    where it starts: before anything of the layer below reaches it, its biases have moved its state
    for l - 1 steps. With two layers, h^2 at step t + 1 is the true stack's at step t

    - for any weights, if the true stack's layer 2 starts from the state that layer 2 has here after
      step 0;
    - from a zero state too, where layer 2's bias of the candidate is 0, because its first step then
      leaves it at 0. So it is before training.

    An output does not depend on the last ``layers`` - 1 inputs. That costs nothing where what is to
    be written was read longer ago (copy, streaming_copy), and much where the latest input counts
    (text).

    What is trained has no masked entries: W_xh (I, 4 n), W_hy (n, O), and W_hh (n, 4 n (2 L - 1)),
    where every layer's own block comes first, layer by layer, and then, for layers 2 to L, the
    block from the layer below. So a frozen W_hh freezes both. Units are counted layer by layer, in
    a state and within each gate.

    Before training every layer has the law of an LSTM of n units: ``init`` and ``gain`` for its own
    block, N(0, input_gain^2 / n) for the block from below, N(0, output_gain^2 / n) for the readout.
    Layer 1 and the readout have the first weights of ``lstm`` with n units and the same seed.

    Source: the stack of torch.nn.LSTM(num_layers=L), with the deviation above and one bias.

    >>> StackedLstm(layers=2).shapes(inputs=6, hidden=100, outputs=6)["W_hh"]
    (50, 600)
    """

    name: ClassVar[str] = "stacked_lstm"
    kernel: ClassVar[str] = "lstm"
    transformed: ClassVar[bool] = True
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997; torch.nn.LSTM, num_layers"

    layers: int = Field(2, ge=1, le=16, description="layers, of N / layers units each")

    @property
    def multiple(self) -> int:
        """Layers have equally many units."""
        return self.layers

    def shapes(self, inputs: int, hidden: int, outputs: int, learned_h0: bool = False) -> Shapes:
        """See Model."""
        n = hidden // self.layers
        whole = super().shapes(inputs, hidden, outputs, learned_h0)
        return {**whole, "W_xh": (inputs, self.gates * n), "W_hy": (n, outputs)}

    def recurrent_shape(self, hidden: int) -> tuple[int, int]:
        """Every layer's own block, and the blocks from the layers below."""
        n = hidden // self.layers
        return n, (2 * self.layers - 1) * self.gates * n

    def draw(self, weights: dict[str, NDArray[np.float64]], row: Mapping[str, Any]) -> None:
        """See the class."""
        seed, n = int(row["seed"]), len(weights["W_hy"])
        super().draw(weights, row)
        own = self.layers * self.gates * n
        normal = stream(seed, "init", "W_hh", "below").standard_normal((n, own - self.gates * n))
        weights["W_hh"][:, own:] = row["input_gain"] / sqrt(n) * normal

    def draw_recurrent(self, seed: int, hidden: int, init: str, gain: float) -> NDArray[np.float64]:
        """See Cell. ``hidden`` is n here; the blocks from the layers below stay 0."""
        parts = [
            gain * factor * recurrent(init, seed, hidden, layer * self.gates + gate)
            for layer in range(self.layers)
            for gate, factor in enumerate(self.gate_gains)
        ]
        below = np.zeros((hidden, (self.layers - 1) * self.gates * hidden))
        return np.concatenate([*parts, below], axis=1)

    def set_initial(self, weights: dict[str, NDArray[np.float64]], hidden: int) -> None:
        """The forget gate's bias in all layers; ``hidden`` is n here."""
        super().set_initial(weights, self.layers * hidden)

    def acting(self, weights: Weights) -> Weights:
        """See Model: the weights of an LSTM of N units, 0 where there is no connection."""
        w_xh, w_hh, w_hy = (weights[name] for name in ("W_xh", "W_hh", "W_hy"))
        rows, inputs, (n, outputs) = len(w_xh), w_xh.shape[1], w_hy.shape[1:]
        count, gates = self.layers, self.gates
        blocks = w_hh.reshape(rows, n, 2 * count - 1, gates, n)
        first = w_xh.new_zeros(rows, inputs, gates, count, n)
        first[:, :, :, 0] = w_xh.reshape(rows, inputs, gates, n)
        between = w_hh.new_zeros(rows, count, n, gates, count, n)  # from, to
        for block, (source, layer) in enumerate(self._connections()):
            between[:, source, :, :, layer] = blocks[:, :, block]
        last = w_hy.new_zeros(rows, count, n, outputs)
        last[:, -1] = w_hy
        whole = count * n
        return {
            **weights,
            "W_xh": first.reshape(rows, inputs, gates * whole),
            "W_hh": between.reshape(rows, whole, gates * whole),
            "W_hy": last.reshape(rows, whole, outputs),
        }

    def pull_back(self, weights: Weights, gradients: Weights) -> Weights:
        """See Model: of the connections that there are."""
        import torch

        w_xh, w_hh, w_hy = (gradients[name] for name in ("W_xh", "W_hh", "W_hy"))
        rows, count, gates = len(w_xh), self.layers, self.gates
        n = w_hh.shape[1] // count
        between = w_hh.reshape(rows, count, n, gates, count, n)
        blocks: list[Tensor] = [between[:, i, :, :, j] for i, j in self._connections()]
        return {
            **gradients,
            "W_xh": w_xh.reshape(rows, -1, gates, count, n)[:, :, :, 0].flatten(2),
            "W_hh": torch.stack(blocks, 2).flatten(2),
            "W_hy": w_hy[:, -n:],
        }

    def _connections(self) -> list[tuple[int, int]]:
        """(from, to) of the blocks of W_hh in their order, layers counted from 0."""
        layers = range(self.layers)
        return [(layer, layer) for layer in layers] + [(above - 1, above) for above in layers[1:]]
