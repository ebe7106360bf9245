"""Every experiment on tiny grids through the stages that make its own files, in one process. What
tests/pipeline/test_workflow.py runs as a pipeline is left out here.
"""

from pathlib import Path

import pytest

from tests.pipeline.test_workflow import EXPERIMENTS
from tests.support.projects import ROOT
from throughtime.analysis import claims
from throughtime.figures import draw
from throughtime.pipeline import stages
from throughtime.pipeline.workflow import FIGURES
from throughtime.planning.project import Project
from throughtime.probes import context
from throughtime.results import tables

pytestmark = pytest.mark.slow

PROJECT = Project.open(ROOT, "smoke")
PLAN = PROJECT.plan()
OTHERS = sorted(set(PROJECT.experiments) - EXPERIMENTS)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tables of all these experiments."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context, "POSITIONS", 500)
        train_and_collect(folder)
    return folder


def train_and_collect(folder: Path) -> None:
    for name in OTHERS:
        jobs = PLAN.select(name).jobs
        assert stages.train_jobs(jobs, folder, checkpoint_every=60) == []
        if jobs:
            assert stages.collect(PLAN, folder, name).missing == ()
            assert stages.references(PLAN, folder, name) > 0
        if (ROOT / "experiments" / name / "compute.py").exists():
            assert stages.compute(ROOT, folder, name, "smoke") > 0


@pytest.mark.parametrize("name", OTHERS)
def test_its_tables_hold_what_was_planned_and_its_figure_is_drawn(
    name: str, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = PLAN.select(name).jobs
    if jobs:
        summary, probes = (
            set(tables.read(table, results / name / f"{table}.parquet")["run_key"])
            for table in ("summary", "probes")
        )
        assert summary == {key for j in jobs for key in j.run_keys}
        assert probes == {key for j in jobs if j.job.probes for key in j.run_keys}
    monkeypatch.setattr(draw, "UNDATED", {"svg": draw.UNDATED["svg"]})  # a format is a second
    draw.draw(ROOT, name, results, results / "figures", "smoke")
    made = {path.name for path in (results / "figures").glob(f"{name}.*")}
    assert {f"{name}.{kind}" for kind in FIGURES} - made == {f"{name}.png", f"{name}.pdf"}


def test_each_of_their_claims_is_decided_on_these_tables(results: Path) -> None:
    judged = claims.judge(PROJECT, results)
    own = judged[judged["experiment"].isin(OTHERS)]
    assert set(own["experiment"]) == {
        name for name in OTHERS if (ROOT / "experiments" / name / "claims.py").exists()
    }
    assert not own["detail"].str.contains("no tables").any()
