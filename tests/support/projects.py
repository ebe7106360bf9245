"""Copies of the project in which tests edit, run and kill what they like."""

import shutil
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "experiments", "profiles")
FILES = ("Snakefile", "config.yaml")
# The machine code of the engine goes along: to compile it anew takes a minute per copy.
IGNORED = shutil.ignore_patterns("*.pyc*", "*.tmp.*", "*.egg-info", ".*")


def copy_project(
    root: Path, folders: Iterable[str] = FOLDERS, files: Iterable[str] = FILES
) -> Path:
    """The project without its results, in ``root``."""
    for name in folders:
        shutil.copytree(ROOT / name, root / name, ignore=IGNORED)
    for name in files:
        shutil.copy(ROOT / name, root / name)
    return root
