"""Rounds find the frontier of the full grid, from a part of its networks."""

import math

import numpy as np
import pandas as pd
import pytest

from throughtime.analysis import adaptive, stats

pytestmark = pytest.mark.slow

LAGS = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]
SEEDS = range(12)
WIDTH = 2.0
WORLDS = 12


def world(frontier: float, steep: float, draw: int) -> pd.DataFrame:
    """A full grid whose success falls with the lag."""
    full = pd.DataFrame([(x, s) for x in LAGS for s in SEEDS], columns=["lag_max", "seed"])
    chance = 1 / (1 + (full["lag_max"] / frontier) ** steep)
    solved = np.random.default_rng(draw).random(len(full)) < chance
    return full.assign(status=np.where(solved, "solved", "unsolved"))


def test_rounds_find_the_frontier_of_the_full_grid_from_a_part_of_it() -> None:
    """Frontiers from 8 to 128 steps, slopes from 3 to 10."""
    inside, true, shares = 0, 0, []
    for draw in range(WORLDS):
        rng = np.random.default_rng(1000 + draw)
        middle, steep = float(np.exp(rng.uniform(np.log(8), np.log(128)))), rng.uniform(3, 10)
        full = world(middle, steep, draw)
        found, used = adaptive.replay(full, WIDTH)
        whole = stats.frontier(full, []).iloc[0]
        inside += found.low <= whole["frontier"] <= found.high
        true += found.low <= middle <= found.high
        shares.append(len(used) / len(full))
        assert found.high / found.low <= WIDTH
        assert not used.duplicated(["lag_max", "seed"]).any()
    assert inside >= 0.9 * WORLDS
    assert true >= 0.85 * WORLDS
    assert min(shares) > 0.05
    assert np.mean(shares) < 1 / 4


def test_a_round_is_a_function_of_the_tables_alone() -> None:
    full = world(40, 5, 0)
    _, used = adaptive.replay(full, WIDTH)
    half = used.iloc[: len(used) // 2]
    expected = adaptive.next_round(half, LAGS, list(SEEDS), WIDTH)
    rng = np.random.default_rng(0)
    for _ in range(3):
        again = half.iloc[rng.permutation(len(half))]
        found = adaptive.next_round(again, LAGS[::-1], list(SEEDS), WIDTH)
        pd.testing.assert_frame_equal(found, expected)
    assert len(expected) == 3  # a quarter of the seeds
    assert expected["lag_max"].nunique() == 1
    assert expected.merge(half, on=["lag_max", "seed"]).empty  # nothing is trained twice


def test_the_first_round_is_in_the_middle_and_after_the_full_grid_there_is_none() -> None:
    nothing = world(40, 5, 0).iloc[:0]
    first = adaptive.next_round(nothing, LAGS, list(SEEDS), WIDTH)
    assert first["lag_max"].iloc[0] == 32  # of 13 lags the seventh
    assert list(first["seed"]) == [0, 1, 2]
    assert adaptive.next_round(world(40, 5, 0), LAGS, list(SEEDS), 1.0001).empty


def test_with_steep_and_plain_data_the_estimate_is_that_of_the_full_grid() -> None:
    full = world(20, 200, 0)  # all of 16 and none of 24 are solved
    found, whole = adaptive.estimate(full, LAGS), stats.frontier(full, []).iloc[0]
    assert found.frontier == pytest.approx(whole["frontier"], rel=0.02)
    assert found.low == pytest.approx(whole["low"], rel=0.06)
    assert found.high == pytest.approx(whole["high"], rel=0.06)
    assert found.n == len(full)


@pytest.mark.parametrize(
    ("status", "frontier", "low", "high", "sign"),
    [("solved", 256, 256, math.inf, ">="), ("unsolved", 4, 0, 4, "<")],
)
def test_a_frontier_beyond_the_grid_is_known_soon_and_said_to_be_open(
    status: str, frontier: float, low: float, high: float, sign: str
) -> None:
    found, used = adaptive.replay(world(40, 5, 0).assign(status=status), WIDTH)
    assert (found.frontier, found.low, found.high) == (frontier, low, high)
    assert found.censored == sign
    assert len(used) < len(LAGS) * len(SEEDS) / 4


def test_networks_that_were_not_trained_say_nothing_and_are_not_chosen_again() -> None:
    full = world(40, 5, 0)
    full["status"] = full["status"].where(full["seed"] > 2, "untrained")
    found, used = adaptive.replay(full, WIDTH)
    assert found.n == (used["status"] != "untrained").sum() < len(used)
    assert not used.duplicated(["lag_max", "seed"]).any()


def test_seeds_that_fail_together_count_for_less() -> None:
    """Half the seeds solve all lags and half none: whatever the number of networks, there are only
    twelve seeds.
    """
    alone = world(32, 1e-9, 0)
    alike = alone.assign(status=np.where(alone["seed"] < 6, "solved", "unsolved"))
    shuffled = alike.groupby("lag_max", group_keys=False)[["lag_max", "seed", "status"]].apply(
        lambda g: g.assign(status=np.random.default_rng(int(g.name)).permutation(g["status"]))
    )
    near = [row for row in LAGS if 12 <= row <= 96]
    wide, narrow = (
        adaptive.estimate(rows[rows["lag_max"].isin(near)], LAGS) for rows in (alike, shuffled)
    )
    assert wide.low < narrow.low
    assert wide.high >= narrow.high


def test_each_curve_chooses_for_itself() -> None:
    one, two = world(12, 6, 1), world(90, 6, 2)
    grid = pd.concat([one.assign(curve="one"), two.assign(curve="two")], ignore_index=True)
    grid["run_key"] = [f"k{i}" for i in range(len(grid))]
    done = grid.iloc[:0]
    rounds = 0
    while True:
        chosen = adaptive.choose(grid, done, WIDTH).set_index("curve")
        keys = [key for own in chosen["networks"] for key in own]
        if not keys:
            break
        done = pd.concat([done, grid[grid["run_key"].isin(keys)]])
        rounds += 1
    for name, full in (("one", one), ("two", two)):
        found, used = adaptive.replay(full, WIDTH)
        assert chosen.loc[name, "frontier"] == found.frontier
        assert (done["curve"] == name).sum() == len(used) == found.n
    assert rounds > 2


def test_what_is_expected_of_a_curve_is_a_part_of_it() -> None:
    lags = tuple(map(float, LAGS))
    few, more = adaptive.expected(lags, 12, 3.0), adaptive.expected(lags, 12, 2.0)
    assert 0 < few < more < len(LAGS) * 12 / 3


def test_what_makes_no_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="width above 1"):
        adaptive.next_round(world(40, 5, 0), LAGS, list(SEEDS), 1.0)
