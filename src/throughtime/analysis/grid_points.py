"""A figure's companion table: one row per grid point of the networks behind it, with the MLflow
filter that finds exactly those. No mlflow.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from throughtime.analysis.stats import wilson
from throughtime.core.hashing import digest
from throughtime.results import parameters, tables
from throughtime.results.tables import STATUSES

ALWAYS = (
    "experiment",
    "sweep",
    "task",
    "task_args",
    "length",
)  # of a grid point, also where it is the same in all
# What fails, why, what helps: the order in which MLflow lists experiments.
STORY = (
    "atlas",
    "truncation",
    "truncation_bias",
    "clipping",
    "cliff",
    "initialization",
    "gradient_flow",
    "phase",
    "brackets",
    "language",
    "context",
    "successors",
    "capacity",
    "cost",
)
MLFLOW_PREFIX, MLFLOW_NETWORKS = "throughtime/", "-networks"


def text(value: Any) -> str | None:
    """A value as MLflow's table shows it; None: missing.

    >>> text(1.0), text(math.inf), text(False), text(pd.NA)
    ('1', 'none', 'false', None)
    """
    if pd.isna(value):
        return None
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, float):
        return "none" if math.isinf(value) else f"{value:.12g}"
    return str(value)


def grid_point_key(row: Mapping[Any, Any], preset: str) -> str:
    """Names the grid point of a row of the summary: the tag ``grid_point`` of its networks in
    MLflow, the same for all of its seeds.
    """
    return digest({**{name: text(row[name]) for name in tables.GRID_POINT}, "preset": preset}, 16)


def mlflow_page(experiment: str) -> str:
    """The name of the MLflow experiment that shows an experiment: figure, finding, grid points.

    The number makes MLflow's list of experiments follow the story; what is not in it comes last.

    >>> mlflow_page("truncation"), mlflow_page("mine")
    ('throughtime/02-truncation', 'throughtime/mine')
    """
    number = f"{STORY.index(experiment) + 1:02}-" if experiment in STORY else ""
    return f"{MLFLOW_PREFIX}{number}{experiment}"


def mlflow_experiment(experiment: str) -> str:
    """The name of the MLflow experiment that holds an experiment's networks, one run each.

    >>> mlflow_experiment("truncation")
    'throughtime/02-truncation-networks'
    """
    return f"{mlflow_page(experiment)}{MLFLOW_NETWORKS}"


def mlflow_filter(key: str) -> str:
    """The MLflow search string of a grid point's networks, in ``mlflow_experiment`` of the grid
    point's experiment.

    >>> mlflow_filter("0123456789abcdef")
    "tags.grid_point = '0123456789abcdef'"
    """
    return f"tags.grid_point = '{key}'"


def places(summary: pd.DataFrame) -> pd.Series:
    """Each network's grid point as a number, from 0 in order of appearance."""
    return summary.groupby(list(tables.GRID_POINT), sort=False, dropna=False).ngroup()


def tabulate(summary: pd.DataFrame, preset: str) -> pd.DataFrame:
    """One row per grid point, in order of appearance.

    Args:
        summary: of the networks behind a figure; may be of several experiments.
        preset: the name of the preset that asked for them.

    Returns:
        The columns of tables.GRID_POINT in which grid points differ (and always those of ALWAYS),
        and the parameters of components in which they do; n, trained networks; seeds; how many were
        solved, unsolved, diverged, untrained; success_rate (of those trained) with Wilson's
        interval success_low, success_high; frozen_control, where there are some, how many of the
        networks are solved that differ in their frozen recurrent weights alone (if any is, the grid
        point says nothing about training through time); measure; mean, standard deviation (n - 1),
        least and largest final measure over the networks that did not diverge; mlflow_experiment
        and mlflow_filter.
    """
    place = places(summary)
    heads = summary[~place.duplicated()].reset_index(drop=True)
    varying = parameters.parameter_columns(heads)
    names = [
        name
        for name in tables.GRID_POINT
        if name in ALWAYS or (name not in parameters.ARGS and heads[name].nunique(dropna=False) > 1)
    ]
    counts = {
        status: (summary["status"] == status).groupby(place).sum().astype("int64")
        for status in STATUSES
    }
    n = sum((counts[s] for s in STATUSES if s != "untrained"), start=pd.Series(0, heads.index))
    low, high = wilson(counts["solved"], n)
    rates: dict[str, Any] = {
        "success_rate": counts["solved"] / n,
        "success_low": low,
        "success_high": high,
    }
    seeds = summary.sort_values("seed")["seed"].astype(str).groupby(place).agg(" ".join)
    keys = [grid_point_key(row, preset) for row in heads.to_dict("records")]
    if heads["frozen"].nunique() > 1:
        rates["frozen_control"] = _control(heads, counts["solved"], n)
    links: dict[str, Any] = {
        "mlflow_experiment": heads["experiment"].map(mlflow_experiment),
        "mlflow_filter": [mlflow_filter(key) for key in keys],
    }
    order = [*[n for n in ALWAYS if n in names], *[n for n in names if n not in ALWAYS]]
    return (
        heads[order]
        .join(varying)
        .assign(
            n=n,
            seeds=seeds,
            **counts,
            **rates,
            measure=heads["measure"],
            **_final(summary, place),
            **links,
        )
    )


def _control(heads: pd.DataFrame, solved: pd.Series, n: pd.Series) -> list[str | None]:
    """For each trained grid point, the frozen one that agrees with it in all else: "k of n"."""
    same = [name for name in tables.GRID_POINT if name != "frozen"]
    keys = list(heads[same].astype(str).itertuples(index=False, name=None))
    frozen = {
        key: f"{k} of {m}"
        for key, k, m, is_frozen in zip(keys, solved, n, heads["frozen"], strict=True)
        if is_frozen
    }
    return [
        None if is_frozen else frozen.get(key)
        for key, is_frozen in zip(keys, heads["frozen"], strict=True)
    ]


def _final(summary: pd.DataFrame, place: pd.Series) -> dict[str, pd.Series]:
    """How the final measures of each grid point are spread, of those that are finite."""
    groups = summary["final"].where(np.isfinite(summary["final"].to_numpy(float))).groupby(place)
    return {
        "final_mean": groups.mean(),
        "final_std": groups.std(ddof=1),
        "final_min": groups.min(),
        "final_max": groups.max(),
    }


def csv(summary: pd.DataFrame, preset: str) -> bytes:
    """The companion table as a file: values as in the tables (no clipping is ``inf``), numbers to
    12 digits.
    """
    return (
        tabulate(summary, preset)
        .to_csv(index=False, lineterminator="\n", float_format="%.12g")
        .encode()
    )
