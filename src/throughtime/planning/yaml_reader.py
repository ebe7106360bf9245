"""YAML from people: safe-loaded, and measured before anything is built of it.

The parser's events are counted first, without recursion: how deep they nest, and how many nodes
there would be if every alias were written out (a "billion laughs" file is 9 lines that stand for
10^9 nodes). Only then is the document built. Tags, duplicate keys and dates are not part of what a
config needs: tags and duplicate keys are refused, a date is the string that was written.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from throughtime.core.errors import UserError

BYTES = 256 << 10  # of a file
DEPTH = 12  # of nesting; a real experiment has 5
NODES = 20_000  # keys, values and lists, aliases written out; a real experiment has 300
# libyaml's parser, where PyYAML was built with it: the same documents in a tenth of the time
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):
    """PyYAML's safe loader without dates, that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        UserError: missing, unreadable, too large, not UTF-8, not YAML, or more than a config can
            be; names the file and the line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > BYTES:
        raise UserError(f"{path}: larger than {BYTES >> 10} KiB, which no config is; shorten it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    return parse(text, str(path))


def parse(text: str, where: str) -> Any:
    """What a YAML text says.

    Args:
        text: one document.
        where: file or option, for messages.

    Raises:
        UserError: it is not YAML, or more than a config can be.

    >>> parse("day: 2026-01-01", "here"), parse("[1, none, 2.5]", "here")
    ({'day': '2026-01-01'}, [1, 'none', 2.5])
    >>> parse("{a: 1, a: 2}", "here")
    Traceback (most recent call last):
    throughtime.core.errors.UserError: here:1: not YAML: the key 'a' is given twice
    """
    try:
        _measure(text, where)
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else text.count("\n", 0, getattr(error, "position", 0)) + 1
        line = min(line, max(1, len(text.splitlines())))  # what lacks an end has a line, too
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        raise UserError(f"{where}:{line}: not YAML: {problem}") from None
    except (
        ValueError,
        TypeError,
        KeyError,
    ) as error:  # an integer of thousands of digits; a list as a key; `=`
        raise UserError(f"{where}: not YAML that can be read: {error}") from None


def _measure(text: str, where: str) -> None:
    """Raise UserError where the document nests too deep, is too large with its aliases written out,
    or uses tags.
    """
    sizes: dict[str, int] = {}  # anchor -> nodes
    stack: list[tuple[str | None, int]] = [(None, 0)]  # (anchor, nodes) of what is open
    for event in yaml.parse(text, _Safe):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if tag := getattr(event, "tag", None):
            raise UserError(f"{where}:{line}: the tag {tag!r} has no meaning here; remove it")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise UserError(
                    f"{where}:{line}: the alias *{event.anchor} stands for nothing that is "
                    "complete; write its value out"
                )
            stack[-1] = stack[-1][0], stack[-1][1] + sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            stack[-1] = stack[-1][0], stack[-1][1] + 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            stack.append((event.anchor, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = stack.pop()
            stack[-1] = stack[-1][0], stack[-1][1] + size
            if anchor:
                sizes[anchor] = size
        if len(stack) > DEPTH + 1:
            raise UserError(
                f"{where}:{line}: nested deeper than {DEPTH} levels, which no config is"
            )
        if stack[-1][1] > NODES:
            raise UserError(
                f"{where}:{line}: more than {NODES:,} values (aliases written out), which no "
                "config has"
            )
