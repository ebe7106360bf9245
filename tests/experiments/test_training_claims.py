"""Claims about what trains, decided on networks whose outcome follows a rule: rightly both ways."""

import math

import pandas as pd
import pytest

from tests.support.worlds import judged, solved_if, verdicts, world

YES, NO, OPEN = "supported", "not supported", "undecided"


# Truncation ---------------------------------------------------------------------------------------


def in_reach(row):
    return row["reach"] >= row["lag_min"]


NAMES = ("below_lag_costs", "random_state_rescues", "training_rescues")


def truncated(rule):
    """Claim -> evidence, in the order of NAMES."""
    found = judged("truncation", world("truncation", rule))
    assert set(found) == set(NAMES)
    return [found[name] for name in NAMES]


def test_nothing_is_learned_out_of_reach():
    found = truncated(lambda r: solved_if(in_reach(r)))
    assert [e.verdict for e in found] == [YES, NO, NO]
    assert found[0].statistic == 1
    assert "K below the lag solves 0 of" in found[0].detail


def test_everything_is_learned_out_of_reach_with_a_carried_state_and_training_alone():
    found = truncated(
        lambda r: solved_if(in_reach(r) or not (r["frozen"] or r["border"] == "reset"))
    )
    assert [e.verdict for e in found] == [OPEN, NO, YES]
    assert found[0].statistic == 0
    assert "adding lag" in found[2].detail


def test_where_the_reservoir_solves_it_nothing_is_said_about_K():
    found = truncated(lambda r: solved_if(in_reach(r) or r["border"] == "carry"))
    assert [e.verdict for e in found] == [OPEN, YES, OPEN]
    assert "no grid point" in found[0].detail
    assert "no grid point" in found[2].detail


def test_the_copy_that_no_frozen_network_solves_says_something():
    """Frozen networks solve whatever has 2 symbols of 4, and nothing else."""

    def rule(row):
        easy = row["task_args"].find('"alphabet":8') < 0
        return solved_if(in_reach(row) or (row["border"] == "carry" and row["frozen"] and easy))

    found = truncated(rule)
    assert [e.verdict for e in found] == [YES, YES, NO]
    assert "of 40 pairs of 10 seeds 40 gained" in found[0].detail


@pytest.mark.parametrize(("solved", "verdict"), [(1, OPEN), (5, OPEN), (8, YES)])
def test_few_seeds_of_one_cell_are_no_rescue(solved, verdict):
    def rule(row):
        cell = (row["task"], row["lag_max"], row["K"], row["frozen"], row["border"]) == (
            "adding",
            11,
            5,
            False,
            "carry",
        )
        return solved_if(
            in_reach(row) or (cell and row["mode"] == "chunked" and row["seed"] < solved)
        )

    found = truncated(rule)
    assert found[2].verdict == verdict
    assert f"adding lag 11 K=5 {solved}/10" in found[2].detail
    assert found[0].verdict == YES  # an exception in one cell


# Clipping -----------------------------------------------------------------------------------------


def clipped(row, small=1.0, at_small=400, at_large=False, unclipped=False):
    """A network at gain 0.8 to 1 learns; others as told; a threshold of 0.1 takes ``at_small``
    updates and others 100.
    """
    can = {
        -1: row["clip"] < math.inf and small > 1,
        0: True,
        1: at_large if row["clip"] < math.inf else unclipped,
    }
    side = -1 if row["gain"] < 0.8 else 1 if row["gain"] > 1 else 0
    return solved_if(can[side], at_small if row["clip"] < 1 else 100)


@pytest.mark.parametrize(
    ("rule", "upward", "downward", "slows"),
    [
        ({"at_large": True}, YES, YES, YES),
        ({}, OPEN, YES, YES),
        ({"unclipped": True}, NO, YES, YES),
        ({"small": 2.0}, OPEN, NO, YES),
        ({"at_small": 100}, OPEN, YES, NO),
        ({"at_small": 50}, OPEN, YES, NO),
    ],
)
def test_clipping(rule, upward, downward, slows):
    found = verdicts("clipping", world("clipping", lambda row: clipped(row, **rule)))
    assert found == {"widens_upward": upward, "not_downward": downward, "small_slows": slows}


def test_a_network_that_never_learns_with_a_small_threshold_counts_as_slow():
    found = judged("clipping", world("clipping", lambda r: solved_if(r["clip"] >= 1, 500)))[
        "small_slows"
    ]
    assert found.verdict == YES
    assert 1 < math.exp(found.statistic) <= 4  # of 2,000 updates; text has 500 in all


def test_truncated_networks_and_those_with_adam_do_not_count():
    found = verdicts(
        "clipping",
        world(
            "clipping",
            lambda r: clipped(r, at_large=True) if r["sweep"] == "full" else solved_if(False),
        ),
    )
    assert set(found.values()) == {YES}


# Initialization -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "vanishes", "peak"),
    [
        (0.7, 1.3, YES, YES),
        (0.2, 1.3, OPEN, OPEN),
        (0.2, 0.7, NO, NO),
        (0.7, 9, YES, OPEN),
        (1.1, 9, OPEN, NO),
    ],
)
def test_initialization(low, high, vanishes, peak):
    found = verdicts(
        "initialization", world("initialization", lambda r: solved_if(low < r["gain"] < high))
    )
    assert found == {"default_vanishes": vanishes, "gain_1_beats_both_ends": peak}


# Language -----------------------------------------------------------------------------------------


def bits(gain):
    """Final bits per character by K and seed."""

    def rule(row):
        K = row["steps"] if row["mode"] == "full" else row["K"]
        return {"final": 3.5 - gain(K) + 0.002 * (row["seed"] - 1) * (1 + K % 7)}

    return rule


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        (lambda K: 0.8 * (1 - math.exp(-K / 4)), YES),
        (lambda K: 0.1 * math.log(K), OPEN),
        (lambda K: 0.01 * K, NO),
        (lambda K: -0.01 * K, OPEN),
    ],
)
def test_language(gain, verdict):
    assert verdicts("language", world("language", bits(gain))) == {"gains_saturate": verdict}


def test_a_diverged_language_model_counts_with_chance():
    rule = bits(lambda K: 0.8 * (1 - math.exp(-K / 4)))
    found = judged(
        "language",
        world(
            "language",
            lambda r: rule(r) if r["K"] != 20 else {"final": math.nan, "status": "diverged"},
        ),
    )
    assert (
        found["gains_saturate"].verdict == NO
    )  # whoever goes from K = 20 to full gains everything


@pytest.mark.parametrize("name", ["truncation", "clipping", "initialization", "language"])
def test_a_sweep_of_which_little_has_run_leaves_claims_undecided(name):
    whole = world(name, lambda r: solved_if(True))
    few = whole.select(run_key=[whole.summary["run_key"].iloc[0]])
    assert len(few.summary) == 1
    assert set(verdicts(name, few).values()) == {OPEN}
    assert all(e.detail for e in judged(name, few).values())
    assert isinstance(few.summary, pd.DataFrame)
