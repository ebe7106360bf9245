"""What the code of a file means: what is left without comments, docstrings, layout and the names of
local variables, and what it imports.

To take a file apart takes 10 ms, and every command needs some 200 of them. So what was found is
kept beside the file's bytecode, and holds for the very same text, this module and this Python.
"""

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from throughtime.core import files

PACKAGE = "throughtime"


@dataclass(frozen=True)
class Source:
    """A file of Python.

    Attributes:
        meaning: its code without comments, docstrings, layout and the names of local variables.
        imports: what it may import of this package, modules and names in modules alike; what
            stands under ``if TYPE_CHECKING`` does not count.
        siblings: what it may import from its own folder (``from .name import ..``).
    """

    meaning: str
    imports: tuple[str, ...]
    siblings: tuple[str, ...]


def read(path: Path) -> Source:
    """What a file means, as it was kept or taken apart now.

    Raises:
        OSError, SyntaxError, UnicodeDecodeError: it cannot be read, or is no Python.
    """
    text = path.read_bytes()
    of = hashlib.sha256(b"\0".join([text, _this(), sys.version.encode()])).hexdigest()
    place = Path(importlib.util.cache_from_source(str(path))).with_suffix(".meaning.json")
    with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or damaged: made anew
        kept = json.loads(place.read_bytes())
        if kept["of"] == of:
            return Source(kept["meaning"], tuple(kept["imports"]), tuple(kept["siblings"]))
    source = parse(text.decode())
    if not sys.dont_write_bytecode:
        with suppress(OSError):  # a folder that nobody may write to
            files.replace(place, json.dumps({"of": of, **asdict(source)}).encode())
    return source


@cache
def _this() -> bytes:
    return Path(__file__).read_bytes()


def parse(text: str) -> Source:
    """What a text means.

    >>> print(
    ...     parse('''
    ... def area(radius):  # of a circle
    ...     square = radius**2
    ...     return 3.14 * square
    ... ''').meaning
    ... )
    def area(radius):
        local_0 = radius ** 2
        return 3.14 * local_0
    """
    tree = ast.parse(text)
    statements = [tree, *_statements(tree)]
    imports = tuple(sorted(set(_imported(tree))))
    siblings = tuple(sorted(set(_relative(statements))))
    for node in statements:
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    _rename_locals(tree)
    return Source(ast.unparse(tree), imports, siblings)


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


def _relative(statements: Iterable[ast.AST]) -> Iterator[str]:
    for node in statements:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (name.split(".")[0] for name in names)


def _imported(node: ast.AST) -> Iterator[str]:
    """What the import statements under ``node`` name of this package."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [a.name for a in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
    yield from (name for name in names if name.split(".")[0] == PACKAGE)
    for child in _children(node):
        yield from _imported(child)
