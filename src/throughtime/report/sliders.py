"""What the sliders of the page are given: measured gradients by lag and frontiers of copy, to lie
on what the page computes from mean field theory (templates/mean_field.js). No torch.

Copy, because its drive is one number, and because all sequences share its blanks: theory then has a
true critical gain.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from throughtime.analysis import stats
from throughtime.results.load import Results
from throughtime.tasks import tasks
from throughtime.theory import drives

TASK = "copy"
GRADIENTS, FRONTIERS = "gradient_flow", "phase"  # the experiments that measured them
USUAL = {"alphabet": 4, "length": 36, "payload": 2}  # what is drawn where nothing was measured
MULTIPLE = (FRONTIERS, "six_xi")  # the claim whose statistic is ln(fitted multiple of xi / SIX)
SIX = 6.0  # the multiple of feed-forward networks, Schoenholz et al. 2017
DIGITS = 5  # significant ones


def measured(results: Path, claims: pd.DataFrame) -> dict[str, Any]:
    """JSON-ready values.

    Args:
        results: where tables lie.
        claims: the claims table.

    Returns:
        ``drive``: variance s of the drive at input gain 1. ``payload``: a sequence has so many
        steps more than the lag. ``steps``: T of the networks whose gradients were measured.
        ``gradients``: for each initial scheme and gain, median, low and high over seeds of the norm
        at lags 0..T-1 over that at lag 0, and n. ``frontiers``: for each input gain and gain, the
        lag that half the seeds solve, its interval (None: beyond what was tested), whether it is
        censored, and n. ``multiples`` of xi, with an interval where it was fitted, and a name.

    Raises:
        UserError: a table is damaged.
    """
    initial = _load(results, GRADIENTS).select(task=TASK, sweep="initial")
    gradients = initial.probe("gradient_by_lag", "log_gradient_rms", "first")
    gradients = gradients[gradients["steps"] == gradients["steps"].max()]
    frontiers = _load(results, FRONTIERS).select(task=TASK, sweep="map").summary
    named = [json.loads(own["task_args"].iloc[0]) for own in (gradients, frontiers) if len(own)]
    task = tasks()[TASK](**(named or [USUAL])[0])
    return {
        "drive": drives.of_task(task).s,
        "payload": task.steps - max(task.lags or (0,)),
        "steps": task.steps,
        "gradients": _gradients(gradients),
        "frontiers": _frontiers(frontiers),
        "multiples": _multiples(claims),
    }


def _load(results: Path, experiment: str) -> Results:
    """Its tables; empty ones where it has none yet."""
    if (results / experiment / "summary.parquet").exists():
        return Results.load(results, experiment)
    return Results.empty()


def _gradients(rows: pd.DataFrame) -> list[dict[str, Any]]:
    if rows.empty:
        return []
    first = rows[rows["index"] == 0].set_index("run_key")["value"]
    norms = rows.assign(norm=np.exp(rows["value"] - rows["run_key"].map(first)))
    norms = norms[np.isfinite(norms["norm"])]
    curves: list[dict[str, Any]] = []
    for (init, gain), own in norms.groupby(["init", "gain"]):
        seeds = own.groupby("index")["norm"].agg(["median", "min", "max"])
        lines = {
            name: [_short(v) for v in seeds[column]]
            for name, column in (("median", "median"), ("low", "min"), ("high", "max"))
        }
        n = own["run_key"].nunique()
        curves.append({"init": init, "gain": gain, "lags": seeds.index.tolist(), **lines, "n": n})
    return curves


def _frontiers(summary: pd.DataFrame) -> list[dict[str, Any]]:
    columns = ["input_gain", "gain", "frontier", "low", "high", "censored", "n"]
    table = stats.frontier(summary, ["input_gain", "gain"])[columns]
    return [
        {str(k): _short(v) if isinstance(v, float) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]


def _multiples(claims: pd.DataFrame) -> list[dict[str, Any]]:
    """The multiple of feed-forward networks, and the one that was fitted to this run."""
    multiples: list[dict[str, Any]] = [
        {"name": f"{SIX:g} ξ, as feed-forward networks", "value": SIX}
    ]
    own = claims[(claims["experiment"] == MULTIPLE[0]) & (claims["name"] == MULTIPLE[1])]
    for row in own[own["n"] > 0].to_dict("records"):
        value, low, high = (SIX * math.exp(row[end]) for end in ("statistic", "low", "high"))
        name = f"{value:.1f} ξ, fitted ({low:.1f} to {high:.1f})"
        multiples.append({"name": name, "value": value, "low": _short(low), "high": _short(high)})
    return multiples


def _short(value: float) -> float | None:
    """A number with few digits; None where it is not finite.

    >>> _short(0.1234567), _short(math.inf)
    (0.12346, None)
    """
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
