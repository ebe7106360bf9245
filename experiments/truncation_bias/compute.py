"""Influence balancing (Tallec & Ollivier 2017) run on the engine, beside the exact numbers of
throughtime.theory.influence.

The linear system is a network of the engine: cell identity, W_hh = A, one input that carries theta,
W_xh = b, a readout of unit 0. Its truncated gradient is then the engine's own, in each mode.

Columns: series is the mode, or the mode and ``end`` where a window's last loss alone is taken (as
Tallec & Ollivier's programs do) and not the mean of a stride's; quantity with x and y:

- ``theta``, ``theta exact``: theta after x updates of online descent with truncation length y.
- ``derivative``, ``derivative exact``: what a gradient of truncation length x takes for ds_0 /
  dtheta at rest; the truth is -6.
- ``smallest K``, ``smallest K exact``: the smallest K from which on the derivative has the right
  sign; 0 where no tested K has it.
"""

from functools import cache

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from throughtime.engine.bptt import Tape, gradients, with_ones
from throughtime.engine.cells import cell
from throughtime.engine.losses._base import Targets
from throughtime.engine.sizes import Sizes
from throughtime.engine.truncation import strides, windows
from throughtime.theory.influence import Balancing
from throughtime.training.train import one_thread

SYSTEM = Balancing()
LR = 1e-4
DEPTHS = {
    "chunked": (10, 41, 110, 200),
    "sliding": (10, 40, 41, 100),
    "buffered": (10, 29, 30, 100),
}  # of the trajectories
UPDATES = {"smoke": 20, "laptop": 600, "evening": 3000, "paper": 5000}
LARGEST = {"smoke": 12, "laptop": 120, "evening": 120, "paper": 200}  # K of the derivative
SHOWN = 50  # points of a trajectory
REST = 0.25  # theta of the resting state; any but the optimum

Floats = NDArray[np.float64]


class Network:
    """The system over so many steps as a network, with one mode's windows aligned to the end; the
    last stride is scored, or its last step (``end``).
    """

    def __init__(self, mode: str, K: int, steps: int, scored: str) -> None:
        stride, depth = strides(mode, K, K)
        count = 1 if scored == "end" else stride
        self.tape = Tape(
            cell("identity"), Sizes(1, steps, 1, 1, SYSTEM.n, 1, count, False), torch.float64
        )
        self.windows = windows(steps, stride, depth, steps % stride)
        self.weights = {
            "W_xh": torch.from_numpy(SYSTEM.b)[None, None],
            "W_hh": torch.from_numpy(SYSTEM.A.T.copy())[None],
            "b_h": torch.zeros(1, SYSTEM.n, dtype=torch.float64),
            "W_hy": torch.eye(SYSTEM.n, 1, dtype=torch.float64)[None],
            "b_y": torch.zeros(1, 1, dtype=torch.float64),
        }
        ones = torch.ones(count, 1, 1, 1, dtype=torch.float64)
        self.targets = Targets(ones, ones[..., 0] / count)

    def gradient(self, theta: Floats, start: Floats) -> float:
        """Truncated gradient of what is scored, by theta.

        Args:
            theta: (steps,) the values that it had. Its derivative is by the push of every step: b
                times the bias's gradient.
            start: (n,) the state before these steps.
        """
        x = with_ones(torch.from_numpy(theta)[:, None, None, None])
        _, found = gradients(
            self.tape,
            self.weights,
            x,
            self.targets,
            "regression",
            self.windows,
            torch.from_numpy(start)[None, None],
        )
        return (
            float(found["b_h"][0] @ self.weights["W_xh"][0, 0]) / 2
        )  # the engine's loss is the square, not half of it


network = cache(Network)


def derivative(mode: str, K: int, scored: str = "mean") -> float:
    """What the truncated gradient takes for ds_0 / dtheta: at rest, the gradient over the error."""
    steps = sum(strides(mode, K, K))  # more than is seen, so that there is something to cut off
    rest: Floats = np.linalg.solve(np.eye(SYSTEM.n) - SYSTEM.A, REST * SYSTEM.b).astype(np.float64)
    return Network(mode, K, steps, scored).gradient(np.full(steps, REST), rest) / float(rest[0] - 1)


def trajectory(mode: str, K: int, updates: int, theta: float = 0.5, scored: str = "mean") -> Floats:
    """(updates + 1,): theta in online descent from s = 1, an update a stride."""
    stride, depth = strides(mode, K, K)
    path, states, history = (
        [theta],
        np.ones((updates * stride + 1, SYSTEM.n)),
        np.zeros(updates * stride),
    )
    for now in range(stride, updates * stride + 1, stride):
        history[now - stride : now] = path[-1]
        for t in range(now - stride, now):
            states[t + 1] = SYSTEM.A @ states[t] + path[-1] * SYSTEM.b
        steps = min(now, depth + stride)
        path.append(
            path[-1]
            - LR
            * network(mode, K, steps, scored).gradient(
                history[now - steps : now], states[now - steps]
            )
        )
    return np.array(path)


def smallest(values: Floats) -> int:
    """The smallest K = 1.. from which on all values have the sign of the truth; 0 where the last
    does not.
    """
    wrong = np.flatnonzero(values * SYSTEM.total <= 0)
    first = int(wrong[-1]) + 2 if wrong.size else 1
    return first if first <= len(values) else 0


def paths(mode: str, K: int, updates: int, scored: str) -> pd.DataFrame:
    """theta, measured and exact, at SHOWN points."""
    places = np.unique(np.linspace(0, updates, SHOWN + 1).round().astype(int))
    both = {
        "theta": trajectory(mode, K, updates, scored=scored),
        "theta exact": SYSTEM.trajectory(mode, K, updates, LR, end=scored == "end"),
    }
    return pd.concat(
        [
            pd.DataFrame({"quantity": q, "x": places, "y": K, "value": path[places]})
            for q, path in both.items()
        ]
    )


def mode_table(mode: str, preset: str, scored: str) -> pd.DataFrame:
    """All quantities of one mode."""
    end = scored == "end"
    Ks = np.arange(1, LARGEST[preset] + 1)
    found = np.array([derivative(mode, int(K), scored) for K in Ks])
    exact = np.array([SYSTEM.resting(mode, int(K), end=end) for K in Ks])
    last = {"smallest K": smallest(found), "smallest K exact": SYSTEM.smallest_K(mode, end=end)}
    parts = [paths(mode, K, UPDATES[preset], scored) for K in DEPTHS[mode]]
    parts += [
        pd.DataFrame({"quantity": q, "x": Ks, "value": v})
        for q, v in (("derivative", found), ("derivative exact", exact))
    ]
    parts += [pd.DataFrame({"quantity": [q], "value": [float(v)]}) for q, v in last.items()]
    return (
        pd.concat(parts, ignore_index=True)
        .assign(series=f"{mode} end" if end else mode)
        .fillna({"x": 0.0, "y": 0.0})
    )


def compute(preset: str) -> pd.DataFrame:
    """The table of all modes; see the module."""
    with one_thread():
        table = pd.concat(
            [
                *[mode_table(mode, preset, "mean") for mode in DEPTHS],
                *[mode_table(mode, preset, "end") for mode in ("chunked", "buffered")],
            ],
            ignore_index=True,
        )
    return table[["series", "quantity", "x", "y", "value"]].astype({"x": "float64", "y": "float64"})
