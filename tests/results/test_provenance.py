"""Digests of code: what an edit changes, and what it does not."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from throughtime.planning.sweep import expand
from throughtime.results import meaning, provenance
from throughtime.results.provenance import closure, code_digest, training_modules

CODE = '''
"""A module."""
import math

SCALE = 2

def area(radius, unit=1):
    """An area."""
    square = radius**2  # a comment
    total = [square * part for part in range(3)]
    return math.pi * square * sum(total)
'''


def digest(folder: Path, text: str, name: str = "figure.py") -> str:
    path = folder / name
    path.write_text(text)
    provenance._read.cache_clear()
    return code_digest(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # a comment", ""),
        ('"""An area."""', '"""Its area, in words."""'),
        ("square", "squared"),
        ("part", "index"),
        ("\n\ndef", "\n\n\n\ndef"),
        (
            "[square * part for part in range(3)]",
            "[\n        square * part for part in range(3)\n    ]",
        ),
    ],
)
def test_what_changes_no_meaning_changes_no_digest(tmp_path: Path, old: str, new: str) -> None:
    assert old in CODE
    assert digest(tmp_path, CODE) == digest(tmp_path, CODE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("radius**2", "radius**3"),
        ("radius", "diameter"),
        ("unit=1", "unit=2"),
        ("SCALE = 2", "SCALE = 3"),
        ("area", "surface"),
        ("math.pi * square", "math.pi * total"),
        ("range(3)", "range(4)"),
    ],
)
def test_what_changes_the_meaning_changes_the_digest(tmp_path: Path, old: str, new: str) -> None:
    assert old in CODE
    assert digest(tmp_path, CODE) != digest(tmp_path, CODE.replace(old, new))


def test_a_global_or_nonlocal_name_is_no_local(tmp_path: Path) -> None:
    text = "def f():\n    global total\n    total = 1\n"
    assert digest(tmp_path, text) != digest(tmp_path, text.replace("total", "count"))


def test_swapping_two_locals_is_seen(tmp_path: Path) -> None:
    text = "def f(x):\n    a = x\n    b = 2 * x\n    return a - b\n"
    assert digest(tmp_path, text) != digest(tmp_path, text.replace("a - b", "b - a"))


def test_a_relative_import_is_followed(tmp_path: Path) -> None:
    (tmp_path / "analysis.py").write_text("def slope(): return 1\n")
    importing = "from .analysis import slope\n"
    before = digest(tmp_path, importing)
    assert set(closure(tmp_path / "figure.py")) == {"figure.py", "analysis.py"}
    (tmp_path / "analysis.py").write_text("def slope(): return 22\n")
    provenance._read.cache_clear()
    assert digest(tmp_path, importing) != before


# What is kept of a source -------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose meaning may be kept."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "figure.py"
    path.write_text(CODE)
    return path


def test_what_was_found_is_kept_and_holds_for_the_same_text_alone(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = meaning.read(source)
    assert first == meaning.parse(CODE)
    with monkeypatch.context() as without:
        without.setattr(meaning, "parse", lambda text: pytest.fail("taken apart again"))
        assert meaning.read(source) == first
    before = source.stat()
    source.write_text(CODE.replace("radius**2", "radius**3"))
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))  # as old and as long as before
    assert meaning.read(source) == meaning.parse(CODE.replace("radius**2", "radius**3"))


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"\xff", b'{"of": 1}'])
def test_what_is_kept_and_damaged_is_made_anew(source: Path, damage: bytes) -> None:
    first = meaning.read(source)
    (kept,) = source.parent.glob("__pycache__/figure.*.meaning.json")
    whole = kept.read_bytes()
    kept.write_bytes(damage)
    assert meaning.read(source) == first
    assert kept.read_bytes() == whole


def test_what_can_neither_be_read_nor_kept_is_no_error(source: Path) -> None:
    first = meaning.read(source)
    (kept,) = source.parent.glob("__pycache__/figure.*.meaning.json")
    kept.unlink()
    kept.mkdir()  # in its way
    assert meaning.read(source) == first


def test_nothing_is_kept_where_no_bytecode_is(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert meaning.read(source) == meaning.parse(CODE)
    assert [path.name for path in source.parent.iterdir()] == ["figure.py"]


# What decides a network's numbers ----------------------------------------------------------------


def modules(**axes: Any) -> set[str]:
    base = {"task": "copy", "length": 3, "payload": 2}
    (job,) = expand("x", "s", {**base, **axes}, "here").jobs
    return set(closure(*training_modules(job), without=provenance.DECIDES_NO_NUMBER))


@pytest.mark.parametrize(
    ("axes", "own", "others"),
    [
        ({"optimizer": "adam"}, "engine.optimizers.adam", ["engine.optimizers.sgd"]),
        ({"optimizer": "sgd"}, "engine.optimizers.sgd", ["engine.optimizers.adam"]),
        ({"cell": "lstm"}, "engine.cells.lstm", ["engine.cells.tanh", "engine.cells.gru"]),
        ({"schedule": "cosine"}, "engine.schedules.cosine", ["engine.schedules.constant"]),
        ({"init": "gaussian"}, "engine.initialization.gaussian", ["engine.initialization.pytorch"]),
        ({}, "engine.losses.softmax", ["engine.losses.regression", "tasks.adding"]),
        ({}, "tasks.copy", ["tasks.text", "tasks._kneser_ney", "analysis.stats", "figures.draw"]),
        ({}, "engine.bptt", ["planning.resources", "core.files", "results.provenance"]),
    ],
)
def test_an_edit_concerns_the_networks_that_use_what_was_edited(
    axes: dict[str, Any], own: str, others: list[str]
) -> None:
    found = modules(**axes)
    assert f"throughtime.{own}" in found
    assert not {f"throughtime.{name}" for name in others} & found


def test_what_runs_on_a_device_alone_decides_no_number_of_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (job,) = expand("x", "s", {"task": "copy", "length": 3, "payload": 2}, "here").jobs
    left_out: list[frozenset[str]] = []
    monkeypatch.setattr(
        provenance, "_digest", lambda modules, without: left_out.append(without) or "digest"
    )
    provenance.training_digest(job)
    provenance.training_digest(replace(job, device="cuda"))
    on_cpu, on_device = left_out
    found = {name for name in modules() if name.startswith("throughtime.training.device")}
    assert found == provenance.ON_A_DEVICE <= on_cpu
    assert not found & on_device
    assert provenance.COMPILED <= on_device


def test_what_adapts_K_decides_no_number_of_a_K_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    left_out: list[frozenset[str]] = []
    monkeypatch.setattr(
        provenance, "_digest", lambda modules, without: left_out.append(without) or "digest"
    )
    for delta in (0, 0.5):
        axes = {"task": "copy", "length": 3, "mode": "chunked", "K": 2, "adapt": delta}
        (job,) = expand("x", "s", axes, "here").jobs
        provenance.training_digest(job)
    stays, adapts = left_out
    assert modules() >= provenance.ADAPTIVE <= stays
    assert not provenance.ADAPTIVE & adapts


def test_the_adam_update_decides_the_numbers_of_adamw_too() -> None:
    assert "throughtime.engine.optimizers.adam" in modules(optimizer="adamw")
