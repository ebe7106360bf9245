"""The page shows what there is, says what is missing, and needs nothing beside itself."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.support import synthetic
from throughtime.analysis import causes
from throughtime.core.errors import UserError
from throughtime.planning.plan import Plan
from throughtime.planning.project import Config, Experiment, Project
from throughtime.report import atlas
from throughtime.report import page as report_page
from throughtime.results import tables

PLAN = synthetic.toy_plan(
    lengths=(10,), depths=(None, 5), seeds=2
)  # 16 networks, one combination skipped
MACHINE = {"processor": "Abacus 9", "cores": 2}


class Told(Project):
    """A project whose plan is given: the toy task is in no folder."""

    def plan(self) -> Plan:
        return PLAN


@pytest.fixture
def project(tmp_path: Path) -> Project:
    experiments = {
        "clipping": Experiment(
            name="clipping", title="What clipping <rescues>", question="Where does it help?"
        ),
        "atlas": Experiment(
            name="atlas",
            title="Where networks fail",
            question="How far do they reach?",
            reads=["clipping"],
        ),
    }
    return Told(tmp_path, Config(preset="smoke", presets={"smoke": "tiny & quick"}), experiments)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    synthetic.write_jobs(PLAN, tmp_path)
    synthetic.collect(tmp_path, "clipping")
    for name in ("clipping", "atlas"):
        (tmp_path / "figures").mkdir(exist_ok=True)
        Figure(figsize=(2, 1)).savefig(
            tmp_path / "figures" / f"{name}.png", metadata={"Software": None}
        )
        (tmp_path / "figures" / f"{name}.md").write_text(
            f"**{name}** in mode `chunked`, n < 9. More *words*.\n\nA second paragraph.\n"
        )
    jobs = {job.key: {"seconds": 60.5, "networks": 8, "code": "c0de"} for job in PLAN.jobs}
    manifest = {
        "seeds": [0, 1],
        "seconds": 121.0,
        "jobs": jobs,
        "machine": MACHINE,
        "packages": {"torch": "2.13.0"},
        "git_commit": "abc",
    }
    (tmp_path / "clipping" / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


class Page(HTMLParser):
    """What a test asks of a page: its elements, in order, with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_the_page_holds_figures_captions_counts_and_what_made_them(
    results: Path, project: Project
) -> None:
    path = report_page.write(results, results, project)
    assert path == results / "report.html"
    page = Page(path.read_text())
    assert [a["id"] for a in page.all("section")] == [
        "atlas",
        "explore",
        "clipping",
        "claims",
        "networks",
        "causes",
        "methods",
        "budget",
        "skipped",
        "made",
    ]
    for words in (
        "How far do they reach?",
        "What clipping <rescues>",
        "tiny & quick",
        "n < 9",
        "A second paragraph.",
        "Abacus 9",
        "2.13.0",
    ):
        assert words in page.text
    assert "K=99 is longer than the 11 steps of a sequence" in page.text
    assert "2 min" in page.text
    assert "60 s" in page.text  # the longest job


def test_every_picture_is_inside_and_in_words_and_nothing_is_fetched(
    results: Path, project: Project
) -> None:
    text = report_page.render(results, project)
    page = Page(text)
    pictures = page.all("img")
    assert [p["alt"] for p in pictures] == [
        "Figure: Where networks fail. atlas in mode chunked, n < 9.",
        "Figure: What clipping <rescues>. clipping in mode chunked, n < 9.",
    ]
    assert all((p["src"] or "").startswith("data:image/png;base64,") for p in pictures)
    assert [a.get("href") for a in page.all("link")] == ["data:,"]  # no icon is asked for
    assert not any("src" in a for a in page.all("script"))
    own = re.sub(
        r"<script.*?</script>", "", text, flags=re.DOTALL
    )  # what the scripts fetch is looked at in the browser (tests/system/browser)
    assert "<iframe" not in own
    assert not re.search(r"https?://|url\(|@import", own)
    identifiers = [a["id"] for _, a in page.elements if a.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for href in ((a["href"] or "") for a in page.all("a")):
        assert href.removeprefix("#") in identifiers or (results / href).exists()


def test_the_table_counts_the_networks(results: Path, project: Project) -> None:
    summary = tables.read("summary", results / "clipping" / "summary.parquet")
    rows = re.findall(
        r'<th scope="row">(\w+)</th>(.*?)</tr>', report_page.render(results, project), re.DOTALL
    )
    counts = {name: re.findall(r'class="number">([\d,]+)<', cells) for name, cells in rows}
    status, failure = summary["status"], causes.shown(summary)[summary["status"] == "unsolved"]
    wanted = [
        16,
        16,
        *(int((status == s).sum()) for s in report_page.STATUSES),
        *(int((failure == f).sum()) for f in report_page.FAILURES),
    ]
    assert counts["all"] == [str(n) for n in wanted]
    assert sum(wanted[2:5]) == 16
    assert sum(wanted[6:]) == wanted[3]  # every unsolved network has a cause, shown or not


def test_the_page_says_what_each_cause_is_worth_and_hides_what_is_worth_nothing(
    results: Path, project: Project
) -> None:
    report_page.write(results, results, project)
    table = tables.read("causes", results / "causes.parquet")
    summary = tables.read("summary", results / "clipping" / "summary.parquet")
    pd.testing.assert_frame_equal(table, causes.specificity(summary))
    assert set(table["shown"]) == {True, False}
    page = (results / "report.html").read_text()
    shown = re.findall(r"<tr><th scope=\"row\">toy</th><td>([a-z ]+)</td>.*<td>(yes|no)</td>", page)
    assert shown == [(row.label, "yes" if row.shown else "no") for row in table.itertuples()]
    found = {network[2] for sweep in embedded(page)["sweeps"] for network in networks(sweep)}
    hidden = set(table.loc[~table["shown"], "label"])
    assert hidden & set(summary["failure"])
    assert "cause not shown" in found
    assert not hidden & found


def networks(sweep: dict[str, Any]) -> list[list[Any]]:
    """The networks of all panels of a sweep."""
    return [n for panel in sweep["panels"] for point in panel["grid_points"] for n in point[-1]]


def embedded(page: str) -> dict[str, Any]:
    """What the page's script is given."""
    (text,) = re.findall(
        r'<script type="application/json" id="atlas-data">(.*?)</script>', page, re.DOTALL
    )
    assert "<" not in text
    return dict(json.loads(text))


def test_every_cell_and_its_charts_are_in_the_page(results: Path, project: Project) -> None:
    found = (
        tables.read("summary", results / "clipping" / "summary.parquet"),
        tables.read("curves", results / "clipping" / "curves.parquet"),
    )
    summary, curves = found
    found = summary.assign(failure=causes.shown(summary)), curves
    data = embedded(report_page.render(results, project))
    assert data["sweeps"] == json.loads(
        json.dumps(atlas.explore({"clipping": found}, "smoke")["sweeps"])
    )
    assert set(data["specs"]) == {"heat", "loss", "measure", "gradient"}
    assert (data["server"], data["experiments"]) == (report_page.SERVER, {})


def test_the_page_knows_where_runs_were_recorded(results: Path, project: Project) -> None:
    (results / "mlflow").mkdir()
    said = {"server": "http://127.0.0.1:6001", "experiments": {"clipping": "7"}}
    (results / "mlflow" / "experiments.json").write_text(json.dumps(said))
    data = embedded(report_page.render(results, project))
    assert (data["server"], data["experiments"]) == ("http://127.0.0.1:6001", {"clipping": "7"})


def test_methods_and_budget_are_told(results: Path, project: Project) -> None:
    page = report_page.render(results, project)
    summary = tables.read("summary", results / "clipping" / "summary.parquet")
    budget = page.split('<section id="budget"')[1].split("</section>")[0]
    sizes = [
        f"{v:,}"
        for v in (16, *summary.iloc[0][["hidden", "batch", "updates"]], summary["tokens"].sum())
    ]
    assert re.findall(r'<td class="number">([\d,]+)</td>', budget) == sizes
    for words in (
        "every loss sees exactly K steps back",
        "Wilson's interval",
        "Diverged networks stay in every table",
    ):
        assert words in Page(page).text


def test_each_claim_is_shown_with_its_verdict_and_numbers(results: Path, project: Project) -> None:
    rows = [
        {
            "name": "a",
            "sentence": "Rates < 1 <vanish>.",
            "verdict": "not supported",
            "statistic": -0.51234,
            "low": -1.0,
            "high": 0.25,
            "n": 1200,
        },
        {
            "name": "b",
            "sentence": "Open.",
            "verdict": "undecided",
            "statistic": math.nan,
            "low": math.nan,
            "high": math.nan,
            "n": 0,
        },
    ]
    frame = pd.DataFrame(rows).assign(
        experiment="clipping", test="A slope.", threshold=[0.0, math.nan], detail=["why & how", ""]
    )
    frame = frame.assign(
        p=[0.012, math.nan],
        adjusted=[0.024, math.nan],
        confirmatory=True,
        power=[0.9, math.nan],
        power_for=["an effect of 1", ""],
        commit="abc123",
        precedes=["yes", "no: edited and not committed"],
    )
    tables.write(frame, "claims", results / "claims.parquet")
    page = report_page.render(results, project)
    cells = [
        re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        for row in page.split('<section id="claims"')[1].split("</section>")[0].split("<tr>")
    ]
    first, second = cells[2:]
    assert first[0].startswith('Rates &lt; 1 &lt;vanish&gt;. <a href="#clipping">clipping</a>')
    assert "A slope." in first[0]
    assert "Power at the planned seeds: 0.9, for an effect of 1." in first[0]
    assert "commit <code>abc123</code>; before the run that decides it: yes." in first[0]
    assert "no: edited and not committed" in second[0]
    assert "Verdicts that hold after the adjustment: 1." in page
    assert "why &amp; how" in first[0]
    assert first[1:] == ["not supported", "−0.512", "−1 to 0.25", "0", "1,200", "0.012", "0.024"]
    assert second[1:] == ["undecided", "–", "–", "–", "0", "–", "–"]
    assert "2 claims: 0 supported, 1 not supported, 1 undecided." in " ".join(
        Page(page).text.split()
    )


def test_the_same_results_give_the_same_bytes(results: Path, project: Project) -> None:
    first = report_page.write(results, results, project).read_bytes()
    assert report_page.write(results, results, project).read_bytes() == first


def test_what_is_missing_is_said(tmp_path: Path, project: Project) -> None:
    text = Page(report_page.render(tmp_path, project)).text
    assert text.count("No figure yet.") == 2
    assert "0 of 16 networks done" in text
    assert "No manifest yet" in text
    assert "No claim has been decided yet" in text


def test_a_caption_cannot_break_the_page(results: Path, project: Project) -> None:
    (results / "figures" / "atlas.md").write_text(
        '<script>alert(1)</script> & "quotes" [link](https://elsewhere)'
    )
    text = report_page.render(results, project)
    assert "alert(1)</script>" not in text
    assert "elsewhere" not in text


def test_a_damaged_table_is_named(results: Path, project: Project) -> None:
    (results / "clipping" / "summary.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"summary\.parquet: damaged"):
        report_page.write(results, results, project)


@pytest.mark.parametrize(
    "pair",
    [
        ("#1c1c1c", "#fff"),
        ("#444", "#fff"),
        ("#333", "#fff"),
        ("#0b57a4", "#fff"),
        ("#1c1c1c", "#fff6dc"),
        ("#00604a", "#fff"),
        ("#a33b00", "#fff"),
        ("#555", "#fff"),
    ],
)
def test_text_stands_out_from_its_ground(pair: tuple[str, str]) -> None:
    """WCAG 2.1, 1.4.3: a contrast of at least 4.5."""
    style = (Path(report_page.__file__).parent / "templates" / "report.css").read_text()
    assert all(colour in style for colour in pair)

    def luminance(colour: str) -> float:
        digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
        parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted(luminance(colour) for colour in pair)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
