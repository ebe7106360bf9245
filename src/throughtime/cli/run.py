"""Commands that are the stages of a run: each reads the project and writes results."""

import argparse
import sys
from pathlib import Path
from typing import Any

from throughtime.cli.context import chosen_experiments, open_project, results_folder
from throughtime.core.errors import UserError, nearest


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


def choose(args: argparse.Namespace) -> None:
    """Choose the networks of a round of a search, and say what is known so far."""
    from throughtime.pipeline import stages

    project = open_project(args)
    found = {search.name: search for search in project.searches(args.experiment)}
    if args.search not in found:
        raise UserError(
            f"{args.experiment}: no search {args.search!r} in this plan; "
            + nearest(args.search, list(found))
        )
    curves = stages.choose(found[args.search], results_folder(project), args.number)
    known, chosen = curves["networks"].str.len().eq(0).sum(), curves["networks"].str.len().sum()
    print(
        f"{args.search}, round {args.number}: {known} of {len(curves)} frontiers known; {chosen} "
        "networks to train"
    )


def references(args: argparse.Namespace) -> None:
    """Compute reference lines."""
    from throughtime.pipeline import stages

    project = open_project(args)
    whole = project.full_plan()
    for name in chosen_experiments(project, args.experiments):
        if whole.select(name).jobs:
            stages.references(whole, results_folder(project), name)


def compute(args: argparse.Namespace) -> None:
    """Compute what an experiment needs beside trained networks; experiments without a compute.py
    have nothing to do.
    """
    from throughtime.pipeline import stages
    from throughtime.planning.experiment_files import COMPUTE

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


PANEL_OPTIONS = {
    "width": ("LENGTH", "of a panel: 3.3in, 84mm, 8.4cm or 240pt (default: the style's)"),
    "height": ("LENGTH", "of a panel"),
    "font": ("FAMILY", "serif, sans, mono, or a font of this machine"),
    "format": ("LIST", "pdf, svg, png, pgf; several with commas (default: pdf)"),
    "style": (
        "STYLE",
        "paper, slide, notebook, one of matplotlib's, or a file of yours",
    ),
    "out": ("DIR", "where panels are written (default: this folder)"),
}


def add_figure_arguments(parser: argparse.ArgumentParser) -> None:
    """Which figures, or which panels of one and how they look."""
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="default: all")
    parser.add_argument("--list", action="store_true", help="the panels that there are")
    parser.add_argument(
        "--panel", metavar="NAME", help="write this panel alone; several with commas; or `all`"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DIR",
        help="with --list or --panel: the folder of tables, e.g. results/reference",
    )
    for name, (metavar, text) in PANEL_OPTIONS.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=text)


def figure(args: argparse.Namespace) -> None:
    """Draw figures, or single panels."""
    from throughtime.figures.draw import draw

    given = [name for name in PANEL_OPTIONS if getattr(args, name) is not None]
    if given and not args.panel:
        raise UserError(f"--{given[0]} is of a panel; name one with --panel, or `all`")
    if args.source and not (args.panel or args.list):
        raise UserError("--from is of panels; name one with --panel, or ask for --list")
    if args.source and not Path(args.source).is_dir():
        raise UserError(f"--from {args.source}: no such folder")
    project = open_project(args)
    # tables of another folder may be those of another preset
    names = chosen_experiments(project, args.experiments, of_any_preset=bool(args.source))
    results = Path(args.source) if args.source else results_folder(project)
    if args.list:
        _list_panels(project, names, results)
    elif args.panel and (not args.experiments or len(names) != 1):
        raise UserError("--panel: name one experiment, e.g. `throughtime figure truncation`")
    elif args.panel:
        _write_panels(project, names[0], results, args)
    else:
        for name in names:
            draw(project.root, name, results, results / "figures", project.config.preset)
            print(f"{name}: figure in {project.config.results}/figures")


def _list_panels(project: Any, names: list[str], results: Path) -> None:
    """Print the panels of experiments, with what each shows; from the tables in ``results``, where
    there are any.
    """
    from throughtime.figures import export
    from throughtime.results.load import Results

    for name in names:
        try:
            folder, found = export.open_experiment(project.root, name, results)
        except UserError as error:
            print(f"throughtime: {error}", file=sys.stderr)
            folder, found = project.root / "experiments" / name, Results.empty()
        panels = export.named_panels(folder, found)
        print(f"{name}: panels for --panel")
        width = max(len(panel.name) for panel in panels)
        print(*(f"  {panel.name:{width}}  {panel.shows}" for panel in panels), sep="\n")


def _write_panels(project: Any, name: str, results: Path, args: argparse.Namespace) -> None:
    """Write panels of one experiment, drawn from ``results``, as the options ask for."""
    from throughtime.figures import export

    sizes = {
        name: export.parse_length(getattr(args, name), f"--{name}")
        for name in ("width", "height")
        if getattr(args, name) is not None
    }
    look = export.Look(
        **sizes,
        font=args.font or "",
        style=args.style or "paper",
        formats=export.parse_formats(args.format or "pdf"),
    )
    out = Path(args.out or ".")
    for path in export.export(project.root, name, results, args.panel, out, look):
        print(path)


def claims(args: argparse.Namespace) -> None:
    """Decide all claims and say how."""
    from throughtime.analysis import claims as module
    from throughtime.results import tables

    project = open_project(args)
    judged = module.judge(project, results_folder(project))
    tables.write(judged, "claims", results_folder(project) / "claims.parquet")
    print(module.text(judged))


def reproductions(args: argparse.Namespace) -> None:
    """Hold the papers' numbers beside ours and say how they compare."""
    from throughtime.analysis import reproductions as module
    from throughtime.results import tables

    project = open_project(args)
    if not module.reproducing(project):
        raise UserError(
            f"none of the chosen experiments has a {module.MEASURED}; choose others with "
            "--config experiments=NAME, of an experiment or a series"
        )
    compared = module.compare(project, results_folder(project))
    tables.write(compared, "reproductions", results_folder(project) / "reproductions.parquet")
    print(module.text(compared))


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
    from throughtime.figures import export
    from throughtime.pipeline import stages
    from throughtime.report import findings, page

    project = open_project(args)
    results = results_folder(project)
    shown = [(name, panel) for name, panel in findings.panels() if name in project.experiments]
    look = export.Look(style="notebook")
    drawn = export.draw_pictures(project.root, results, shown, look)
    print(page.write(results, project, drawn))
    stages.note_reported(results, project.experiments)
