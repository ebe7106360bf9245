"""Why networks fail, in worlds in which the cause is known."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from throughtime.planning.axes import Job
from throughtime.planning.sweep import expand
from throughtime.results.causes import failure
from throughtime.tasks import Task, tasks
from throughtime.training.evaluation import ALL, SIGNAL, Evaluators, Scores, improvement
from throughtime.training.outcome import (
    VANISHING,
    causes,
    missed_lags,
    missed_signal,
    weighted_median,
)
from throughtime.training.train import train
from throughtime.training.trainer import Trainer

BRACKETS = tasks()["brackets"](length=40)


def scores(task: Task, bins: dict[int, tuple[int, float]]) -> Scores:
    """Scores of one network: bin -> (n, measure)."""
    made = Scores(task, 1)
    for bin_, (n, value) in bins.items():
        for group in (ALL, (task.lag_group or "all", bin_)):
            made.count[group] += n
            made._sum[group] += n * value
    return made


def why(
    task: Task,
    bins: dict[int, tuple[int, float]],
    reach: int,
    signal: Callable[[int], float] = lambda lag: 1.0,
    **measured: float,
) -> dict[str, Any]:
    """The causes of one unsolved network and its label, given what it misses, its reach, and its
    largest signal of training by lag.
    """
    lags, shares = missed_lags(task, scores(task, bins))
    by_lag = np.array([[signal(lag) for lag in range(task.steps)]])
    found = causes(
        np.array(["unsolved"]),
        shares[:, lags > reach].sum(1),
        missed_signal(lags, shares, by_lag, reach),
        np.array([measured.get("clipped", 0.0)]),
        np.array([measured.get("improved", 0.0)]),
    )
    label = failure(found.assign(status="unsolved")).iloc[0]
    return {**found.iloc[0].to_dict(), "label": label}


# What is missed -----------------------------------------------------------------------------------


def test_missed_lags_are_those_of_the_bins_that_miss_the_criterion_weighted_by_errors() -> None:
    bins = {1: (1000, 1.0), 2: (100, 0.995), 4: (100, 0.8), 8: (40, 0.5), 16: (10, 0.5)}
    lags, shares = missed_lags(BRACKETS, scores(BRACKETS, bins))
    found = {int(lag): float(share) for lag, share in zip(lags, shares[0], strict=True) if share}
    # 20, 20 and 5 errors, spread over the lags 4 6, 8 .. 14, and 16 18 .. 30
    expected = {**dict.fromkeys((4, 6), 10), **dict.fromkeys((8, 10, 12, 14), 5)}
    expected |= dict.fromkeys(range(16, 31, 2), 5 / 8)
    assert found == pytest.approx({lag: n / 45 for lag, n in expected.items()})


def test_a_network_that_misses_no_bin_is_judged_on_the_errors_it_makes_or_on_all_bins_alike() -> (
    None
):
    lags, shares = missed_lags(BRACKETS, scores(BRACKETS, {1: (100, 1.0), 2: (1000, 0.992)}))
    assert dict(zip(lags, shares[0], strict=True)) == pytest.approx({0: 0, 2: 1})
    lags, shares = missed_lags(BRACKETS, scores(BRACKETS, {1: (900, 1.0), 2: (10, 1.0)}))
    assert dict(zip(lags, shares[0], strict=True)) == pytest.approx({0: 0.5, 2: 0.5})


def test_squared_errors_weigh_as_they_are() -> None:
    task = tasks()["adding"](length=10)
    bins = {5: (50, 0.005), 6: (100, 0.02), 9: (50, 0.12)}
    lags, shares = missed_lags(task, scores(task, bins))
    assert dict(zip(lags, shares[0], strict=True)) == pytest.approx({5: 0, 6: 0.25, 9: 0.75})


def test_copy_has_its_one_lag_and_text_none() -> None:
    task = tasks()["copy"](length=4, payload=3)
    lags, shares = missed_lags(task, scores(task, {0: (30, 0.4)}))
    assert (lags.tolist(), shares.tolist()) == ([7], [[1.0]])


@pytest.mark.parametrize("name", ["brackets", "adding", "temporal_order"])
@pytest.mark.parametrize("length", [8, 40, 90])
def test_a_bins_lags_are_those_that_its_sequences_have(name: str, length: int) -> None:
    """Counted from the inputs: every lag of a bin occurs, and none outside of it."""
    task = tasks()[name](length=length)
    batch = task.sample(np.random.default_rng(0), 4000)
    lags: dict[int, set[int]] = {}
    for bin_, lag in zip(*_lags(task, batch), strict=True):
        lags.setdefault(int(bin_), set()).add(int(lag))
    assert lags
    for bin_, found in lags.items():
        expected = set(task.lags_of(bin_))
        # the longest distances of brackets are rare
        assert found == expected if name != "brackets" else found <= expected


def _lags(task: Task, batch: Any) -> tuple[np.ndarray, np.ndarray]:
    """Bins and lags of scored positions, from the inputs alone."""
    bins = batch.groups[task.lag_group]
    if task.name == "adding":
        return bins[0], task.steps - 1 - batch.inputs[:, :, 1].argmax(0)
    if task.name == "temporal_order":
        return bins[0], task.steps - 1 - (batch.inputs < 2).argmax(0)
    found = []
    for b in range(300):
        stack: list[int] = []
        for t in range(task.steps):
            if t and batch.inputs[t, b] < 2:  # an opening, read at step t
                stack.append(t)
            elif t:
                stack.pop()
            if bins[t, b] > 0:  # what is predicted at step t closes
                found.append((bins[t, b], t - stack[-1]))
    return np.array(found)[:, 0], np.array(found)[:, 1]


def test_a_weighted_median_holds_half_of_the_weight() -> None:
    values = np.array([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [math.nan, 1.0, 2.0]])
    weights = np.array([[0.5, 0.2, 0.3], [0.6, 0.2, 0.2], [0.6, 0.2, 0.2]])
    found = weighted_median(values, weights)
    assert found[:2].tolist() == [2.0, 3.0]
    assert math.isnan(found[2])
    assert math.isnan(weighted_median(values[:1], 0 * weights[:1])[0])
    assert math.isnan(weighted_median(values[:1, :0], weights[:1, :0])[0])


# The causes ---------------------------------------------------------------------------------------

MISSES_FROM_4 = {1: (1000, 1.0), 2: (500, 0.995), 4: (200, 0.8), 8: (100, 0.6), 16: (50, 0.5)}


@pytest.mark.parametrize(
    ("reach", "beyond", "label"),
    [(1, 105, "truncated"), (4, 85, "truncated"), (9, 55, "truncated"), (19, 18.75, "plateau")],
)  # K = 2, 5, 10, 20
def test_brackets_that_miss_distances_beyond_reach_are_truncated(
    reach: int, beyond: float, label: str
) -> None:
    """Their shortest lag is 0, whatever K. Of 105 errors 40 are at lags 4 and 6, 40 at 8 to 14 and
    25 at 16 to 30, spread evenly: a reach of 9 holds 10 of those at 8 to 14.
    """
    lags, shares = missed_lags(BRACKETS, scores(BRACKETS, MISSES_FROM_4))
    assert 105 * shares[0, lags > reach].sum() == pytest.approx(beyond)
    found = why(BRACKETS, MISSES_FROM_4, reach)
    assert (found["truncated"], found["label"]) == (label == "truncated", label)


def test_missing_what_is_within_reach_is_not_truncation() -> None:
    bins = {1: (1000, 0.7), 2: (500, 0.7), 16: (20, 0.5)}
    found = why(BRACKETS, bins, 9)
    assert (found["truncated"], found["label"]) == (False, "plateau")


def test_no_signal_at_any_point_of_the_curve_is_vanishing_and_an_early_one_is_not() -> None:
    task = tasks()["copy"](length=18, payload=2)
    missed = {0: (400, 0.4)}
    below, above = 0.5 * VANISHING, 2 * VANISHING
    assert why(task, missed, 39, lambda lag: below)["label"] == "vanishing"
    assert why(task, missed, 39, lambda lag: above)["label"] == "plateau"
    # what counts is the signal at the missed lag
    assert why(task, missed, 39, lambda lag: below if lag == 20 else 1.0)["label"] == "vanishing"
    assert why(task, missed, 39, lambda lag: above if lag == 20 else 0.0)["label"] == "plateau"
    # out of reach it is truncated, whatever its signal
    found = why(task, missed, 4, lambda lag: below)
    assert (found["vanishing"], found["label"]) == (False, "truncated")


def test_signal_is_asked_for_where_something_is_missed_within_reach() -> None:
    """Brackets that miss lags 4 to 6 (40 errors), 8 to 14 (40) and 16 to 30 (25): at full depth
    half of it are 52.5 errors, so the lag 10 decides.
    """
    assert why(BRACKETS, MISSES_FROM_4, 39, lambda lag: 1.0 if lag < 12 else 0.0)["vanishing"] is (
        False
    )
    assert why(BRACKETS, MISSES_FROM_4, 39, lambda lag: 1.0 if lag < 8 else 0.0)["vanishing"]
    # a reach of 9 holds 40 errors at lags 4 and 6, and 10 at lag 8
    assert not why(BRACKETS, MISSES_FROM_4, 9, lambda lag: 1.0 if lag < 8 else 0.0)["vanishing"]


@pytest.mark.parametrize(
    ("measured", "label"),
    [
        ({"clipped": 0.51, "improved": 9.0}, "clipped"),
        ({"clipped": 0.5, "improved": 1.97}, "still learning"),
        ({"clipped": 0.0, "improved": 1.96}, "plateau"),
        ({"improved": -9.0}, "plateau"),
        ({"improved": math.nan}, "plateau"),
        ({"improved": math.inf}, "still learning"),
    ],
)
def test_within_reach_and_with_signal(measured: dict[str, float], label: str) -> None:
    task = tasks()["copy"](length=18, payload=2)
    assert why(task, {0: (400, 0.4)}, 39, **measured)["label"] == label


def test_what_cannot_be_asked_for_is_missing() -> None:
    status = np.array(["diverged", "untrained", "unsolved", "solved"])
    none = np.full(4, math.nan)
    found = causes(status, none, none, np.ones(4), np.array([9.0, 9.0, 9.0, 0.0]))
    assert found["still_learning"].tolist() == [pd.NA, pd.NA, True, False]
    assert found.drop(columns="still_learning").isna().all(axis=None)
    labels = failure(found.assign(status=status))
    assert labels.tolist() == ["diverged", "none", "still learning", "none"]


# Improvement --------------------------------------------------------------------------------------


def test_improvement_is_the_paired_t_of_sequences() -> None:
    """With one position a sequence it is the mean difference over its standard error."""
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 50)), rng.random((2, 50))
    ones = np.ones(50, np.int64)
    gain = before - after
    expected = gain.mean(1) / (gain.std(1, ddof=1) / math.sqrt(50))
    assert improvement(before, after, ones, "mse") == pytest.approx(expected)
    assert improvement(before, after, ones, "accuracy") == pytest.approx(-expected)


@pytest.mark.slow
def test_chance_improves_beyond_the_limit_as_often_as_it_should() -> None:
    """Sequences of 1 to 8 positions, judged twice by coins: one-sided 2.5 % beyond 1.96."""
    rng = np.random.default_rng(1)
    count = rng.integers(1, 9, 200)
    before, after = (rng.binomial(count, 0.8, (20_000, 200)).astype(float) for _ in range(2))
    share = (improvement(before, after, count, "accuracy") > 1.96).mean()
    assert share == pytest.approx(0.025, abs=0.004)


def test_the_ends_of_improvement() -> None:
    ones = np.ones(3, np.int64)
    assert improvement(np.ones((1, 3)), np.ones((1, 3)), ones, "accuracy").tolist() == [0]
    assert improvement(np.zeros((1, 3)), np.ones((1, 3)), ones, "accuracy").tolist() == [math.inf]
    assert np.isnan(improvement(np.zeros((1, 1)), np.ones((1, 1)), ones[:1], "accuracy")).all()


# In training --------------------------------------------------------------------------------------


def summary(**axes: Any) -> pd.DataFrame:
    small = {"hidden": 16, "batch": 10, "updates": 40, "points": 4, "eval_size": 100}
    (job,) = expand("x", "s", {**small, "optimizer": "adam", "lr": 0.01, **axes}, "here").jobs
    return train(job).summary


def test_brackets_with_k_2_are_truncated_and_a_dead_start_vanishes() -> None:
    cut = summary(task="brackets", length=20, mode="chunked", K=2).iloc[0]
    assert (cut["reach"], cut["lag_min"], cut["failure"]) == (1, 0, "truncated")
    assert cut["missed_beyond"] == 1
    assert math.isnan(cut["signal_max"])
    dead = summary(task="copy", length=20, payload=1, gain=0.1, lr=1e-5).iloc[0]
    assert (dead["failure"], dead["missed_beyond"]) == ("vanishing", 0)
    assert dead["signal_start"] <= dead["signal_max"] < VANISHING


@pytest.mark.slow
def test_text_has_no_cause_but_that_it_still_learns() -> None:
    text = {"task": "text", "window": 8, "hidden": 8, "eval_size": 40}
    learning = summary(**text).iloc[0]
    assert learning["failure"] == "still learning"
    still = summary(**text, lr=0.0).iloc[0]
    assert (still["failure"], still["improvement"]) == ("not applicable", 0)
    assert pd.isna(still[["truncated", "vanishing", "clipped", "plateau"]]).all()
    assert pd.isna(still[["missed_beyond", "signal_max"]]).all()


@pytest.mark.parametrize("points", [4, 3])
def test_the_signal_is_the_largest_of_all_points(
    points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the last quarter begins between two points."""
    seen: list[np.ndarray] = []
    measure = Trainer.signal

    def spy(trainer: Trainer) -> np.ndarray:
        seen.append(measure(trainer))
        return seen[-1]

    monkeypatch.setattr(Trainer, "signal", spy)
    made = summary(task="copy", length=6, payload=2, points=points, gain=[0.5, 1.0])
    assert len(seen) == points + 1
    at_lag = np.stack(seen)[:, :2, 8]
    assert made["signal_max"].tolist() == at_lag.max(0).tolist()
    assert made["signal_start"].tolist() == at_lag[0].tolist()
    assert made["signal_end"].tolist() == at_lag[-1].tolist()


def test_the_signal_is_of_sequences_whose_last_step_is_scored() -> None:
    job = Job(task=BRACKETS, K=40, batch=7, eval_size=50)
    judges = Evaluators(job)
    chosen = judges.signal
    assert chosen.size == SIGNAL
    assert chosen.mask is not None
    assert chosen.mask[-1].all()
    assert not all(batch.mask[-1].all() for batch in judges.check.batches if batch.mask is not None)
    few = Evaluators(Job(task=BRACKETS, K=40, batch=3, eval_size=3)).signal
    assert few.size == 3


def test_a_random_phase_reaches_as_far_as_its_best_phase() -> None:
    task = tasks()["adding"](length=30)
    reach = {
        align: Job(task=task, mode="chunked", K=20, align=align).reach
        for align in ("end", "start", "random")
    }
    assert reach == {"end": 19, "start": 9, "random": 19}
