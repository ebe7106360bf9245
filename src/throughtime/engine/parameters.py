"""The weights of many networks as one matrix: a row a network, views by name.

Names and shapes of a row (I inputs, N units, O outputs, S = states N, Z = gates N): W_xh (I, Z), W_hh (N, Z), b_h (Z), W_hy (N, O),
b_y (O), and h_0 (S) where the initial state is learned.
"""

from math import prod

from torch import Tensor

from throughtime.engine.sizes import Shapes


def views(flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """``flat`` (G, P) by name, as views (G, *shape): writing to one writes to the other."""
    result, start = {}, 0
    for name, shape in shapes.items():
        result[name] = flat[:, start : start + prod(shape)].unflatten(1, shape)
        start += prod(shape)
    return result
