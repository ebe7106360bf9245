"""Commands beside a run: after a failure, of results that are kept, checked or compared."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from throughtime.cli.context import open_project, results_folder
from throughtime.cli.run import (
    claims,
    collect,
    compute,
    figure,
    manifest,
    references,
    report,
    reproductions,
    track,
)
from throughtime.core.errors import UserError


def salvage(args: argparse.Namespace) -> None:
    """Collect, draw and track what a partly failed sweep has left; what cannot be done is said, and
    the rest goes on.
    """
    from throughtime.analysis.reproductions import reproducing

    project = open_project(args)
    for name in project.experiments:
        computed = (
            results_folder(project) / name / "computed.parquet"
        ).exists()  # whole: it may have taken minutes
        for step in (collect, references, *(() if computed else (compute,)), manifest, figure):
            run_step(step, argparse.Namespace(**{**vars(args), "experiments": [name]}))
    last_steps = (claims, *((reproductions,) if reproducing(project) else ()), track, report)
    for last in last_steps:
        run_step(
            last, argparse.Namespace(**{**vars(args), "experiments": [], "receipt": "ingested"})
        )


def run_step(step: Callable[[argparse.Namespace], None], args: argparse.Namespace) -> None:
    """Do one step of several; what stops it is said in a line, and the others go on."""
    try:
        step(args)
    except UserError as error:
        print(f"{step.__name__}: {error}")


def ui(args: argparse.Namespace) -> None:
    """Start the MLflow UI."""
    from throughtime.tracking import ui as module

    project = open_project(args)
    module.serve(
        project.root, results_folder(project), project.config.mlflow.uri, args.port, args.host
    )


def keep(args: argparse.Namespace) -> None:
    """Keep this run as the reference."""
    from throughtime.pipeline import reference as module

    project = open_project(args)
    out = project.root / "results" / "reference"
    written = module.keep(project.root, results_folder(project), list(project.experiments), out)
    print(f"{len(written)} files in {out.relative_to(project.root)}")


def verify(args: argparse.Namespace) -> None:
    """Which results files are not what was written."""
    from throughtime.pipeline import verify as module

    folder = args.folder or Path(os.path.relpath(results_folder(open_project(args))))
    findings = module.inspect(folder)
    print("\n".join(findings.lines()))
    if findings.wrong:
        raise UserError(
            f"{folder}: {len(findings.wrong)} files are damaged or gone; `make` finds and makes "
            "them again, or do as said above"
        )


def compare(args: argparse.Namespace) -> None:
    """Which grid points of two results folders differ."""
    from throughtime.analysis import compare as module

    print(module.summarize(module.compare(args.a, args.b)))
