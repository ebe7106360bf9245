"""Initial weights."""

from math import sqrt

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.core.rng import stream
from throughtime.engine.cells._base import Cell
from throughtime.engine.parameters import views
from throughtime.engine.sizes import Shapes, size


def recurrent(init: str, seed: int, hidden: int) -> NDArray[np.float64]:
    """The (N, N) matrix that a gain multiplies; of one seed, the same matrix for every gain (common random numbers).

    ``orthogonal``: Haar-random (QR of a Gaussian with R's signs divided out, Mezzadri 2007), spectral radius 1. ``gaussian``: N(0, 1/N),
    spectral radius near 1 for large N. ``identity``. ``pytorch``: U(+-1/sqrt N), torch.nn.RNN's default, standard deviation
    1/sqrt(3 N), hence sigma_w^2 = 1/3.
    """
    rng = stream(seed, "init", "W_hh")
    if init == "identity":
        return np.eye(hidden)
    if init == "pytorch":
        return rng.uniform(-1, 1, (hidden, hidden)) / sqrt(hidden)
    normal = rng.standard_normal((hidden, hidden))
    if init == "gaussian":
        return normal / sqrt(hidden)
    q, r = np.linalg.qr(normal)
    return q * np.sign(np.diag(r))


def initial(cell: Cell, grid: pd.DataFrame, shapes: Shapes, dtype: torch.dtype) -> Tensor:
    """Initial weights (G, P): a row depends on its own entries of ``grid`` (seed, init, gain, input_gain) alone.

    W_hh = gain x recurrent(init, seed) in every gate; W_xh ~ N(0, input_gain^2 / I); W_hy ~ N(0, 1 / N); biases and h_0 are 0.
    """
    hidden = shapes["W_hh"][0]
    rows = np.zeros((len(grid), size(shapes)))
    named = {name: array.numpy() for name, array in views(torch.from_numpy(rows), shapes).items()}
    for i, row in enumerate(grid.to_dict("records")):
        seed = int(row["seed"])
        named["W_hh"][i] = np.tile(row["gain"] * recurrent(row["init"], seed, hidden), cell.gates)
        for name, std in (
            ("W_xh", row["input_gain"] / sqrt(shapes["W_xh"][0])),
            ("W_hy", 1 / sqrt(hidden)),
        ):
            named[name][i] = std * stream(seed, "init", name).standard_normal(shapes[name])
    return torch.from_numpy(rows).to(dtype)
