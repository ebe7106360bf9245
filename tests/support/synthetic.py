"""Tables without training: conforming frames with plausible, seeded random values, for tests of
what reads tables.

Only shapes, dtypes, missing values and rough trends are like a trained network's; the numbers mean
nothing.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from tests.support import causes
from throughtime.core.rng import stream
from throughtime.planning.axes import Job, grid
from throughtime.planning.plan import Plan, PlannedJob, Skipped
from throughtime.results import tables
from throughtime.results.causes import CAUSES
from throughtime.results.identity import identity as identity_of
from throughtime.results.tables import JOB_TABLES
from throughtime.tasks import Batch, Task

# Filled in for all networks together.
CAUSELESS = dict.fromkeys(
    [*CAUSES, "failure", "signal_max", "missed_beyond", "improvement"], math.nan
)
METRICS = ("loss", "eval_loss", "eval_measure", "grad_norm", "grad_norm_max", "clipped_share")


class Toy(Task):
    """The first symbol, asked for at the end; never trained."""

    name: ClassVar[str] = "toy"
    source: ClassVar[str] = "made up for tests"
    head: ClassVar[Literal["softmax", "regression"]] = "softmax"
    measure: ClassVar[Literal["accuracy", "mse", "bpc"]] = "accuracy"
    length: int = 10

    @property
    def steps(self) -> int:
        return self.length + 1

    @property
    def scored(self) -> int:
        return 1

    @property
    def inputs(self) -> int:
        return 2

    @property
    def outputs(self) -> int:
        return 2

    @property
    def lags(self) -> tuple[int, int]:
        return self.length, self.length

    @property
    def chance(self) -> float:
        return 0.5

    @property
    def chance_loss(self) -> float:
        return math.log(2)

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        inputs = rng.integers(0, 2, (self.steps, batch))
        return Batch(inputs, inputs[:1])

    def solved(self, value: float) -> bool:
        return value >= 0.99

    def show(self, batch: Batch, index: int) -> str:
        return " ".join(map(str, batch.inputs[:, index]))


@dataclass(frozen=True, eq=False)
class Frames:
    """The three tables that training writes."""

    summary: pd.DataFrame
    curves: pd.DataFrame
    breakdown: pd.DataFrame


def toy_plan(
    experiment: str = "clipping",
    lengths: Iterable[int] = (10, 30),
    depths: Iterable[int | None] = (None, 5),
    axes: dict[str, list[Any]] | None = None,
    seeds: int = 3,
) -> Plan:
    """A plan of the toy task: a job a length and depth K (None: full), and in each the grid of
    ``axes`` x seeds.
    """
    rows = grid(
        {
            "seed": list(range(seeds)),
            **({"gain": [0.5, 1.0], "clip": [1.0, math.inf]} if axes is None else axes),
        }
    )
    jobs = []
    for length, depth in product(lengths, depths):
        task = Toy(length=length)
        job = Job(task=task, mode="full" if depth is None else "chunked", K=depth or task.steps)
        jobs.append(PlannedJob(experiment, "main", job, rows))
    skipped = Skipped(
        experiment,
        "main",
        "task=toy, length=10, K=99",
        "K=99 is longer than the 11 steps of a sequence: the same as full",
    )
    return Plan(tuple(jobs), (skipped,))


def identity(planned: PlannedJob) -> pd.DataFrame:
    """The columns of tables.IDENTITY of one job, one row per network."""
    named = identity_of(planned, planned.grid, planned.run_keys)
    return named[[c.name for c in tables.IDENTITY]]


def frames(planned: PlannedJob, points: int = 20, seed: int = 0) -> Frames:
    """Tables of one job; about every eighth network diverges, and the shorter the lag beside K the
    more are solved.
    """
    rows, curves, breakdown = [], [], []
    for row, result, rng in _results(planned, seed):
        rows.append(row | result)
        curves += _curves(row, result, points, rng)
        breakdown += _breakdown(row, result)
    return Frames(
        _summary(rows),
        tables.conform(pd.DataFrame(curves), "curves"),
        tables.conform(
            pd.DataFrame(breakdown, columns=[c.name for c in tables.BREAKDOWN]), "breakdown"
        ),
    )


def networks(plan: Plan, seed: int = 0) -> pd.DataFrame:
    """The summary of all jobs of a plan, as ``frames`` has it, without the other tables."""
    return _summary([row | found for j in plan.jobs for row, found, _ in _results(j, seed)])


def _summary(rows: list[dict[str, Any]]) -> pd.DataFrame:
    made = pd.DataFrame(rows)
    held = {name: made[name] for name in ("truncated", "vanishing")}
    return tables.conform(made.assign(**causes.columns(made, **held)), "summary")


def _results(
    planned: PlannedJob, seed: int
) -> Iterator[tuple[dict[str, Any], dict[str, Any], np.random.Generator]]:
    """Of each network its identity, what came of it, and the random numbers that follow."""
    rows = identity(planned).astype(object)  # columns of Arrow are slow to walk through
    for row in rows.to_dict("records"):
        rng = stream(seed, row["run_key"])
        named = {str(name): value for name, value in row.items()}
        yield named, _result(named, planned.job, rng), rng


def summary(plan: Plan, points: int = 20, seed: int = 0) -> Frames:
    """Tables of all jobs of a plan, one below the other."""
    parts = [frames(planned, points, seed) for planned in plan.jobs]
    return Frames(
        *(
            pd.concat([getattr(p, name) for p in parts], ignore_index=True)
            for name in ("summary", "curves", "breakdown")
        )
    )


def write_jobs(plan: Plan, results: Path, points: int = 20, seed: int = 0) -> None:
    """results/EXPERIMENT/jobs/KEY/*.parquet, as `throughtime train` leaves them."""
    for planned in plan.jobs:
        made = frames(planned, points, seed)
        for name in ("summary", "curves", "breakdown"):
            tables.write(
                getattr(made, name),
                name,
                results / planned.experiment / "jobs" / planned.key / f"{name}.parquet",
            )
        tables.write(
            tables.empty("probes"),
            "probes",
            results / planned.experiment / "jobs" / planned.key / "probes.parquet",
        )


def collect(results: Path, experiment: str) -> None:
    """results/EXPERIMENT/*.parquet from its jobs' tables."""
    folder = results / experiment
    for name in JOB_TABLES:
        parts = [tables.read(name, p) for p in sorted(folder.glob(f"jobs/*/{name}.parquet"))]
        tables.write(pd.concat(parts, ignore_index=True), name, folder / f"{name}.parquet")


def _result(row: Mapping[Any, Any], job: Job, rng: np.random.Generator) -> dict[str, Any]:
    task, hard = job.task, (row["lag_min"] or 10) / job.K
    status = (
        "diverged"
        if rng.random() < 1 / 8
        else "solved"
        if rng.random() < math.exp(-hard / 2)
        else "unsolved"
    )
    diverged, best = (
        status == "diverged",
        {"accuracy": 0.995, "mse": 0.005, "bpc": 1.9}[task.measure],
    )
    final = (
        math.nan
        if diverged
        else best
        if status == "solved"
        else task.chance + 0.6 * rng.random() * (best - task.chance)
    )
    share = 0.0 if row["clip_kind"] == "none" else float(rng.random())
    return {
        "status": status,
        "diverged_at": int(rng.integers(1, max(job.updates, 1) + 1)) if diverged else None,
        "first_solved_at": int(rng.integers(1, max(job.updates, 1) + 1))
        if status == "solved"
        else None,
        "measure": task.measure,
        "final": final,
        "chance": task.chance,
        "final_loss": math.nan
        if diverged
        else task.chance_loss * (0.02 if status == "solved" else rng.uniform(0.4, 1)),
        "train_loss": task.chance_loss * rng.uniform(0.5, 1),
        "grad_norm": rng.lognormal(),
        "grad_norm_max": 10 * rng.lognormal(),
        "clipped_share": share,
        "reach": job.reach,
        "radius_start": row["gain"],
        "radius_end": math.nan if diverged else row["gain"] * rng.uniform(0.8, 1.3),
        "signal_start": rng.lognormal(-3),
        "signal_end": math.nan if diverged else rng.lognormal(-2),
        **CAUSELESS,
        "truncated": job.reach < (row["lag_min"] or 0),
        "vanishing": status == "unsolved",
        "parameters": job.hidden * (job.hidden + task.inputs + task.outputs + 1) + task.outputs,
        "tokens": job.updates * job.batch * job.steps,
    }


def _curves(
    row: Mapping[Any, Any], result: dict[str, Any], points: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    last = result["diverged_at"] or row["updates"]
    steps = np.linspace(last / points, last, points).astype(int)
    fall = np.linspace(1, 0.1 if result["status"] == "solved" else 0.7, points)
    lines = {m: fall * rng.lognormal(0, 0.05, points) for m in METRICS}
    lines["clipped_share"] = np.full(points, result["clipped_share"])
    if row["adapt"]:
        lines["K"] = np.full(points, row["K"])
    made = [
        {"run_key": row["run_key"], "step": int(s), "metric": m, "value": float(v)}
        for m, line in lines.items()
        for s, v in dict(zip(steps, line, strict=True)).items()
    ]
    radius = {0: result["radius_start"], row["updates"]: result["radius_end"]}
    return made + [
        {"run_key": row["run_key"], "step": s, "metric": "radius", "value": v}
        for s, v in radius.items()
        if math.isfinite(v)
    ]


def _breakdown(row: Mapping[Any, Any], result: dict[str, Any]) -> list[dict[str, Any]]:
    value = result["final"]
    if not math.isfinite(value):
        return []
    own = {"run_key": row["run_key"], "data": "train", "measure": result["measure"], "value": value}
    return [
        {**own, "by": "all", "bin": 0, "n": 1000},
        {**own, "by": "lag", "bin": row["lag_min"] or 1, "n": 1000},
    ]
