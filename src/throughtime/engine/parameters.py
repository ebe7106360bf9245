"""The weights of many networks as one matrix: one row per network, views by name.

Names and shapes of a row (I inputs, N units, O outputs, S = states N, Z = gates N): W_xh (I, Z),
W_hh (N, Z), b_h (Z), W_hy (N, O), b_y (O); b_hh (Z) where a cell has its parts of z separate;
h_0 (S) where the initial state is learned. A cell may train something else in the place of W_hh,
from which the weights that act are computed: see ``Model.acting``.
"""

from math import prod

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.engine.cells import Model
from throughtime.engine.sizes import Shapes, size


def views(flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """``flat`` (G, P) by name, as views (G, *shape): writing to one writes to the other."""
    result, start = {}, 0
    for name, shape in shapes.items():
        result[name] = flat[:, start : start + prod(shape)].unflatten(1, shape)
        start += prod(shape)
    return result


def acting(model: Model, flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """The weights that act, by name; views of ``flat`` where the cell trains just these."""
    named = views(flat, shapes)
    return model.acting(named) if model.transformed else named


def initial(model: Model, grid: pd.DataFrame, shapes: Shapes, dtype: torch.dtype) -> Tensor:
    """Initial weights (G, P): a row depends on its own entries of ``grid`` alone; see
    ``Model.draw``.

    Args:
        model: the recurrent cell, or another model.
        grid: a row per network, columns seed, init, gain, input_gain, output_gain.
        shapes: of one network's weights.
        dtype: of the result; draws are float64.
    """
    rows = np.zeros((len(grid), size(shapes)))
    named = {n: array.numpy() for n, array in views(torch.from_numpy(rows), shapes).items()}
    for i, row in enumerate(grid.to_dict("records")):
        own = {name: array[i] for name, array in named.items()}
        model.draw(own, {str(axis): value for axis, value in row.items()})
    return torch.from_numpy(rows).to(dtype)
