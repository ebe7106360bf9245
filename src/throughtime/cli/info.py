"""Commands that change nothing: they say what there is, what would run, and what has run."""

import argparse
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from throughtime.cli.context import (
    chosen_experiments,
    open_project,
    results_folder,
    root_folder,
    worker_count,
)
from throughtime.core.errors import UserError, locate_errors, nearest
from throughtime.core.text import duration, first_paragraph
from throughtime.planning.resources import LIBRARIES


def listing(args: argparse.Namespace) -> None:
    """Tasks, cells, optimizers, schedules, initial schemes, probes, experiments."""
    from throughtime.cli import new
    from throughtime.engine.cells import cells
    from throughtime.tasks import tasks

    project = open_project(args)
    print("tasks")
    for name, task in tasks().items():
        print(f"  {name:16} {_summary(task)}")
    print("cells\n  " + "\n  ".join(cells()))
    new.listing()
    print("experiments")
    for name, experiment in project.experiments.items():
        print(f"  {name:16} {experiment.title}")


def _summary(kind: type) -> str:
    """What the file of a task says first; where it says nothing, what its class does."""
    module = sys.modules[kind.__module__]
    return first_paragraph(module.__doc__) or first_paragraph(kind.__doc__)


def axes(args: argparse.Namespace) -> None:
    """A table of every axis."""
    from throughtime.planning import catalog

    heads = catalog.Axis("axis", "kind", "default", "what it sets")
    rows = [heads, *catalog.axes()]
    name, kind, default = (
        max(len(getattr(row, column)) for row in rows) for column in ("name", "kind", "default")
    )
    for row in rows:
        print(f"{row.name:{name}}  {row.kind:{kind}}  {row.default:{default}}  {row.description}")
    print(
        "\nA parameter without its owner, such as length, holds for all of a sweep's tasks (cells, "
        "..) that have it."
    )


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
        prog=f"throughtime show {args.task}",
        description=" ".join(dict.fromkeys([_summary(kind), first_paragraph(kind.__doc__)])),
        exit_on_error=False,
    )
    options.add_argument("--seed", type=int, default=0, help="names the sequences (default: 0)")
    options.add_argument("--count", type=int, default=1, help="sequences to show (default: 1)")
    for name, field in kind.model_fields.items():
        options.add_argument(
            f"--{name}",
            default=None,
            metavar="VALUE",
            help=f"{field.description or ''} (default: {field.default})".strip().replace("%", "%%"),
        )
    try:
        chosen, unknown = options.parse_known_args(args.options)
    except argparse.ArgumentError as error:
        raise UserError(f"show {args.task}: {error}") from None
    if unknown:
        raise UserError(
            f"show {args.task}: unknown option {unknown[0]}; "
            + nearest(
                unknown[0], [f"--{name}" for name in (*kind.model_fields, "seed", "count", "help")]
            )
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
    with locate_errors(Path(inspect.getfile(kind))):
        batch = task.sample(stream(chosen.seed, "show"), chosen.count)
        about = [task.about()] if task.about() else []
        print("\n\n".join([*about, *(task.show(batch, i) for i in range(chosen.count))]))


def schema(args: argparse.Namespace) -> None:
    """Write, or check, the JSON schemas."""
    from throughtime.planning import json_schema as module

    root = root_folder(args)
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
    from throughtime.pipeline.progress import progress, remaining_seconds
    from throughtime.planning.resources import job_seconds

    project = open_project(args)
    whole = project.plan()
    names = chosen_experiments(project, [args.experiment] if args.experiment else [])
    results, workers = results_folder(project), worker_count()
    chosen = whole.select(*names)
    state = progress(chosen, results)
    seconds = remaining_seconds(state, workers)
    print(
        f"preset {project.config.preset}: {chosen.networks:,} networks in "
        f"{len(chosen.jobs):,} jobs; "
        f"{chosen.networks - state.done:,} networks left to train, in {len(state.left):,} jobs: "
        f"about {duration(seconds)} on {workers} cores ({seconds / 3600:.2f} h), recording and "
        "figures included"
    )
    for search in project.searches(*names):
        print(_search(search, results, state.speed))
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
                f"{duration(job_seconds(job.cost, state.speed)):>7}"
            )
        for skip in part.skipped:
            print(f"  skipped {skip.sweep}: {skip.axes}: {skip.reason}")
    print("\n" + _memory(state.left, workers))


def _search(search: Any, results: Path, speed: float) -> str:
    """What is chosen of a search, at most and about how many networks it will train, and how long
    these take on one core.
    """
    from throughtime.analysis import adaptive
    from throughtime.planning.resources import job_seconds

    rounds = search.chosen(results)
    expected = 0
    for _, own in search.grid.groupby("curve"):
        lags, seeds = tuple(map(float, own["lag_max"].unique())), own["seed"].nunique()
        expected += adaptive.expected(lags, seeds, search.width)
    cost = sum(job.cost for job in search.full.jobs) * expected / len(search.grid)
    return (
        f"{search.experiment} {search.sweep} looks for {search.grid['curve'].nunique()} frontiers: "
        f"{sum(map(len, rounds)):,} networks chosen in {len(rounds)} rounds so far, at most "
        f"{len(search.grid):,}, about {expected:,} expected: "
        f"{duration(job_seconds(cost, speed))} on one core"
    )


def _memory(jobs: Iterable[Any], workers: int) -> str:
    """What training will need: the engine's estimate for its largest block, with the libraries',
    times the processes.
    """
    from throughtime.planning.resources import MEMORY, block_bytes

    need = max((block_bytes(job) for job in jobs), default=0)
    return (
        f"memory: at most {need / 2**20:,.0f} MiB per block (bound {MEMORY / 2**20:,.0f}; larger "
        "ones are split by rows), "
        f"about {(need + LIBRARIES) * workers / 2**30:.1f} GiB on {workers} cores"
    )


def status(args: argparse.Namespace) -> None:
    """What was trained, what failed, and where the results lie."""
    from throughtime.pipeline import failures, live_line, progress, startup
    from throughtime.results import tables

    project = open_project(args)
    whole, results = project.plan(), results_folder(project)
    at_work = startup.is_at_work(project.root, results)
    print(live_line.status_line(whole, results, worker_count(), at_work))
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
