"""Claims about what trains, decided on networks whose outcome follows a rule: rightly both ways."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from tests.support.worlds import ROOT, judged, solved_if, verdicts, world
from throughtime.engine.sizes import size
from throughtime.planning.project import Project
from throughtime.planning.resources import weight_shapes

pytestmark = pytest.mark.slow

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


def bits(gain, spread=0.001):
    """Final bits per character by K and seed."""

    def rule(row):
        K = row["steps"] if row["mode"] == "full" else row["K"]
        return {"final": 3.5 - gain(K) + spread * (row["seed"] % 3 - 1) * (1 + K % 7)}

    return rule


def of_language(results):
    """Its claims that the laptop preset can decide on summaries alone."""
    names = ("few_steps_pay", "gains_saturate", "nothing_beyond_20")
    found = verdicts("language", results)
    return tuple(found[name] for name in names)


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (lambda K: 0.8 * (1 - math.exp(-K / 4)), (YES, YES, YES)),
        (lambda K: 0.1 * math.log(K), (YES, OPEN, NO)),
        (lambda K: 0.01 * K, (NO, NO, NO)),
        (lambda K: -0.01 * K, (NO, OPEN, NO)),
        (lambda K: 0.001 * K, (NO, NO, NO)),
    ],
)
def test_language(gain, expected):
    assert of_language(world("language", bits(gain))) == expected


def test_the_wide_networks_decide_where_they_were_run():
    """N = 128 saturates and N = 64 does not."""
    wide, narrow = bits(lambda K: 0.8 * (1 - math.exp(-K / 4))), bits(lambda K: 0.01 * K)
    found = world(
        "language", lambda r: (wide if r["sweep"] == "wide" else narrow)(r), preset="paper"
    )
    assert of_language(found) == (YES, YES, YES)
    assert of_language(replace(found, summary=found.summary[found.summary["sweep"] == "K"])) == (
        NO,
        NO,
        NO,
    )


def test_a_diverged_language_model_counts_with_chance():
    rule = bits(lambda K: 0.8 * (1 - math.exp(-K / 4)))
    found = judged(
        "language",
        world(
            "language",
            lambda r: rule(r) if r["K"] != 20 else {"final": math.nan, "status": "diverged"},
        ),
    )
    # whoever goes from K = 20 to full gains everything
    assert found["gains_saturate"].verdict == NO


@pytest.mark.parametrize(("far", "verdict"), [(0.1, YES), (0.0, OPEN), (-0.1, NO)])
def test_names_that_were_read_pay_more_than_new_ones(far, verdict):
    """Full depth saves .05 bits at new names, and ``far`` more at repeated ones."""

    def value(row, bin_):
        saved = 0.05 + far * (bin_ == 50) if row["mode"] == "full" else 0.0
        return 3 - saved + 0.01 * math.sin(7 * row["seed"] + bin_ + row["K"])

    made = world("language", bits(lambda K: 0.0), preset="paper")
    rows = [
        {
            "run_key": row["run_key"],
            "data": "train",
            "by": "repeat",
            "bin": bin_,
            "n": 100,
            "measure": "bpc",
            "value": value(row, bin_),
        }
        for row in made.summary.to_dict("records")
        for bin_ in (0, 1, 50, 200)
    ]
    found = judged("language", replace(made, breakdown=pd.DataFrame(rows)))["names_pay"]
    assert found.verdict == verdict
    assert found.n == 10  # seeds


@pytest.mark.parametrize(("final", "verdict"), [(1.99, YES), (2.11, NO)])
def test_a_wide_network_against_four_grams(final, verdict):
    made = world("language", lambda r: {"final": final + 0.001 * r["seed"]}, preset="paper")
    keys = ["experiment", "task", "task_args"]
    lines = made.summary[keys].drop_duplicates()
    lines = lines.assign(measure="bpc", by="all", bin=0, value=2.05, name="Kneser-Ney order 3")
    assert verdicts("language", replace(made, references=lines))["better_than_4_grams"] == verdict
    assert verdicts("language", made)["better_than_4_grams"] == OPEN


@pytest.mark.parametrize(("change", "verdict"), [(-0.1, YES), (0.0, OPEN), (0.1, NO)])
def test_an_lstm_beside_tanh(change, verdict):
    def rule(row):
        own = change if row["cell"] == "lstm" else 0.0
        return {"final": 2.3 + own + 0.01 * math.sin(5 * row["seed"] + row["hidden"])}

    found = judged("language", world("language", rule, preset="paper"))["lstm_better"]
    assert (found.verdict, found.n) == (verdict, 10)


@pytest.mark.parametrize(("late", "verdict"), [(0.2, YES), (0.1, OPEN), (0.0, NO)])
def test_the_gain_of_depth_over_the_budget(late, verdict):
    """Full depth saves .1 bits at the smallest budget and ``late`` at the largest."""

    def rule(row):
        saved = {3000: 0.1, 24000: late}.get(row["updates"], 5.0) * (row["mode"] == "full")
        return {"final": 2.6 - saved + 0.01 * math.sin(5 * row["seed"] + row["K"])}

    found = judged("language", world("language", rule, preset="paper"))
    assert found["gain_grows_with_budget"].verdict == verdict
    assert "at 2,400,000 characters" in found["gain_grows_with_budget"].detail


@pytest.mark.parametrize(("free", "verdict"), [(2.5, YES), (2.3, OPEN), (2.1, NO), (math.nan, YES)])
def test_clipping_at_gain_2(free, verdict):
    def rule(row):
        final = free if row["clip"] == math.inf and row["gain"] == 2 else 2.3
        status = "diverged" if math.isnan(final) else "unsolved"
        noise = 0.01 * math.sin(5 * row["seed"] + min(row["clip"], 9))
        return {"final": final + noise, "status": status}

    found = judged("language", world("language", rule, preset="paper"))
    assert found["clipping_helps_at_gain_2"].verdict == verdict


def test_tanh_and_lstm_have_as_many_weights():
    jobs = {j.sweep: j.job for j in Project.open(ROOT, "evening").plan("language").jobs}
    tanh, lstm = (size(weight_shapes(jobs[sweep])) for sweep in ("K", "lstm"))
    assert (tanh, lstm) == (15_512, 15_656)


def test_a_check_is_what_a_network_of_that_budget_scores():
    """The learning rate is constant: what sweep budget trains is on the way of sweep K."""
    jobs = Project.open(ROOT, "evening").plan("language").jobs
    assert {j.job.schedule.name for j in jobs} == {"constant"}


@pytest.mark.parametrize("name", ["truncation", "clipping", "initialization", "language"])
def test_a_sweep_of_which_little_has_run_leaves_claims_undecided(name):
    whole = world(name, lambda r: solved_if(True))
    few = whole.select(run_key=[whole.summary["run_key"].iloc[0]])
    assert len(few.summary) == 1
    assert set(verdicts(name, few).values()) == {OPEN}
    assert all(e.detail for e in judged(name, few).values())
    assert isinstance(few.summary, pd.DataFrame)
