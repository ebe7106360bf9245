"""Where results come from: a digest of the code that made them, versions, the machine."""

import ast
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from throughtime.engine.initialization import schemes
from throughtime.planning.plan import PlannedJob

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
    "seaborn",
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
        "training.checkpoints",
    )
)

COMPILED = {"throughtime.engine.compiled", "throughtime.engine.kernels"}  # the engine numba alone
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
    parts = {name: meaning(path) for name, path in closure(*entries, without=without).items()}
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
        waiting += [(n, _file(n)) for n in (*_imports(path), *packages)]
        waiting += [(p.name, p) for p in _siblings(path)]
    return modules


def meaning(path: Path) -> str:
    """The code of a file without comments, docstrings, layout and the names of local variables."""
    return _parsed(path, path.stat().st_mtime_ns)[0]


def _imports(path: Path) -> tuple[str, ...]:
    return _parsed(path, path.stat().st_mtime_ns)[1]


def _siblings(path: Path) -> tuple[Path, ...]:
    """The files beside ``path`` that it imports by ``from .name import ..``."""
    return _parsed(path, path.stat().st_mtime_ns)[2]


@cache
def _parsed(path: Path, changed: int) -> tuple[str, tuple[str, ...], tuple[Path, ...]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = [tree, *_statements(tree)]
    imports = tuple(sorted(set(_imported(tree))))
    siblings = tuple(sorted(set(_relative(statements, path.parent))))
    for node in statements:
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    _rename_locals(tree)
    return ast.unparse(tree), imports, siblings


def _children(node: ast.AST) -> list[ast.AST]:
    """The statements directly in a statement: no expression is looked into, which holds none."""
    parts = (getattr(node, n, ()) for n in ("body", "orelse", "finalbody", "handlers", "cases"))
    return [child for part in parts for child in part]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements in ``node``."""
    for child in _children(node):
        yield child
        yield from _statements(child)


def _rename_locals(node: ast.AST) -> None:
    """Number the local variables of every outermost function, in the order of their appearance.

    Arguments keep their names, which callers use, and so does what is global or nonlocal.
    """
    for child in _children(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            _rename_locals(child)
            continue
        inside = list(ast.walk(child))
        kept = {a.arg for n in inside if isinstance(n, ast.arguments) for a in _arguments(n)}
        kept |= {
            name for n in inside if isinstance(n, ast.Global | ast.Nonlocal) for name in n.names
        }
        stored = [n for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        stored.sort(key=lambda n: (n.lineno, n.col_offset))
        order = dict.fromkeys(n.id for n in stored if n.id not in kept)
        numbers = {name: f"local_{i}" for i, name in enumerate(order)}
        for n in inside:
            if isinstance(n, ast.Name):
                n.id = numbers.get(n.id, n.id)


def _arguments(node: ast.arguments) -> list[ast.arg]:
    several = [a for a in (node.vararg, node.kwarg) if a]
    return [*node.posonlyargs, *node.args, *node.kwonlyargs, *several]


def _relative(statements: Iterable[ast.AST], folder: Path) -> Iterator[Path]:
    for node in statements:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (p for n in names if (p := folder / f"{n.split('.')[0]}.py").is_file())


def _imported(node: ast.AST) -> Iterator[str]:
    """The modules of this package named by the import statements under ``node``."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [a.name for a in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
    yield from (n for n in names if _file(n))
    for child in _children(node):
        yield from _imported(child)


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
