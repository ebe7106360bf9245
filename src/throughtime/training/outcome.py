"""From a trained block to rows of the tables: status, labels of failure, final numbers. Everything
measured, nothing guessed.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from throughtime.engine.sizes import size
from throughtime.planning.plan import PlannedJob
from throughtime.results import tables
from throughtime.results.causes import CAUSES, failure
from throughtime.results.identity import identity
from throughtime.tasks import Task
from throughtime.training.checkpoints import CheckpointStore
from throughtime.training.evaluation import Scores
from throughtime.training.trainer import Trainer

# What is missed has had no signal where the signal at its lag, relative to lag 1, was below this at
# every point of the curve.
VANISHING = 1e-2
CLIPPED = 0.5  # a run is clipped where clipping changed more than this share of its updates
BEYOND = 0.5  # and truncated where at least this share of what it misses is out of reach
IMPROVED = 1.96  # standard errors by which a measure that still improves has improved (95 %)

Floats = NDArray[np.float64]


def missed_lags(task: Task, scores: Scores) -> tuple[NDArray[np.int64], Floats]:
    """Which lags (L, steps) networks miss, and how much of what each misses lies there, (G, L) with
    a sum of 1; no lags where the task has none.

    A bin of the task's ``lag_group`` is missed where the measure in it fails the task's criterion.
    It counts by its errors (wrong answers, or the sum of squared errors), so that a bin of few
    cases weighs little; they are spread evenly over the bin's lags. Of a network that misses no
    bin, as solved ones do, the errors of all bins count, and where it makes none all bins alike: a
    label can be tried on it too.
    """
    by = task.lag_group or "all"
    bins = [group for group in scores.groups() if group[0] == by and task.lags_of(group[1])]
    if not bins or not task.lags:
        return np.zeros(0, np.int64), np.zeros((len(scores.loss), 0))
    values = np.stack([scores.measure(group) for group in bins], 1)
    count = np.array([scores.count[group] for group in bins])
    errors = count * (1 - values if task.measure == "accuracy" else values)
    missed = ~np.vectorize(task.solved, otypes=[bool])(values)
    own = np.where(missed.any(1, keepdims=True), errors * missed, errors)
    own = np.where(own.sum(1, keepdims=True) > 0, own, 1.0)
    ranges = [task.lags_of(bin_) for _, bin_ in bins]
    shares = np.concatenate(
        [np.tile(own[:, [i]] / len(lags), len(lags)) for i, lags in enumerate(ranges)], 1
    )
    return np.concatenate([list(lags) for lags in ranges]), shares / shares.sum(1, keepdims=True)


def weighted_median(values: Floats, weights: Floats) -> Floats:
    """(G): the smallest of each row's values that holds half of its weight together with those
    below it; NaN where there is no weight.

    >>> weighted_median(np.array([[3.0, 1.0, 2.0]]), np.array([[0.5, 0.2, 0.3]]))
    array([2.])
    """
    if not values.shape[1]:
        return np.full(len(values), math.nan)
    order = np.argsort(values, 1, kind="stable")  # NaN last
    below = np.take_along_axis(weights, order, 1).cumsum(1)
    place = (below >= 0.5 * below[:, -1:] * (1 - 1e-12)).argmax(1)  # .5 of a sum of rounded parts
    median = np.take_along_axis(values, np.take_along_axis(order, place[:, None], 1), 1)[:, 0]
    return np.where(below[:, -1] > 0, median, math.nan)


def missed_signal(lags: NDArray[np.int64], shares: Floats, signal: Floats, reach: int) -> Floats:
    """(G): the largest signal of training at what is missed within reach, its median over that.

    Args:
        lags, shares: of ``missed_lags``.
        signal: (G, T) the largest of training, by lag.
        reach: steps.
    """
    near = lags <= reach
    at = np.minimum(lags[near], signal.shape[1] - 1)
    return weighted_median(signal[:, at], shares[:, near])


def causes(
    status: NDArray[np.str_], beyond: Floats, signal: Floats, clipped: Floats, improved: Floats
) -> pd.DataFrame:
    """The columns of results.causes.CAUSES: which cause holds, whether a network failed or not.

    Missing where a cause cannot be asked for: all of a network that diverged (it is not judged) or
    was not trained, all but ``still_learning`` where the task has no lags.

    Args:
        status: (G) one of tables.STATUSES.
        beyond: (G) share of what is missed that lies beyond reach; NaN where there are no lags.
        signal: (G) of ``missed_signal``; NaN where nothing is missed within reach.
        clipped: (G) share of clipped updates.
        improved: (G) standard errors, of evaluation.improvement.
    """
    judged = np.isin(status, ("solved", "unsolved"))
    lagged = judged & ~np.isnan(beyond)
    holds = {
        "truncated": beyond >= BEYOND,
        "vanishing": signal < VANISHING,
        "clipped": clipped > CLIPPED,
        "still_learning": improved > IMPROVED,
    }
    holds["plateau"] = ~np.any(list(holds.values()), 0)
    asked = {name: judged if name == "still_learning" else lagged for name in holds}
    return pd.DataFrame(
        {n: pd.array(v, "boolean") for n, v in holds.items()}, columns=list(CAUSES)
    ).where(pd.DataFrame(asked))


def _middle(values: Floats, reduce: str) -> Floats:
    """Median or maximum over updates (axis 0) of what is finite; NaN where nothing is."""
    result = np.full(values.shape[1], math.nan)
    for i, column in enumerate(values.T):
        kept = column[np.isfinite(column)]
        if kept.size:
            result[i] = np.median(kept) if reduce == "median" else kept.max()
    return result


def train_block(
    planned: PlannedJob,
    rows: pd.DataFrame,
    keys: list[str],
    block: Trainer,
    keeper: CheckpointStore | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Train ``block`` and return its summary, curves, breakdown and probes, each conforming to its
    schema.
    """
    job, task = planned.job, planned.job.task
    radius_start = block.radius()
    block.history.point(0, radius=radius_start)
    block.train(keeper)
    dead = block.diverged_at > 0

    def alive(values: Floats) -> Floats:
        return np.where(dead, math.nan, values)

    radius_end = alive(block.radius())
    if job.updates:
        block.history.point(job.updates, radius=radius_end)
    breakdown, own = judge(block, keys)
    final, final_loss = alive(own.measure()), alive(own.loss)
    done = np.where(dead, block.diverged_at - 1, job.updates)
    norm = np.stack(block.history.norm) if block.history.norm else np.zeros((0, len(rows)))
    clipped = (
        np.sum(block.history.clipped, axis=0) / np.maximum(done, 1)
        if block.history.clipped
        else np.zeros(len(rows))
    )
    untrained = np.full(len(rows), job.updates == 0)
    solved = [task.solved(v) for v in final]
    status = np.select([dead, untrained, solved], ["diverged", "untrained", "solved"], "unsolved")
    lags, missed = missed_lags(task, own)
    beyond = (
        alive(missed[:, lags > job.reach].sum(1)) if len(lags) else np.full(len(rows), math.nan)
    )
    signal_max = alive(missed_signal(lags, missed, block.signal_max, job.reach))
    improved = alive(block.improvement())
    summary = identity(planned, rows, keys).assign(
        status=status,
        diverged_at=pd.array(block.diverged_at, "Int64").astype("Int64"),
        first_solved_at=pd.array(block.solved_at, "Int64"),
        measure=task.measure,
        final=final,
        chance=task.chance,
        final_loss=final_loss,
        train_loss=train_loss(block),
        grad_norm=_middle(norm, "median"),
        grad_norm_max=_middle(norm, "max"),
        clipped_share=clipped,
        reach=job.reach,
        radius_start=radius_start,
        radius_end=radius_end,
        signal_start=block.signal_start,
        signal_end=alive(block.signal_end),
        signal_max=signal_max,
        missed_beyond=beyond,
        improvement=improved,
        parameters=size(block.shapes),
        tokens=job.batch * task.steps_read(done),
    )
    for column in ("diverged_at", "first_solved_at"):
        summary[column] = summary[column].mask(summary[column] == 0)
    summary = pd.concat([summary, causes(status, beyond, signal_max, clipped, improved)], axis=1)
    summary["failure"] = failure(summary)
    curves = block.history.frame(keys, np.where(dead, block.diverged_at, np.iinfo(np.int64).max))
    return tables.conform(summary, "summary"), curves, breakdown, probed(block, keys)


def probed(block: Trainer, keys: list[str]) -> pd.DataFrame:
    """The probes table: what ``block`` measured, each row under its network's key."""
    if not block.measured:
        return tables.empty("probes")
    measured = pd.concat(block.measured, ignore_index=True)
    return tables.conform(
        measured.assign(run_key=np.array(keys)[measured["row"]]).drop(columns="row"), "probes"
    )


def train_loss(block: Trainer) -> Floats:
    """(G) mean training loss since the last point of the curve; the last finite loss where a row
    has diverged.
    """
    history, updates, points = block.history.loss, block.job.updates, block.job.points
    if not history:
        return np.full(len(block.rows), math.nan)
    since = round(updates * (points - 1) / points) if points > 1 else 0
    mean = np.stack(history[min(since, updates - 1) :]).mean(0)
    return np.where(block.diverged_at > 0, block.last_loss, mean)


def judge(block: Trainer, keys: list[str]) -> tuple[pd.DataFrame, Scores]:
    """The breakdown table, without rows that have diverged, and the scores on fresh sequences of
    the training length.
    """
    alive = block.diverged_at == 0
    names, scores_by_data = np.array(keys)[alive], {}
    values: list[Floats] = []
    bins: list[tuple[str, str, int, int, str]] = []
    for data, judge in block.judges.final.items():
        scores = scores_by_data[data] = block.scores(judge, block.variant_program(judge.task))
        for group in scores.groups():
            values.append(scores.measure(group)[alive])
            bins.append((data, *group, scores.count[group], judge.task.measure))
    columns = dict(zip(("data", "by", "bin", "n", "measure"), zip(*bins, strict=True), strict=True))
    breakdown = pd.DataFrame(
        {
            "run_key": np.tile(names, len(bins)),
            "value": np.concatenate(values),
            **{name: np.repeat(column, len(names)) for name, column in columns.items()},
        }
    )
    return tables.conform(breakdown, "breakdown"), scores_by_data["train"]
