"""Where results come from: a digest of the code that made them, versions, the machine."""

import hashlib
import json
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from throughtime.engine.initialization import schemes
from throughtime.planning.plan import PlannedJob
from throughtime.results.meaning import Source, read

PACKAGE = Path(__file__).parents[1]
PACKAGES = (
    "throughtime",
    "torch",
    "numpy",
    "numba",
    "llvmlite",
    "scipy",
    "pandas",
    "pyarrow",
    "pydantic",
    "snakemake",
    "mlflow",
    "matplotlib",
)


# What training imports and what decides no number of it: an edit here trains nothing.
DECIDES_NO_NUMBER = frozenset(
    f"throughtime.{name}"
    for name in (
        "core.errors",
        "core.files",
        "core.registry",
        "planning.resources",
        "results.meaning",
        "results.provenance",
        "training.checkpoints",
    )
)

COMPILED = {"throughtime.engine.compiled", "throughtime.engine.kernels"}  # the engine numba alone
# what decides numbers where K adapts alone
ADAPTIVE = {"throughtime.engine.adaptive_truncation", "throughtime.training.adaptive_trainer"}
# what decides numbers on another device alone
ON_A_DEVICE = {f"throughtime.training.{n}" for n in ("device_scores", "device_updates", "devices")}


def training_modules(planned: PlannedJob) -> tuple[str, ...]:
    """The modules whose code, with all that they import, decides the numbers of a job's networks:
    the engine, and of task, cell, optimizer, schedule, initial scheme and loss those in use.
    """
    job = planned.job
    parts = [job.task, *job.components().values()]
    parts += [schemes()[name]() for name in sorted(set(planned.grid["init"]))]
    used = {type(part).__module__ for part in parts}
    used.add(f"throughtime.engine.losses.{job.task.head}")
    return "throughtime.training.train", *sorted(used)


def training_digest(planned: PlannedJob) -> str:
    """A digest of the code that decides the numbers of a job's networks. An edit of another task,
    cell or optimizer does not change it.
    """
    unused = set(COMPILED)
    if planned.device == "cpu":
        unused = ON_A_DEVICE | (set() if planned.job.kernel == "numba" else COMPILED)
    if not planned.job.adapt:
        unused |= ADAPTIVE
    return _digest(training_modules(planned), DECIDES_NO_NUMBER | unused)


def probe_digest(name: str) -> str:
    """A digest of the code of a probe, and of what it uses of the engine."""
    return _digest((f"throughtime.probes.{name}",), DECIDES_NO_NUMBER)


@cache
def _digest(modules: tuple[str, ...], without: frozenset[str]) -> str:
    """Once per process: hundreds of jobs share a few sets of modules, and an edit counts from the
    next command on.
    """
    return code_digest(*modules, without=without)


def code_digest(*entries: str | Path, without: frozenset[str] = frozenset()) -> str:
    """A digest of the meaning of some modules and of all modules that they import, directly or not,
    of this package and by relative imports.

    Comments, docstrings, layout and the names of local variables are left out: to edit them reruns
    nothing. Imports under ``if TYPE_CHECKING`` do not count.

    Args:
        entries: names of modules of this package (``"throughtime.training.train"``), or paths of
            Python files.
        without: modules to pass over; what they alone import is passed over too.

    Raises:
        FileNotFoundError: there is no such module or file.

    >>> code_digest("throughtime.core.rng") == code_digest("throughtime.core.rng")
    True
    """
    found = closure(*entries, without=without)
    parts = {name: _source(path).meaning for name, path in found.items()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def closure(*entries: str | Path, without: frozenset[str] = frozenset()) -> dict[str, Path]:
    """The modules that ``entries`` import, themselves included: name -> file.

    >>> sorted(closure("throughtime.core.rng"))
    ['throughtime', 'throughtime.core', 'throughtime.core.rng']
    """
    modules: dict[str, Path] = {}
    waiting = [
        (str(e) if isinstance(e, str) else e.name, _file(e) if isinstance(e, str) else e)
        for e in entries
    ]
    while waiting:
        name, path = waiting.pop()
        if path is None:
            raise FileNotFoundError(f"no module {name}")
        if name in modules or name in without:
            continue
        modules[name] = path
        packages = []
        if "." in name and path.is_relative_to(PACKAGE):
            packages = [name.rpartition(".")[0]]
        names = [n for n in (*_source(path).imports, *packages) if n not in modules]
        waiting += [(n, file) for n in names if (file := _file(n))]
        waiting += [(p.name, p) for p in _siblings(path)]
    return modules


def _siblings(path: Path) -> list[Path]:
    """The files beside ``path`` that it imports by ``from .name import ..``."""
    files = [path.parent / f"{name}.py" for name in _source(path).siblings]
    return [file for file in files if file.is_file()]


def _source(path: Path) -> Source:
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, changed: int) -> Source:
    return read(path)


def _file(module: str) -> Path | None:
    first, *rest = module.split(".")
    if first != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    return next((p for p in (path / "__init__.py", path.with_suffix(".py")) if p.is_file()), None)


# Surroundings -------------------------------------------------------------------------------------


def git_commit(root: Path) -> str:
    """The commit checked out at ``root``, with ``+`` where tracked files are edited; ``unknown``
    without git or repository.
    """
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return "unknown"
    return commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def last_commit(root: Path, path: Path) -> str:
    """The last commit that changed a file, with ``+`` where it has been edited since; ``unknown``
    without git or repository, or where the file was never committed.
    """
    commit = _git(root, "log", "-1", "--format=%h", "--abbrev=12", "--", str(path))
    if not commit:
        return "unknown"
    return commit + ("+" if _git(root, "status", "--porcelain", "--", str(path)) else "")


def is_ancestor(root: Path, older: str, newer: str) -> bool | None:
    """Whether one commit is the other or comes before it; None where git knows not both.

    Args:
        root: in the repository.
        older, newer: commits.
    """
    both = [
        _git(root, "rev-parse", "--verify", "--quiet", f"{c}^{{commit}}") for c in (older, newer)
    ]
    if not all(both):
        return None
    return _git(root, "merge-base", *both) == both[0]


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def versions() -> dict[str, str]:
    """Package -> installed version, Python's own included."""
    installed = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            installed[name] = "not installed"
    return installed


def machine() -> dict[str, Any]:
    """What computed: kernel, architecture, processor, cores, memory. No host name and no user."""
    import psutil

    return {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
