"""Clipping and updates, each row on its own: one row's gradient never touches another's."""

import torch
from torch import Tensor

CLIP_EPS = 1e-6  # torch.nn.utils.clip_grad_norm_'s, so that a row's step equals torch's


def norms(gradient: Tensor) -> Tensor:
    """Global norm of each row of ``gradient`` (G, P), in float64 so that no finite float32 gradient overflows; (G)."""
    return torch.linalg.vector_norm(gradient, dim=1, dtype=torch.float64)


def clip_(gradient: Tensor, norm: Tensor, by_norm: Tensor, by_value: Tensor) -> Tensor:
    """Clip each row in place.

    Args:
        gradient: (G, P), finite or not: what is not finite stays so.
        norm: (G) float64, of ``norms``.
        by_norm: (G) float64 thresholds on the norm; inf: none.
        by_value: (G) thresholds on each element's size; inf: none.

    Returns:
        (G) bool, whether the row was changed.
    """
    factor = torch.clamp_max(by_norm / (norm + CLIP_EPS), 1.0)
    changed = factor < 1
    gradient.mul_(factor.to(gradient.dtype)[:, None])
    limit = by_value[:, None]
    if torch.isfinite(
        by_value
    ).any():  # clamping at infinity changes nothing: skipping it changes no bit
        changed |= (gradient.abs() > limit).any(1)
        torch.minimum(torch.maximum(gradient, -limit, out=gradient), limit, out=gradient)
    return changed


class Optimizer:
    """SGD with momentum, RMSProp or Adam with torch.optim's formulas and defaults, a learning rate a row.

    Args:
        kind: ``sgd``, ``rmsprop`` (alpha .99, eps 1e-8) or ``adam`` (betas .9 and .999, eps 1e-8).
        like: (G, P), the parameters' shape and dtype.
        lr: (G), a learning rate a row.
        momentum: of sgd and rmsprop, shared by all rows.
    """

    def __init__(self, kind: str, like: Tensor, lr: Tensor, momentum: float = 0.0) -> None:
        self._update = {"sgd": self._sgd, "rmsprop": self._rmsprop, "adam": self._adam}[kind]
        self.lr = lr.to(like.dtype, copy=True)[:, None]
        self.momentum = momentum
        self.count = 0
        self.first = torch.zeros_like(like) if kind == "adam" or momentum else None
        self.second = torch.zeros_like(like) if kind != "sgd" else None

    def step_(self, parameters: Tensor, gradient: Tensor) -> None:
        """One update of ``parameters`` (G, P) in place; ``gradient`` (G, P) is used up."""
        self.count += 1
        self._update(parameters, gradient)

    def forget_(self, rows: Tensor) -> None:
        """Rows (bool, G) stop: their memory is cleared and their learning rate becomes 0."""
        for memory in (self.first, self.second):
            if memory is not None:
                memory[rows] = 0
        self.lr[rows] = 0

    def memory(self) -> dict[str, Tensor]:
        """What a further step depends on beside the parameters, by name; the tensors themselves, to be read or copied into."""
        held = {"lr": self.lr, "first": self.first, "second": self.second}
        return {name: tensor for name, tensor in held.items() if tensor is not None}

    def _descend(self, parameters: Tensor, direction: Tensor) -> None:
        parameters.sub_(direction.mul_(self.lr))

    def _momentum(self, direction: Tensor) -> Tensor:
        if self.first is None:
            return direction
        return self.first.mul_(self.momentum).add_(direction).clone()

    def _sgd(self, parameters: Tensor, gradient: Tensor) -> None:
        self._descend(parameters, self._momentum(gradient))

    def _rmsprop(self, parameters: Tensor, gradient: Tensor) -> None:
        assert self.second is not None
        self.second.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
        self._descend(parameters, self._momentum(gradient.div_(self.second.sqrt().add_(1e-8))))

    def _adam(self, parameters: Tensor, gradient: Tensor) -> None:
        assert self.first is not None
        assert self.second is not None
        self.first.lerp_(gradient, 0.1)
        self.second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        scale = (1 - 0.999**self.count) ** 0.5
        denominator = self.second.sqrt().div_(scale).add_(1e-8)
        self._descend(parameters, (self.first / denominator).div_(1 - 0.9**self.count))
