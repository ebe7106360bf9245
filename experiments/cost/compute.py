"""Memory and time of an update against T, K and B, measured on the engine: rows of
benchmarks.cost.measure as many short ones.
"""

import pandas as pd

from throughtime.benchmarks.cost import Size, measure
from throughtime.engine.truncation import strides, windows
from throughtime.training.train import one_thread

SIZES = {
    "full": [Size("full", T, T) for T in (25, 50, 100, 150, 200, 300, 400, 600, 800)],
    "chunked": [Size("chunked", 200, K) for K in (5, 10, 20, 25, 40, 50, 100, 200)],
    "sliding": [
        Size("sliding", 200, K) for K in (2, 4, 6, 8, 10, 12, 16, 20)
    ],  # K = 1 is another program: windows do not overlap
    "batch": [Size("full", 100, 100, batch=B) for B in (1, 2, 5, 10, 20, 40, 80)],
}
SMALL = {
    "full": [Size("full", T, T, 8, 4, 2) for T in (4, 8, 12, 16)],
    "chunked": [Size("chunked", 16, K, 8, 4, 2) for K in (2, 4, 8, 16)],
    "sliding": [Size("sliding", 16, K, 8, 4, 2) for K in (2, 3, 4, 5)],
    "batch": [Size("full", 8, 8, 8, B, 2) for B in (1, 2, 4)],
}
REPEATS = {"smoke": 1, "laptop": 5}


def compute(preset: str) -> pd.DataFrame:
    """Columns of tables.COMPUTED: a series for each of SIZES, x = K (= T at full depth; B in
    ``batch``), y = T.

    Quantities: the columns of cost.measure, with ``compiled``, 1 where the engine is numba and 0
    where it is torch; and ``depth``, the steps that a loss reaches, on average.
    """
    parts = []
    for series, sizes in (SMALL if preset == "smoke" else SIZES).items():
        with one_thread():
            table = measure(sizes, REPEATS.get(preset, 20))
        table["compiled"] = (table["engine"] == "numba").astype(float)
        table = table.drop(columns=["mode", "engine"])
        x = table["batch" if series == "batch" else "K"]
        table = table.assign(series=series, x=x, y=table["T"], depth=[depth(s) for s in sizes])
        parts.append(table.melt(["series", "x", "y"], var_name="quantity").dropna(subset="value"))
    return pd.concat(parts, ignore_index=True)[["series", "quantity", "x", "y", "value"]].astype(
        {"x": float, "y": float}
    )


def depth(s: Size) -> float:
    """Steps backward, over T: K but for the losses near the start, which see fewer."""
    k1, k2 = strides(s.mode, s.T, s.K)
    return sum(w.stop - w.start for w in windows(s.T, k1, k2)) / s.T
