"""The boundary between outcomes on a map of networks, and its box-counting dimension.

A map has one network per point of a grid. A *tile* is the square between four neighbouring points;
it is on the boundary where its corners differ in outcome (solved, unsolved, diverged). N(s) boxes
of s x s tiles hold a tile of the boundary, and N(s) ~ s^-D. N(s) is a mean over all s^2 places that
the grid of boxes may have, so that its place decides nothing. The dimension D is minus the slope of
ln N over ln s for s = 2, 4, 8, 16: three octaves. 1 is a smooth line, 2 fills the plane. Single
tiles are left out: what is thinner than a tile is missed there, which makes D too small. Some of it
is missed at 2 tiles too: snowflakes of Koch, 1.26, are found to be 1.21 to 1.23 (tests).

Sohl-Dickstein 2024 (repository Sohl-Dickstein/fractal, functions extract_edges and
estimate_fractal_dimension) takes the same tiles for two outcomes (loss falls, or not), and the
median of the local slopes of all sizes and images. Deviations: three outcomes, one slope for each
map over three octaves, gliding boxes, and an interval.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from throughtime.analysis import stats
from throughtime.analysis.lines import line
from throughtime.core.rng import stream
from throughtime.results.load import Results

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
OUTCOMES = ("solved", "unsolved", "diverged")
SIZES = (2, 4, 8, 16)  # sides of boxes, tiles: three octaves
FEWEST = 4.0  # N of the largest boxes: with fewer there is no slope
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
    """Tiles whose four corners do not agree, (rows - 1, columns - 1); a tile with a missing corner
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
        draws: (DRAWS,) D of bootstrap samples of squares of the map.
        counts: N(s), one per SIZES.
        tiles: of the whole map.
    """

    value: float
    draws: Floats
    counts: tuple[float, ...]
    tiles: int

    def interval(self, level: float = stats.LEVEL) -> tuple[float, float]:
        """Percentiles of the draws: how much D varies along the boundary. It says nothing of other
        seeds.
        """
        low, high = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)


def dimension(tiles: Bools) -> Dimension:
    """D of the tiles on the boundary, with its bootstrap.

    The map goes on beyond its edges as its mirror image. The units of the bootstrap are squares of
    the largest side; a square brings the boxes of every size that have their middle there.

    >>> noise = np.ones((64, 64), bool)
    >>> dimension(noise).counts, round(dimension(noise).value, 6)
    ((1024.0, 256.0, 64.0, 16.0), 2.0)
    """
    side = SIZES[-1]
    rows, columns = (-(-n // side) for n in tiles.shape)
    held = np.zeros((rows * columns, len(SIZES)))
    for place, size in enumerate(SIZES if tiles.size else ()):
        share = np.zeros((rows * side, columns * side))
        boxes = maximum_filter(tiles.astype(np.uint8), size=size, mode="reflect")
        share[: tiles.shape[0], : tiles.shape[1]] = boxes / size**2
        held[:, place] = share.reshape(rows, side, columns, side).sum((1, 3)).ravel()
    held = held[held[:, -1] > 0]
    counts = tuple(float(n) for n in held.sum(0))
    if counts[-1] < FEWEST:
        return Dimension(np.nan, np.full(DRAWS, np.nan), counts, tiles.size)
    rng = stream(0, "boundary", "bootstrap", len(held))
    often = rng.multinomial(len(held), np.full(len(held), 1 / len(held)), size=DRAWS)
    found = np.maximum(often @ held, held[held > 0].min())  # a sample may hold no small box at all
    return Dimension(float(slope(np.array(counts))), slope(found), counts, tiles.size)


def slope(counts: Floats) -> Floats:
    """Minus the least squares slope of ln N over ln s, of counts (.., sizes)."""
    x = np.log(SIZES)
    x = x - x.mean()
    found: Floats = -(np.log(counts) @ x) / (x @ x)
    return found


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
