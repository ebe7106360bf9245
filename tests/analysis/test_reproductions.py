"""Reproductions: verdicts on hand-worked intervals, files that are wrong, the table, the report."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.analysis.test_claims import made, networks
from throughtime.analysis import reproductions
from throughtime.cli import main
from throughtime.core.errors import UserError
from throughtime.pipeline.workflow import Pipeline
from throughtime.planning.project import Project
from throughtime.report import page
from throughtime.results import tables

NAN = math.nan
HEAD = "quantity,described,value,low,high,source,unit\n"
PUBLISHED = (
    HEAD
    + 'near,"Share solved, of lag 100",.5,.45,.55,"Figure 4, read off to .05",\n'
    + "exact,Loss at the end,1.2,,,Table 2,nats\n"
    + "lost,Loss before,,,,could not be found,nats\n"
    + "short,Loss of a long run,0.1,,,Table 3,nats\n"
)
MEASURE = """
import pandas as pd

def measure(results):
    n = len(results.summary)
    return pd.DataFrame(
        [
            ("near", 0.6, 0.55, 0.7, n, 1, ""),
            ("exact", 1.3, 1.21, 1.4, n, 0, ""),
            ("lost", 1.3, 1.2, 1.4, n, 0, ""),
            ("short", 0.1, 0.1, 0.1, n, 0, "a tenth of the updates"),
        ],
        columns=["quantity", "value", "low", "high", "n", "n_diverged", "why"],
    )
"""


def paper(root: Path, published: str = PUBLISHED, measure: str = MEASURE) -> Path:
    """A project whose only experiment reproduces a paper, of the series papers."""
    files = {"published.csv": published, "reproduction.py": measure, "figure.py": ""}
    return made(root, files, series="papers")


def opened(root: Path) -> Project:
    return Project.open(root, overrides={"experiments": "papers"})


def compared(root: Path) -> pd.DataFrame:
    return reproductions.compare(opened(root), root / "results")


def number(value: float, low: float = NAN, high: float = NAN, why: str = "") -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "why": why}


@pytest.mark.parametrize(
    ("published", "ours", "verdict", "why"),
    [
        (number(1.0), number(1.1, 1.0, 1.3), "same", ""),  # they touch
        (number(1.0), number(1.1, 1.01, 1.3), "differs", ""),
        (number(1.0, 0.9, 1.1), number(1.2, 1.05, 1.3), "same", ""),
        (number(1.0, 0.0, 9.0), number(1.2, 1.1, 1.3), "same", ""),  # one inside the other
        (number(1.0, 0.9, 1.1), number(0.5, 0.4, 0.89), "differs", ""),
        (number(1.0), number(1.0, 1.0, 1.0, "fewer updates"), "not comparable", "fewer updates"),
        (number(NAN), number(1.0, 1.0, 1.0), "not comparable", "the paper's number is missing"),
        (number(NAN, 0.9, 1.1), number(1.2, 1.05, 1.3), "same", ""),  # the paper gives a range
        (number(NAN, 0.9, 1.1), number(1.3, 1.2, 1.4), "differs", ""),
        (number(1.0), number(NAN), "not comparable", "our number is missing"),
        (number(1.0), number(1.0), "not comparable", "our number has no interval"),
        (
            number(NAN),
            number(NAN, why="short"),
            "not comparable",
            "short; the paper's number is missing; our number is missing",
        ),
    ],
)
def test_intervals_decide(
    published: dict[str, Any], ours: dict[str, Any], verdict: str, why: str
) -> None:
    assert reproductions.judge(published, ours) == (verdict, why)


def test_the_table_has_both_numbers_of_every_quantity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    networks(paper(tmp_path), 3)
    command = ["--root", str(tmp_path), "--config", "experiments=papers"]
    assert main.main(["reproductions", *command]) == 0
    said = capsys.readouterr().out
    assert said.endswith("4 numbers: 1 same, 1 differs, 2 not comparable\n")
    assert "same            reach.near: 0.6 [0.55, 0.7] beside 0.5 [0.45, 0.55], n = 3" in said
    table = tables.read("reproductions", tmp_path / "results" / "reproductions.parquet")
    assert table["quantity"].tolist() == ["near", "exact", "lost", "short"]
    near = table.iloc[0].to_dict()
    assert near == {
        "experiment": "reach",
        "quantity": "near",
        "described": "Share solved, of lag 100",
        "unit": "",
        "published": 0.5,
        "published_low": 0.45,
        "published_high": 0.55,
        "source": "Figure 4, read off to .05",
        "ours": 0.6,
        "low": 0.55,
        "high": 0.7,
        "n": 3,
        "n_diverged": 1,
        "verdict": "same",
        "why": "",
    }
    assert table["verdict"].tolist()[1:] == ["differs", "not comparable", "not comparable"]
    assert table["why"].tolist()[2:] == ["the paper's number is missing", "a tenth of the updates"]


def test_without_tables_nothing_is_comparable_and_measure_is_not_called(tmp_path: Path) -> None:
    table = compared(paper(tmp_path))
    assert set(table["why"]) == {"no tables of reach yet"}
    assert set(table["verdict"]) == {"not comparable"}
    assert table["ours"].isna().all()
    assert table["published"].notna().sum() == 3


def test_experiments_without_a_paper_have_nothing_to_compare(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path, {})
    assert main.main(["reproductions", "--root", str(tmp_path)]) == 2
    assert "none of the chosen experiments has a reproduction.py" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"published.csv: no column quantity, described"),
        (HEAD.replace(",low", ""), r"published.csv: no column low; the columns are quantity"),
        (HEAD.replace("low", "lo"), r"published.csv: unknown column 'lo'; did you mean 'low'"),
        (HEAD.replace("low", "high"), r"published.csv: no column low"),
        (HEAD + "a,b,1,,,Table 1", r"row 2: 6 fields instead of 7; .* quotation marks"),
        (HEAD + "a,b,1,,,,", r"row 2: source: say where"),
        (HEAD + 'a,"b,1,,,Table 1,', r"not a CSV file in UTF-8: unexpected end"),
        (HEAD + "a,b,one,,,Table 1,", r"row 2: a: value: 'one' is no number"),
        (HEAD + "a,b,1,0,,Table 1,", r"row 2: a: low and high: one is missing"),
        (HEAD + "a,b,1,2,3,Table 1,", r"row 2: a: 1 is not between 2 and 3"),
        (HEAD + ",b,1,,,Table 1,", r"row 2: quantity: '' is no name"),
        (HEAD + "a,b,1,,,Table 1,\n" * 2, r"row 3: a: a second row of this quantity"),
    ],
)
def test_a_wrong_csv_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        compared(paper(tmp_path, text))


def test_a_csv_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    path.write_bytes(HEAD.encode() + b"a,\xff,1,,,Table 1,\n")
    with pytest.raises(UserError, match="not a CSV file in UTF-8"):
        reproductions.read_published(path)
    path.write_text("\ufeff" + HEAD + "\na,b,1,,,Table 1,\n")  # as spreadsheets write it
    assert list(reproductions.read_published(path)) == ["a"]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("def measure", "def measured", r"reproduction.py: .*measure"),
        ('"near"', '"nar"', r"reproduction.py: no quantity 'near', which .*'nar'"),
        (
            "        [\n",
            '        [("more", 1, 1, 1, n, 0, ""),\n',
            r"published.csv: no quantity 'more', which reproduction.py has",
        ),
        ('"why"]', '"reason"]', r"measure\(results\): unknown column 'reason'"),
        ("return pd.DataFrame", "return list", r"reproduction.py:\d+: TypeError"),
        ("    n = ", "    return 1\n    n = ", r"measure\(results\) returns int"),
        ("0.6, 0.55", "0.6, 0.65", r"measure\(results\): near: 0.6 is not between 0.65 and 0.7"),
        ("0.7, n, 1", "0.7, n, 4", r"n_diverged: 4 of 3 networks"),
        ("0.7, n, 1", "0.7, None, 1", r"measure\(results\): n: nan is no count"),
        ('"exact"', '"near"', r"near: a second row of this quantity"),
    ],
)  # fmt: skip
def test_a_wrong_measure_is_one_line_and_nothing_is_written(
    tmp_path: Path, before: str, after: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert before in MEASURE
    networks(paper(tmp_path, measure=MEASURE.replace(before, after)), 3)
    with pytest.raises(UserError, match=says):
        compared(tmp_path)
    assert (
        main.main(["reproductions", "--root", str(tmp_path), "--config", "experiments=reach"]) == 2
    )
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "results" / "reproductions.parquet").exists()


@pytest.mark.parametrize("name", ["published.csv", "reproduction.py"])
def test_one_file_asks_for_the_other(tmp_path: Path, name: str) -> None:
    (paper(tmp_path) / "experiments" / "reach" / name).unlink()
    with pytest.raises(UserError, match=f"{name}: no such file"):
        compared(tmp_path)


def test_an_edit_of_either_file_compares_anew(tmp_path: Path) -> None:
    folder = paper(tmp_path) / "experiments" / "reach"
    digests = set()
    for name in ("", "published.csv", "reproduction.py"):
        if name:
            more = "EDITED = 1\n" if name.endswith(".py") else "\n"
            (folder / name).write_text((folder / name).read_text() + more)
        pipeline = Pipeline.open(tmp_path, {"experiments": "papers"})
        digests.add(pipeline.reproductions_code())
    assert len(digests) == 3
    assert pipeline.reproductions() == ["results/reproductions.parquet"]
    assert "results/reach/summary.parquet" in pipeline.reproduction_inputs()
    assert Pipeline.open(tmp_path, {}).reproductions() == []


@pytest.mark.slow
def test_the_report_has_them_by_paper(tmp_path: Path) -> None:
    networks(paper(tmp_path), 3)
    project, results = opened(tmp_path), tmp_path / "results"
    without = page.render(results, project)
    assert 'id="reproductions"' not in without
    assert 'href="#reproductions"' not in without
    tables.write(compared(tmp_path), "reproductions", results / "reproductions.parquet")
    shown = page.render(results, project)
    assert "4 numbers of 1 paper: 1 same, 1 differs, 2 not comparable." in shown
    assert '<a href="#reach">Reach</a></th>' in shown
    numbers = "0.5 [0.45, 0.55]", "0.6 [0.55, 0.7]"
    cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
    assert f'<td class="verdict yes">same</td>{cells}' in shown
    assert '<td class="number">3, 1 diverged</td>' in shown
    assert "Not comparable: a tenth of the updates." in shown
    assert shown.index('id="claims"') < shown.index('id="reproductions"') < shown.index('id="expl')
