"""The wall in the loss surface of a network with one unit, and gradient descent against it.

Pascanu, Mikolov & Bengio 2013, section 2.3, equation 8 and figure 6: no input, x_t = w
sigma(x_{t-1}) + b with sigma the logistic function, x_0 = .5, and the loss E = (sigma(x_50) -
.7)^2. Their figure's ranges are not in the text; those here are ours, around the wall.

NumPy alone; the gradient is carried forward beside the state.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

STEPS, START, TARGET = 50, 0.5, 0.7
W_RANGE, B_RANGE = (4.0, 6.5), (-3.5, -1.5)

Floats = NDArray[np.float64]


def loss_and_gradient(
    w: ArrayLike, b: ArrayLike, steps: int = STEPS, start: float = START, target: float = TARGET
) -> tuple[Floats, Floats, Floats]:
    """E, dE/dw and dE/db.

    Args:
        w, b: weight and bias, of shapes that broadcast.
        steps: how often the map is applied.
        start: x_0.
        target: of sigma(x_steps).

    >>> [round(float(v), 6) for v in loss_and_gradient(0.0, math.log(0.7 / 0.3))]  # sigma(b) = .7
    [0.0, 0.0, 0.0]
    """
    w, b = np.broadcast_arrays(np.asarray(w, np.float64), np.asarray(b, np.float64))
    x, dw, db = np.full(w.shape, float(start)), np.zeros(w.shape), np.zeros(w.shape)
    for _ in range(steps):
        s = _sigma(x)
        slope = w * s * (1 - s)
        x, dw, db = w * s + b, s + slope * dw, 1 + slope * db
    y = _sigma(x)
    outer = 2 * (y - target) * y * (1 - y)
    return (y - target) ** 2, outer * dw, outer * db


def _sigma(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(x / 2))  # does not overflow


def surface(w: ArrayLike, b: ArrayLike, steps: int = STEPS) -> pd.DataFrame:
    """Loss and gradient norm at every pair of ``w`` and ``b``; columns w, b, loss, grad_norm.

    >>> surface([5.0, 6.0], [-3.0, -2.0, -1.0]).shape
    (6, 4)
    """
    ws, bs = (
        v.ravel()
        for v in np.meshgrid(np.asarray(w, np.float64), np.asarray(b, np.float64), indexing="ij")
    )
    loss, dw, db = loss_and_gradient(ws, bs, steps)
    return pd.DataFrame({"w": ws, "b": bs, "loss": loss, "grad_norm": np.hypot(dw, db)})


def default_surface(points: int = 201) -> pd.DataFrame:
    """The surface on ``points`` by ``points`` places of W_RANGE and B_RANGE."""
    return surface(np.linspace(*W_RANGE, points), np.linspace(*B_RANGE, points))


def descend(
    w: float, b: float, lr: float, updates: int, clip: float = math.inf, steps: int = STEPS
) -> pd.DataFrame:
    """Gradient descent from (w, b), the gradient's norm clipped.

    There are no data, so a stochastic gradient would be this one.

    Args:
        w, b: where it starts.
        lr: learning rate.
        updates: how many.
        clip: a gradient with a larger norm is rescaled to this norm; inf: never.
        steps: of the network.

    Returns:
        A row for each point of the path, updates + 1 in all: update, w, b, loss, grad_norm (before
        clipping).
    """
    rows = []
    for update in range(updates + 1):
        loss, dw, db = (float(v) for v in loss_and_gradient(w, b, steps))
        norm = math.hypot(dw, db)
        rows.append((update, w, b, loss, norm))
        rate = lr * (clip / norm if norm > clip else 1.0)
        w, b = w - rate * dw, b - rate * db
    return pd.DataFrame(rows, columns=["update", "w", "b", "loss", "grad_norm"])
