"""What stands above the runs of an experiment is what the YAML and the table of claims say."""

import io
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from throughtime.core.errors import UserError
from throughtime.results import tables
from throughtime.tracking.descriptions import Page, described, finding, markdown, network_markdown
from throughtime.tracking.saved_views import View
from throughtime.tracking.sources import PICTURE_WIDTH, narrowed


def claims(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Of (experiment, verdict, sentence)."""
    return pd.DataFrame(rows, columns=["experiment", "verdict", "sentence"])


JUDGED = claims(
    ("brackets", "supported", "Of another experiment."),
    ("clipping", "undecided", "Open."),
    ("phase", "not supported", "False."),
    ("phase", "undecided", "Open too."),
    ("truncation", "undecided", "Open here."),
    ("truncation", "supported", "The first that is true."),
    ("truncation", "supported", "The second that is true."),
)


@pytest.mark.parametrize(
    ("experiments", "said"),
    [
        (["truncation"], "The first that is true. (2 supported, 1 undecided)"),
        (["phase"], "Undecided: no claim is supported (1 not supported, 1 undecided)."),
        (["clipping"], "Undecided: no claim is supported (1 undecided)."),
        (
            ["clipping", "truncation", "brackets"],
            "The first that is true. (3 supported, 2 undecided)",
        ),
        (["brackets", "truncation"], "Of another experiment. (3 supported, 1 undecided)"),
        (["cost"], ""),
        ([], ""),
    ],
)
def test_the_finding_is_the_first_supported_claim_in_the_experiments_order(
    experiments: list[str], said: str
) -> None:
    assert finding(JUDGED, experiments) == said


def write_experiment(root: Path, name: str, words: str, claiming: bool) -> None:
    folder = root / "experiments" / name
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text(f"name: {name}\n{words}")
    if claiming:
        (folder / "claims.py").touch()


def test_an_experiment_that_claims_nothing_tells_the_finding_of_those_that_it_reads(
    tmp_path: Path,
) -> None:
    write_experiment(tmp_path, "atlas", "title: All\nquestion: Where?\nreads: [one, two]\n", False)
    write_experiment(tmp_path, "one", "title: One\nreads: [two]\n", True)
    rows = claims(("two", "supported", "Two is true."), ("one", "undecided", "One is open."))
    judged = pd.DataFrame(columns=[c.name for c in tables.CLAIMS], index=rows.index).assign(
        **rows.to_dict("series"), n=0, confirmatory=True
    )
    told = described(tmp_path, tmp_path, "atlas")
    assert (told.title, told.question, told.reads) == ("All", "Where?", ["one", "two"])
    assert told.finding == "Its claims are not judged yet."
    tables.write(tables.conform(judged, "claims"), "claims", tmp_path / "claims.parquet")
    assert described(tmp_path, tmp_path, "atlas").finding.startswith("Two is true.")
    assert described(tmp_path, tmp_path, "one").finding.startswith("Undecided")
    (tmp_path / "claims.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"claims\.parquet: damaged"):
        described(tmp_path, tmp_path, "one")


def test_title_and_question_are_two_lines_and_links_lead_to_the_views(tmp_path: Path) -> None:
    write_experiment(tmp_path, "one", "title: One\nquestion: Why?\n", False)
    told = described(tmp_path, tmp_path, "one")
    page = Page("7", "8", "abc", [View("m", "a map", {}, charts=True)], [View("f", "failed", {})])
    lines = [line for line in markdown(told, page, {"two": "#/9"}).splitlines() if line]
    assert lines[:2] == ["One", "Why?"]
    assert "#/experiments/7/runs?workflowType=machine_learning&compareRunsMode=CHART" in lines[3]
    assert "#/experiments/8/runs?workflowType=machine_learning&compareRunsMode=TABLE" in lines[2]
    assert lines[4] == "**It reads:** [two](#/9)"
    assert lines[5] == "![One](get-artifact?path=description.png&run_uuid=abc)"
    assert "![" not in markdown(told, Page("7"), {})
    judged = replace(told, finding="It is so.")
    assert markdown(judged, page, {}).startswith("**Finding:** It is so.\n\nOne\n\nWhy?\n\n")
    assert "](#/experiments/7/runs?" in network_markdown(told, page)


def test_a_wide_picture_becomes_narrow_and_others_stay(tmp_path: Path) -> None:
    def png(width: int, height: int) -> bytes:
        out = io.BytesIO()
        Image.new("RGBA", (width, height), "white").save(out, "PNG")
        return out.getvalue()

    with Image.open(io.BytesIO(narrowed(png(2200, 1000)))) as picture:
        assert picture.size == (PICTURE_WIDTH, 500)
    assert narrowed(png(900, 400)) == png(900, 400)
    assert narrowed(b"not a picture") == b"not a picture"
