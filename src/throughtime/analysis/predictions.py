"""Mean field theory beside the networks of a table: what it says of each row's task, gain and input
gain.
"""

import json
import math
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from throughtime.analysis import lines
from throughtime.tasks import tasks
from throughtime.theory import correlation, drives, gradients, mean_field, varying


@cache
def drive(task: str, task_args: str, input_gain: float = 1.0) -> drives.Drive:
    """The drive of a task as tables name it.

    >>> drive("copy", '{"alphabet":4,"length":18,"payload":2}')
    Drive(s=0.16666666666666666, rho=1.0)
    """
    return drives.of_task(tasks()[task](**json.loads(task_args)), input_gain)


@cache
def varying_drive(
    task: str, task_args: str, input_gain: float = 1.0
) -> varying.VaryingDrive | None:
    """The distribution of a task's drive where it differs from step to step; None: it is constant.

    >>> varying_drive("copy", '{"alphabet":4,"length":18,"payload":2}') is None
    True
    """
    if task != "adding":
        return None
    return varying.adding(tasks()[task](**json.loads(task_args)).steps, input_gain)


@cache
def critical_gain(task: str, task_args: str, input_gain: float = 1.0) -> float:
    """The gain at which theory's gradients neither vanish nor explode."""
    if spread := varying_drive(task, task_args, input_gain):
        return varying.critical_sigma_w(spread)
    return mean_field.critical_sigma_w(drive(task, task_args, input_gain).s)


@cache
def memory(task: str, task_args: str, input_gain: float, gain: float) -> float:
    """xi_c in steps, infinite where it is not finite in floating point; NaN where the task's
    sequences have no one correlation.
    """
    if spread := varying_drive(task, task_args, input_gain):
        return varying.xi_c(gain, spread)
    d = drive(task, task_args, input_gain)
    return math.nan if d.rho is None else correlation.xi_c(gain, d.s, d.rho)


@cache
def curve(
    task: str, task_args: str, input_gain: float, gain: float, steps: int
) -> NDArray[np.float64]:
    """(steps,): ln of the gradient's norm at lag 0..T-1 over that at lag 0, the transient from h_0
    = 0 included.
    """
    if spread := varying_drive(task, task_args, input_gain):
        return varying.log_norm_by_lag(gain, spread, steps)
    return gradients.log_norm_by_lag(gain, drive(task, task_args, input_gain).s, steps)


@cache
def curve_slope(task: str, task_args: str, input_gain: float, gain: float, steps: int) -> float:
    """The slope of a straight line through ``curve``, nats per step: to hold against the same of a
    measured one.
    """
    return lines.line(np.arange(steps), curve(task, task_args, input_gain, gain, steps)).slope


def slopes(rows: pd.DataFrame) -> pd.DataFrame:
    """The slope over lag of measured log norms beside theory's.

    Args:
        rows: of Results.probe, a row a network and lag.

    Returns:
        A row a network: run_key, task, task_args, init, gain, input_gain, steps, seed; ``slope``
        measured, ``theory`` of ``curve``, ``off`` their difference, nats per step.
    """
    kept = ["run_key", "task", "task_args", "init", "gain", "input_gain", "steps", "seed"]
    slopes_by_group = []
    for key, group in rows.groupby(kept):
        row = dict(zip(kept, key, strict=True))
        theory = curve_slope(
            row["task"], row["task_args"], row["input_gain"], row["gain"], row["steps"]
        )
        slopes_by_group.append(
            {**row, "slope": lines.line(group["index"], group["value"]).slope, "theory": theory}
        )
    table = pd.DataFrame(slopes_by_group, columns=[*kept, "slope", "theory"]).astype(
        {"slope": float, "theory": float}
    )
    return table.assign(off=table["slope"] - table["theory"])
