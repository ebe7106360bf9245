"""What every command needs first: the project, where its results lie, how many workers."""

import argparse
import os
from pathlib import Path
from typing import Any

from throughtime.core.errors import UserError, nearest


def root_folder(args: argparse.Namespace) -> Path:
    """The folder given by --root; else this one, or the nearest above that has a config.yaml."""
    if args.root:
        return Path(args.root)
    here = Path.cwd()
    return next((p for p in (here, *here.parents) if (p / "config.yaml").exists()), here)


def open_project(args: argparse.Namespace) -> Any:
    """The project that the arguments name, read and checked."""
    from throughtime.planning.project import Project

    return Project.open(root_folder(args), args.preset, parse_overrides(args.config))


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """The config's keys that KEY=VALUE pairs set, their values read as YAML."""
    from throughtime.planning import yaml_reader

    values = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator:
            raise UserError(f"--config {pair}: write KEY=VALUE")
        values[key] = yaml_reader.parse(value, f"--config {pair}")
    return values


def results_folder(project: Any) -> Path:
    """Where the project's results lie."""
    return Path(project.root / project.config.results)


def worker_count() -> int:
    """Processes that train: what the pipeline set, else one per core."""
    return int(os.environ.get("THROUGHTIME_WORKERS") or os.cpu_count() or 1)


def chosen_experiments(project: Any, names: list[str]) -> list[str]:
    """``names``, or all experiments where none is named; UserError where one is unknown."""
    for name in names:
        if name not in project.experiments:
            raise UserError(
                f"unknown experiment {name!r}; {nearest(name, list(project.experiments))}"
            )
    return names or list(project.experiments)
