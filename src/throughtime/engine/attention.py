"""A program of attention: torch's autograd, one network after another.

So a network's bits depend on itself alone. torch.func.vmap, which would compute many networks at
once, was not tried.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from throughtime.engine.cells.attention import Attention
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.losses._base import Targets
from throughtime.engine.parameters import views
from throughtime.engine.program import Examples, Program
from throughtime.engine.sizes import Shapes, Sizes
from throughtime.engine.truncation import Window


class AttentionProgram(Program):
    """Forward by torch, backward by autograd.

    Args:
        model: attention.
        head: ``softmax`` or ``regression``.
        sizes: of the program.
        shapes: of one network's weights.
        window: K, steps that a step attends to; at least T: all.
    """

    def __init__(
        self, model: Attention, head: str, sizes: Sizes, shapes: Shapes, window: int
    ) -> None:
        self.model, self.head, self.sizes, self.shapes, self.window = (
            model,
            head,
            sizes,
            shapes,
            window,
        )

    @property
    def final(self) -> Tensor:
        """No state is carried: (G, B, 0)."""
        return torch.zeros(self.sizes.rows, self.sizes.batch, 0)

    def _weights(self, flat: Tensor) -> dict[str, Tensor]:
        """One network's weights (P) by their names."""
        return {name: w[0] for name, w in views(flat[None], self.shapes).items()}

    def _of_row(self, weights: dict[str, Tensor], x: Tensor) -> Tensor:
        """(Ts, B, O) of one network."""
        return self.model.outputs(weights, x, self.window, self.sizes.scored)

    def outputs(
        self,
        flat: Tensor,
        examples: Examples,
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
    ) -> Tensor:
        """See Program."""
        x = torch.from_numpy(examples.x)
        with torch.no_grad():
            outputs = [
                self._of_row(self._weights(w), x[s])
                for w, s in zip(flat, examples.rows, strict=True)
            ]
        return torch.stack(outputs, 1)

    def gradients(
        self,
        flat: Tensor,
        examples: Examples,
        windows: Sequence[Window],
        start: Tensor | None = None,
        resets: frozenset[int] = frozenset(),
        alive: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """See Program; K is the model's window, and ``windows`` are not looked at."""
        x, values, weight = (
            torch.from_numpy(part) for part in (examples.x, examples.values, examples.weight)
        )
        loss, gradient = torch.zeros(len(flat), dtype=flat.dtype), torch.zeros_like(flat)
        for row, source in enumerate(examples.rows):
            if alive is not None and not alive[row]:
                continue
            own = {n: w.requires_grad_() for n, w in self._weights(flat[row].detach()).items()}
            y = self._of_row(own, x[source])
            targets = Targets(values[source][:, None], weight[source][:, None])
            losses, dy = loss_of(self.head)(y.detach()[:, None].contiguous(), targets)
            parts = torch.autograd.grad(y, list(own.values()), dy[:, 0])
            torch.cat([part.flatten() for part in parts], out=gradient[row])
            loss[row] = losses[0]
        return loss, gradient
