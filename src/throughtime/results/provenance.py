"""Where results come from: a digest of the code that made them, versions, the machine."""

import ast
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
PACKAGES = (
    "throughtime",
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "pydantic",
    "snakemake",
    "mlflow",
    "seaborn",
    "matplotlib",
)


def code_digest(*entries: str | Path) -> str:
    """A digest of the meaning of some modules and of all modules of this package that they import, directly or not.

    Comments, docstrings and layout are left out: to edit them reruns nothing. Imports under ``if TYPE_CHECKING`` do not count.

    Args:
        entries: names of modules of this package (``"throughtime.training.train"``), or paths of Python files.

    Raises:
        FileNotFoundError: there is no such module or file.

    >>> code_digest("throughtime.core.rng") == code_digest("throughtime.core.rng")
    True
    """
    parts = {name: meaning(path) for name, path in closure(*entries).items()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def closure(*entries: str | Path) -> dict[str, Path]:
    """The modules of this package that ``entries`` import, themselves included: name -> file.

    >>> sorted(closure("throughtime.core.rng"))
    ['throughtime', 'throughtime.core', 'throughtime.core.rng']
    """
    found: dict[str, Path] = {}
    waiting = [
        (str(e) if isinstance(e, str) else e.name, _file(e) if isinstance(e, str) else e)
        for e in entries
    ]
    while waiting:
        name, path = waiting.pop()
        if path is None:
            raise FileNotFoundError(f"no module {name}")
        if name not in found:
            found[name] = path
            packages = (
                [name.rpartition(".")[0]] if "." in name and path.is_relative_to(PACKAGE) else []
            )
            waiting += [(n, _file(n)) for n in (*_imports(path), *packages)]
    return found


def meaning(path: Path) -> str:
    """The code of a file without comments, docstrings and layout."""
    return _parsed(path, path.stat().st_mtime_ns)[0]


def _imports(path: Path) -> tuple[str, ...]:
    return _parsed(path, path.stat().st_mtime_ns)[1]


@cache
def _parsed(path: Path, changed: int) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = tuple(sorted(set(_imported(tree))))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree), imports


def _imported(node: ast.AST) -> Iterator[str]:
    """The modules of this package named by the import statements under ``node``."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [a.name for a in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
    yield from (n for n in names if _file(n))
    for child in ast.iter_child_nodes(node):
        yield from _imported(child)


def _file(module: str) -> Path | None:
    first, *rest = module.split(".")
    if first != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    return next((p for p in (path / "__init__.py", path.with_suffix(".py")) if p.is_file()), None)


# Surroundings --------------------------------------------------------------------------------------------------------


def git_commit(root: Path) -> str:
    """The commit checked out at ``root``, with ``+`` where tracked files are edited; ``unknown`` without git or repository."""
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return "unknown"
    return commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


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
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


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
