"""Claims: evidence that cannot be half said, verdicts on missing, empty and plausible tables, the
table and what is printed.
"""

import math
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.planning.test_project import CONFIG, EXPERIMENT, project
from tests.support import plausible
from throughtime.analysis import claims
from throughtime.analysis.claims import VERDICTS, Claim, Evidence
from throughtime.cli import main
from throughtime.planning.plan import Plan
from throughtime.planning.project import Project
from throughtime.results import tables
from throughtime.results.load import Results

ROOT = Path(__file__).parents[2]
SMOKE = Project.open(ROOT, "smoke")
PLAN = SMOKE.plan()
ALL = [(name, claim.name) for name in SMOKE.experiments for claim in claims.load_claims(ROOT, name)]

FILE = """
import math
from throughtime.analysis.claims import Claim, Evidence

def solved(results):
    n = len(results.summary)
    detail = f"{n} networks, {len(results.computed)} computed"
    return Evidence("not supported", 0.25, 0.1, 0.4, 0.5, n, detail)

def bad(results):
    raise AssertionError("called on nothing")

CLAIMS = [Claim("solved", "Half of the networks are solved.", "Share above one half.", solved)]
"""
COMPUTE = """
import pandas as pd

def compute(preset):
    return pd.DataFrame({"series": ["a", "b"], "quantity": preset, "x": [1, 2], "y": 0, "value":
    [0.5, float("inf")]})
"""


def one(text: str = FILE, **files: str) -> dict[str, str]:
    return {"claims.py": text, **files}


def made(root: Path, files: dict[str, str], **experiment: Any) -> Path:
    """A project whose only experiment has these files."""
    project(root, CONFIG, reach={**EXPERIMENT, **experiment})
    for name, text in files.items():
        (root / "experiments" / "reach" / name).write_text(text)
    return root


def judged(root: Path) -> pd.DataFrame:
    return claims.judge(Project.open(root), root / "results")


def networks(root: Path, count: int) -> None:
    """A summary of so many networks."""
    values = {"str": "copy", "int64": 1, "Int64": 1, "float64": 0.5, "bool": True}
    values["boolean"] = True
    frame = pd.DataFrame(
        [{c.name: values[c.dtype] for c in tables.SUMMARY}] * count,
        columns=[c.name for c in tables.SUMMARY],
    )
    tables.write(frame, "summary", root / "results" / "reach" / "summary.parquet")


# Evidence -----------------------------------------------------------------------------------------

NAN = math.nan


@pytest.mark.parametrize(
    "numbers", [(0.5, 0.4, 0.6, 0.2, 3), (0.5, 0.4, math.inf, 0.2, 1), (0.2, 0.2, 0.2, 0.2, 9)]
)
def test_evidence_with_an_interval_may_have_any_verdict(
    numbers: tuple[float, float, float, float, int],
) -> None:
    assert [Evidence(v, *numbers).verdict for v in VERDICTS] == list(VERDICTS)


@pytest.mark.parametrize(
    "numbers",
    [
        (0.5, NAN, 0.6, 0.2, 3),
        (0.5, 0.4, NAN, 0.2, 3),
        (0.5, 0.6, 0.4, 0.2, 3),
        (0.5, 0.4, 0.6, NAN, 3),
        (0.5, 0.4, 0.6, 0.2, 0),
    ],
)
def test_nothing_is_decided_without_an_interval_a_threshold_and_a_case(
    numbers: tuple[float, float, float, float, int],
) -> None:
    assert Evidence("undecided", *numbers).n == numbers[-1]
    for verdict in VERDICTS[:2]:
        with pytest.raises(ValueError, match="without an interval"):
            Evidence(verdict, *numbers)


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(
        ValueError, match="verdict 'true'; valid: supported, not supported, undecided"
    ):
        Evidence("true", 1, 0, 2, 0, 1)


def test_a_claim_on_empty_tables_is_undecided_and_its_test_is_not_run() -> None:
    def decide(results: Results) -> Evidence:
        raise AssertionError("called on nothing")

    evidence = Claim("c", "A sentence.", "A test.", decide).judge(Results.empty())
    assert (evidence.verdict, evidence.n) == ("undecided", 0)
    assert "empty" in evidence.detail


# The table ----------------------------------------------------------------------------------------


def test_without_tables_a_claim_is_undecided_with_the_reason(tmp_path: Path) -> None:
    (row,) = judged(made(tmp_path, one())).to_dict("records")
    assert (row["experiment"], row["name"], row["verdict"], row["n"]) == (
        "reach",
        "solved",
        "undecided",
        0,
    )
    assert row["detail"] == "no tables of reach yet"
    assert math.isnan(row["statistic"])


def test_empty_tables_leave_it_undecided(tmp_path: Path) -> None:
    root = made(tmp_path, one())
    networks(root, 0)
    (row,) = judged(root).to_dict("records")
    assert (row["verdict"], row["detail"]) == (
        "undecided",
        "its tables are empty: nothing was trained or computed",
    )


def test_what_a_claim_found_is_the_table(tmp_path: Path) -> None:
    root = made(tmp_path, one())
    networks(root, 3)
    (row,) = judged(root).to_dict("records")
    assert all(math.isnan(row.pop(name)) for name in ("p", "adjusted", "power"))  # it has no level
    assert row == {
        "experiment": "reach",
        "name": "solved",
        "sentence": "Half of the networks are solved.",
        "test": "Share above one half.",
        "verdict": "not supported",
        "statistic": 0.25,
        "low": 0.1,
        "high": 0.4,
        "threshold": 0.5,
        "n": 3,
        "detail": "3 networks, 0 computed",
        "confirmatory": True,
        "power_for": "",
        "commit": "unknown",
        "precedes": "cannot be checked: no git repository",
    }


def test_a_claim_may_rest_on_what_was_computed_alone(tmp_path: Path) -> None:
    root = made(tmp_path, one(**{"compute.py": COMPUTE}), sweeps={})
    assert main.main(["compute", "--root", str(root), "reach"]) == 0
    found = tables.read("computed", root / "results" / "reach" / "computed.parquet")
    assert found["quantity"].tolist() == ["laptop"] * 2
    assert found["value"].tolist() == [0.5, math.inf]
    text = FILE.replace("n = len(results.summary)", "n = len(results.computed)")
    (root / "experiments" / "reach" / "claims.py").write_text(text)
    assert judged(root)["detail"].tolist() == ["2 networks, 2 computed"]


def test_a_claim_reads_the_tables_of_what_its_experiment_reads(tmp_path: Path) -> None:
    root = made(tmp_path, one())
    folder = root / "experiments" / "atlas"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(
        "{name: atlas, title: Atlas, question: How far, reads: [reach]}"
    )
    (folder / "claims.py").write_text(FILE)
    networks(root, 2)
    assert judged(root).set_index("experiment")["n"].to_dict() == {"atlas": 2, "reach": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CLAIM = []", "it has no 'CLAIMS'; add it"),
        (FILE + "\nCLAIMS *= 2", "two claims are called 'solved'; rename one"),
    ],
)
def test_a_mistake_in_a_file_is_one_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["claims", "--root", str(made(tmp_path, one(text)))]) == 2
    said = capsys.readouterr().err
    assert f"experiments/reach/claims.py: {words}" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def other(preset): ...", "it has no 'compute'; add it"),
        (
            COMPUTE.replace('"y": 0, ', ""),
            "returns no computed table: table computed: columns missing or unknown: ['y']",
        ),
        ("def compute(preset): ...", "returns no computed table: "),
    ],
)
def test_a_compute_that_returns_no_table_is_said_in_one_line(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = made(tmp_path, {"compute.py": text})
    assert main.main(["compute", "--root", str(root)]) == 2
    said = capsys.readouterr().err
    assert "experiments/reach/compute.py: " in said
    assert words in said
    assert said.count("\n") == 1


def test_the_command_writes_the_table_and_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = made(tmp_path, one())
    networks(root, 3)
    assert main.main(["claims", "--root", str(root)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "not supported reach.solved: 0.25 [0.1, 0.4] against 0.5, n = 3",
        "              Half of the networks are solved.",
        "              (3 networks, 0 computed)",
        "1 claim: 0 supported, 1 not supported, 0 undecided",
    ]
    assert tables.read("claims", root / "results" / "claims.parquet").equals(judged(root))


# The claims of this project -----------------------------------------------------------------------


def claim(experiment: str, name: str) -> Claim:
    return next(c for c in claims.load_claims(ROOT, experiment) if c.name == name)


@cache
def partial(*experiments: str, keep: int) -> Results:
    plan = Plan(tuple(j for j in PLAN.jobs if j.experiment in experiments), ())
    return plausible.thin(plausible.results(plan), keep) if plan.jobs else Results.empty()


@pytest.mark.parametrize(("experiment", "name"), ALL)
def test_every_claim_is_a_sentence_with_a_test(experiment: str, name: str) -> None:
    told = claim(experiment, name)
    assert told.sentence[0].isupper() or told.sentence.startswith("float64 ")
    assert told.sentence.endswith(".")
    assert len(told.test) > 60  # the statistic, the interval, the threshold and why
    assert "  " not in told.sentence + told.test


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "name"), ALL)
@pytest.mark.parametrize("keep", [1, 2, 5])
def test_every_claim_says_something_of_partial_tables_without_probes(
    experiment: str, name: str, keep: int
) -> None:
    names = [experiment, *SMOKE.experiments[experiment].reads]
    evidence = claim(experiment, name).judge(partial(*names, keep=keep))
    assert evidence.verdict in VERDICTS


@pytest.mark.slow
def test_without_any_table_all_claims_are_undecided(tmp_path: Path) -> None:
    table = claims.judge(SMOKE, tmp_path)
    assert set(table["verdict"]) <= {"undecided"}
    assert list(zip(table["experiment"], table["name"], strict=True)) == ALL
