"""The machine's two ceilings, measured: the rate of its matrix product and of its memory; and the
figure that holds every way against them.
"""

from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from throughtime.benchmarks.ways import Shape, shape_of
from throughtime.benchmarks.worker import fastest
from throughtime.core import files
from throughtime.engine.cells import cell
from throughtime.engine.sizes import shapes, size

SIDE = 2048  # of the matrices
NUMBERS = 1 << 26  # of the array that is copied: 256 MiB, more than any cache

# Okabe & Ito's colours with markers, so that colour is never the only difference
STYLES = (
    ("#0072B2", "o"),
    ("#E69F00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#000000", "v"),
    ("#56B4E9", "P"),
    ("#D55E00", "X"),
)


def sgemm(seconds: float, side: int = SIDE) -> float:
    """GFLOP/s of a float32 matrix product of torch's library, side x side, on this thread."""
    a = torch.ones(side, side)
    out = torch.empty(side, side)
    return 2 * side**3 / fastest(lambda: torch.mm(a, a, out=out), seconds) / 1e9


def bandwidth(seconds: float, numbers: int = NUMBERS) -> float:
    """GB/s of memory in a copy of a float32 array: bytes read and bytes written, as STREAM counts
    (McCalpin 1995). One thread; another core may reach more.
    """
    source, target = torch.ones(numbers), torch.zeros(numbers)
    return 2 * 4 * numbers / fastest(lambda: target.copy_(source), seconds) / 1e9


def traffic(shape: Shape) -> float:
    """Bytes that forward and backward of one network cannot do without: what the cell keeps of
    every step, written once and read once, and the weights read twice and their gradient written.
    float32.

    A property of the problem and not of a way: one that reads its states three times moves more,
    and one whose states stay in a cache moves less.

    >>> traffic(Shape("tanh", 32, 20)) == 8 * 100 * 20 * 32 + 12 * 1640
    True
    """
    kind = cell(shape.cell)
    blocks = kind.states + (0 if kind.in_place else kind.width)
    weights = size(shapes(kind, shape.symbols, shape.N, shape.classes))
    return 8.0 * shape.T * shape.B * shape.N * blocks + 12.0 * weights


def intensity(shape: Shape) -> float:
    """Arithmetic intensity, FLOP per byte of ``traffic``."""
    return shape.flops / traffic(shape)


def ceiling(at: np.ndarray, peak: float, memory: float) -> np.ndarray:
    """GFLOP/s that the machine allows at intensities, by Williams, Waterman & Patterson 2009.

    >>> ceiling(np.array([1.0, 4.0, 100.0]), peak=50, memory=10).tolist()
    [10.0, 40.0, 50.0]
    """
    return np.minimum(peak, memory * at)


def panel(
    ax: Axes, table: pd.DataFrame, styles: dict[str, dict[str, Any]], peak: float, memory: float
) -> None:
    """One cell's ways under the two ceilings."""
    table = table.assign(intensity=[intensity(shape_of(row)) for row in table.itertuples()])
    knee, highest = peak / memory, float(table["intensity"].max())
    at = np.geomspace(min(1.0, knee / 4), 2 * max(highest, knee), 200)
    ax.plot(at, ceiling(at, peak, memory), color="0.3", label="sgemm, and a copy of memory")
    for way, rows in table.dropna(subset="gflops").groupby("way", sort=False):
        rows = rows.sort_values("intensity")
        ax.plot(rows["intensity"], rows["gflops"], label=str(way), **styles[str(way)])
    for (n, b), rows in table.groupby(["N", "B"]):
        x = float(rows["intensity"].iloc[0])
        ax.annotate(f"N={n} B={b}", (x, peak * 1.15), fontsize=6, rotation=45)
    ax.set(xscale="log", yscale="log", xlabel="arithmetic intensity, FLOP per byte")
    ax.set(ylabel="GFLOP/s, forward + backward", ylim=(None, peak * 5))


def draw(table: pd.DataFrame, peak: float, memory: float, path: Path) -> None:
    """Write the figure: a panel per cell.

    Args:
        table: of speed.summarize; its part ``gradients`` is drawn.
        peak: of sgemm, GFLOP/s.
        memory: of bandwidth, GB/s.
        path: of a PNG.
    """
    table = table[table["part"] == "gradients"]
    cells = list(dict.fromkeys(table["cell"]))
    styles: dict[str, dict[str, Any]] = {
        way: {"color": color, "marker": marker, "linewidth": 0.8}
        for way, (color, marker) in zip(dict.fromkeys(table["way"]), cycle(STYLES), strict=False)
    }
    figure = Figure(figsize=(4.2 * len(cells), 4.6), layout="constrained")
    axes: list[Axes] = list(np.ravel(figure.subplots(1, len(cells))))
    for ax, name in zip(axes, cells, strict=True):
        panel(ax, table[table["cell"] == name], styles, peak, memory)
        ax.set_title(str(name), loc="left", fontsize=9)
    named = {n: h for ax in axes for h, n in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=4, fontsize=7)
    content = BytesIO()
    figure.savefig(content, format="png", dpi=160, metadata={"Software": None})
    files.write(path, content.getvalue())
