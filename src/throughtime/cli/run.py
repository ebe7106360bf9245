"""Commands that are the stages of a run: each reads the project and writes results."""

import argparse
import sys

from throughtime.cli.context import chosen_experiments, open_project, results_folder
from throughtime.core.errors import UserError


def train(args: argparse.Namespace) -> None:
    """Train jobs, one after the other, and write their tables."""
    from throughtime.pipeline import stages

    project = open_project(args)
    part, results = project.plan(args.experiment), results_folder(project)
    jobs, every = [part.job(key) for key in args.keys], project.config.checkpoint_every
    if not args.logs:
        for planned in jobs:
            stages.train_job(planned, results, every, stages.report_progress(planned))
        return
    if failed := stages.train_jobs(jobs, results, every):
        print(*(f"throughtime: {line}" for line in failed[:-1]), sep="\n", file=sys.stderr)
        raise UserError(failed[-1])


def collect(args: argparse.Namespace) -> None:
    """Put job tables together; says what is missing."""
    from throughtime.pipeline import stages

    project = open_project(args)
    whole = project.plan()
    for name in chosen_experiments(project, args.experiments):
        jobs = whole.select(name).jobs
        if not jobs:
            continue
        done = stages.collect(whole, results_folder(project), name)
        print(f"{name}: {done.networks} networks of {len(jobs) - len(done.missing)} jobs collected")
        for key in done.missing:
            print(f"  missing: {key}")


def references(args: argparse.Namespace) -> None:
    """Compute reference lines."""
    from throughtime.pipeline import stages

    project = open_project(args)
    whole = project.plan()
    for name in chosen_experiments(project, args.experiments):
        if whole.select(name).jobs:
            stages.references(whole, results_folder(project), name)


def compute(args: argparse.Namespace) -> None:
    """Compute what an experiment needs beside trained networks; experiments without a compute.py
    have nothing to do.
    """
    from throughtime.pipeline import stages
    from throughtime.results.paths import COMPUTE

    project = open_project(args)
    for name in chosen_experiments(project, args.experiments):
        if (project.root / "experiments" / name / COMPUTE).exists():
            rows = stages.compute(
                project.root, results_folder(project), name, project.config.preset
            )
            print(f"{name}: {rows:,} rows computed")


def manifest(args: argparse.Namespace) -> None:
    """Write down what made the results."""
    from throughtime.pipeline import stages

    project = open_project(args)
    whole = project.plan()
    for name in chosen_experiments(project, args.experiments):
        if whole.select(name).jobs:
            stages.manifest(project, whole, results_folder(project), name)


def figure(args: argparse.Namespace) -> None:
    """Draw figures."""
    from throughtime.figures.draw import draw

    project = open_project(args)
    results = results_folder(project)
    for name in chosen_experiments(project, args.experiments):
        draw(project.root, name, results, results / "figures", project.config.preset)
        print(f"{name}: figure in {project.config.results}/figures")


def claims(args: argparse.Namespace) -> None:
    """Decide all claims and say how."""
    from throughtime.analysis import claims as module
    from throughtime.results import tables

    project = open_project(args)
    judged = module.judge(project, results_folder(project))
    tables.write(judged, "claims", results_folder(project) / "claims.parquet")
    print(module.text(judged))


def track(args: argparse.Namespace) -> None:
    """Write trained networks to MLflow: all, or those of some experiments; what was done goes into
    results/mlflow/EXPERIMENT.txt and RECEIPT.txt.
    """
    from throughtime.core import files
    from throughtime.pipeline import stages
    from throughtime.tracking import ingest

    project = open_project(args)
    results = results_folder(project)
    chosen = chosen_experiments(project, args.experiments) if args.experiments else None
    counts = ingest.ingest(
        project.root,
        results,
        project.plan(),
        project.config.preset,
        project.config.mlflow.uri,
        only=chosen,
    )
    words = f"MLflow: {counts}"
    stages.note_recorded(results, chosen or project.experiments, words)
    if receipt := args.receipt or ("" if chosen else "ingested"):
        files.write(results / "mlflow" / f"{receipt}.txt", f"{words}\n".encode())
    print(words)


def report(args: argparse.Namespace) -> None:
    """Write the report page."""
    from throughtime.pipeline import stages
    from throughtime.report import page

    project = open_project(args)
    results = results_folder(project)
    print(page.write(project.root, results, project))
    stages.note_reported(results, project.experiments)
