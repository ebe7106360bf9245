"""The columns by which tables name a network."""

import math

import pandas as pd

from throughtime.planning.axes import ROW_AXES
from throughtime.planning.plan import PlannedJob
from throughtime.results import tables


def identity(planned: PlannedJob, rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The IDENTITY columns of some rows of a planned job."""
    job, task = planned.job, planned.job.task
    lags = task.lags or (pd.NA, pd.NA)
    columns = {c.name for c in tables.IDENTITY}
    fields = {name: value for name, value in job.named().items() if name in columns}
    fields |= {
        "job_key": planned.key,
        "experiment": planned.experiment,
        "sweep": planned.sweep,
        "task": task.name,
        "task_args": task.args,
        "length": getattr(task, "length", pd.NA),
        "steps": job.steps,
        "lag_min": lags[0],
        "lag_max": lags[1],
        "lag_mean": math.nan if task.mean_lag is None else task.mean_lag,
        "device": planned.device,
        "engine": job.kernel if planned.device == "cpu" else "torch",
    }
    own = {str(name): values for name, values in rows[list(ROW_AXES)].items()}
    return pd.DataFrame(own | {"run_key": keys} | fields, index=rows.index)
