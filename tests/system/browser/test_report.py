"""results/report.html from disk: complete, quiet, offline, usable by keyboard and at the width of a
phone.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.report import javascript
from tests.system.browser.conftest import Site, Watched
from throughtime.analysis import predictions
from throughtime.planning.project import Project
from throughtime.report import page as page_of
from throughtime.results.load import Results
from throughtime.theory import correlation, gradients

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
    assert names == sorted(Project.open(site.root, "smoke").experiments)
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


@both
def test_it_begins_with_the_findings_and_the_atlas_opens_on_copy(page: Page, site: Site) -> None:
    sections = page.locator("main > section").evaluate_all("all => all.map(e => e.id)")
    assert sections[:5] == ["findings", "claims", "atlas", "explore", "theory"]
    claims = pd.read_parquet(site.results / "claims.parquet").set_index(["experiment", "name"])
    for finding in page.locator("article.finding").all():
        _, experiment, name = (finding.get_attribute("id") or "").split("-")
        row = claims.loc[(experiment, name)]
        assert finding.locator("h4").inner_text().endswith(row["sentence"])
        assert finding.locator(".verdict").inner_text() == row["verdict"]
    verdicts = page.locator("#claims td.verdict").all_inner_texts()
    assert verdicts == sorted(verdicts, key=list(page_of.URGENCY).index)
    assert sweep(page)[1].endswith(": copy")
    titles = page.locator("#map .role-axis-title text").all_text_contents()
    assert {"lag of the dependency, steps", "truncation length K, steps"} == set(titles)


def test_it_stays_small(site: Site) -> None:
    assert (site.results / "report.html").stat().st_size < 10_000_000


def test_the_page_computes_what_python_does(page: Page) -> None:
    wanted = javascript.cases()
    ask = "cases => cases.map(([name, args]) => meanField[name](...args))"
    said = page.evaluate(ask, [[name, args] for name, args, _ in wanted])
    javascript.assert_equal(said, wanted)


def test_sliders_say_what_theory_says(page: Page, site: Site, shots: Path) -> None:
    networks = site.networks("gradient_flow").query("task == 'copy' and sweep == 'initial'")
    drive = predictions.drive("copy", networks["task_args"].iloc[0]).s
    for name, value in (("gain", 1.2), ("scale", 0.5), ("K", 7), ("lag", 30)):
        page.locator(f"#slide-{name}").fill(str(value))
    logs = gradients.log_norm_by_lag(1.2, 0.25 * drive, 32)
    sums = javascript.split(logs, 7)
    expect(page.locator("#slide-sum")).to_contain_text("at lags 0 to 6,")
    text = page.locator("#theory").inner_text()
    share = sums["outside"] / (sums["inside"] + sums["outside"])
    said = [
        float(v) for v in re.findall(r"\d+\.?\d*", page.locator("#slide-sum").inner_text())[2:6]
    ]
    assert [said[0], said[2], said[3]] == pytest.approx(
        [sums["inside"], sums["outside"], 100 * share], rel=5e-3
    )
    assert f"{correlation.xi_c(1.2, 0.25 * drive, 1.0):.3g} steps" in text
    assert "cuts it off" in text
    dots = page.locator("#chart-by_lag svg .mark-symbol path").evaluate_all(
        "all => all.map(e => e.__data__.datum).filter(d => d.part).map(d => [d.lag, d.norm])"
    )
    assert [lag for lag, _ in dots] == list(range(32))
    assert [norm for _, norm in dots] == pytest.approx(np.exp(logs).tolist(), rel=1e-6)
    page.locator("#theory").screenshot(path=shots / "theory.png")


def test_sliders_show_what_was_measured(page: Page, site: Site) -> None:
    rows = Results.load(site.results, "gradient_flow").select(task="copy", sweep="initial")
    table = rows.probe("gradient_by_lag", "log_gradient_rms", "first")
    page.locator("#slide-gain").fill("2")
    expect(page.locator("#slide-by-lag-note")).to_contain_text("at gain 2,")
    shown = page.locator("#chart-by_lag svg .mark-symbol path").evaluate_all(
        "all => all.map(e => e.__data__.datum).filter(d => d.init)"
    )
    own = table[table["gain"] == 2]
    first = own[own["index"] == 0].set_index("run_key")["value"]
    own = own.assign(norm=np.exp(own["value"] - own["run_key"].map(first)))
    median = own.groupby(["init", "index"])["norm"].median()
    assert {(d["init"], d["lag"]) for d in shown} == set(median.index)
    for d in shown:
        assert d["norm"] == pytest.approx(median[d["init"], d["lag"]], rel=1e-4)


def test_a_dark_page_is_dark_and_readable(page: Page, shots: Path) -> None:
    page.emulate_media(color_scheme="dark")
    tiles(page).first.click()
    expect(page.locator("#gradient svg")).to_be_visible()
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(v) for v in re.findall(r"\d+", colour)) < 60
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]})
    assert found.violations_count == 0, found.generate_report()
    for text in page.locator(".vega-embed .role-axis text").all():  # axe passes over SVG
        fill = text.evaluate("element => getComputedStyle(element).fill")
        assert min(int(v) for v in re.findall(r"\d+", fill)[:3]) > 180
    assert "invert" not in page.locator("img").first.evaluate("e => getComputedStyle(e).filter")
    page.screenshot(path=shots / "report-dark.png", full_page=True)


def test_on_paper_headings_stay_with_their_figures(page: Page, shots: Path) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(255, 255, 255)"  # paper is white, whatever the screen is
    for name, rule, value in (
        ("section h2", "breakAfter", "avoid"),
        (".question", "breakAfter", "avoid"),
        (".question", "breakInside", "avoid"),
        ("figure", "breakInside", "avoid"),
        ("article.finding", "breakInside", "avoid"),
        ("section.experiment", "breakBefore", "page"),
    ):
        ask = f"all => all.map(e => getComputedStyle(e).{rule})"
        assert set(page.locator(name).evaluate_all(ask)) == {value}, name
    expect(page.locator("nav")).to_be_hidden()
    page.pdf(path=shots / "report.pdf", format="A4", print_background=True)


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
    expect(page.locator("#message")).to_contain_text("solved")
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
