"""The MLflow UI, as `make ui` starts it, on a finished run: what is recorded can be found and
seen.
"""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from playwright.sync_api import Locator, Page, expect

from tests.support import plausible
from tests.system.browser.conftest import ROOT, Site, Watched
from throughtime.analysis.grid_points import mlflow_experiment, mlflow_page
from throughtime.planning.project import Project
from throughtime.results import tables
from throughtime.tracking import ingest
from throughtime.tracking.sources import PICTURE_WIDTH

Server = tuple[str, str]
CLIPPING, CLIPPING_NETWORKS = mlflow_page("clipping"), mlflow_experiment("clipping")
PROGRAM = """
import sys
from pathlib import Path
from throughtime.tracking import ui
ui.serve(Path(sys.argv[1]), Path(sys.argv[2]), None, 0)
"""


@pytest.fixture
def page(watched: Watched) -> Page:
    watched.page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)  # a server of one worker, on a machine that may be busy
    # MLflow opens its assistant over a quarter of the first page, until it is closed for good.
    watched.page.add_init_script(
        "for (const [key, value] of [['fab.autoOpenedOnFirstLoad_v1', 'true'], "
        "['panelOpen_v1', 'false']]) localStorage.setItem('mlflow.assistant.' + key, value)"
    )
    return watched.page


def number_of(server: Server, name: str) -> str:
    return str(MlflowClient(tracking_uri=server[0]).get_experiment_by_name(name).experiment_id)


def link(server: Server, name: str, view: str) -> str:
    """The address of a saved view, as the description of an MLflow experiment links it."""
    about = MlflowClient(tracking_uri=server[0]).get_experiment_by_name(name)
    found = re.search(rf"\[{re.escape(view)}\]\((\S+)\)", about.tags["mlflow.note.content"])
    assert found, about.tags["mlflow.note.content"]
    return f"{server[0]}/{found[1]}"


def counted(page: Page, n: int) -> None:
    """The UI says how many runs match."""
    expect(page.get_by_text(re.compile(rf"^{n}\s*matching runs?$")).last).to_be_visible()


def names(page: Page) -> list[str]:
    """The names of the runs that are shown, from above."""
    return [
        name.strip() for name in page.locator("a[href*='/runs/']").all_inner_texts() if name.strip()
    ]


def test_the_list_shows_every_experiment_with_its_question(
    page: Page, server: Server, site: Site, shots: Path
) -> None:
    page.goto(f"{server[0]}/?workflowType=machine_learning#/experiments")
    for name in sorted(path.stem for path in (site.results / "figures").glob("*.png")):
        expect(page.get_by_role("link", name=mlflow_page(name), exact=True)).to_be_visible()
        if (site.results / name / "summary.parquet").exists():
            networks = page.get_by_role("link", name=mlflow_experiment(name), exact=True)
            expect(networks).to_be_visible()
    expect(page.get_by_text("Over clip threshold and initial gain").first).to_be_visible()
    page.screenshot(path=shots / "mlflow-experiments.png")


def test_failures_first_shows_the_networks_that_failed(
    page: Page, server: Server, site: Site, shots: Path
) -> None:
    summary = site.networks("clipping")
    page.goto(link(server, CLIPPING_NETWORKS, "failures first"))
    counted(page, int((summary["status"] != "solved").sum()))
    for column in ("status", "failure", "axis/gain", "axis/clip"):
        expect(page.get_by_text(column, exact=True).first).to_be_visible()
    page.screenshot(path=shots / "mlflow-failures.png")


def test_mean_over_seeds_shows_a_row_per_grid_point(
    page: Page, server: Server, site: Site, shots: Path
) -> None:
    page.goto(link(server, CLIPPING, "mean over seeds"))
    counted(page, site.networks("clipping")["grid_point"].nunique())
    for column in ("success_rate", "n", "task", "axis/gain", "axis/clip"):
        expect(page.get_by_text(column, exact=True).first).to_be_visible()
    page.screenshot(path=shots / "mlflow-mean.png")


def test_parallel_coordinates_of_the_axes_that_vary(
    page: Page, server: Server, site: Site, shots: Path
) -> None:
    page.goto(link(server, CLIPPING, "all axes"))
    counted(page, site.networks("clipping")["grid_point"].nunique())
    expect(page.get_by_text("Parallel Coordinates")).to_be_visible()
    for axis in ("task", "clip", "axis/gain", "success_rate"):
        expect(page.locator("text", has_text=re.compile(rf"^{axis}$")).first).to_be_visible()
    page.screenshot(path=shots / "mlflow-axes.png")


def test_a_network_shows_its_outcome_and_its_curves(
    page: Page, server: Server, site: Site, shots: Path
) -> None:
    client = MlflowClient(tracking_uri=server[0])
    row = site.networks("clipping").iloc[0]
    number = number_of(server, CLIPPING_NETWORKS)
    (run,) = client.search_runs([number], f"tags.run_key = '{row['run_key']}'")
    page.goto(f"{server[0]}/#/experiments/{number}/runs/{run.info.run_id}")
    expect(page.get_by_text(row["job_key"]).first).to_be_visible()
    expect(page.get_by_text("curves/grad_norm", exact=True).first).to_be_visible()
    page.goto(f"{server[0]}/#/experiments/{number}/runs/{run.info.run_id}/model-metrics")
    page.get_by_placeholder("Search metric charts").fill("curves")  # below those of the axes
    for curve in ("loss", "grad_norm", "eval_measure"):
        expect(page.get_by_text(curve, exact=True).first).to_be_visible()
    expect(page.locator(".js-plotly-plot .trace.scatter").first).to_be_visible()
    page.screenshot(path=shots / "mlflow-curves.png")


def test_figure_and_tables_are_artifacts_and_can_be_looked_at(
    page: Page, server: Server, shots: Path
) -> None:
    client = MlflowClient(tracking_uri=server[0])
    number = number_of(server, CLIPPING)
    (run,) = client.search_runs([number], "tags.kind = 'overview'")
    page.goto(f"{server[0]}/#/experiments/{number}/runs/{run.info.run_id}/artifacts")
    for name in ("clipping.pdf", "clipping.md", "clipping.csv", "grid_points.csv"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    page.get_by_text("tables", exact=True).first.click()
    expect(page.get_by_text("summary.parquet", exact=True).first).to_be_visible()
    page.get_by_text("clipping.png", exact=True).first.click()
    image = page.locator("img[src^='blob:'], img[src*='clipping.png']").first
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") > 500
    page.screenshot(path=shots / "mlflow-artifacts.png")


def test_from_a_grid_point_of_the_report_to_its_runs(
    page: Page, watched: Watched, server: Server, site: Site, shots: Path
) -> None:
    page.goto((site.results / "report.html").as_uri())
    tile = page.locator("#map path[role=button]").first
    key = tile.evaluate("element => element.__data__.datum.key")
    experiment = page.locator("#sweep option:checked").evaluate(
        "option => option.parentElement.label"
    )
    own = site.networks(experiment)
    own = own[own["grid_point"] == key]
    tile.click()
    page.locator("#server").fill(server[0])  # another port than the usual one
    page.locator("#open").click()
    counted(page, len(own))
    assert len(names(page)) == len(own)
    assert {int(name.rpartition(" seed=")[2]) for name in names(page)} == set(own["seed"])
    page.screenshot(path=shots / "mlflow-grid-point.png")


# Where does copy fail with K = 5? -----------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """Made-up networks of the laptop preset's truncation experiment, as MLflow shows them."""

    said: str
    summary: pd.DataFrame

    @property
    def start(self) -> str:
        """The first link that `make ui` prints."""
        found = re.search(r"^Open (\S+)$", self.said, re.MULTILINE)
        assert found, self.said
        return found[1]

    def solved(self, mode: str = "chunked", K: int = 5) -> dict[int, float]:
        """Share of copy's networks that are solved, by lag, on the map's plane."""
        rows = self.summary[
            (self.summary["task"] == "copy")
            & (self.summary["sweep"] == mode)
            & (self.summary["K"] == K)
            & (self.summary["mode"] != "full")
            & ~self.summary["frozen"]
        ]
        return (rows["status"] == "solved").groupby(rows["lag_max"]).mean().to_dict()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    plan = Project.open(ROOT, "laptop").plan("truncation")
    made = plausible.results(plan)
    for name in ("summary", "curves"):
        tables.write(getattr(made, name), name, folder / "truncation" / f"{name}.parquet")
    (folder / "figures").mkdir()
    kept = ROOT / "results" / "reference"
    for name in ("atlas", "truncation"):
        shutil.copy(kept / "figures" / f"{name}.png", folder / "figures")
    shutil.copy(kept / "claims.parquet", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        ingest.ingest(ROOT, folder, plan, "laptop")
    command = [sys.executable, "-c", PROGRAM, str(ROOT), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        yield Story(said, made.summary)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def shown(row: Locator, metric: str) -> float:
    """A number in a row of the runs' table."""
    return float(row.locator(f"[col-id='metrics.`{metric}`']").inner_text())


@pytest.mark.parametrize("watched", ["laptop"], indirect=True)
def test_where_copy_fails_with_k_5_is_read_off_the_first_page(
    page: Page, story: Story, shots: Path
) -> None:
    page.goto(story.start)
    expect(page.locator(".js-plotly-plot .contour").first).to_be_visible()
    expect(page.get_by_text("Finding:").first).to_be_visible()
    page.screenshot(path=shots / "mlflow-story-1-map.png")
    # The map's numbers: the same grid points as a table, those with K = 5.
    page.locator("label:has(input[name='runs-view-mode'][value='TABLE'])").click()
    search = page.get_by_test_id("search-box")
    search.press("End")
    search.press_sequentially(' and metrics."axis/K" = 5')
    search.press("Enter")
    counted(page, len(story.solved()))
    page.screenshot(path=shots / "mlflow-story-2-table.png")
    rows = page.locator(".ag-center-cols-container [role=row]").all()
    with_k_5 = {shown(row, "axis/lag"): shown(row, "success_rate") for row in rows}
    assert {shown(row, "axis/K") for row in rows} == {5}
    assert with_k_5 == pytest.approx(story.solved(), abs=0.01)
    assert min(with_k_5.values()) < 0.5 < max(with_k_5.values())  # there is something to read


@pytest.mark.parametrize("watched", ["laptop"], indirect=True)
def test_the_description_unfolds_to_figure_and_links(page: Page, story: Story, shots: Path) -> None:
    page.goto(story.start)
    page.locator("[data-component-id='mlflow.experiment.metadata_editor.expand_button']").click()
    picture = page.locator("img[src*='get-artifact']").first
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") == PICTURE_WIDTH
    expect(page.get_by_text("is K = lag the border?").first).to_be_visible()
    page.screenshot(path=shots / "mlflow-story-3-unfolded.png", full_page=True)
    with page.context.expect_page() as opened:  # MLflow opens links of a description in a new tab
        page.get_by_role("link", name="mean over seeds", exact=True).first.click()
    expect(opened.value.get_by_text("axis/K", exact=True).first).to_be_visible(timeout=60_000)
    opened.value.screenshot(path=shots / "mlflow-story-4-mean.png")


@pytest.mark.parametrize("watched", ["laptop"], indirect=True)
def test_failures_first_has_its_axes_in_sight(page: Page, story: Story, shots: Path) -> None:
    server = (story.start.partition("/#")[0], story.said)
    page.goto(link(server, mlflow_experiment("truncation"), "failures first"))
    for column in ("status", "failure", "task", "axis/lag", "mode", "axis/K", "border", "frozen"):
        header = page.get_by_role("columnheader", name=column, exact=True).first
        expect(header).to_be_in_viewport()
    page.screenshot(path=shots / "mlflow-story-failures.png")
