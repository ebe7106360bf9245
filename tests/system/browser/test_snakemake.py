"""Snakemake's own report: every figure with its caption, in categories, in one file."""

from pathlib import Path

from playwright.sync_api import expect

from tests.system.browser.conftest import SMOKE, Site, Watched


def test_snakemakes_own_report_shows_figures_with_captions(
    watched: Watched, site: Site, tmp_path: Path, shots: Path
) -> None:
    path = tmp_path / "report.html"
    site.run("snakemake", "--report", str(path), *SMOKE)
    page = watched.page
    page.goto(path.as_uri())
    expect(page.get_by_text("For which dependency length").first).to_be_visible()
    page.screenshot(path=shots / "snakemake-report.png")
    page.get_by_text("Figures", exact=True).first.click()
    expect(page.get_by_text("clipping", exact=True).first).to_be_visible()
    page.screenshot(path=shots / "snakemake-report-figures.png")
    captions = [caption.read_text() for caption in (site.results / "figures").glob("*.md")]
    with_networks = sum("n_diverged" in caption for caption in captions)
    assert 0 < with_networks <= len(captions)
    content = path.read_text(encoding="utf-8", errors="replace")
    assert content.count("n_diverged") >= with_networks
    assert not [
        said for said in watched.complaints if "tailwindcss" not in said
    ]  # what Snakemake's page says of its own style sheet
