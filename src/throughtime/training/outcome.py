"""From a trained block to rows of the tables: status, labels of failure, final numbers. Everything
measured, nothing guessed.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from throughtime.engine.sizes import size
from throughtime.planning.axes import Job
from throughtime.planning.plan import PlannedJob
from throughtime.results import tables
from throughtime.results.identity import identity
from throughtime.training.checkpoints import CheckpointStore
from throughtime.training.trainer import Trainer

VANISHING = (
    1e-2  # a signal at the dependency's lag below this fraction of the signal at lag 1 has vanished
)
# a run clipped at more than this share of its updates has exploding gradients for its threshold
EXPLODING = 0.5

Floats = NDArray[np.float64]


def label(
    job: Job, status: NDArray[np.str_], clipped: Floats, start: Floats, end: Floats
) -> pd.DataFrame:
    """How runs failed: vanishing, exploding, truncated, and the first that holds as ``failure``.

    Args:
        job: says whether every dependency is out of reach of its truncation.
        status: (G) one of tables.STATUSES.
        clipped: (G) share of clipped updates.
        start, end: (G) gradient signal at the dependency's lag over that at lag 1; ``end`` may be
            NaN.
    """
    failed, diverged = np.isin(status, ("unsolved", "diverged")), status == "diverged"
    vanishing = failed & (np.fmin(start, end) < VANISHING)
    exploding = diverged | (failed & (clipped > EXPLODING))
    truncated = failed & bool(job.task.lags and job.reach < job.task.lags[0])
    conditions = [~failed, diverged, truncated, vanishing, exploding]
    failure = np.select(
        conditions, ["none", "exploding", "truncated", "vanishing", "exploding"], "other"
    )
    return pd.DataFrame(
        {"vanishing": vanishing, "exploding": exploding, "truncated": truncated, "failure": failure}
    )


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
    radius_start, signal_start = block.radius(), block.signal()
    block.history.point(0, radius=radius_start)
    block.train(keeper)
    dead = block.diverged_at > 0

    def alive(values: Floats) -> Floats:
        return np.where(dead, math.nan, values)

    radius_end, signal_end = alive(block.radius()), alive(block.signal())
    if job.updates:
        block.history.point(job.updates, radius=radius_end)
    breakdown, final, final_loss = judge(block, keys)
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
        signal_start=signal_start,
        signal_end=signal_end,
        parameters=size(block.shapes),
        tokens=done * job.batch * job.steps,
    )
    for column in ("diverged_at", "first_solved_at"):
        summary[column] = summary[column].mask(summary[column] == 0)
    labels = label(job, status, clipped, signal_start, signal_end)
    summary = pd.concat([summary, labels], axis=1)
    curves = block.history.frame(keys, np.where(dead, block.diverged_at, np.iinfo(np.int64).max))
    return tables.conform(summary, "summary"), curves, breakdown, probed(block, keys)


def probed(block: Trainer, keys: list[str]) -> pd.DataFrame:
    """The probes table: what ``block`` measured, each row under its network's key."""
    if not block.measured:
        return tables.empty("probes")
    found = pd.concat(block.measured, ignore_index=True)
    return tables.conform(
        found.assign(run_key=np.array(keys)[found["row"]]).drop(columns="row"), "probes"
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


def judge(block: Trainer, keys: list[str]) -> tuple[pd.DataFrame, Floats, Floats]:
    """The breakdown table, and measure and loss (G) on fresh sequences of the training length; NaN
    for rows that have diverged.
    """
    alive = block.diverged_at == 0
    parts, final, final_loss = [], np.full(len(keys), math.nan), np.full(len(keys), math.nan)
    for data, judge in block.judges.final.items():
        scores = block.scores(judge, block.variant_program(judge.task))
        if data == "train":
            final, final_loss = (
                np.where(alive, scores.measure(), math.nan),
                np.where(alive, scores.loss, math.nan),
            )
        for by, bin_ in scores.groups():
            part = pd.DataFrame({"run_key": keys, "value": scores.measure((by, bin_))})
            part = part.assign(
                data=data, by=by, bin=bin_, n=scores.count[by, bin_], measure=judge.task.measure
            )
            parts.append(part[alive])
    return tables.conform(pd.concat(parts, ignore_index=True), "breakdown"), final, final_loss
