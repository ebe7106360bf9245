"""Copies of the project in which tests edit, run and kill what they like."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "experiments", "profiles")
FILES = ("Snakefile", "config.yaml")
# Bytecode goes along, and the machine code of the engine: to compile that anew takes a minute per
# copy. What is being written does not.
IGNORED = shutil.ignore_patterns("*.pyc.*", "*.tmp.*", "*.egg-info", ".*")


def copy_project(
    root: Path,
    folders: Iterable[str] = FOLDERS,
    files: Iterable[str] = FILES,
    experiments: Iterable[str] | None = None,
) -> Path:
    """The project without its results, in ``root``; with some of its experiments alone, if they
    are named.
    """
    for name in folders:
        shutil.copytree(ROOT / name, root / name, ignore=IGNORED)
    for name in files:
        shutil.copy(ROOT / name, root / name)
    if experiments is not None:
        _keep(root / "experiments", set(experiments))
    return root


def _keep(folder: Path, names: set[str]) -> None:
    """Delete all experiments but these, and what these read of the others."""
    for path in folder.glob("*/experiment.yaml"):
        if path.parent.name not in names:
            shutil.rmtree(path.parent)
            continue
        text = path.read_text()
        if found := re.search(r"^reads: \[(.*?)\]", text, re.MULTILINE):
            kept = [name for name in found[1].split(", ") if name in names]
            path.write_text(text.replace(found[0], f"reads: [{', '.join(kept)}]"))
