"""What each command of the command line does: reads the project, calls one function of the package,
prints.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from throughtime.core.errors import UserError, nearest
from throughtime.planning.resources import LIBRARIES


def _root(args: argparse.Namespace) -> Path:
    if args.root:
        return Path(args.root)
    here = Path.cwd()
    return next((p for p in (here, *here.parents) if (p / "config.yaml").exists()), here)


def _project(args: argparse.Namespace) -> Any:
    from throughtime.planning.project import Project

    return Project.open(_root(args), args.preset, _overrides(args.config))


def _overrides(pairs: list[str]) -> dict[str, Any]:
    from throughtime.planning import yaml_reader

    values = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise UserError(f"--config {pair}: write KEY=VALUE")
        values[key] = yaml_reader.parse(value, f"--config {pair}")
    return values


def _results(project: Any) -> Path:
    return Path(project.root / project.config.results)


def _workers() -> int:
    return int(os.environ.get("THROUGHTIME_WORKERS") or os.cpu_count() or 1)


def _chosen(project: Any, names: list[str]) -> list[str]:
    for name in names:
        if name not in project.experiments:
            raise UserError(
                f"unknown experiment {name!r}; {nearest(name, list(project.experiments))}"
            )
    return names or list(project.experiments)


# What there is ------------------------------------------------------------------------------------


def listing(args: argparse.Namespace) -> None:
    """Tasks, cells, experiments."""
    from throughtime.cli import new
    from throughtime.engine.cells import cells
    from throughtime.tasks import tasks

    project = _project(args)
    print("tasks")
    for name, task in tasks().items():
        print(f"  {name:16} {(task.__doc__ or '').strip().splitlines()[0]}")
    print("cells\n  " + "\n  ".join(cells()))
    new.listing()
    print("experiments")
    for name, experiment in project.experiments.items():
        print(f"  {name:16} {experiment.title}")


def show(args: argparse.Namespace) -> None:
    """An example sequence of a task."""
    from pydantic import ValidationError

    from throughtime.core.rng import stream
    from throughtime.planning import yaml_reader
    from throughtime.planning.sweep import message
    from throughtime.tasks import tasks

    if args.task not in tasks():
        raise UserError(f"unknown task {args.task!r}; {nearest(args.task, list(tasks()))}")
    kind = tasks()[args.task]
    options = argparse.ArgumentParser(
        prog=f"throughtime show {args.task}", description=kind.__doc__, exit_on_error=False
    )
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--count", type=int, default=1, help="sequences to show")
    for name, field in kind.model_fields.items():
        options.add_argument(
            f"--{name}",
            default=None,
            help=f"{field.description or ''} (default: {field.default})".strip(),
        )
    try:
        chosen, unknown = options.parse_known_args(args.options)
    except argparse.ArgumentError as error:
        raise UserError(f"show {args.task}: {error}") from None
    if unknown:
        raise UserError(
            f"show {args.task}: unknown option {unknown[0]}; "
            f"{nearest(unknown[0].lstrip('-'), [*kind.model_fields, 'seed'])}"
        )
    fields = {
        k: yaml_reader.parse(v, f"show --{k}")
        for k, v in vars(chosen).items()
        if k in kind.model_fields and v is not None
    }
    try:
        task = kind(**fields)
    except ValidationError as error:
        raise UserError(message(error, f"show {args.task}")) from None
    if chosen.seed < 0 or chosen.count < 1:
        raise UserError(f"show {args.task}: --seed must be at least 0 and --count at least 1")
    batch = task.sample(stream(chosen.seed, "show"), chosen.count)
    print("\n\n".join(task.show(batch, i) for i in range(chosen.count)))


def schema(args: argparse.Namespace) -> None:
    """Write, or check, the JSON schemas."""
    from throughtime.planning import json_schema as module

    root = _root(args)
    if args.check:
        stale = [
            n
            for n, s in module.schemas().items()
            if not (root / n).exists() or (root / n).read_text() != module.text(s)
        ]
        if stale:
            raise UserError(
                f"{', '.join(stale)}: not in sync with the models; run `throughtime schema`"
            )
    else:
        print("\n".join(str(p) for p in module.write(root)))


def plan(args: argparse.Namespace) -> None:
    """What would be trained."""
    from throughtime.pipeline import progress
    from throughtime.results.trained import count_trained

    project = _project(args)
    whole = project.plan()
    names = _chosen(project, [args.experiment] if args.experiment else [])
    results, workers = _results(project), _workers()
    rate = progress.speed(results)
    left = progress.progress(
        whole.select(args.experiment) if args.experiment else whole, results
    ).left
    seconds = progress.expected_seconds((job.cost for job in left), workers, rate)
    networks = sum(whole.select(n).networks for n in names)
    untrained = sum(len(job.grid) - count_trained(results, job) for job in left)
    print(
        f"preset {project.config.preset}: {networks:,} networks in "
        f"{sum(len(whole.select(n).jobs) for n in names):,} jobs; "
        f"{untrained:,} networks left to train, in {len(left):,} jobs: about "
        f"{progress.duration(seconds)} on {workers} cores ({seconds / 3600:.2f} h)"
    )
    if args.total:
        return
    for name in names:
        part = whole.select(name)
        print(
            f"\n{name}: {part.networks:,} networks, {len(part.jobs):,} jobs, {len(part.skipped):,} "
            "combinations skipped"
        )
        for job in sorted(part.jobs, key=lambda j: -j.cost):
            print(
                f"  {job.key:72} {len(job.grid):5,} networks  "
                f"{progress.duration(job.cost / rate):>7}"
            )
        for skip in part.skipped:
            print(f"  skipped {skip.sweep}: {skip.axes}: {skip.reason}")
    print("\n" + _memory(left, workers))


def _memory(jobs: Iterable[Any], workers: int) -> str:
    """What training will need: the engine's estimate for its largest block, with the libraries',
    times the processes.
    """
    from throughtime.planning.resources import MEMORY, block_bytes

    need = max((block_bytes(job) for job in jobs), default=0)
    return (
        f"memory: at most {need / 2**20:,.0f} MiB a block (bound {MEMORY / 2**20:,.0f}; larger "
        "ones are split by rows), "
        f"about {(need + LIBRARIES) * workers / 2**30:.1f} GiB on {workers} cores"
    )


# What is run --------------------------------------------------------------------------------------


def train(args: argparse.Namespace) -> None:
    """Train one job and write its tables."""
    from throughtime.pipeline import stages

    project = _project(args)
    planned = project.plan(args.experiment).job(args.key)

    def say(done: int) -> None:
        print(f"{done} of {len(planned.grid)} networks", file=sys.stderr, flush=True)

    stages.train_job(planned, _results(project), project.config.checkpoint_every, say)


def collect(args: argparse.Namespace) -> None:
    """Put job tables together; says what is missing."""
    from throughtime.pipeline import stages as module

    project = _project(args)
    whole = project.plan()
    for name in _chosen(project, args.experiments):
        jobs = whole.select(name).jobs
        if not jobs:
            continue
        done = module.collect(whole, _results(project), name)
        print(f"{name}: {done.networks} networks of {len(jobs) - len(done.missing)} jobs collected")
        for key in done.missing:
            print(f"  missing: {key}")


def references(args: argparse.Namespace) -> None:
    """Compute reference lines."""
    from throughtime.pipeline import stages as module

    project = _project(args)
    whole = project.plan()
    for name in _chosen(project, args.experiments):
        if whole.select(name).jobs:
            module.references(whole, _results(project), name)


def compute(args: argparse.Namespace) -> None:
    """Compute what an experiment needs beside trained networks; experiments without a compute.py
    have nothing to do.
    """
    from throughtime.pipeline import stages as module
    from throughtime.results.paths import COMPUTE

    project = _project(args)
    for name in _chosen(project, args.experiments):
        if (project.root / "experiments" / name / COMPUTE).exists():
            rows = module.compute(project.root, _results(project), name, project.config.preset)
            print(f"{name}: {rows:,} rows computed")


def manifest(args: argparse.Namespace) -> None:
    """Write down what made the results."""
    from throughtime.pipeline import stages as module
    from throughtime.results import provenance

    project = _project(args)
    whole = project.plan()
    code = {
        "code_digest": provenance.code_digest("throughtime.training.train"),
        "git_commit": provenance.git_commit(project.root),
        "packages": provenance.versions(),
        "machine": provenance.machine(),
    }
    for name in _chosen(project, args.experiments):
        jobs = whole.select(name).jobs
        if not jobs:
            continue
        config = {
            "config": project.config.model_dump(mode="json"),
            "question": project.experiments[name].question,
        }
        config["sweeps"] = project.experiments[name].sweeps_of(project.config.preset)
        module.manifest(whole, _results(project), name, config, code)


def figure(args: argparse.Namespace) -> None:
    """Draw figures."""
    from throughtime.figures.draw import draw

    project = _project(args)
    results = _results(project)
    for name in _chosen(project, args.experiments):
        draw(project.root, name, results, results / "figures", project.config.preset)
        print(f"{name}: figure in {project.config.results}/figures")


def claims(args: argparse.Namespace) -> None:
    """Decide all claims and say how."""
    from throughtime.analysis import claims as module
    from throughtime.results import tables

    project = _project(args)
    judged = module.judge(project, _results(project))
    tables.write(judged, "claims", _results(project) / "claims.parquet")
    print(module.text(judged))


def track(args: argparse.Namespace) -> None:
    """Write trained networks to MLflow: all, or those of some experiments."""
    from throughtime.core import files
    from throughtime.tracking import ingest

    project = _project(args)
    results = _results(project)
    chosen = _chosen(project, args.experiments) if args.experiments else None
    counts = ingest.ingest(
        project.root,
        results,
        project.plan(),
        project.config.preset,
        project.config.mlflow.uri,
        only=chosen,
    )
    name = "early.txt" if args.experiments else "ingested.txt"
    files.write(results / "mlflow" / name, f"MLflow: {counts}\n".encode())
    print(f"MLflow: {counts}")


def salvage(args: argparse.Namespace) -> None:
    """Collect, draw and track what a partly failed sweep has left; what cannot be done is said, and
    the rest goes on.
    """
    project = _project(args)
    for name in project.experiments:
        computed = (
            _results(project) / name / "computed.parquet"
        ).exists()  # whole: it may have taken minutes
        for step in (collect, references, *(() if computed else (compute,)), manifest, figure):
            _try(step, argparse.Namespace(**{**vars(args), "experiments": [name]}))
    for last in (claims, track, report):
        _try(last, argparse.Namespace(**{**vars(args), "experiments": []}))


def _try(step: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> None:
    try:
        step(args)
    except UserError as error:
        print(f"{step.__name__}: {error}")


def ui(args: argparse.Namespace) -> None:
    """Start the MLflow UI."""
    from throughtime.tracking import ui as module

    project = _project(args)
    module.serve(project.root, _results(project), project.config.mlflow.uri, args.port, args.host)


def report(args: argparse.Namespace) -> None:
    """Write the report page."""
    from throughtime.report import page as module

    project = _project(args)
    print(module.write(project.root, _results(project), project))


def keep(args: argparse.Namespace) -> None:
    """Keep this run as the reference."""
    from throughtime.pipeline import reference as module

    project = _project(args)
    out = project.root / "results" / "reference"
    print(
        f"{len(module.keep(project.root, _results(project), list(project.experiments), out))} "
        f"files in {out.relative_to(project.root)}"
    )


def verify(args: argparse.Namespace) -> None:
    """Which results files are not what was written."""
    from throughtime.pipeline import verify as module

    folder = args.folder or Path(os.path.relpath(_results(_project(args))))
    found = module.inspect(folder)
    print("\n".join(found.lines()))
    if found.wrong:
        raise UserError(
            f"{folder}: {len(found.wrong)} files are damaged or gone; `make` finds and makes them "
            "again, or do as said above"
        )


def status(args: argparse.Namespace) -> None:
    """What was trained, what failed, and where the results lie."""
    from throughtime.pipeline import failures, live_line, progress
    from throughtime.results import tables

    project = _project(args)
    whole, results = project.plan(), _results(project)
    print(live_line.status_line(whole, results, _workers()))
    heads = ("networks", "trained", *tables.STATUSES, "jobs left")
    print(f"\npreset {project.config.preset}\n{'':16}" + "".join(f"{h:>10}" for h in heads))
    states = {
        n: progress.progress(whole.select(n), results)
        for n in project.experiments
        if whole.select(n).jobs
    }
    rows = {
        n: [s.networks, s.done, *(getattr(s, name) for name in tables.STATUSES), len(s.left)]
        for n, s in states.items()
    }
    rows["all"] = [sum(counts) for counts in zip(*rows.values(), strict=True)] or [0] * len(heads)
    for name, counts in rows.items():
        print(f"{name:16}" + "".join(f"{n:>10,}" for n in counts))
    failed = failures.failures(
        whole, results, [job for state in states.values() for job in state.failed]
    )
    print(
        "\n" * bool(failed) + "\n".join(f"failed: {text}" for text in failed),
        end="\n" * bool(failed),
    )
    shown = project.config.results
    print(
        f"\nfigures  {shown}/figures/\ntables   {shown}/EXPERIMENT/*.parquet\nreport   "
        f"{shown}/report.html"
    )
    print("MLflow   make ui   (or: throughtime ui)")


def compare(args: argparse.Namespace) -> None:
    """Which cells of two results folders differ."""
    from throughtime.analysis import compare as module

    print(module.summarize(module.compare(args.a, args.b)))
