"""``throughtime new KIND NAME``: a file to start from, which works before anything is changed."""

import argparse
import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

import yaml

from throughtime.core.component import Component
from throughtime.core.errors import UserError
from throughtime.core.registry import names, probe_names
from throughtime.core.text import first_paragraph

TEMPLATES = "templates"
PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Kind:
    """Something that a user may add to the package as one file.

    Attributes:
        folder: where its files lie, below the package.
        use: how a sweep asks for it; ``{}`` stands for the name.
        tests: what holds it to its contract, below the repository.
    """

    folder: str
    use: str
    tests: str


KINDS = {
    "task": Kind("tasks", "task: {}", "tests/tasks/test_contract.py"),
    "cell": Kind("engine/cells", "cell: {}", "tests/engine tests/contracts"),
    "optimizer": Kind("engine/optimizers", "optimizer: {}", "tests/engine tests/contracts"),
    "schedule": Kind("engine/schedules", "schedule: {}", "tests/engine tests/contracts"),
    "init": Kind("engine/initialization", "init: {}", "tests/engine tests/contracts"),
    "probe": Kind("probes", "probes: [{}]", "tests/probes/test_base.py tests/contracts"),
}
EXPERIMENT = "experiment"


def new(args: argparse.Namespace) -> None:
    """Write the file, or an experiment's folder; say where, and what to try next.

    Raises:
        UserError: the name cannot be used or is taken, or the place cannot be written.
    """
    if args.kind == EXPERIMENT:
        _experiment(args)
    else:
        _component(args.kind, args.name)


def listing() -> None:
    """Print what there is of each kind that ``throughtime list`` does not show otherwise."""
    for title, descriptions in _later_kinds().items():
        print(title)
        for name, text in descriptions.items():
            print(f"  {name:16} {text}".rstrip())


def _later_kinds() -> dict[str, dict[str, str]]:
    """Title -> name -> first line of its documentation."""
    from throughtime.engine.initialization import schemes
    from throughtime.engine.optimizers import optimizers
    from throughtime.engine.schedules import schedules

    kinds: dict[str, Callable[[], Mapping[str, type[Component]]]] = {
        "optimizers": optimizers,
        "schedules": schedules,
        "initial schemes": schemes,
    }
    described = {
        title: {name: first_paragraph(kind.__doc__) for name, kind in of().items()}
        for title, of in kinds.items()
    }
    # a probe's module imports torch, so its documentation is not read
    return {**described, "probes": dict.fromkeys(probe_names(), "")}


def _component(kind: str, name: str) -> None:
    if why := _unusable(kind, name):
        raise UserError(f"new {kind} {name}: {why}; choose another name")
    folder = PACKAGE / KINDS[kind].folder
    path = folder / f"{name}.py"
    if name in names([str(folder)]) or path.exists():
        raise UserError(f"new {kind} {name}: {path} exists; choose another name, or edit that file")
    _write(path, _filled(f"{kind}.py.txt", name))
    print(path)
    print(f"in a sweep: {KINDS[kind].use.format(name)}")
    print("now, and when its fields change: throughtime schema   (editors then know its keys)")
    print(f"next: {_next(kind, name)}")


def _unusable(kind: str, name: str) -> str:
    """Why a file cannot have this name; empty where it can."""
    if not (name.isascii() and name.isidentifier() and name == name.lower()):
        return "a file of Python has lower-case letters, digits and _, with a letter first"
    if name.startswith("_"):
        return "a file that starts with _ is passed over"
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "it is a word of Python"
    if yaml.safe_load(name) != name:
        return f"YAML reads it as {yaml.safe_load(name)}"
    imports = [line for line in _filled(f"{kind}.py.txt", name).splitlines() if "import " in line]
    if re.search(rf"import .*\b{_class_name(name)}\b", "\n".join(imports)):
        return f"its class {_class_name(name)} would hide one of that name"
    return ""


def _next(kind: str, name: str) -> str:
    """The command to try: what shows a task, else the contract tests where they are at hand."""
    if kind == "task":
        return f"throughtime show {name}"
    if (PACKAGE.parents[1] / "tests").is_dir():
        return f"python -m pytest -q {KINDS[kind].tests} -k {name}"
    return "throughtime list"


def _experiment(args: argparse.Namespace) -> None:
    from throughtime.cli.context import open_project
    from throughtime.planning.project import NAME

    name = args.name
    if not NAME.fullmatch(name):
        raise UserError(
            f"new experiment {name}: no name; letters, digits, _ and -, at most 41, no sign first"
        )
    project = open_project(args)
    folder = project.root / "experiments" / name
    if folder.exists() or name in project.groups:
        raise UserError(f"new experiment {name}: {folder} exists; choose another name")
    templates = resources.files(__package__) / TEMPLATES / EXPERIMENT
    for template in sorted(templates.iterdir(), key=lambda t: t.name):
        target = folder / template.name.removesuffix(".txt")
        _write(target, _filled(f"{EXPERIMENT}/{template.name}", name))
    print(folder)
    print(f"next: throughtime plan {name}")


def _filled(template: str, name: str) -> str:
    """A template's text with the name in its three forms: block_rotation, BlockRotation, Block
    rotation.
    """
    text = (resources.files(__package__) / TEMPLATES / template).read_text(encoding="utf-8")
    title = " ".join(_words(name))
    return Template(text).substitute(
        name=name,
        class_name=_class_name(name),
        title=title[0].upper() + title[1:],
    )


def _words(name: str) -> list[str]:
    return [word for word in name.replace("-", "_").split("_") if word]


def _class_name(name: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in _words(name))


def _write(path: Path, text: str) -> None:
    """A new file; never one in the place of another."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); in a package that is installed for "
            "all users, install your own copy with `pip install -e`"
        ) from None


def add_arguments(command: argparse.ArgumentParser) -> None:
    """KIND and NAME."""
    command.add_argument("kind", choices=[*KINDS, EXPERIMENT], metavar="KIND")
    command.add_argument("name", metavar="NAME")
    command.epilog = f"KIND is one of {', '.join([*KINDS, EXPERIMENT])}."
