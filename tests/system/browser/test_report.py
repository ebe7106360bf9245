"""results/report.html from disk: complete, quiet, offline, usable by keyboard and at the width of a
phone.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.system.browser.conftest import Site, Watched

both = pytest.mark.parametrize("watched", ["wide", "narrow"], indirect=True)


@pytest.fixture
def page(watched: Watched, site: Site) -> Iterator[Page]:
    """The report, opened from disk; it complains of nothing."""
    watched.page.goto((site.results / "report.html").as_uri())
    expect(watched.page.locator("#map svg path[role=button]").first).to_be_visible()
    yield watched.page
    assert watched.complaints == []
    assert all(address.startswith(("file:", "data:", "blob:")) for address in watched.asked)


def tiles(page: Page) -> Locator:
    return page.locator("#map path[role=button]")


def key(tile: Locator) -> str:
    return str(tile.evaluate("element => element.__data__.datum.key"))


def sweep(page: Page) -> tuple[str, str]:
    """The experiment that is shown, and its sweep."""
    chosen = page.locator("#sweep option:checked")
    return str(chosen.evaluate("option => option.parentElement.label")), str(chosen.text_content())


def networks(page: Page, site: Site, tile: Locator) -> pd.DataFrame:
    """The networks of a tile's grid point, as the table has them."""
    summary = site.networks(sweep(page)[0])
    return summary[summary["grid_point"] == key(tile)].sort_values("seed")


def ended(own: pd.DataFrame) -> dict[str, int]:
    return {
        status: int((own["status"] == status).sum())
        for status in ("solved", "unsolved", "diverged")
    }


@both
def test_every_figure_is_there_with_caption_and_words_for_it(page: Page, site: Site) -> None:
    names = sorted(path.stem for path in (site.results / "figures").glob("*.png"))
    assert len(names) == 12
    for name in names:
        section = page.locator(f"section#{name}")
        image = section.locator("img")
        assert image.evaluate("image => image.complete && image.naturalWidth > 500")
        assert len(image.get_attribute("alt") or "") > 40
        assert len(section.locator("figcaption").inner_text()) > 100
    for title in (
        "What was claimed",
        "Methods",
        "Budget",
        "Combinations that were skipped",
        "Machine, versions, wall times",
    ):
        assert page.get_by_role("heading", name=re.compile(title)).count() == 1
    assert "Vega" in page.locator("footer").inner_text()  # whose work is in the page


@both
def test_links_lead_somewhere(page: Page, site: Site) -> None:
    for link in page.locator("main a[href], nav a[href], a.skip").all():
        href = link.get_attribute("href") or ""
        if href.startswith("#"):
            assert page.locator(href).count() == 1, href
        elif not href.startswith("http"):
            assert (site.results / href).is_file(), href
    page.get_by_role("link", name="budget").first.click()
    expect(page.locator("#budget-title")).to_be_in_viewport()


def test_hovering_over_a_tile_tells_its_seeds_statuses_and_n(page: Page, site: Site) -> None:
    tile = tiles(page).first
    own = networks(page, site, tile)
    assert len(own) > 0
    tile.hover()
    tooltip = page.locator("#vg-tooltip-element")
    expect(tooltip).to_be_visible()
    said = {
        row.locator(".key").inner_text().rstrip(":"): row.locator(".value").inner_text()
        for row in tooltip.locator("tr").all()
    }
    assert said["n"] == str(len(own))
    assert {status: int(said[status]) for status in ("solved", "unsolved", "diverged")} == ended(
        own
    )
    assert said["seeds"] == ", ".join(
        f"{seed} {status}" for seed, status in zip(own["seed"], own["status"], strict=True)
    )


@both
def test_choosing_a_tile_shows_its_curves_and_its_networks(
    page: Page, site: Site, shots: Path, watched: Watched
) -> None:
    tile = tiles(page).last
    own = networks(page, site, tile)
    tile.click()
    expect(page.locator("#gradient svg")).to_be_visible()
    for name in ("loss", "gradient"):
        assert page.locator(f"#{name} svg .mark-line path").count() == len(own)
    rows = [row.locator("td").all_inner_texts() for row in page.locator("#seeds tr").all()]
    assert [row[0] for row in rows] == [str(seed) for seed in own["seed"]]
    assert all(row[1].startswith(status) for row, status in zip(rows, own["status"], strict=True))
    counts = ended(own)
    said = (
        f"{counts['solved']} of {len(own)} solved, {counts['unsolved']} unsolved, "
        f"{counts['diverged']} diverged"
    )
    assert said in page.locator("#message").inner_text()
    page.locator("#explore").screenshot(path=shots / f"explore-{page.viewport_size['width']}.png")  # type: ignore[index]  # it was set


def test_curves_are_those_of_the_table(page: Page, site: Site) -> None:
    tile = tiles(page).first
    own = networks(page, site, tile)
    tile.click()
    expect(page.locator("#loss svg")).to_be_visible()
    curves = pd.read_parquet(site.results / sweep(page)[0] / "curves.parquet")
    points: list[dict[str, Any]] = page.locator("#gradient svg .mark-line path").evaluate_all(
        "paths => paths.flatMap(path => path.__data__.datum ? [path.__data__.datum] : "
        "path.__data__.items.map(item => item.datum))"
    )
    drawn = {(int(p["seed"]), int(p["step"])): float(p["value"]) for p in points}
    assert drawn
    for (seed, step), value in drawn.items():
        run = own.loc[own["seed"] == seed, "run_key"].item()
        row = curves[
            (curves["run_key"] == run)
            & (curves["metric"] == "grad_norm")
            & (curves["step"] == step)
        ]
        assert value == pytest.approx(row["value"].item(), rel=1e-3)


def test_every_panel_of_every_sweep_draws_all_its_grid_points(page: Page, site: Site) -> None:
    data = json.loads(page.locator("#atlas-data").text_content() or "")
    shown = set()
    for i, one in enumerate(data["sweeps"]):
        page.locator("#sweep").select_option(str(i))
        for j, panel in enumerate(one["panels"]):
            if len(one["panels"]) > 1:
                page.locator("#panel").select_option(str(j))
            expect(page.locator("#message")).to_contain_text(
                f"{panel['fixed']}: {len(panel['grid_points'])} grid points"
            )
            expect(tiles(page)).to_have_count(len(panel["grid_points"]))
            shown |= {point[2] for point in panel["grid_points"]}
    trained = {one["experiment"] for one in data["sweeps"]}
    assert shown == {key for name in trained for key in site.networks(name)["grid_point"]}


def test_it_works_without_a_mouse(page: Page) -> None:
    page.locator("#sweep").focus()
    for _ in range(5):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "button":
            break
    focused = page.locator(":focus")
    first = key(focused)
    assert re.search(r"\d+ of \d+ solved", focused.get_attribute("aria-label") or "")
    for arrow in ("ArrowRight", "ArrowUp"):
        page.keyboard.press(arrow)
    second = key(page.locator(":focus"))
    assert second != first
    page.keyboard.press("Enter")
    expect(page.locator("#details")).to_be_visible()
    expect(page.locator("#loss svg")).to_be_visible()
    assert key(page.locator(":focus")) == second
    assert page.locator(":focus").get_attribute("aria-pressed") == "true"
    expect(page.get_by_role("status")).to_contain_text("solved")
    page.keyboard.press("Home")


@both
def test_it_is_accessible_and_fits_its_screen(page: Page, shots: Path) -> None:
    tiles(page).first.click()
    expect(page.locator("#gradient svg")).to_be_visible()
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = true; }")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
    assert found.violations_count == 0, found.generate_report()
    width = page.viewport_size["width"]  # type: ignore[index]  # it was set
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    smallest = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll("main *")]
           .filter(e => !e.closest("svg") && e.checkVisibility() &&
                        [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
           .map(e => parseFloat(getComputedStyle(e).fontSize)))"""
    )
    assert smallest >= 12
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = false; }")
    page.screenshot(path=shots / f"report-{width}.png", full_page=True)


def test_without_javascript_it_says_what_is_missing_and_shows_the_rest(
    browser: Browser, site: Site
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site.results / "report.html").as_uri())
    expect(page.get_by_text("The heat maps need JavaScript")).to_be_visible()
    expect(page.locator("#explore-body")).to_be_hidden()
    expect(page.locator("section#atlas img")).to_be_visible()
    context.close()
