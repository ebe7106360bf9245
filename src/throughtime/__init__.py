"""throughtime: where, and why, recurrent networks fail to learn long-range dependencies.

In a notebook or a script:

    import throughtime as tt

    runs = tt.train(task="copy", length=[10, 20, 40], gain=[0.8, 1.0, 1.2], seeds=5)
    runs.heatmap("gain", "lag")

Importing the package imports nothing else. What is named in ``__all__`` is imported when it is
first used; where it is explained: throughtime/api.py.
"""

import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from throughtime.api import Error, Runs, axes, cells, columns, load, probes, tasks, train

__version__ = "0.1.0"
__all__ = ["Error", "Runs", "axes", "cells", "columns", "load", "probes", "tasks", "train"]

# MKL's matrix products give other bits at other memory alignments unless asked not to, so a row
# would depend on its place in the grid. It must be asked before its first call; at the sizes used
# here it costs nothing that could be measured.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

# Names of the API that are also names of packages below this one.
_PACKAGES = ("probes", "tasks")


class _Callable(ModuleType):
    """A package that is also a function of the API: ``tt.tasks()`` beside ``throughtime.tasks``."""

    def __call__(self) -> "pd.DataFrame":
        table: pd.DataFrame = getattr(
            importlib.import_module("throughtime.api"), self.__name__.rpartition(".")[2]
        )()
        return table


class _Package(ModuleType):
    """This package: Python's import sets a package below it as an attribute here, and two of them
    can be called.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _PACKAGES and type(value) is ModuleType:
            value.__class__ = _Callable
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
