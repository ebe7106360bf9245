"""Tables of a plan as training might have left them, made of a few rules of thumb: for looking at
figures and for tests that draw them.

A network reaches as far as K, its gain and its clip threshold allow, with some luck; the numbers
mean nothing beyond that.
"""

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tests.support import causes, plausible_probes, synthetic
from throughtime.core.rng import stream
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.results import tables
from throughtime.results.load import Results
from throughtime.tasks import Reference

UNTRAINED: dict[str, Any] = {
    "status": "untrained",
    "diverged_at": pd.NA,
    "first_solved_at": pd.NA,
    "truncated": False,
    "vanishing": False,
    "clipped": False,
    "still_learning": False,
}
LABELLED = ("truncated", "vanishing", "clipped", "still_learning")
Frames = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
MADE: dict[tuple[str, str, bool], Frames] = {}
BEST = {"accuracy": 0.997, "mse": 0.003, "bpc": 2.1}


def results(plan: Plan, everything_diverges: bool = False, title: str = "A title") -> Results:
    """Conforming tables of all networks of a plan, with references."""
    if not plan.jobs:
        return Results.empty()
    parts = [_job(planned, everything_diverges) for planned in plan.jobs]
    frames = [pd.concat([p[i] for p in parts], ignore_index=True) for i in range(3)]
    named = dict(zip(("summary", "curves", "breakdown"), frames, strict=True))
    made = {name: tables.conform(frame, name) for name, frame in named.items()}
    probes = plausible_probes.table(plan, made["summary"])
    return Results(
        **made, references=_references(plan), title=title, question="A question?", probes=probes
    )


def _job(planned: PlannedJob, everything_diverges: bool) -> Frames:
    """Summary, curves and breakdown of a job, made once per process."""
    key = planned.experiment, planned.key, everything_diverges
    if key not in MADE:
        MADE[key] = _made(planned, everything_diverges)
    return MADE[key]


def _made(planned: PlannedJob, everything_diverges: bool) -> Frames:
    made = synthetic.frames(planned, points=6)
    changes = [
        _outcome(row, planned, everything_diverges) for row in made.summary.to_dict("records")
    ]
    summary = made.summary.assign(
        **pd.DataFrame(changes, index=made.summary.index).to_dict("series")
    )
    held = {name: summary[name] for name in LABELLED}
    summary = summary.assign(**causes.columns(summary, **held))
    breakdown = pd.DataFrame(
        [b for row in summary.to_dict("records") for b in _bins(row, planned)],
        columns=list(made.breakdown.columns),
    )
    own = summary.set_index("run_key").reindex(made.curves["run_key"]).reset_index()
    near = own["final"].fillna(own["chance"]) + (
        own["chance"] - own["final"].fillna(own["chance"])
    ) * np.exp(-made.curves["step"] / 150)
    return (
        summary,
        made.curves.assign(
            value=made.curves["value"].where(made.curves["metric"] != "eval_measure", near)
        ),
        breakdown,
    )


def _range_of(row: dict[str, Any]) -> float:
    """How many steps back the network learns."""
    scale = 22 * math.exp(-2.5 * abs(math.log(row["gain"])))
    return (
        scale
        * (0.5 if row["frozen"] else 1)
        * (0.6 if row["border"] == "reset" else 1)
        * (0.5 if row["clip"] < 0.5 else 1)
    )


def _outcome(row: dict[str, Any], planned: PlannedJob, everything_diverges: bool) -> dict[str, Any]:
    if not row["updates"]:
        return UNTRAINED | {"final": row["chance"]}
    rng, lag = stream(1, row["run_key"]), row["lag_max"] if pd.notna(row["lag_max"]) else 8
    deep = min(
        _range_of(row), 1.2 * row["K"] if row["mode"] != "full" else math.inf
    ) * rng.lognormal(0, 0.2)
    diverged = everything_diverges or (
        row["clip_kind"] == "none" and row["gain"] > 1.4 and rng.random() < 0.7
    )
    solved = not diverged and deep >= lag and row["measure"] != "bpc"
    best, chance, near = BEST[row["measure"]], row["chance"], min(1.0, deep / lag)
    final = (
        math.nan
        if diverged
        else best
        if solved
        else chance + (best - chance) * near * rng.uniform(0.6, 0.9)
    )
    return {
        "status": "diverged" if diverged else "solved" if solved else "unsolved",
        "diverged_at": int(rng.integers(1, max(row["updates"], 1) + 1)) if diverged else pd.NA,
        "first_solved_at": int(rng.integers(1, max(row["updates"], 1) + 1)) if solved else pd.NA,
        "final": final,
        "truncated": row["reach"] < (row["lag_min"] if pd.notna(row["lag_min"]) else 0),
        "vanishing": not solved and row["gain"] < 1,
        "clipped": not solved and row["gain"] > 1.2 and row["clip"] < 5,
        "still_learning": rng.random() < 0.2,
    }


def _bins(row: dict[str, Any], planned: PlannedJob) -> list[dict[str, Any]]:
    if row["status"] == "diverged":
        return []
    rng, top = stream(2, row["run_key"]), row["steps"]
    sets = {
        "train": top,
        **{name: task.steps for name, task in planned.job.task.evaluation_sets.items()},
    }
    groups = {"brackets": ("distance", "depth"), "text": ("position", "word", "repeat")}.get(
        row["task"], ("lag",)
    )
    made = [
        {"data": data, "by": "all", "bin": 0, "n": 1000, "value": row["final"]} for data in sets
    ]
    for data, steps in sets.items():
        for by in groups:
            octaves = [2**i for i in range(20) if 2**i < steps]
            named = {"depth": range(1, 5), "word": range(4), "repeat": (0, 1, 50, 200)}
            for bin_ in named.get(by, octaves):
                hard = bin_ * 3 if by == "depth" else bin_
                value = row["chance"] + (BEST[row["measure"]] - row["chance"]) / (
                    1 + (hard / _reach(row)) ** 3
                )
                if row["task"] == "text":
                    value = row["final"] + 2 / (1 + bin_)
                made.append(
                    {
                        "data": data,
                        "by": by,
                        "bin": bin_,
                        "n": 4000 // max(bin_, 1),
                        "value": value + 0.002 * rng.normal(),
                    }
                )
    return [{"run_key": row["run_key"], "measure": row["measure"], **m} for m in made]


def _reach(row: dict[str, Any]) -> float:
    return min(_range_of(row), 1.5 * row["K"])


def _references(plan: Plan) -> pd.DataFrame:
    made = {}
    for planned in plan.jobs:
        args = synthetic.identity(planned)["task_args"].iloc[0]
        for line in _lines(planned):
            key = (planned.experiment, planned.job.task.name, args, line.name, line.bin)
            made[key] = {
                "experiment": key[0],
                "task": key[1],
                "task_args": args,
                "name": line.name,
                "measure": line.measure,
                "by": line.by or "all",
                "bin": line.bin or 0,
                "value": line.value,
            }
    return tables.conform(
        pd.DataFrame(list(made.values()), columns=[c.name for c in tables.REFERENCES]), "references"
    )


def _lines(planned: PlannedJob) -> list[Reference]:
    task = planned.job.task
    if task.name != "text":  # whose n-grams take a while
        return task.references()
    chance = Reference("chance", task.chance, "bpc")
    return [
        chance,
        *(
            Reference(f"Kneser-Ney order {n}", v, "bpc")
            for n, v in zip(range(6), (4.3, 3.5, 2.9, 2.4, 2.15, 2.05), strict=True)
        ),
    ]


def thin(full: Results, keep: int) -> Results:
    """Every ``keep``-th job's networks only, as a partly failed sweep leaves them; nothing of the
    breakdown of every other of these.
    """
    jobs = sorted(full.summary["job_key"].unique(), key=lambda k: re.sub(r".*-", "", k))[::keep]
    part = full.select(job_key=jobs)
    half = part.summary["run_key"].iloc[::2]
    return replace(part, breakdown=part.breakdown[part.breakdown["run_key"].isin(half)])


def frame_of(plan: Plan) -> np.ndarray:
    """networks x updates x T of every job."""
    return np.array([len(j.grid) * j.job.updates * j.job.steps for j in plan.jobs])
