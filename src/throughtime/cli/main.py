"""The command line. What a command needs is imported when it runs: ``throughtime list`` starts
without torch.
"""

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from throughtime import __version__
from throughtime.cli import info, maintenance, new, run
from throughtime.core.errors import UserError
from throughtime.pipeline import watchdog

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see `{self.prog} --help`")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(
        prog="throughtime",
        description="Where recurrent networks fail to learn long-range dependencies.",
    )
    sub = top.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    project = _Parser(add_help=False)
    project.add_argument(
        "--root",
        type=Path,
        default=None,
        help="the project's folder (default: this one, or the nearest above)",
    )
    project.add_argument("--preset", help="instead of config.yaml's")
    project.add_argument(
        "--config",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="instead of config.yaml's",
    )

    def add(name: str, step: Callable[[Any], None], text: str, *parents: _Parser) -> _Parser:
        command = sub.add_parser(name, help=text, description=text, parents=list(parents))
        command.set_defaults(step=step)
        return command

    top.add_argument("--version", action="version", version=f"throughtime {__version__}")
    add("list", info.listing, "tasks, cells and experiments", project)
    new.add_arguments(
        add("new", new.new, "a file to start from: a task, a cell, an experiment ..", project)
    )
    add("axes", info.axes, "every axis that a sweep may have, with its default")
    show = add("show", info.show, "an example sequence of a task that a person can read")
    show.add_argument("task")
    show.add_argument(
        "options",
        nargs=argparse.REMAINDER,
        help="--seed, and any parameter of the task: show TASK --help",
    )
    plan = add(
        "plan",
        info.plan,
        "what would be trained, what is skipped and why, and how long it would take",
        project,
    )
    plan.add_argument("experiment", nargs="?")
    plan.add_argument("--total", action="store_true", help="one line")
    train = add("train", run.train, "train jobs of the plan, one after the other", project)
    train.add_argument("experiment")
    train.add_argument("keys", nargs="*", metavar="JOB", help="its key, as `throughtime plan` says")
    train.add_argument(
        "--logs",
        action="store_true",
        help="as the pipeline does: what a job says goes to results/logs/EXPERIMENT/JOB.log, a job "
        "that fails does not stop the others, and finished ones are passed over",
    )
    choose = add("choose", run.choose, "choose what the next round of a search trains", project)
    choose.add_argument("experiment")
    choose.add_argument("search", help="its name, as results/EXPERIMENT/rounds has it")
    choose.add_argument("number", type=int, help="of the round, from 1")
    for name, step, text in (
        ("collect", run.collect, "put the tables of finished jobs together"),
        ("references", run.references, "compute the lines that results are held against"),
        (
            "compute",
            run.compute,
            "compute what figures need beside trained networks (cost, surfaces, slow theory)",
        ),
        ("manifest", run.manifest, "write down what made the results"),
    ):
        add(name, step, text, project).add_argument(
            "experiments", nargs="*", metavar="EXPERIMENT", help="default: all"
        )
    run.add_figure_arguments(
        add("figure", run.figure, "draw figures, or single panels of one", project)
    )
    add(
        "salvage",
        maintenance.salvage,
        "after a failure: collect, draw and track what is there",
        project,
    )
    add(
        "claims",
        run.claims,
        "decide what the experiments claim: supported, not supported or undecided",
        project,
    )
    add(
        "reproductions",
        run.reproductions,
        "hold what papers report beside what was measured: same, differs or not comparable",
        project,
    )
    track = add("track", run.track, "write trained networks to MLflow", project)
    track.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="default: all")
    track.add_argument(
        "--receipt",
        metavar="NAME",
        help="another file below results/mlflow, NAME.txt, for what was done",
    )
    ui = add("ui", maintenance.ui, "start the MLflow UI on this machine", project)
    ui.add_argument("--port", type=int, default=5000, help="another is chosen if it is taken")
    ui.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; default: loopback, so that nobody else gets in",
    )
    add("report", run.report, "write the report page", project)
    add(
        "keep",
        maintenance.keep,
        "keep this run's figures, summaries and captions as results/reference",
        project,
    )
    verify = add(
        "verify",
        maintenance.verify,
        "hold every results file against the sum that was written with it",
        project,
    )
    verify.add_argument("folder", nargs="?", type=Path, help="default: the project's results")
    add("status", info.status, "what was trained, and where the results lie", project)
    compare = add(
        "compare",
        maintenance.compare,
        "which grid points of two results folders differ beyond their intervals",
        project,
    )
    compare.add_argument("a", type=Path)
    compare.add_argument("b", type=Path)
    schema = add("schema", info.schema, "write the JSON schemas for editors", project)
    schema.add_argument(
        "--check", action="store_true", help="write nothing; fail if a schema is not in sync"
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0, or 2 after a user's mistake, said in one line."""
    for name in THREADS:
        os.environ.setdefault(name, "1")  # before NumPy is imported: one process uses one thread
    gc.set_threshold(
        10_000, 50, 50
    )  # imports make many objects and no garbage: to look for it took a sixth of their time
    try:
        chosen = parser().parse_args(arguments)
        watchdog.end_with_pipeline()
        chosen.step(chosen)
    except UserError as error:
        print(f"throughtime: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130  # as a shell has it: 128 and the number of the signal
    except BrokenPipeError:  # `throughtime plan | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
