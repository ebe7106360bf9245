"""The MLflow UI, as `make ui` starts it, on a finished run: what is recorded can be found and
seen.
"""

import re
from pathlib import Path

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Page, expect

from tests.system.browser.conftest import Site, Watched

Server = tuple[str, str]


@pytest.fixture
def page(watched: Watched) -> Page:
    watched.page.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)  # a server of one worker, on a machine that may be busy
    return watched.page


def link(server: Server, experiment: str, view: str) -> str:
    """The address that `throughtime ui` printed for a saved view."""
    found = re.search(
        rf"^  {re.escape(f'{experiment}: {view}')} +(\S+)$", server[1], flags=re.MULTILINE
    )
    assert found, server[1]
    return found[1]


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
        expect(page.get_by_role("link", name=f"{name} summary", exact=True)).to_be_visible()
        if (site.results / name / "summary.parquet").exists():
            expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
    expect(page.get_by_text("Over clip threshold and initial gain").first).to_be_visible()
    page.screenshot(path=shots / "mlflow-experiments.png")


def test_failures_first_shows_the_networks_that_failed(
    page: Page, server: Server, site: Site, shots: Path
) -> None:
    summary = site.networks("clipping")
    page.goto(link(server, "clipping", "failures first"))
    counted(page, int((summary["status"] != "solved").sum()))
    for column in ("failure", "diverged", "final"):
        expect(page.get_by_text(column, exact=True).first).to_be_visible()
    page.screenshot(path=shots / "mlflow-failures.png")


def test_mean_over_seeds_shows_a_row_per_grid_point(
    page: Page, server: Server, site: Site, shots: Path
) -> None:
    page.goto(link(server, "clipping summary", "mean over seeds"))
    counted(page, site.networks("clipping")["grid_point"].nunique())
    for column in ("n", "success_rate", "success_low"):
        expect(page.get_by_text(column, exact=True).first).to_be_visible()
    assert any("gain=" in name and "clip=" in name for name in names(page))
    page.screenshot(path=shots / "mlflow-mean.png")


def test_parallel_coordinates_of_k_clip_and_scale(
    page: Page, server: Server, site: Site, shots: Path
) -> None:
    page.goto(link(server, "clipping summary", "K x clip x scale"))
    counted(page, site.networks("clipping")["grid_point"].nunique())
    expect(page.get_by_text("Parallel Coordinates")).to_be_visible()
    for axis in ("K", "clipping", "gain", "diverged_share", "success_rate"):
        expect(page.locator("text", has_text=re.compile(rf"^{axis}$")).first).to_be_visible()
    page.screenshot(path=shots / "mlflow-plane.png")


def test_a_network_shows_its_outcome_and_its_curves(
    page: Page, server: Server, site: Site, shots: Path
) -> None:
    client = MlflowClient(tracking_uri=server[0])
    row = site.networks("clipping").iloc[0]
    number = client.get_experiment_by_name("clipping").experiment_id
    (run,) = client.search_runs([number], f"tags.run_key = '{row['run_key']}'")
    page.goto(f"{server[0]}/#/experiments/{number}/runs/{run.info.run_id}")
    expect(page.get_by_text(row["job_key"]).first).to_be_visible()
    expect(page.get_by_text("curves/grad_norm", exact=True).first).to_be_visible()
    page.goto(f"{server[0]}/#/experiments/{number}/runs/{run.info.run_id}/model-metrics")
    for curve in ("loss", "grad_norm", "eval_measure"):
        expect(page.get_by_text(curve, exact=True).first).to_be_visible()
    expect(page.locator(".js-plotly-plot .trace.scatter").first).to_be_visible()
    page.screenshot(path=shots / "mlflow-curves.png")


def test_figure_and_tables_are_artifacts_and_can_be_looked_at(
    page: Page, server: Server, shots: Path
) -> None:
    client = MlflowClient(tracking_uri=server[0])
    number = client.get_experiment_by_name("clipping summary").experiment_id
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
