"""The wall of the one-unit network: its loss surface, and descents with and without clipping from
all over it.
"""

import math

import numpy as np
import pandas as pd

from throughtime.theory import one_unit

START, LR, UPDATES = (4.6, -2.7), 0.05, 300
THRESHOLDS = (0.01, 0.1, 1.0, math.inf)
POINTS = {"smoke": 21, "laptop": 121}  # a side of the surface; of starts, every tenth of the box


def compute(preset: str) -> pd.DataFrame:
    """Columns of tables.COMPUTED.

    - ``surface``: loss and grad_norm at x = w, y = b.
    - ``path C``: w, b, loss, grad_norm after x updates from START, the gradient clipped at C (inf:
      never).
    - ``start C``: final loss, x = w and y = b where the descent started.
    """
    points = POINTS.get(preset, 201)
    parts = [
        melted(
            "surface",
            one_unit.surface(
                np.linspace(*one_unit.W_RANGE, points), np.linspace(*one_unit.B_RANGE, points)
            ),
            "w",
            "b",
        )
    ]
    for clip in THRESHOLDS:
        path = one_unit.descend(*START, LR, UPDATES, clip).assign(y=0.0)
        parts += [
            melted(f"path {clip:g}", path, "update", "y"),
            melted(f"start {clip:g}", ends(clip), "w", "b"),
        ]
    return pd.concat(parts, ignore_index=True)


def ends(clip: float, side: int = 11) -> pd.DataFrame:
    """The loss after UPDATES from ``side`` x ``side`` starts, evenly over the surface: w, b (of the
    start), loss.
    """
    w, b = (
        v.ravel()
        for v in np.meshgrid(
            np.linspace(*one_unit.W_RANGE, side), np.linspace(*one_unit.B_RANGE, side)
        )
    )
    start = pd.DataFrame({"w": w, "b": b})
    for _ in range(UPDATES):
        _, dw, db = one_unit.loss_and_gradient(w, b)
        rate = LR * np.minimum(1, clip / np.maximum(np.hypot(dw, db), np.finfo(float).tiny))
        w, b = w - rate * dw, b - rate * db
    return start.assign(loss=one_unit.loss_and_gradient(w, b)[0])


def melted(series: str, table: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """A row a value: the other columns become quantities."""
    named = table.rename(columns={x: "x", y: "y"})
    return named.melt(["x", "y"], var_name="quantity").assign(series=series)[
        ["series", "quantity", "x", "y", "value"]
    ]
