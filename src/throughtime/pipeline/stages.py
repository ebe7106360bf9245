"""Where results lie, and how the tables of jobs become the tables of an experiment."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from throughtime.core.errors import UserError
from throughtime.planning.experiment_files import load_module
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.results import tables
from throughtime.results.paths import COMPUTE, job_folder, timing, write_json
from throughtime.results.tables import JOB_TABLES
from throughtime.tasks import tasks
from throughtime.tasks._base import task_args


@dataclass(frozen=True)
class Collected:
    """What was put together: networks found, and the keys of jobs that have no tables yet."""

    networks: int
    missing: tuple[str, ...]


def collect(plan: Plan, results: Path, experiment: str) -> Collected:
    """Concatenate the job tables of one experiment's part of ``plan``, in the plan's order, into results/EXPERIMENT/.

    Jobs of other plans that lie beside them are passed over; jobs that have no tables yet are left out and named.

    Raises:
        UserError: no job has finished, or a table is damaged or is not of its job.
    """
    jobs = plan.select(experiment).jobs
    done = [
        j
        for j in jobs
        if all((job_folder(results, j) / f"{t}.parquet").exists() for t in JOB_TABLES)
    ]
    if jobs and not done:
        raise UserError(
            f"{experiment}: none of its {len(jobs)} jobs has finished under {results}; run `snakemake {experiment}` first"
        )
    for name in JOB_TABLES:
        parts = [_read(results, j, name) for j in done]
        if parts:
            tables.write(
                pd.concat(parts, ignore_index=True), name, results / experiment / f"{name}.parquet"
            )
    return Collected(sum(len(j.grid) for j in done), tuple(j.key for j in jobs if j not in done))


def _read(results: Path, planned: PlannedJob, name: str) -> pd.DataFrame:
    path = job_folder(results, planned) / f"{name}.parquet"
    frame = tables.read(name, path)
    if not set(frame["run_key"]) <= set(planned.run_keys) or (
        name == "summary" and len(frame) != len(planned.grid)
    ):
        raise UserError(
            f"{path}: holds other networks than its job; delete {path.parent} and run again"
        )
    return frame


def references(plan: Plan, results: Path, experiment: str) -> int:
    """Write results/EXPERIMENT/references.parquet: the lines that figures hold results against, for every task of the plan.

    Returns:
        The number of lines.
    """
    chosen = {
        (j.job.task.name, task_args(j.job.task)): j.job.task for j in plan.select(experiment).jobs
    }
    rows = [
        {
            "experiment": experiment,
            "task": name,
            "task_args": args,
            **asdict(line),
            "by": line.by or "all",
            "bin": line.bin or 0,
        }
        for (name, args), task in chosen.items()
        for line in task.references()
    ]
    frame = pd.DataFrame(rows, columns=[c.name for c in tables.REFERENCES])
    tables.write(frame, "references", results / experiment / "references.parquet")
    return len(frame)


def compute(root: Path, results: Path, experiment: str, preset: str) -> int:
    """Write results/EXPERIMENT/computed.parquet: what experiments/EXPERIMENT/compute.py computes outside of training.

    Returns:
        The number of rows.

    Raises:
        UserError: no such file, no ``compute(preset)`` in it, or it returns another table.
    """
    path = root / "experiments" / experiment / COMPUTE
    frame = load_module(path, "compute").compute(preset)
    try:
        frame = tables.conform(frame, "computed")
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: compute({preset!r}) returns no computed table: {error}; see tables.COMPUTED"
        ) from None
    tables.write(frame, "computed", results / experiment / "computed.parquet")
    return len(frame)


def manifest(
    plan: Plan, results: Path, experiment: str, config: dict[str, Any], code: dict[str, Any]
) -> Path:
    """Write results/EXPERIMENT/manifest.json: what was run, with what, from which seeds, for how long.

    Args:
        plan: of the whole project.
        results: folder of results.
        experiment: its name.
        config: the config in force, and the experiment's own.
        code: digest, commit, versions and machine.
    """
    jobs = plan.select(experiment).jobs
    records = {j.key: record for j in jobs if (record := timing(results, j))}
    content = {
        "experiment": experiment,
        **config,
        **code,
        "networks": sum(len(j.grid) for j in jobs),
        "seeds": sorted({int(s) for j in jobs for s in j.grid["seed"]}),
        "skipped": [asdict(s) for s in plan.select(experiment).skipped],
        "seconds": round(sum(r["seconds"] for r in records.values()), 1),
        "jobs": {
            key: {name: record[name] for name in ("seconds", "networks", "code")}
            for key, record in records.items()
        },
    }
    path = results / experiment / "manifest.json"
    write_json(content, path)
    return path


def training_modules(planned: PlannedJob) -> tuple[str, ...]:
    """The modules whose code, with all that they import, decides a job's numbers."""
    job = planned.job
    probes = (f"throughtime.probes.{name}" for name in job.probes)
    return (
        "throughtime.training.train",
        tasks()[job.task.name].__module__,
        f"throughtime.engine.cells.{job.cell}",
        *probes,
    )
