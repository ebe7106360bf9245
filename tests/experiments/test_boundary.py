"""The dimension of a boundary, held against shapes whose dimension is known."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray

from throughtime.planning.experiment_files import load_module
from throughtime.results.load import Results

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "experiments" / "boundary"
analysis = load_module(FOLDER / "analysis.py")
claims = load_module(FOLDER / "claims.py")
POINTS = 129


def world(inside: NDArray[np.bool_]) -> pd.DataFrame:
    """A map that is solved inside and diverged outside."""
    return pd.DataFrame(np.where(inside, "solved", "diverged"))


def square(points: int = POINTS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x and y of the points of a map of the unit square."""
    side = np.linspace(0, 1, points)
    x, y = np.meshgrid(side, side)
    return x, y


def koch(order: int = 5) -> NDArray[np.complex128]:
    """Corners of Koch's snowflake around 0, radius 1: its boundary has dimension ln 4 / ln 3."""
    z = np.exp(-2j * math.pi * np.arange(4) / 3)
    for _ in range(order):
        a, d = z[:-1], np.diff(z) / 3
        parts = [a, a + d, a + d + d * np.exp(1j * math.pi / 3), a + 2 * d]
        z = np.append(np.stack(parts, axis=1).ravel(), z[-1])
    return z


def inside_koch(turn: float = 0.0, radius: float = 0.45) -> NDArray[np.bool_]:
    x, y = square()
    z = koch() * np.exp(1j * turn) * radius + 0.503 + 0.507j
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    corners = np.stack([z.real, z.imag], axis=1)
    return Polygon(corners).contains_points(points).reshape(x.shape)


def noise() -> NDArray[np.bool_]:
    return np.random.default_rng(0).random((POINTS, POINTS)) < 0.5


@pytest.mark.parametrize("tilt", [0.0, 0.21, 0.5, 1.0])
def test_a_straight_line_has_dimension_one(tilt: float) -> None:
    x, y = square()
    found = analysis.dimension(analysis.boundary(world(y < 0.313 + tilt * (x - 0.5))))
    assert found.value == pytest.approx(1, abs=0.02)
    assert found.interval()[1] < 1.15


def test_a_smooth_curve_has_dimension_one() -> None:
    x, y = square()
    circle = (x - 0.48) ** 2 + (y - 0.51) ** 2 < 0.4**2
    found = analysis.dimension(analysis.boundary(world(circle)))
    assert found.value == pytest.approx(1, abs=0.02)
    assert found.interval()[1] < 1.15


def test_kochs_curve_is_found_a_little_too_smooth() -> None:
    """As the module says: 1.21 to 1.23 instead of 1.26."""
    places = [(0.0, 0.45), (0.7, 0.42), (1.3, 0.47), (2.1, 0.4)]
    for place in places:
        found = analysis.dimension(analysis.boundary(world(inside_koch(*place))))
        assert 1.205 < found.value < 1.24
        low, high = found.interval()
        assert 1.08 < low < high < 1.35


def test_noise_fills_the_plane() -> None:
    found = analysis.dimension(analysis.boundary(world(noise())))
    assert 1.99 < found.value <= 2
    assert found.interval()[0] > 1.99


def test_sierpinskis_triangle_has_its_dimension() -> None:
    """Pascal's triangle modulo 2: 3^k of its 4^k squares of any size hold a piece."""
    n = np.arange(128)
    found = analysis.dimension((n[:, None] & n) == 0)
    low, high = found.interval()
    assert low < math.log2(3) < high
    assert found.value == pytest.approx(math.log2(3), abs=0.02)


def test_boxes_of_every_place_are_counted() -> None:
    """One tile in the middle lies in s^2 of the boxes of side s, of s^2 grids of them: N = 1."""
    tiles = np.zeros((64, 64), bool)
    tiles[32, 32] = True
    assert analysis.dimension(tiles).counts == pytest.approx((1, 1, 1, 1))


def test_a_tile_is_on_the_boundary_where_its_corners_differ() -> None:
    table = pd.DataFrame([["solved"] * 3, ["solved", "solved", "unsolved"], ["solved"] * 3])
    assert analysis.boundary(table).tolist() == [[False, True], [False, True]]
    missing = table.mask(table == "unsolved")
    assert not analysis.boundary(missing).any()
    two = analysis.diverged_or_not(table)
    assert not analysis.boundary(two).any()


def test_too_little_boundary_has_no_dimension() -> None:
    x, _ = square(33)
    assert math.isnan(analysis.dimension(analysis.boundary(world(x < 0.5))).value)
    assert math.isnan(analysis.dimension(np.zeros((0, 0), bool)).value)


def results(maps: dict[str, NDArray[np.bool_]]) -> Results:
    """Tables of networks with these endings."""
    x, y = square()
    parts = [
        pd.DataFrame(
            {"sweep": name, "seed": 0, "clip": 1.0, "lr": y.ravel(), "gain": x.ravel()}
        ).assign(status=world(inside).to_numpy().ravel())
        for name, inside in maps.items()
    ]
    empty = Results.empty()
    return Results(pd.concat(parts), empty.curves, empty.breakdown, empty.references)


def verdict(*maps: NDArray[np.bool_]) -> str:
    made = dict(zip(("zoom1", "zoom2", "zoom3"), maps, strict=False))
    first, second = (claim.judge(results(made)).verdict for claim in claims.CLAIMS)
    assert first == second  # solved and diverged are the only outcomes here
    return str(first)


def test_the_claim_needs_every_zoom() -> None:
    x, y = square()
    lines = (y - 0.3 * x) % 0.5 < 0.25
    assert verdict(noise(), noise(), noise()) == "supported"
    assert verdict(noise(), noise(), lines) == "not supported"
    assert verdict(noise(), noise()) == "undecided"
    assert verdict(noise(), noise(), x < 2) == "undecided"
