"""Where results lie, and how the tables of jobs become the tables of an experiment."""

import inspect
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from throughtime.core import files
from throughtime.core.component import Component
from throughtime.core.errors import UserError, locate_errors, one_line
from throughtime.core.hashing import digest
from throughtime.pipeline.failures import forget_failure, job_log, record_failure
from throughtime.pipeline.progress import is_finished, job_digest
from throughtime.planning.experiment_files import COMPUTE, load_module
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.planning.project import Project
from throughtime.planning.resources import LIBRARIES, block_bytes
from throughtime.planning.rounds import Search
from throughtime.results import provenance, tables
from throughtime.results.paths import job_folder, timing, write_json
from throughtime.results.tables import JOB_TABLES
from throughtime.results.trained import (
    Source,
    find_trained,
    join,
    record,
    take,
    trained_at,
    weights_folder,
)
from throughtime.results.weights import read_weights, write_weights
from throughtime.tasks import Reference, Task
from throughtime.training.devices import check_device

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from throughtime.training.result import Tables


@dataclass(frozen=True)
class Collected:
    """What was put together: networks found, and the keys of jobs that have no tables yet."""

    networks: int
    missing: tuple[str, ...]


def collect(plan: Plan, results: Path, experiment: str) -> Collected:
    """Concatenate the job tables of one experiment's part of ``plan``, in the plan's order, into
    results/EXPERIMENT/.

    Jobs of other plans that lie beside them are passed over; jobs that have no tables yet are left
    out and named.

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
            f"{experiment}: none of its {len(jobs)} jobs has finished under {results}; run "
            f"`snakemake {experiment}` first"
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


def choose(search: Search, results: Path, number: int) -> pd.DataFrame:
    """Write the file of a round: the networks that it trains, by the tables of the rounds before it
    alone, and the frontiers that these tell. The last round of a search has no networks.

    Args:
        search: the sweep.
        results: the folder of results.
        number: of the round, from 1.

    Returns:
        What ``adaptive.choose`` does.

    Raises:
        UserError: a round before it, or a table of it, is missing or damaged.
    """
    from throughtime.analysis import adaptive  # it needs scipy: a fifth of a second at every start

    before = search.chosen(results, number)
    if len(before) < number - 1:
        raise UserError(
            f"{search.file(results, len(before) + 1)}: no such round, or it was the last; "
            f"run `snakemake {search.experiment}`"
        )
    read = [_read(results, planned, "summary") for planned in search.plan(before).jobs]
    summary = pd.concat(read) if read else tables.empty("summary")
    chosen = adaptive.choose(search.grid, summary, search.width)
    content = {
        "round": number,
        "networks": [key for keys in chosen["networks"] for key in keys],
        "curves": [
            {
                **{k: v for k, v in row.items() if k != "networks"},
                "high": row["high"] if np.isfinite(row["high"]) else None,
                "known": not row["networks"],
            }
            for row in chosen.to_dict("records")
        ],
    }
    write_json(content, search.file(results, number))
    return chosen


def references(plan: Plan, results: Path, experiment: str) -> int:
    """Write results/EXPERIMENT/references.parquet: the lines that figures hold results against, for
    every task of the plan.

    Returns:
        The number of lines.
    """
    chosen = {(j.job.task.name, j.job.task.args): j.job.task for j in plan.select(experiment).jobs}
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
        for line in _reference_lines(task)
    ]
    frame = pd.DataFrame(rows, columns=[c.name for c in tables.REFERENCES])
    tables.write(frame, "references", results / experiment / "references.parquet")
    return len(frame)


def _reference_lines(task: Task) -> list[Reference]:
    with locate_errors(*component_files(task)):
        return list(task.references())


def component_files(*components: Component) -> list[Path]:
    """The files in which these components are written."""
    return [Path(inspect.getfile(type(component))) for component in components]


def compute(root: Path, results: Path, experiment: str, preset: str) -> int:
    """Write results/EXPERIMENT/computed.parquet: what experiments/EXPERIMENT/compute.py computes
    outside of training.

    Returns:
        The number of rows.

    Raises:
        UserError: no such file, no ``compute(preset)`` in it, it raises something, or it returns
            another table.
    """
    path = root / "experiments" / experiment / COMPUTE
    module = load_module(path, "compute")
    with locate_errors(path.parent):
        frame = module.compute(preset)
    try:
        frame = tables.conform(frame, "computed")
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: compute({preset!r}) returns no computed table: {error}; see tables.COMPUTED"
        ) from None
    tables.write(frame, "computed", results / experiment / "computed.parquet")
    return len(frame)


def manifest(project: Project, plan: Plan, results: Path, experiment: str) -> Path:
    """Write results/EXPERIMENT/manifest.json: what was run, with what, from which seeds, for how
    long.

    Args:
        project: whose config is in force.
        plan: of the whole project.
        results: folder of results.
        experiment: its name.
    """
    described = project.experiments[experiment]
    jobs = plan.select(experiment).jobs
    records = {j.key: record for j in jobs if (record := timing(results, j))}
    content = {
        "experiment": experiment,
        "config": project.config.model_dump(mode="json"),
        "question": described.question,
        "sweeps": described.sweeps_of(project.config.preset),
        "code_digest": provenance.code_digest("throughtime.training.train"),
        "git_commit": provenance.git_commit(project.root),
        "trained_at": sorted(
            {c for r in records.values() for c in r.get("trained_at", ["unknown"])}
        ),
        "packages": provenance.versions(),
        "machine": provenance.machine(),
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


def recorded_file(results: Path, experiment: str) -> Path:
    """The file that is written when an experiment was recorded in MLflow."""
    return results / "mlflow" / f"{experiment}.txt"


def reported_file(results: Path, experiment: str) -> Path:
    """The file that is written when a recorded experiment was put into the report."""
    return results / "logs" / experiment / "reported.txt"


def note_recorded(results: Path, experiments: Iterable[str], words: str) -> None:
    """Write down that these experiments were recorded in MLflow, and what was done."""
    for name in experiments:
        files.write(recorded_file(results, name), f"{words}\n".encode())


def note_reported(results: Path, experiments: Iterable[str]) -> None:
    """Write down which of these experiments, those that were recorded, are in the report."""
    for name in experiments:
        if recorded_file(results, name).exists():
            files.write(reported_file(results, name), b"report.html\n")


def train_jobs(
    jobs: Iterable[PlannedJob],
    results: Path,
    checkpoint_every: float,
) -> list[str]:
    """Train several jobs, one after the other. Each has its own log and, where it fails, its own
    record of that; the others go on. A job that is finished by its own record is passed over.

    Args:
        jobs: of one experiment or of several.
        results: the folder of results.
        checkpoint_every: seconds of training between two checkpoints.

    Returns:
        A line per job that failed: which, and why.
    """
    failed = []
    for planned in jobs:
        if is_finished(results, planned):
            continue
        log = job_log(results, planned)
        with errors_in(log):
            forget_failure(log)
            try:
                train_job(planned, results, checkpoint_every, report_progress(planned))
            except UserError as error:
                why = str(error)
            except Exception as error:  # a defect: this job's alone, perhaps
                with suppress(OSError):  # a full disk: it is said below
                    traceback.print_exc()
                why = one_line(f"{type(error).__name__}: {error}")
            else:
                continue
            with suppress(UserError):
                record_failure(log, why)
        failed.append(f"{planned.experiment} {planned.key}: {why}")
    return failed


def report_progress(planned: PlannedJob) -> Callable[[int], None]:
    """What says on stderr how many of a job's networks are done."""

    def say(done: int) -> None:
        with suppress(OSError):  # a full disk ends a training where its tables are written
            print(f"{done} of {len(planned.grid)} networks", file=sys.stderr, flush=True)

    return say


@contextmanager
def errors_in(log: Path) -> Iterator[None]:
    """What this process says on stderr, libraries of C included, goes into a file for a while;
    where that cannot be written, on to stderr.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = log.open("w", buffering=1, encoding="utf-8")
    except OSError:
        yield
        return
    before = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        with redirect_stderr(file):
            yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        with suppress(OSError):
            file.close()


def train_job(
    planned: PlannedJob, results: Path, checkpoint_every: float, say: Callable[[int], None]
) -> None:
    """Make a job's tables under ``results``: networks that were trained before are taken from where
    they lie, or measured again, and the rest is trained.

    Args:
        planned: the job.
        results: the folder of results.
        checkpoint_every: seconds of training between two checkpoints.
        say: is told how many of the job's networks are done.

    Raises:
        UserError: too little memory, a full disk, a damaged table.
    """
    sources = find_trained(results, planned)
    there = {key for source in sources for key in source.keys}
    parts, weights = [], dict[str, "NDArray[np.generic]"]()
    say(len(there))
    for source in sources:
        taken = take(planned, source)
        if planned.job.keep_weights or not source.measured:
            kept = read_weights(source.folder / "weights.safetensors")
            weights |= {key: kept[key] for key in source.keys}
        if not source.measured:
            taken["probes"] = _measure_again(planned, source, taken["summary"], weights)
        parts.append(taken)
    seconds, cost = 0.0, 0.0
    rest = planned.without(there)
    if len(rest.grid):
        trained, seconds = _train(rest, results, checkpoint_every, lambda n: say(len(there) + n))
        parts.append({name: getattr(trained, name) for name in JOB_TABLES})
        parts[-1]["summary"] = trained.summary.assign(job_key=planned.key)
        cost = rest.cost
        if trained.weights is not None:
            weights |= dict(zip(rest.run_keys, trained.weights, strict=True))
    joined = join(planned, parts)
    written = record(planned, joined["summary"], seconds, cost, job_digest(planned))
    now = provenance.git_commit(results.absolute().parent) if len(rest.grid) else None
    written["trained_at"] = trained_at(sources, now)
    folders = [job_folder(results, planned)]
    if planned.job.keep_weights:
        folders.insert(0, weights_folder(results, planned))
        write_weights(folders[0] / "weights.safetensors", planned, weights)
    for folder in folders:
        for name in JOB_TABLES:
            tables.write(joined[name], name, folder / f"{name}.parquet")
        write_json(written, folder / "timing.json")
    shutil.rmtree(results / planned.experiment / "checkpoints" / rest.key, ignore_errors=True)


def _measure_again(
    planned: PlannedJob,
    source: Source,
    summary: pd.DataFrame,
    weights: "dict[str, NDArray[np.generic]]",
) -> pd.DataFrame:
    """The probes table of networks whose weights lie in a source."""
    from throughtime.probes import probe
    from throughtime.training.measuring import measure

    part = planned.only(source.keys)
    dead = summary.set_index("run_key")["diverged_at"].dropna().astype(int).to_dict()
    rows = np.stack([weights[key] for key in part.run_keys])
    return measure(part, rows, {str(k): int(v) for k, v in dead.items()}, probe)


def _train(
    planned: PlannedJob, results: Path, checkpoint_every: float, say: Callable[[int], None]
) -> "tuple[Tables, float]":
    """What training yields, and its seconds, those before this process included."""
    from throughtime.probes import probe
    from throughtime.training.checkpoints import Checkpoints
    from throughtime.training.train import train

    check_device(planned.device)
    versions = provenance.versions()
    decides = [planned.key, job_digest(planned), versions["torch"], versions["numpy"]]
    folder = results / planned.experiment / "checkpoints" / planned.key
    keeper = Checkpoints(folder, digest(decides), checkpoint_every)
    own = component_files(planned.job.task, *planned.job.components().values())
    say(sum(len(block.summary) for block in keeper.finished()))
    with locate_errors(*own):
        try:
            trained = train(planned, progress=say, keeper=keeper, probe=probe)
        except (MemoryError, RuntimeError) as error:
            # torch: "not enough memory", "out of memory"
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            raise _out_of_memory(planned) from None
    return trained, keeper.spent()


def _out_of_memory(planned: PlannedJob) -> UserError:
    need = block_bytes(planned) + LIBRARIES
    return UserError(
        f"{planned.experiment} {planned.key}: out of memory; a process needs about "
        f"{need / 2**20:,.0f} MiB: use fewer at once (--cores), or a machine with more, and run "
        "again"
    )
