"""The weights of many networks as one matrix: one row per network, views by name.

Names and shapes of a row (I inputs, N units, O outputs, S = states N, Z = gates N): W_xh (I, Z),
W_hh (N, Z), b_h (Z), W_hy (N, O), b_y (O); b_hh (Z) where a cell has its parts of z separate;
h_0 (S) where the initial state is learned. A cell may train something else in the place of W_hh,
from which the weights that act are computed: see ``Cell.acting``.
"""

from math import prod, sqrt

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.core.rng import stream
from throughtime.engine.cells import Cell
from throughtime.engine.sizes import Shapes, size


def views(flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """``flat`` (G, P) by name, as views (G, *shape): writing to one writes to the other."""
    result, start = {}, 0
    for name, shape in shapes.items():
        result[name] = flat[:, start : start + prod(shape)].unflatten(1, shape)
        start += prod(shape)
    return result


def acting(cell: Cell, flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """The weights that act, by name; views of ``flat`` where the cell trains just these."""
    named = views(flat, shapes)
    return cell.acting(named) if cell.transformed else named


def initial(cell: Cell, grid: pd.DataFrame, shapes: Shapes, dtype: torch.dtype) -> Tensor:
    """Initial weights (G, P): a row depends on its own entries of ``grid`` alone.

    W_hh as ``Cell.draw_recurrent`` says, W_xh ~ N(0, input_gain^2 / I), W_hy ~ N(0, output_gain^2
    / N), the rest 0; then the cell may change what is its own (``Cell.set_initial``).

    Args:
        cell: the recurrent cell.
        grid: a row per network, columns seed, init, gain, input_gain, output_gain.
        shapes: of one network's weights.
        dtype: of the result; draws are float64.
    """
    hidden = shapes["W_hy"][0]
    rows = np.zeros((len(grid), size(shapes)))
    named = {n: array.numpy() for n, array in views(torch.from_numpy(rows), shapes).items()}
    for i, row in enumerate(grid.to_dict("records")):
        seed, own = int(row["seed"]), {name: array[i] for name, array in named.items()}
        own["W_hh"][:] = cell.draw_recurrent(seed, hidden, row["init"], row["gain"])
        deviations = {"W_xh": row["input_gain"] / sqrt(shapes["W_xh"][0])}
        deviations["W_hy"] = row["output_gain"] / sqrt(hidden)
        for name, deviation in deviations.items():
            own[name][:] = deviation * stream(seed, "init", name).standard_normal(shapes[name])
        cell.set_initial(own, hidden)
    return torch.from_numpy(rows).to(dtype)
