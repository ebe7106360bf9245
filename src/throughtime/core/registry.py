"""Drop a file in a folder and it is found: the scan behind tasks/ and cells/, and the files of an experiment."""

import importlib
import importlib.util
import pkgutil
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TypeVar

from throughtime.core.errors import UserError

T = TypeVar("T")


def outside(path: str) -> bool:
    """Whether a path from a config leaves the folder that it is relative to. Symbolic links that the owner made there may lead elsewhere.

    >>> outside("data/own.txt"), outside("/etc/passwd"), outside("data/../../x"), outside("~/x")
    (False, True, True, True)
    """
    parts = PurePosixPath(path).parts
    return path.startswith(("/", "~")) or ".." in parts or "\0" in path


def scan(package: ModuleType, base: type[T]) -> dict[str, type[T]]:
    """The concrete subclasses of ``base`` defined in the modules of ``package``, by their ``name``, sorted.

    A module or class whose name starts with an underscore is passed over.
    """
    found: dict[str, type[T]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for item in vars(module).values():
            own = isinstance(item, type) and item.__module__ == module.__name__
            if own and issubclass(item, base) and not item.__name__.startswith("_") and "name" in vars(item):
                found[item.name] = item
    return dict(sorted(found.items()))


def load(path: Path, *names: str) -> ModuleType:
    """The module of an experiment's file, imported by its path.

    Raises:
        UserError: no such file, or it lacks one of ``names``.
    """
    spec = importlib.util.spec_from_file_location(f"throughtime_{path.stem}_{path.parent.name}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise UserError(f"{path}: no such file; add it, with {' and '.join(names)}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if missing := [name for name in names if not hasattr(module, name)]:
        raise UserError(f"{path}: it has no {missing[0]!r}; add it")
    return module
