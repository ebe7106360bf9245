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
    """The project that the arguments name, read and checked; experiments of a series that they name
    are added to the chosen ones.
    """
    from throughtime.planning.project import ALL, Project

    root, overrides = root_folder(args), parse_overrides(args.config)
    project = Project.open(root, args.preset, overrides)
    own = getattr(args, "experiments", None) or [getattr(args, "experiment", None)]
    named = [name for name in own if name in project.groups and name != ALL]
    if all(set(project.groups[name]) <= set(project.experiments) for name in named):
        return project
    chosen = project.config.experiments
    chosen = [chosen] if isinstance(chosen, str) else chosen
    return Project.open(root, args.preset, {**overrides, "experiments": [*chosen, *named]})


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


def chosen_experiments(project: Any, names: list[str], *, of_any_preset: bool = False) -> list[str]:
    """The experiments that ``names`` stand for, each its own or a series'; all where none is named.

    Args:
        project: with its preset.
        names: as the user wrote them.
        of_any_preset: whether an experiment may be named of which nothing is in the preset.

    Raises:
        UserError: an unknown name, or one of which nothing is in the preset.
    """
    chosen: dict[str, None] = {}
    for name in names:
        if name not in project.groups:
            raise UserError(f"unknown experiment {name!r}; {nearest(name, list(project.groups))}")
        members = project.groups[name]
        planned = [own for own in members if of_any_preset or own in project.experiments]
        if not planned:
            raise UserError(
                f"{name}: nothing of it is in preset {project.config.preset}; choose another"
            )
        chosen.update(dict.fromkeys(planned))
    return list(chosen) or list(project.experiments)
