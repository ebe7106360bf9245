"""An error in a user's file becomes one line with its place."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from throughtime.core.component import Component
from throughtime.core.errors import UserError, locate_errors
from throughtime.core.registry import scan


def run(path: Path, text: str) -> None:
    """Execute a file of this text."""
    path.write_text(text)
    exec(compile(text, str(path), "exec"), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\ny = x / 0\n", "own.py:2: ZeroDivisionError: division by zero; mend it"),
        ("{}['gain']\n", "own.py:1: KeyError: 'gain'; mend it and run again"),
        ("raise NotImplementedError\n", "own.py:1: NotImplementedError; mend it and run again"),
        ("import json\n\njson.loads('{')\n", "own.py:3: JSONDecodeError: "),  # raised elsewhere
        ("def f():\n    g()\ndef g():\n    [][0]\nf()\n", "own.py:4: IndexError: "),  # innermost
        ("a = (\n", "own.py:1: SyntaxError: '(' was never closed; mend it and run again"),
    ],
)
def test_the_innermost_line_of_the_file_is_named(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as raised, locate_errors(tmp_path):
        run(tmp_path / "own.py", text)
    assert str(raised.value).startswith(expected)


def test_a_file_outside_of_the_working_folder_has_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    with pytest.raises(UserError) as raised, locate_errors(tmp_path):
        run(tmp_path / "own.py", "1 / 0\n")
    assert str(raised.value).startswith(f"{tmp_path}/own.py:1: ")


def test_what_is_raised_elsewhere_or_is_a_users_mistake_already_is_left_as_it_is(
    tmp_path: Path,
) -> None:
    with pytest.raises(ZeroDivisionError), locate_errors(tmp_path / "other"):
        run(tmp_path / "own.py", "1 / 0\n")
    with pytest.raises(UserError, match=r"^gain: too large$"), locate_errors(tmp_path):
        raise UserError("gain: too large")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class Broken(:\n", "mine.py:1: SyntaxError: invalid syntax; mend it and run again"),
        ("import nowhere\n", "mine.py:1: ModuleNotFoundError: No module named 'nowhere'; mend it"),
    ],
)
def test_a_scanned_file_that_cannot_be_imported_is_named(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scanned_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "mine.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "scanned_package", raising=False)
    monkeypatch.chdir(tmp_path)
    package: ModuleType = importlib.import_module("scanned_package")
    with pytest.raises(UserError) as raised:
        scan(package, Component)
    assert str(raised.value).startswith(f"scanned_package/{expected}")
