"""Experiments of a series: their papers' numbers can be read, ours are measured for each of them,
and their figures are drawn, on made-up tables.
"""

from pathlib import Path

import pytest

from tests.support import plausible
from throughtime.analysis import reproductions
from throughtime.figures import draw
from throughtime.planning.experiment_files import load_module
from throughtime.planning.plan import Plan
from throughtime.planning.project import Project

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GROUPS = Project.open(ROOT, "smoke").groups
SERIES = sorted(set(GROUPS) - set(GROUPS["all"]) - {"all"})
MEMBERS = [name for name in SERIES if GROUPS[name] == [name]]


def smoke() -> Project:
    return Project.open(ROOT, "smoke", {"experiments": ["all", *MEMBERS]})


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_is_compared_and_drawn_from_plausible_tables(name: str) -> None:
    project, folder = smoke(), ROOT / "experiments" / name
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ")
    told = project.experiments[name]
    jobs = tuple(j for j in project.plan().jobs if j.experiment in (name, *told.reads))
    results = plausible.results(Plan(jobs, ()))
    module = draw.load_figure(folder / "figure.py")
    assert module.caption(results).strip()
    assert module.figure(results).axes
    if name in reproductions.reproducing(project):
        path = folder / reproductions.MEASURED
        published = reproductions.read_published(folder / reproductions.PUBLISHED)
        measure = load_module(path, "measure").measure
        assert set(reproductions.read_measured(measure(results), path)) == set(published)
