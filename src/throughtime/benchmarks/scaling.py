"""What forward and backward cost against T, N, B, rows and K, and with which exponent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from throughtime.analysis.lines import line
from throughtime.benchmarks.cost import Size, measure

ENGINES = ("numba", "torch")
# Name -> (the field of Size that is varied, programs). Where nothing else is said: tanh, N = 32,
# B = 20, 32 rows.
Series = Mapping[str, tuple[str, Sequence[Size]]]
SERIES: Series = {
    "T": ("T", [Size("full", T, T) for T in (25, 50, 100, 200, 400)]),
    "N": ("hidden", [Size("full", 100, 100, hidden=N, rows=8) for N in (16, 32, 64, 128, 256)]),
    "B": ("batch", [Size("full", 100, 100, batch=B) for B in (1, 2, 5, 10, 20, 40, 80)]),
    "rows": ("rows", [Size("full", 100, 100, rows=G) for G in (2, 4, 8, 16, 32, 64)]),
    "K, chunked": ("K", [Size("chunked", 100, K) for K in (5, 10, 20, 25, 50, 100)]),
    "K, sliding": ("K", [Size("sliding", 100, K) for K in (2, 4, 8, 12, 16, 24)]),
}


def measure_series(
    series: Series = SERIES, engines: Sequence[str] = ENGINES, turns: int = 3, repeats: int = 3
) -> pd.DataFrame:
    """Time of an update of each program by each engine, the engines in turns; see cost.measure.

    Args:
        series: what to measure.
        engines: of ``numba`` and ``torch``.
        turns: the fastest of so many counts.
        repeats: calls per turn; the fastest counts.

    Returns:
        series, x (the value that is varied), engine, ms (of all rows).
    """
    rows = []
    for name, (field, sizes) in series.items():
        for s in sizes:
            own = [replace(s, engine=engine) for engine in engines]
            times = pd.concat([measure(own, repeats) for _ in range(turns)])
            for engine, ms in times.groupby("engine", sort=False)["update_ms"].min().items():
                rows.append({"series": name, "x": getattr(s, field), "engine": engine, "ms": ms})
    return pd.DataFrame(rows)


def exponents(measured: pd.DataFrame) -> pd.DataFrame:
    """The power of x with which the time grows: the slope of ln ms against ln x by least squares,
    with Student's 95 % interval. It is an average over the range: a fixed cost makes it smaller.

    Args:
        measured: of ``measure_series``.

    Returns:
        series, engine, first and last (of x), n, exponent, low, high.
    """
    rows = []
    for (name, engine), part in measured.groupby(["series", "engine"], sort=False):
        fit = line(np.log(part["x"].astype(float)), np.log(part["ms"]))
        rows.append(
            {
                "series": name,
                "engine": engine,
                "first": part["x"].min(),
                "last": part["x"].max(),
                "n": fit.n,
                "exponent": fit.slope,
                "low": fit.slope_low,
                "high": fit.slope_high,
            }
        )
    return pd.DataFrame(rows)
