"""Drop a file in a folder and it is found: the scan behind tasks/ and cells/, and the files of an
experiment.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TypeVar

from throughtime.core.errors import locate_errors

T = TypeVar("T")


def outside(path: str) -> bool:
    """Whether a path from a config leaves the folder that it is relative to. Symbolic links that
    the owner made there may lead elsewhere.

    >>> outside("data/own.txt"), outside("/etc/passwd"), outside("data/../../x"), outside("~/x")
    (False, True, True, True)
    """
    parts = PurePosixPath(path).parts
    return path.startswith(("/", "~")) or ".." in parts or "\0" in path


def names(folder: Sequence[str]) -> list[str]:
    """The names of the files in a package's folder, sorted, without those that start with an
    underscore. Nothing is imported.

    Args:
        folder: the package's ``__path__``.
    """
    return sorted(m.name for m in pkgutil.iter_modules(folder) if not m.name.startswith("_"))


def probe_names() -> list[str]:
    """The names of all probes, sorted: planning asks for them, and stands below the room of the
    probes.

    >>> {"gradient_by_lag", "jacobian", "spectrum"} <= set(probe_names())
    True
    """
    return names([str(Path(__file__).parents[1] / "probes")])


def scan(package: ModuleType, base: type[T]) -> dict[str, type[T]]:
    """The concrete subclasses of ``base`` defined in the modules of ``package``, by their ``name``,
    sorted.

    A module or class whose name starts with an underscore is passed over.

    Raises:
        UserError: a file cannot be imported; it names the file, the line and the error.
    """
    components: dict[str, type[T]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("_"):
            continue
        with locate_errors(*map(Path, package.__path__)):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
        for item in vars(module).values():
            own = isinstance(item, type) and item.__module__ == module.__name__
            if (
                own
                and issubclass(item, base)
                and not item.__name__.startswith("_")
                and "name" in vars(item)
            ):
                components[item.name] = item
    return dict(sorted(components.items()))
