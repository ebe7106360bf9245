"""The boundary between outcomes on a map of networks, and its box-counting dimension.

A map has one network per point of a grid. A *cell* is the square between four neighbouring points;
it is on the boundary where its corners differ in outcome (solved, unsolved, diverged). N(s) boxes
of s x s cells hold a cell of the boundary, and N(s) ~ s^-D. The dimension D is minus the slope of
ln N over ln s for s = 2, 4, 8, 16: three octaves. 1 is a smooth line, 2 fills the plane. Single
cells are left out: what is thinner than a cell is missed there, which makes D too small. Some of it
is missed at 2 cells too: snowflakes of Koch, 1.26, are found to be 1.1 to 1.2 (tests).

Sohl-Dickstein 2024 (repository Sohl-Dickstein/fractal, functions extract_edges and
estimate_fractal_dimension) takes the same cells for two outcomes (loss falls, or not), and the
median of the local slopes of all sizes and images. Deviations: three outcomes, one slope for each
map over three octaves, and an interval.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from throughtime.analysis import stats
from throughtime.analysis.lines import line
from throughtime.core.rng import stream
from throughtime.results.load import Results

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
OUTCOMES = ("solved", "unsolved", "diverged")
SIZES = (2, 4, 8, 16)  # sides of boxes, cells: three octaves
FEWEST = 8  # boxes of the largest size on the boundary: with fewer there is no slope
DRAWS = 2000
ZOOMS = ("zoom1", "zoom2", "zoom3")
MAPS = ("whole", *ZOOMS)


def outcomes(summary: pd.DataFrame, sweep: str, values: str = "status") -> pd.DataFrame:
    """A sweep's map: a row per learning rate (or clip threshold), a column per gain, ascending.

    Args:
        summary: of the experiment; of several seeds the first counts.
        sweep: its name.
        values: the column that is shown; missing where a network is.
    """
    own = summary[summary["sweep"] == sweep]
    own = own[(own["seed"] == own["seed"].min()) & own["status"].isin(OUTCOMES)]
    y = "clip" if sweep == "clip" else "lr"
    return own.pivot_table(index=y, columns="gain", values=values, aggfunc="first")


def boundary(statuses: pd.DataFrame) -> Bools:
    """Cells whose four corners do not agree, (rows - 1, columns - 1); a cell with a missing corner
    is not on the boundary.

    >>> boundary(pd.DataFrame([["solved", "solved", "diverged"]] * 2)).tolist()
    [[False, True]]
    """
    codes = statuses.map({s: float(i) for i, s in enumerate(OUTCOMES)}.get).to_numpy(float)
    if min(codes.shape) < 2:
        return np.zeros((0, 0), bool)
    corners = np.stack([codes[1:, 1:], codes[1:, :-1], codes[:-1, 1:], codes[:-1, :-1]])
    mixed: Bools = np.ptp(corners, axis=0) > 0  # of a missing corner NaN, which is not above 0
    return mixed


@dataclass(frozen=True)
class Dimension:
    """A box-counting dimension.

    Attributes:
        value: D; NaN where the boundary has fewer than FEWEST large boxes.
        draws: (DRAWS,) D of bootstrap samples of the largest boxes.
        counts: N(s), one per SIZES.
        cells: of the whole map.
    """

    value: float
    draws: Floats
    counts: tuple[int, ...]
    cells: int

    def interval(self, level: float = stats.LEVEL) -> tuple[float, float]:
        """Percentiles of the draws: how much D varies along the boundary. It says nothing of other
        seeds.
        """
        low, high = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def dimension(cells: Bools) -> Dimension:
    """D of the cells on the boundary, with its bootstrap.

    The sample's units are boxes of the largest side: a box brings its own counts of all smaller
    ones, so that the counts of a sample are sums of theirs.

    >>> diagonal = dimension(np.eye(128, dtype=bool))
    >>> (
    ...     diagonal.counts,
    ...     round(diagonal.value, 6),
    ...     round(dimension(np.ones((64, 64), bool)).value, 6),
    ... )
    ((64, 32, 16, 8), 1.0, 2.0)
    """
    side = SIZES[-1]
    rows, columns = (-(-n // side) for n in cells.shape)
    padded = np.zeros((rows * side, columns * side), bool)
    padded[: cells.shape[0], : cells.shape[1]] = cells
    large = padded.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)
    held = np.stack([_boxes(large, size) for size in SIZES], axis=1)
    held = held[held[:, -1] > 0]
    counts = tuple(int(n) for n in held.sum(0)) if len(held) else (0,) * len(SIZES)
    if counts[-1] < FEWEST:
        nothing = np.full(DRAWS, np.nan)
        return Dimension(np.nan, nothing, counts, cells.size)
    rng = stream(0, "boundary", "bootstrap", len(held))
    often = rng.multinomial(len(held), np.full(len(held), 1 / len(held)), size=DRAWS)
    return Dimension(slope(np.array(counts, float)), slope(often @ held), counts, cells.size)


def slope(counts: Floats) -> Floats | float:
    """Minus the least squares slope of ln N over ln s, counts (.., sizes)."""
    x = np.log(SIZES)
    x = x - x.mean()
    found = -(np.log(counts) @ x) / (x @ x)
    return float(found) if np.ndim(found) == 0 else found


def dimensions(
    results: Results, of: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table
) -> dict[str, Dimension]:
    """Of every map that has networks; ``of`` may merge outcomes beforehand."""
    found = {}
    for sweep in (*MAPS, "clip"):
        table = outcomes(results.summary, sweep)
        if len(table):
            found[sweep] = dimension(boundary(of(table)))
    return found


def diverged_or_not(statuses: pd.DataFrame) -> pd.DataFrame:
    """Two outcomes, as in Sohl-Dickstein 2024."""
    return statuses.where(statuses.isna() | (statuses == "diverged"), "solved")


def straightness(found: Dimension) -> float:
    """R^2 of the straight line through ln N over ln s."""
    return line(np.log(SIZES), np.log(np.maximum(found.counts, 1))).r2


def _boxes(large: Bools, size: int) -> NDArray[np.int64]:
    """(boxes,): how many boxes of ``size`` hold a cell, in each of the large ones."""
    n, side, _ = large.shape
    parts = large.reshape(n, side // size, size, side // size, size)
    return parts.any(axis=(2, 4)).sum(axis=(1, 2))
