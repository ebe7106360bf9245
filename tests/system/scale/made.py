"""A project of any number of networks, and the tables that its training might have left: the real
experiments on finer grids.

The tables are synthetic.py's and plausible_probes.py's rules of thumb over whole columns, so that
100,000 networks take a minute.
"""

import json
import math
from collections.abc import Callable
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tests.support import causes, synthetic
from tests.support.plausible_probes import LADDER
from tests.support.projects import copy_project
from throughtime.core.rng import stream
from throughtime.pipeline.progress import job_digest
from throughtime.planning.plan import PlannedJob
from throughtime.planning.project import Project
from throughtime.results import paths, tables

ROOT = Path(__file__).parents[3]
PRESET = "scale"
MAX_JOB_COST = 6e10  # about 40 networks per job
FINER = ("gain", "K", "clip", "length")  # axes that get about twice the values
BEST = {"accuracy": 0.997, "mse": 0.003, "bpc": 2.1}


# The project --------------------------------------------------------------------------------------


def project(root: Path, networks: int) -> Project:
    """A copy of the project at ``root`` whose preset ``scale`` has about ``networks`` networks:
    more values an axis, and more seeds.
    """
    copy_project(root)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config |= {
        "preset": PRESET,
        "presets": {**config["presets"], PRESET: "a large sweep"},
        "max_job_cost": MAX_JOB_COST,
    }
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    plain = Project.open(ROOT, "laptop")
    grids = {name: experiment.sweeps_of("laptop") for name, experiment in plain.experiments.items()}
    if networks > 20_000:
        grids = {
            name: {s: {a: finer(a, v) for a, v in axes.items()} for s, axes in sweeps.items()}
            for name, sweeps in grids.items()
        }
    one = _write(root, grids, 1).plan().networks
    return _write(root, grids, networks / one)


def finer(axis: str, values: Any) -> Any:
    """More values between those of an axis.

    >>> finer("K", [5, 20, "full"]), finer("lr", [1, 2])
    ([5, 10, 20, 'full'], [1, 2])
    """
    if axis.rpartition(".")[2] not in FINER or not isinstance(values, list):
        return values
    numbers = [v for v in values if not isinstance(v, str)]
    whole = axis not in ("gain", "clip")
    between = [
        v
        for a, b in pairwise(numbers)
        for v in (a, round(math.sqrt(a * b)) if whole else float(f"{math.sqrt(a * b):.4g}"))
    ]
    return list(
        dict.fromkeys([*between, *numbers[-1:], *(v for v in values if isinstance(v, str))])
    )


def _write(root: Path, grids: dict[str, dict[str, dict[str, Any]]], more: float) -> Project:
    for name, sweeps in grids.items():
        path = root / "experiments" / name / "experiment.yaml"
        content = yaml.safe_load(path.read_text())
        changes = {
            s: {**axes, "seeds": math.ceil(axes["seeds"] * more)} for s, axes in sweeps.items()
        }
        path.write_text(
            yaml.safe_dump({**content, "presets": {**content.get("presets", {}), PRESET: changes}})
        )
    return Project.open(root)


# Its results --------------------------------------------------------------------------------------


def results(made: Project, folder: Path) -> None:
    """All job tables and timings of the project under ``folder``, as `throughtime train` leaves
    them.
    """
    with get_context("fork").Pool() as pool:
        for _ in pool.imap_unordered(
            _job, [(planned, folder) for planned in made.plan().jobs], chunksize=8
        ):
            pass


def _job(given: tuple[PlannedJob, Path]) -> None:
    planned, results_folder = given
    folder = paths.job_folder(results_folder, planned)
    rng = stream(0, planned.key)
    summary = _summary(planned, rng)
    parts = {
        "summary": summary,
        "curves": _curves(planned, summary, rng),
        "breakdown": _breakdown(planned, summary, rng),
    }
    for name, frame in (parts | {"probes": _probes(planned, summary, rng)}).items():
        tables.write(frame, name, folder / f"{name}.parquet")
    status = summary["status"].value_counts()
    record = {
        "seconds": planned.cost / 1e10,
        "networks": len(planned.grid),
        "cost": planned.cost,
        "code": job_digest(planned),
    }
    paths.write_json(
        record | {s: int(status.get(s, 0)) for s in tables.STATUSES},
        folder / "timing.json",
    )


def _summary(planned: PlannedJob, rng: np.random.Generator) -> pd.DataFrame:
    own, job, task = synthetic.identity(planned), planned.job, planned.job.task
    n, lag = len(own), (task.lags or (8, 8))[1]
    reached = np.minimum(22 * np.exp(-2.5 * np.abs(np.log(own["gain"]))), job.K) * rng.lognormal(
        0, 0.2, n
    )
    diverged = np.isinf(own["clip"]) & (own["gain"] > 1.4) & (rng.random(n) < 0.7)
    solved = ~diverged & (reached >= lag) & (task.measure != "bpc")
    status = np.select([diverged, solved], ["diverged", "solved"], "unsolved")
    labels = causes.columns(
        own.assign(status=status),
        truncated=job.reach < (task.lags or (0, 0))[0],
        vanishing=~solved & (own["gain"] < 1),
        clipped=~solved & (own["gain"] > 1.2) & (own["clip"] < 5),
    )
    final = task.chance + (BEST[task.measure] - task.chance) * np.where(
        solved, 1, np.minimum(1, reached / lag) * rng.uniform(0.6, 0.9, n)
    )
    when = pd.Series(rng.integers(1, max(job.updates, 1) + 1, n), dtype="Int64")
    return tables.conform(
        own.assign(
            status=status,
            diverged_at=when.where(diverged),
            first_solved_at=when.where(solved),
            measure=task.measure,
            final=np.where(diverged, np.nan, final),
            chance=task.chance,
            final_loss=np.where(diverged, np.nan, task.chance_loss * rng.uniform(0.02, 1, n)),
            train_loss=task.chance_loss,
            grad_norm=rng.lognormal(size=n),
            grad_norm_max=10 * rng.lognormal(size=n),
            clipped_share=rng.random(n),
            reach=job.reach,
            radius_start=own["gain"],
            radius_end=np.where(diverged, np.nan, own["gain"] * rng.uniform(0.8, 1.3, n)),
            signal_start=rng.lognormal(-3, size=n),
            signal_end=np.where(diverged, np.nan, rng.lognormal(-2, size=n)),
            **labels,
            parameters=job.hidden**2,
            tokens=job.updates * job.batch * job.steps,
        ),
        "summary",
    )


def _curves(
    planned: PlannedJob, summary: pd.DataFrame, rng: np.random.Generator, points: int = 20
) -> pd.DataFrame:
    n, metrics = len(summary), synthetic.METRICS
    last = summary["diverged_at"].fillna(planned.job.updates).to_numpy(int)
    steps = np.linspace(last / points, last, points).astype(int).T  # (n, points)
    values = np.linspace(1, 0.3, points) * rng.lognormal(0, 0.05, (n, len(metrics), points))
    return pd.DataFrame(
        {
            "run_key": np.repeat(summary["run_key"].to_numpy(), len(metrics) * points),
            "step": np.repeat(steps[:, None, :], len(metrics), axis=1).ravel(),
            "metric": np.tile(np.repeat(metrics, points), n),
            "value": values.ravel(),
        }
    )


def _breakdown(
    planned: PlannedJob, summary: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    task = planned.job.task
    by = {"brackets": ("distance", "depth"), "text": ("position",)}.get(task.name, ("lag",))
    sets = {
        "train": task.steps,
        **{name: variant.steps for name, variant in task.evaluation_sets.items()},
    }
    bins = [(data, "all", 0) for data in sets]
    bins += [
        (d, b, i)
        for d, top in sets.items()
        for b in by
        for i in ((1, 2, 3, 4) if b == "depth" else _octaves(top))
    ]
    there = summary[summary["status"] != "diverged"]
    crossed = there[["run_key", "measure", "final"]].merge(
        pd.DataFrame(bins, columns=["data", "by", "bin"]), how="cross"
    )
    reached = 1 / (1 + (crossed["bin"] / (1.5 * planned.job.K)) ** 3)
    value = (
        task.chance
        + (BEST[task.measure] - task.chance) * reached
        + 0.002 * rng.normal(size=len(crossed))
    )
    return crossed.assign(n=4000 // crossed["bin"].clip(lower=1), value=value)[
        [c.name for c in tables.BREAKDOWN]
    ]


def _octaves(top: int) -> list[int]:
    return [2**i for i in range(20) if 2**i < top]


Column = np.ndarray[Any, np.dtype[np.float64]]
Found = dict[str, tuple[list[int], Callable[[Column, Column], Column]]]


def _found(planned: PlannedJob, probe: str) -> Found:
    """What a probe finds: quantity -> what it runs over, and its value from (slope of the network,
    index).
    """
    job = planned.job
    ladder = [k for k in LADDER if k < job.steps]
    return {
        "updates": {
            "loss": (
                list(range(1, job.updates + 1)),
                lambda s, i: np.exp(-i / 300) + np.exp(-(i % 60) / 10) + 0 * s,
            ),
            "log_grad_norm": (
                list(range(1, job.updates + 1)),
                lambda s, i: np.where(i % 60 == 0, 3.7, 0) + 0.1 * s,
            ),
        },
        "context": {
            f"loss_{k}": (list(LADDER), lambda s, i: 1.7 + np.exp(-i / 5) + 0.01 * s)
            for k in ("reset", "shuffled", "replaced")
        },
        "gradient_by_lag": {"log_gradient_rms": (list(range(job.steps)), lambda s, i: 0.5 + s * i)},
        "jacobian": {"lyapunov": (list(range(job.hidden)), lambda s, i: s - 0.1 * i)},
        "truncation_bias": {
            **{f"log_delta_hh_{m}": (ladder, lambda s, i: s * i) for m in ("sliding", "buffered")},
            "log_delta_hh_chunked": (ladder, lambda s, i: -np.log(i + 1) + 0 * s),
            **{
                f"cosine_hh_{m}": (ladder, lambda s, i: 1 - 0.5 * np.exp(s - i))
                for m in ("chunked", "sliding", "buffered")
            },
        },
    }.get(probe, {})


def _probes(planned: PlannedJob, summary: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    there = summary[summary["status"] != "diverged"]
    slope = np.log(there["gain"].to_numpy()) - 0.2 + 0.05 * rng.normal(size=len(there))
    parts = [
        pd.DataFrame(
            {
                "run_key": np.repeat(there["run_key"].to_numpy(), len(index)),
                "step": step,
                "probe": probe,
                "quantity": quantity,
                "index": np.tile(index, len(there)),
                "value": value(slope[:, None], np.asarray(index, float)[None]).ravel(),
            }
        )
        for step in planned.job.probed
        for probe in planned.job.probes
        for quantity, (index, value) in _found(planned, probe).items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else tables.empty("probes")


def counts(made: Project) -> str:
    """Networks and jobs, for a heading."""
    plan = made.plan()
    return json.dumps(
        {
            "networks": plan.networks,
            "jobs": len(plan.jobs),
            "per job": math.ceil(plan.networks / len(plan.jobs)),
        }
    )
