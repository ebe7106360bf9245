"""The page shows what there is, says what is missing, and needs nothing beside itself."""

import base64
import json
import math
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.support import synthetic
from throughtime.analysis import causes, stats
from throughtime.analysis.claims import load_claims
from throughtime.core.errors import UserError
from throughtime.planning.axes import Job, grid
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.planning.project import Config, Experiment, Project
from throughtime.report import atlas, findings, pictures, sliders, vega_charts
from throughtime.report import page as report_page
from throughtime.report.words import WORDS
from throughtime.results import tables
from throughtime.results.causes import CAUSES
from throughtime.tasks import tasks
from throughtime.training import outcome

pytestmark = pytest.mark.slow

PLAN = synthetic.toy_plan(
    lengths=(10,), depths=(None, 5), seeds=2
)  # 16 networks, one combination skipped
ROOT = Path(__file__).parents[2]
LARGEST = 10_000_000  # bytes of a page
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
    path = report_page.write(results, project)
    assert path == results / "report.html"
    page = Page(path.read_text())
    assert [a["id"] for a in page.all("section")] == [
        "findings",
        "claims",
        "atlas",
        "explore",
        "theory",
        "clipping",
        "networks",
        "causes",
        "methods",
        "words",
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
    report_page.write(results, project)
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


def test_the_page_knows_where_an_experiment_was_recorded_by_itself(
    results: Path, project: Project
) -> None:
    """`snakemake NAME` records one experiment; the numbers of all may be older, or not there."""
    folder = results / "mlflow" / "numbers"
    folder.mkdir(parents=True)
    (folder / "clipping.json").write_text(
        json.dumps({"server": "", "experiments": {"clipping": "9"}})
    )
    data = embedded(report_page.render(results, project))
    assert (data["server"], data["experiments"]) == (report_page.SERVER, {"clipping": "9"})
    every = {"server": "http://127.0.0.1:6001", "experiments": {"clipping": "7", "cliff": "8"}}
    (results / "mlflow" / "experiments.json").write_text(json.dumps(every))
    data = embedded(report_page.render(results, project))
    assert data["server"] == "http://127.0.0.1:6001"
    assert data["experiments"] == {"clipping": "9", "cliff": "8"}


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
    assert "not support first: 0 supported, 1 not supported, 1 undecided." in " ".join(
        Page(page).text.split()
    )


def test_the_same_results_give_the_same_bytes(results: Path, project: Project) -> None:
    first = report_page.write(results, project).read_bytes()
    assert report_page.write(results, project).read_bytes() == first


def test_what_is_missing_is_said(tmp_path: Path, project: Project) -> None:
    text = Page(report_page.render(tmp_path, project)).text
    assert text.count("No figure yet.") == 2
    assert "No claim of the story has been decided yet" in text
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
        report_page.write(results, project)


# Findings -----------------------------------------------------------------------------------------


def claims_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A claims table of these rows."""
    blank = {
        "test": "A test.",
        "threshold": 0.0,
        "detail": "",
        "p": math.nan,
        "adjusted": math.nan,
        "confirmatory": True,
        "power": math.nan,
        "power_for": "",
        "commit": "abc",
        "precedes": "yes",
        "statistic": 0.25,
        "low": 0.125,
        "high": math.inf,
        "n": 12,
    }
    return pd.DataFrame([{**blank, **row} for row in rows])


def told(experiment: str, name: str, verdict: str, **more: Any) -> dict[str, Any]:
    """A row of it."""
    sentence = f"Of {experiment} {name} holds."
    return {
        "experiment": experiment,
        "name": name,
        "sentence": sentence,
        "verdict": verdict,
        **more,
    }


TOLD = [
    told("clipping", "widens_upward", "supported", detail="19 gained, 0 lost"),
    told("clipping", "of_no_story", "supported"),
    told("initialization", "default_vanishes", "undecided"),
    told("truncation", "below_lag_costs", "not supported"),
    told("context", "context_beyond_K", "undecided", n=0, detail="no tables of context yet"),
]


def test_the_page_begins_with_the_findings_in_the_order_of_the_story(
    results: Path, project: Project
) -> None:
    tables.write(claims_of(TOLD), "claims", results / "claims.parquet")
    page = report_page.render(results, project)
    section = page.split('<main id="main">')[1].split("</section>")[0]
    assert re.findall(r"<h3>(.*?)</h3>", section) == ["What fails", "What helps"]
    sentences = re.findall(r"<h4 [^>]*>(.*?)</h4>", section)
    assert sentences == [
        "Not so: Of truncation below_lag_costs holds.",
        "Not decided: Of initialization default_vanishes holds.",
        "Of clipping widens_upward holds.",
        "Not decided: Of context context_beyond_K holds.",
    ]
    values = re.findall(r'class="value">(.*?)</p>', section)
    assert values == ["0.25 <small>0.125 to ∞</small>"] * 3  # of context there is no number
    assert "19 gained, 0 lost" in section
    assert "no tables of context yet" in section
    assert len(Page(section).all("img")) == 1  # of clipping: the others have not been drawn


def test_a_finding_shows_its_panel_where_it_was_drawn_and_no_picture_twice(
    results: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = {
        "Why": tuple(
            findings.Finding("clipping", name, "a share", panel)
            for name, panel in (("a", ""), ("b", "plane"), ("c", "not_drawn"))
        )
    }
    monkeypatch.setattr(findings, "STORY", story)
    picture = BytesIO()
    Figure(figsize=(1, 1)).savefig(picture)
    drawn = {("clipping", "plane"): picture.getvalue()}
    rows = [told("clipping", name, "supported") for name in "abc"]
    shown = findings.shown_findings(results, claims_of(rows).to_dict("records"), drawn)["Why"]
    sizes = [(t.picture.width, t.picture.height) if t.picture else None for t in shown]
    assert sizes == [(200, 100), (100, 100), None]
    assert [t.above for t in shown] == ["", "", "finding-clipping-a"]


def test_every_claim_of_the_story_is_a_claim_of_the_project() -> None:
    chosen = [f for part in findings.STORY.values() for f in part]
    for experiment in {f.experiment for f in chosen}:
        names = {claim.name for claim in load_claims(ROOT, experiment)}
        assert {f.claim for f in chosen if f.experiment == experiment} <= names
    assert len({(f.experiment, f.claim) for f in chosen}) == len(chosen)


def test_claims_that_are_not_supported_come_first(results: Path, project: Project) -> None:
    tables.write(claims_of(TOLD), "claims", results / "claims.parquet")
    section = report_page.render(results, project).split('<section id="claims"')[1]
    found = re.findall(r'class="verdict \w+">([\w ]+)<', section.split("</section>")[0])
    assert found == ["not supported", "undecided", "undecided", "supported", "supported"]


# Sliders ------------------------------------------------------------------------------------------


def test_the_sliders_are_given_what_was_measured(tmp_path: Path) -> None:
    rows = grid({"init": ["gaussian"], "gain": [0.5, 2.0], "seed": [0, 1, 2]})
    task = tasks()["copy"](payload=2, alphabet=4, length=6)
    job = Job(task=task, K=task.steps)
    plan = Plan((PlannedJob("gradient_flow", "initial", job, rows),), ())
    frames = synthetic.summary(plan)
    values = [
        {
            "run_key": row["run_key"],
            "probe": "gradient_by_lag",
            "quantity": "log_gradient_rms",
            "step": 0,
            "index": k,
            "value": 1 - k * row["gain"] * (1 + row["seed"]),
        }
        for row in frames.summary.to_dict("records")
        for k in range(3)
    ]
    tables.write(frames.summary, "summary", tmp_path / "gradient_flow" / "summary.parquet")
    tables.write(pd.DataFrame(values), "probes", tmp_path / "gradient_flow" / "probes.parquet")
    claim = told("phase", "six_xi", "supported", statistic=math.log(2), low=0.0, high=math.inf)
    found = sliders.measured(tmp_path, claims_of([claim]))
    assert (found["drive"], found["payload"], found["steps"]) == (pytest.approx(1 / 6), 2, 10)
    assert [(row["gain"], row["lags"], row["n"]) for row in found["gradients"]] == [
        (0.5, [0, 1, 2], 3),
        (2.0, [0, 1, 2], 3),
    ]
    for row in found["gradients"]:
        for name, factor in (("high", 1), ("median", 2), ("low", 3)):
            wanted = [math.exp(-k * row["gain"] * factor) for k in range(3)]
            assert row[name] == pytest.approx(wanted, rel=1e-4)
    assert found["frontiers"] == []
    fitted = found["multiples"][1]
    assert [m["value"] for m in found["multiples"]] == [6, pytest.approx(12)]
    assert (fitted["low"], fitted["high"]) == (6, None)
    assert json.dumps(found, allow_nan=False)


def test_the_claim_behind_the_fitted_multiple_is_ln_of_it_over_six() -> None:
    experiment, name = sliders.MULTIPLE
    (claim,) = (c for c in load_claims(ROOT, experiment) if c.name == name)
    assert claim.test.startswith(f"Ln of the fitted multiple m over {sliders.SIX:g}")


def test_the_frontiers_are_those_of_the_statistics() -> None:
    rows = grid({"gain": [0.5], "seed": list(range(6))})
    tested = [tasks()["copy"](payload=2, alphabet=4, length=n) for n in (2, 6, 14)]
    jobs = [PlannedJob("phase", "map", Job(task=t, K=t.steps), rows) for t in tested]
    summary = synthetic.summary(Plan(tuple(jobs), ())).summary
    summary["status"] = ["unsolved" if lag > 4 else "solved" for lag in summary["lag_max"]]
    (row,) = sliders._frontiers(summary)
    fit = stats.frontier(summary, ["input_gain", "gain"]).iloc[0]
    assert (row["gain"], row["n"]) == (0.5, 18)
    assert 4 < row["frontier"] < 8
    assert [row[k] for k in ("frontier", "low", "high")] == pytest.approx(
        [fit["frontier"], fit["low"], fit["high"]], rel=1e-4
    )


# Weight -------------------------------------------------------------------------------------------


def test_a_picture_keeps_its_colours_at_a_third_of_the_bytes(tmp_path: Path) -> None:
    figure = Figure(figsize=(14, 7))
    ax = figure.subplots()
    ax.imshow(np.linspace(0, 1, 400).reshape(20, 20), cmap="cividis", aspect="auto")
    for i in range(20):
        ax.text(i, 3, f"{i}/{i}", color="white")
    figure.savefig(tmp_path / "a.png", dpi=200)
    png = pictures.read(tmp_path / "a.png")
    assert png
    picture = pictures.embed(png)
    assert (picture.width, picture.height) == (2400, 1200)
    content = base64.b64decode(picture.address.partition(",")[2])
    assert len(content) < 0.6 * (tmp_path / "a.png").stat().st_size
    with Image.open(tmp_path / "a.png") as before, Image.open(BytesIO(content)) as after:
        small = before.convert("RGB").resize(after.size, Image.Resampling.LANCZOS)
        off = np.abs(np.asarray(small, int) - np.asarray(after.convert("RGB"), int))
    assert np.percentile(off, 99) <= 8  # of 255
    assert pictures.read(tmp_path / "b.png") is None


@pytest.mark.slow
def test_the_page_of_a_laptop_run_is_below_10_mb(tmp_path: Path) -> None:
    """Figures and claims of the run that is kept in results/reference. On top are counted the
    curves of as many networks as a page holds, 450 bytes each, and 100 for each of 10,000 networks.
    """
    kept = ROOT / "results" / "reference"
    shutil.copytree(kept / "figures", tmp_path / "figures")
    shutil.copy(kept / "claims.parquet", tmp_path)
    project = Project.open(ROOT, "laptop")
    page = report_page.render(tmp_path, project)
    drawn = {path.stem for path in (kept / "figures").glob("*.png")} & {*project.experiments}
    assert len(drawn) >= 12  # the papers and the maps are kept too, and are no part of this page
    assert len(Page(page).all("img")) > len(drawn)  # the findings have pictures of their own
    assert len(page.encode()) + 450 * atlas.CURVES + 100 * 10_000 < LARGEST


def test_the_page_of_a_small_run_is_below_10_mb(results: Path, project: Project) -> None:
    assert len(report_page.render(results, project).encode()) < LARGEST


# Words and colours --------------------------------------------------------------------------------


def test_words_say_what_the_labels_mean(results: Path, project: Project) -> None:
    meanings = dict(WORDS)
    assert {*tables.STATUSES, *CAUSES.values()} <= set(meanings)
    assert outcome.BEYOND == outcome.CLIPPED == 0.5  # "half", twice
    assert f"{100 * outcome.VANISHING:g} %" in meanings["vanishing"]
    text = " ".join(Page(report_page.render(results, project)).text.split())
    assert all(meaning in text for meaning in meanings.values())


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(c * 2 for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


TEXT = ("ink", "soft", "link", "yes", "no", "open", "solved", "unsolved", "diverged", "untrained")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str) -> None:
    """WCAG 2.1, 1.4.3: a contrast of at least 4.5; of lines, 1.4.11: of at least 3."""
    style = (Path(report_page.__file__).parent / "templates" / "report.css").read_text()
    (block,) = re.findall(rf"color-scheme: {scheme};(.*?)}}", style, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w+);", block))

    def contrast(text: str, ground: str) -> float:
        dark, light = sorted(luminance(colours[name]) for name in (text, ground))
        return (light + 0.05) / (dark + 0.05)

    assert all(contrast(text, "ground") >= 4.5 for text in TEXT)
    assert all(contrast("ink", ground) >= 4.5 for ground in ("note", "raised"))
    assert all(contrast(line, "ground") >= 3 for line in ("within", "beyond", "measured", "edge"))


def test_every_colour_of_the_style_has_a_name_in_both_schemes() -> None:
    style = (Path(report_page.__file__).parent / "templates" / "report.css").read_text()
    blocks = re.findall(r"color-scheme: \w+;(.*?)}", style, re.DOTALL)
    light, dark = (set(re.findall(r"--([\w-]+): #", block)) for block in blocks)
    assert light == dark
    assert set(re.findall(r"var\(--([\w-]+)", style)) - {"least"} == light
    for colours in (*(c for c, _ in vega_charts.STATUS.values()), *vega_charts.PARTS.values()):
        assert f'[stroke="{colours}"]' in style  # charts follow too


def test_equations_are_in_the_page_and_in_words(results: Path, project: Project) -> None:
    page = Page(report_page.render(results, project))
    assert len(page.all("math")) >= 5
    assert all(len(a["aria-label"] or "") > 20 for a in page.all("math"))
