"""What MLflow is to hold, as plain values: tables -> one record per network, one per grid point.
Imports no mlflow.

Columns keep their names: those of tables.IDENTITY become parameters, the numbers of tables.SUMMARY
final metrics, the curves metrics under ``curves/``. The parameters of components are parameters by
their own names (``forget_bias``) instead of JSON. Added for the UI's sake are:

- ``axis/NAME``, metrics: the axes that vary and are numbers, because MLflow's parameters are text,
  which neither sorts nor filters as numbers (``metrics."axis/K" < 10``). ``axis/lag`` is lag_max;
- ``clipping``, kind and threshold in one word;
- ``solved`` and ``diverged`` as 0 or 1 (their mean over a group is a rate), and ``diverged_step``,
  the table's ``diverged_at``;
- the tag ``grid_point``, which the networks of a grid point share, and which companion tables and
  the report filter by.

K of mode full is the parameter ``full`` and no ``axis/K``: among numbers it would be one more K,
another for every length. A threshold of infinity is the parameter ``none`` and no ``axis/clip``.
NaN and infinity are left out of metrics: MLflow shows neither.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from throughtime.analysis.grid_points import grid_point_key, text
from throughtime.analysis.stats import trained, wilson
from throughtime.core.component import Component
from throughtime.core.hashing import digest
from throughtime.planning.axes import Job, Row
from throughtime.planning.plan import Plan
from throughtime.results import tables
from throughtime.results.causes import CAUSES, FAILED, LABELS
from throughtime.results.parameters import ARGS, parameter_columns, parameter_names

LAYOUT = 5  # raise it when a record's content changes its meaning: every run is then written anew
TAGS = ("run_key", "job_key", "experiment", "status", "failure", "measure")
PARAMS = tuple(c.name for c in tables.IDENTITY if c.name not in (*TAGS, *ARGS[1:]))
METRICS = tuple(
    c.name for c in tables.SUMMARY if c.name not in (*PARAMS, *ARGS, *TAGS, "diverged_at")
)
GRID_POINT_METRICS = (
    "final",
    "final_loss",
    "train_loss",
    "grad_norm",
    "clipped_share",
    "radius_end",
    "signal_start",
    "signal_end",
    "signal_max",
)
NAMED = (
    "task",
    *ARGS,
    "length",
    "steps",
    "lag_min",
    "cell",
    "experiment",
    "clip_kind",
)  # in every name, or said by other columns
AXIS = "axis/"


@dataclass(frozen=True, eq=False)
class Record:
    """One MLflow run.

    Attributes:
        key: what it is about, unique in its MLflow experiment.
        name: what the UI calls it.
        params, metrics, tags: as MLflow shows them; metrics are finite.
        curves: (metric, step, value), finite.
        dataset: the task and its parameters; None for what is no training.
        span: start and end, milliseconds since 1970; no part of the content.
        status: as MLflow shows a run that ended: FAILED where a network diverged.
        files: artifact path -> content.
    """

    key: str
    name: str
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    curves: list[tuple[str, int, float]] = field(default_factory=list)
    dataset: dict[str, Any] | None = None
    span: tuple[int, int] = (0, 0)
    files: dict[str, bytes] = field(default_factory=dict)
    status: Literal["FINISHED", "FAILED"] = "FINISHED"

    @property
    def sha(self) -> str:
        """Digest of the content: a run whose tag ``content_sha`` says the same is up to date."""
        files = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        content = [
            LAYOUT,
            self.key,
            self.name,
            self.params,
            self.metrics,
            self.tags,
            self.curves,
            self.dataset,
            files,
            self.status,
        ]
        return digest(content, 32)


@dataclass(frozen=True)
class Provenance:
    """How a job's tables came to be: digest of the code, and start and end of one network's share
    of its time, ms since 1970.
    """

    code: str
    span: tuple[int, int]


def _params(row: Mapping[Any, Any], parameters: list[str]) -> dict[str, str]:
    shown = {name: text(row[name]) for name in (*PARAMS, *parameters) if name in row}
    shown["clipping"] = (
        "none" if row["clip_kind"] == "none" else f"{row['clip_kind']} {text(row['clip'])}"
    )
    if row["mode"] == "full":
        shown["K"] = "full"
    return {name: value for name, value in shown.items() if value is not None}


def axis(name: str) -> str:
    """The metric that repeats an axis as a number.

    >>> axis("K"), axis("lag_max")
    ('axis/K', 'axis/lag')
    """
    return AXIS + ("lag" if name == "lag_max" else name)


def _axes(row: Mapping[Any, Any], differing: list[str]) -> dict[str, Any]:
    """The axes that vary, as far as they are numbers in this row; names and flags are none."""
    values = {name: row.get(name) for name in differing}
    return {
        axis(name): value
        for name, value in values.items()
        if isinstance(value, int | float | np.integer | np.floating)
        and not isinstance(value, bool)
        and not (name == "K" and row["mode"] == "full")
    }


def _finite(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(v) for name, v in values.items() if not pd.isna(v) and math.isfinite(v)}


def _dataset(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {"task": row["task"], "args": json.loads(row["task_args"]), "steps": int(row["steps"])}


def _base(row: Mapping[Any, Any]) -> str:
    lag = "" if pd.isna(row["lag_max"]) else f"-lag{row['lag_max']}"
    return f"{row['task']}-{row['cell']}{lag}"


def varying(plan: Plan, experiment: str) -> list[str]:
    """The columns, besides task and cell, in which grid points of one and the same task differ:
    those of tables.GRID_POINT in their order, then the parameters of components by the names of
    results.parameters. The length is one of them where a task has no fixed lag; K is where it
    differs among jobs that truncate, or only some do.

    Read off the plan, not off the tables, so that a half-finished sweep names its grid points as
    the finished one does.
    """
    jobs = plan.select(experiment).jobs
    own = parameter_names(
        (kind, name)
        for planned in jobs
        for kind, component in _components(planned.job).items()
        for name in component.parameters()
    )
    names = [name for name in tables.GRID_POINT if name not in NAMED]
    seen: dict[tuple[str, str, str], set[str]] = {}
    for planned in jobs:
        task = planned.job.task
        fixed = {"sweep": planned.sweep, **planned.job.named(), "device": planned.device}
        fixed["lag_max"] = task.lags[1] if task.lags else None
        if planned.job.mode == "full":
            fixed["K"] = "full"
        for name in names:
            values = (
                planned.grid[name].astype(str) if name in Row.model_fields else [str(fixed[name])]
            )
            seen.setdefault((name, task.name, ""), set()).update(values)
        if task.lags is None:
            length = str(getattr(task, "length", None))
            seen.setdefault(("length", task.name, ""), set()).add(length)
        for kind, component in _components(planned.job).items():
            for name, value in component.parameters().items():
                if column := own.get((kind, name)):
                    differ = seen.setdefault((column, task.name, component.name), set())
                    differ.add(str(value))
    several = {name for (name, *_), values in seen.items() if len(values) > 1}
    return [name for name in [*names, "length", *own.values()] if name in several]


def _components(job: Job) -> dict[str, Component]:
    return {"task": job.task, **job.components()}


def _words(row: Mapping[Any, Any], differing: list[str]) -> Iterator[str]:
    """A grid point, in words: choices by their value, numbers and parameters with their name. The
    lag is said before, and a K of ``full`` says no more than the mode.
    """
    for name in differing:
        value = text(row.get(name))
        if value is None or name == "lag_max" or (name == "K" and row["mode"] == "full"):
            continue
        if isinstance(row[name], str) and name in tables.GRID_POINT:
            yield value
        elif value not in ("true", "false") or name not in tables.GRID_POINT:
            yield f"{name}={value}"
        elif value == "true":
            yield name


def networks(
    summary: pd.DataFrame,
    curves: pd.DataFrame,
    differing: list[str],
    preset: str,
    provenance: dict[str, Provenance],
) -> Iterator[Record]:
    """One record per row of ``summary``.

    Args:
        summary, curves: the tables of one experiment.
        differing: the columns that a run's name holds, and which are its axes: see ``varying``.
        preset: the name of the preset that asks for them.
        provenance: job key -> when, and by what code.
    """
    lines = {
        key: list(
            zip("curves/" + g["metric"], g["step"].tolist(), g["value"].tolist(), strict=True)
        )
        for key, g in _by_run(curves)
    }
    own = parameter_columns(summary, only_varying=False)
    for row in summary.join(own).to_dict("records"):
        job = provenance[row["job_key"]]
        diverged = row["status"] == "diverged"
        flags = {"diverged_step": row["diverged_at"]}
        if row["status"] != "untrained":
            flags |= {"solved": row["status"] == "solved", "diverged": diverged}
        yield Record(
            key=row["run_key"],
            name=" ".join([_base(row), *_words(row, differing), f"seed={row['seed']}"]),
            status="FAILED" if diverged else "FINISHED",
            params=_params(row, list(own.columns)),
            metrics=_finite({name: row[name] for name in METRICS} | flags | _axes(row, differing)),
            tags={name: str(row[name]) for name in TAGS}
            | {
                "preset": preset,
                "grid_point": grid_point_key(row, preset),
                "code_digest": job.code,
            },
            curves=[
                (metric, step, value)
                for metric, step, value in lines.get(row["run_key"], [])
                if math.isfinite(value)
            ],
            dataset=_dataset(row),
            span=job.span,
        )


def _by_run(curves: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for key, group in curves.groupby("run_key", sort=False):
        yield str(key), group


def grid_point_records(
    summary: pd.DataFrame, differing: list[str], preset: str, provenance: dict[str, Provenance]
) -> Iterator[Record]:
    """One record per grid point: n, rates with Wilson's interval, mean and standard deviation (n -
    1) over the seeds; the tag ``failure`` is the commonest cause among those that failed.

    A diverged network counts in every rate; ``NAME_n`` says how many finite values a mean is made
    of where that is not ``n``.
    """
    own = parameter_columns(summary, only_varying=False)
    joined = summary.join(own)
    for _, group in joined.groupby(list(tables.GRID_POINT), sort=False, dropna=False):
        row = group.iloc[0].to_dict()
        jobs = [provenance[key] for key in group["job_key"].unique()]
        code = ", ".join(sorted({job.code for job in jobs}))
        yield Record(
            key=grid_point_key(row, preset),
            name=" ".join([_base(row), *_words(row, differing)]),
            params={
                n: value for n, value in _params(row, list(own.columns)).items() if n != "seed"
            },
            metrics=_finite(_rates(group) | _moments(group) | _axes(row, differing)),
            tags={
                "experiment": row["experiment"],
                "measure": row["measure"],
                "failure": _commonest_failure(group),
                "kind": "grid_point",
                "preset": preset,
                "code_digest": code,
            },
            dataset=_dataset(row),
            span=max(job.span for job in jobs),
        )


def _rates(group: pd.DataFrame) -> dict[str, float]:
    own = trained(group)
    n, solved = len(own), int((own["status"] == "solved").sum())
    counts: dict[str, float] = {"n": n, "untrained": len(group) - n}
    if not n:
        return counts
    low, high = wilson(solved, n)
    rates = {
        "success_rate": solved / n,
        "success_low": float(low),
        "success_high": float(high),
        "diverged_share": float((own["status"] == "diverged").mean()),
    }
    shares = {
        f"{column}_share": float((own["failure"] == label).mean())
        for column, label in CAUSES.items()
    }
    return counts | rates | shares


def _commonest_failure(group: pd.DataFrame) -> str:
    """Of causes that are equally common the first of LABELS; ``none`` where no network failed."""
    counts = group.loc[group["status"].isin(FAILED), "failure"].value_counts()
    return max(LABELS, key=lambda label: counts.get(label, 0)) if len(counts) else "none"


def _moments(group: pd.DataFrame) -> dict[str, float]:
    moments: dict[str, float] = {}
    for name in GRID_POINT_METRICS:
        values = group[name].to_numpy(float)
        values = values[np.isfinite(values)]
        if len(values):
            moments[f"{name}_mean"] = float(values.mean())
        if len(values) > 1:
            moments[f"{name}_std"] = float(values.std(ddof=1))
        if len(values) < len(group):
            moments[f"{name}_n"] = len(values)
    return moments
