"""The claims of adaptive, on worlds whose frontiers are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from throughtime.analysis import adaptive as rounds
from throughtime.planning.experiment_files import load_module
from throughtime.results.load import Results

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "experiments" / "adaptive"
claims = load_module(FOLDER / "claims.py")
LAGS = [5, 6, 8, 10, 12, 15, 18, 23, 29, 37, 46]


def world(shift: float = 1.0, share: float | None = None) -> Results:
    """Three tasks with frontiers at 9, 14 and 24 steps; in ``rounds`` the lags are ``shift`` times
    as long, or a ``share`` of the full grid is trained instead of what rounds choose.
    """
    parts = []
    for draw, (task, middle) in enumerate({"copy": 9, "adding": 14, "temporal_order": 24}.items()):
        full = pd.DataFrame([(x, s) for x in LAGS for s in range(20)], columns=["lag_max", "seed"])
        chance = 1 / (1 + (full["lag_max"] / middle) ** 6)
        solved = np.random.default_rng(draw).random(len(full)) < chance
        full = full.assign(task=task, status=np.where(solved, "solved", "unsolved"))
        used = full.sample(frac=share, random_state=0) if share else rounds.replay(full, 2.0)[1]
        used = used.assign(lag_max=used["lag_max"] * shift)
        parts += [full.assign(sweep="full"), used.assign(sweep="rounds")]
    return replace(Results.empty(), summary=pd.concat(parts, ignore_index=True))


def test_rounds_of_these_worlds_are_the_full_grid_from_a_third_of_it() -> None:
    found = world()
    assert claims.same(found).verdict == "supported"
    assert claims.few(found).verdict == "supported"
    assert 0.05 < claims.few(found).statistic < 0.3


def test_another_frontier_or_too_many_networks_decide_against() -> None:
    assert claims.same(world(shift=4)).verdict == "not supported"
    assert claims.few(world(share=0.5)).verdict == "not supported"


def test_without_a_task_nothing_is_decided() -> None:
    found = world()
    some = found.summary[found.summary["task"] != "copy"]
    for decide in (claims.same, claims.few):
        assert decide(replace(found, summary=some)).verdict == "undecided"
