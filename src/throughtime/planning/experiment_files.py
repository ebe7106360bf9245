"""The Python files of an experiment, as modules of one package, so that they may import each other:
``from .analysis import ..``.
"""

import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from throughtime.core.errors import UserError, locate_errors

COMPUTE = "compute.py"  # of an experiment that computes something outside of training


def load_module(path: Path, *names: str) -> ModuleType:
    """The module of an experiment's file, imported anew, with the files beside it that it imports
    by relative imports.

    The folder becomes a package whose name holds a digest of its path, so that two projects do not
    mix.

    Args:
        path: of the file, e.g. experiments/NAME/figure.py.
        names: that it must define.

    Raises:
        UserError: no such file, it lacks one of ``names``, or its code raises something.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file; add it, with {' and '.join(names)}")
    folder = path.resolve().parent
    place = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    package = f"throughtime_experiment_{folder.name}_{place}"
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        del sys.modules[name]  # an edit counts from the next call on
    spec = importlib.machinery.ModuleSpec(package, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[package] = importlib.util.module_from_spec(spec)
    importlib.invalidate_caches()
    with locate_errors(folder):
        module = importlib.import_module(f"{package}.{path.stem}")
    if missing := [name for name in names if not hasattr(module, name)]:
        raise UserError(f"{path}: it has no {missing[0]!r}; add it")
    return module
