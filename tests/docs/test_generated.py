"""Pages that are made at build, and what holds the site together; mkdocs is not needed."""

import json
import math
import re
from pathlib import Path
from typing import Any

import equations
import generated
import pytest
import yaml

import throughtime as tt
from throughtime.cli.main import parser
from throughtime.planning.project import Project
from throughtime.results import tables

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MKDOCS = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
GROUPS = Project.open(ROOT).groups
SERIES = set(GROUPS) - set(GROUPS["all"])  # what is of a series need not have been run
NAMED = {
    name: path
    for path in DOCS.rglob("*.md")
    for name in re.findall(r"<!-- generated: ([\w-]+) -->", path.read_text(encoding="utf-8"))
}


def leaves(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    items = nav.values() if isinstance(nav, dict) else nav
    return [leaf for item in items for leaf in leaves(item)]


def test_the_menu_has_every_page_once() -> None:
    menu = leaves(MKDOCS["nav"])
    pages = {str(p.relative_to(DOCS)) for p in DOCS.rglob("*.md")}
    made = {f"results/{name}.md" for name in generated.experiments()}
    assert len(menu) == len(set(menu))
    assert set(menu) == pages | made


def test_pages_name_what_can_be_made() -> None:
    assert set(NAMED) == set(generated.PAGES)


@pytest.mark.parametrize("name", sorted(generated.PAGES))
def test_a_page_is_made(name: str) -> None:
    text = generated.page(name)
    assert len(text) > 500 or "were not run" in text
    assert "<!-- generated" not in text


def test_reference_pages_have_everything() -> None:
    axes, columns = generated.page("axes"), generated.page("columns")
    assert all(f"| `{axis}` |" in axes for axis in tt.axes()["axis"])
    assert all(f"| `{column}` |" in columns for column in tt.columns()["column"])
    probes = generated.page("probes")
    assert all(f"## {name}\n" in probes for name in tt.probes()["name"])
    commands = generated.page("command-line")
    listed = re.findall(r"^    (\w+) ", parser().format_help(), flags=re.MULTILINE)
    assert len(listed) > 15
    assert all(f"## throughtime {name}\n" in commands for name in listed)
    python = generated.page("python-api")
    assert all(f"## tt.{name}\n" in python for name in tt.__all__)
    assert all(f"### runs.{name}\n" in python for name in ("frontier", "heatmap", "network"))


@pytest.mark.parametrize("name", generated.experiments())
def test_an_experiment_has_a_page_with_its_figure_and_its_claims(name: str) -> None:
    page = generated.experiment_page(name)
    if name in SERIES and f"figures/{name}.png" not in page:  # it was not run
        assert page.startswith("# ")
        return
    assert "## Question" in page
    assert f"](../figures/{name}.png)" in page
    assert ("## Claims" in page) == (ROOT / "experiments" / name / "claims.py").is_file()


def test_reproductions_are_a_table_by_paper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    values = {"str": "x | y", "int64": 3, "float64": 0.5}
    row = {c.name: values[c.dtype] for c in tables.REPRODUCTIONS} | {"published_low": math.nan}
    frame = pd.DataFrame([{**row, "experiment": name} for name in ("copy_paper", "cliff")])
    monkeypatch.setattr(generated, "results_folder", lambda file: tmp_path)
    assert "were not run" in generated.page("reproductions")
    tables.write(frame, "reproductions", tmp_path / "reproductions.parquet")
    page = generated.page("reproductions")
    assert "## copy_paper\n" in page
    assert "## [cliff](cliff.md)\n" in page
    assert page.count("| x \\| y | 0.5 | 0.5 |") == 2


def test_a_cell_of_a_table_stays_in_its_cell() -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": ["x | y", "two\nlines"], "b": [1, 2]})
    made = generated.table(frame, "a").splitlines()
    assert made == ["| a | b |", "| --- | --- |", "| `x \\| y` | 1 |", "| `two lines` | 2 |"]


# Equations ----------------------------------------------------------------------------------------


def test_equations_are_found_outside_of_code() -> None:
    text = "Let $a$ and `$b$` be.\n\n```sh\necho $c $d\n```\n\n$$\ne \\tag{1.1}\n$$\n\ncosts 5$.\n"
    assert equations.found(text) == [("a", False), ("e \\tag{1.1}", True)]
    assert equations.labels(text) == ["1.1"]


def test_equations_survive_markdown() -> None:
    page = "Let $a_1 * b_2$ be.\n\n$$\nc_3 \\tag{2.1}\n$$\n"
    text, kept = equations.stash(page, lambda tex, alone: f"<math>{tex}</math>")
    assert "$" not in text
    html = "".join(f"<p>{part}</p>" for part in text.strip().split("\n\n"))
    whole = equations.restore(html, kept)
    assert "<math>a_1 * b_2</math>" in whole
    assert '<div class="equation" id="eq-2.1"><math>c_3</math>' in whole
    assert '<span class="number">(2.1)</span>' in whole


# The site -----------------------------------------------------------------------------------------


def test_the_site_is_asked_for_nothing_from_elsewhere() -> None:
    assert MKDOCS["theme"]["font"] is False
    assert MKDOCS["extra"]["generator"] is False
    assert "http" not in (DOCS / "site" / "style.css").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_site_is_built_whole_and_fetches_nothing(tmp_path: Path) -> None:
    """Where mkdocs is at hand: in CI, and after `make docs`."""
    pytest.importorskip("material")
    pytest.importorskip("latex2mathml")
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    fetched = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"(?:https?:)?//[^\"]*")
    linked = re.compile(r"<link[^>]*href=\"(?:https?:)?//[^\"]*")
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not fetched.search(text), page
        assert not linked.search(text), page
        assert "<!--=" not in text, page
        assert "xEQUATION" not in text, page
    for step in ("05-truncation", "05-truncation.ja"):
        text = (tmp_path / "guide" / f"{step}.html").read_text(encoding="utf-8")
        assert text.count("<img") == 4
        assert "<math" in text
        assert 'lang="ja"' in text
        assert 'lang="en"' in text
    assert (tmp_path / "figures" / "copy_by_K.svg").is_file()


# Sliders ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_sliders_compute_what_the_package_does(tmp_path: Path) -> None:
    """In a browser, where there is one."""
    import shutil
    import subprocess

    from throughtime.theory.gradients import log_norm_by_lag, slope

    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium")
    script = (DOCS / "site" / "slider.js").read_text(encoding="utf-8")
    points = [(0.577, 0.17), (1.0, 0.01), (1.5, 0.17), (2.5, 1.0)]
    code = "points.map(([g, s]) => [theory.slope(g, s), ...theory.logNorms(g, s, 40)])"
    page = tmp_path / "page.html"
    page.write_text(
        f"<div class=slider></div><pre id=out></pre><script>{script}\nconst points = "
        f"{json.dumps(points)};\ndocument.getElementById('out').textContent = "
        f"JSON.stringify({code});</script>",
        encoding="utf-8",
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout)
    assert found, done.stderr[-500:]
    for (g, s), (one, *norms) in zip(points, json.loads(found[1]), strict=True):
        assert one == pytest.approx(slope(g, s), abs=1e-6)
        assert norms == pytest.approx(log_norm_by_lag(g, s, 40).tolist(), abs=1e-6)
    assert "slope λ₁ per step: -0." in done.stdout  # what the box shows first


def test_the_readme_leads_to_the_guide_on_the_site_too() -> None:
    page = generated.project()
    assert "[The guide](guide/index.md)" in page
    named = re.findall(r"\]\(((?:guide|how-to|results)/[\w./-]+\.md)\)", page)
    assert {"guide/index.ja.md", "how-to/figures.md"} <= set(named)
    assert [name for name in named if not (DOCS / name).exists()] == []
