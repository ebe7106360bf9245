"""A project into which one hostile value is put: it is planned, or refused in one line; never a
traceback, never a huge plan.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.planning.test_project import CONFIG, EXPERIMENT, project
from throughtime.core.errors import UserError
from throughtime.planning.project import Project
from throughtime.planning.sweep import NETWORKS

pytestmark = pytest.mark.slow

CONTENT: dict[str, dict[str, Any]] = {
    "config.yaml": {
        **CONFIG,
        "experiments": ["reach"],
        "results": "results",
        "device": "cpu",
        "max_job_cost": 1e11,
        "mlflow": {"uri": "http://x"},
    },
    "experiments/reach/experiment.yaml": {
        **EXPERIMENT,
        "presets": {"smoke": {"main": {"seeds": 1}}},
    },
}
Place = tuple[str, tuple[Any, ...]]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values of a nested mapping."""
    yield path
    for key, inside in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield from places(inside, (*path, key))


PLACES: list[Place] = [
    (name, path) for name, content in CONTENT.items() for path in places(content) if path
]
NUMBERS = st.sampled_from(
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        -1,
        0,
        1e-300,
        1e300,
        10**7,
        10**9,
        10**18,
        -(2**63),
        2**64,
        10**400,
    ]
)
WORDS = st.sampled_from(
    [
        "",
        "full",
        "none",
        "../..",
        "/etc/passwd",
        "~/x",
        "a\0b",
        "\x1b[2J",
        "é" * 3000,
        "$(reboot)",
        "{x}",
        "nan",
        "1e9",
        "copy",
    ]
)
PLAIN = (
    NUMBERS | WORDS | st.booleans() | st.none() | st.text(max_size=20) | st.integers() | st.floats()
)
HOSTILE = st.recursive(
    PLAIN,
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=3)
    ),
    max_leaves=6,
)


def put(place: Place, value: Any, key: str | None) -> dict[str, dict[str, Any]]:
    """The project's files with the value at a place, or beside it under another key."""
    changed = copy.deepcopy(CONTENT)
    name, (*before, last) = place
    inner: Any = changed[name]
    for step in before:
        inner = inner[step]
    inner[last if key is None or isinstance(inner, list) else key] = value
    return changed


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("project"))


@settings(max_examples=200, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    value=HOSTILE,
    key=st.none() | st.text(max_size=12),
    preset=st.sampled_from(["laptop", "smoke"]),
)
@example(place=(PLACES[-1][0], ("sweeps", "main", "seeds")), value=10**9, key=None, preset="laptop")
@example(
    place=(PLACES[-1][0], ("sweeps", "main", "length")),
    value=list(range(1, 9000)),
    key=None,
    preset="laptop",
)
@example(place=(PLACES[-1][0], ("sweeps", "main")), value=[], key=None, preset="laptop")
@example(place=("config.yaml", ("preset",)), value={"a": 1}, key=None, preset="laptop")
def test_one_hostile_value_is_planned_or_refused_in_one_line(
    root: Path, place: Place, value: Any, key: str | None, preset: str
) -> None:
    for name, content in put(place, value, key).items():
        (root / name).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    try:
        opened = Project.open(root, preset)
        plan = opened.plan()
    except UserError as error:
        said = str(error)
    else:
        said = ""
        assert plan.networks <= NETWORKS
        assert all(job.cost >= 0 and job.key for job in plan.jobs[:3])
        assert (root / opened.config.results).resolve().is_relative_to(root.resolve())
    assert said.isprintable()
    assert len(said) <= 400
