"""p values by inverting a claim's interval, Holm over the family, power, and which commit a claim
is of.
"""

import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as distributions

from tests.analysis.test_claims import FILE, judged, made, networks, one
from tests.support.worlds import ROOT
from throughtime.analysis import claims, stats, verdicts
from throughtime.analysis.claims import Claim, holm
from throughtime.analysis.power import Power, RatePower
from throughtime.planning.experiment_files import load_module
from throughtime.results.load import Results
from throughtime.results.provenance import is_ancestor, last_commit

VALUES = np.array([0.1, 0.9, 0.4, 0.7, 0.5, 0.2])


def claim(threshold: float) -> Claim:
    """The mean of VALUES is above the threshold."""

    def decide(results: Results, level: float) -> claims.Evidence:
        statistic, low, high, n = verdicts.mean(VALUES, level)
        return verdicts.above(statistic, low, high, threshold, n)

    return Claim("c", "A sentence.", "A test.", decide)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.45, 0.6, 0.9])
def test_p_is_that_of_the_test_whose_interval_decides(monkeypatch, threshold):
    monkeypatch.setattr(Claim, "judge", lambda self, results, level: self.decide(results, level))
    expected = distributions.ttest_1samp(VALUES, threshold).pvalue
    assert claim(threshold).p(Results.empty()) == pytest.approx(expected, rel=0.011)


def test_p_is_one_where_nothing_can_be_decided_and_missing_without_a_level():
    assert claim(0.2).p(Results.empty()) == 1.0  # no table to read
    assert math.isnan(Claim("c", "A.", "B.", lambda results: claims.undecided("")).p(None))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_his_steps_reject(p):
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all()
    rejected, rest = set(), sorted(range(len(p)), key=lambda i: p[i])
    for step, i in enumerate(rest):  # the procedure as it is defined
        if p[i] > 0.05 / (len(p) - step):
            break
        rejected.add(i)
    ties = [i for i in range(len(p)) if math.isclose(adjusted[i], 0.05)]
    assert rejected - set(ties) == {i for i in range(len(p)) if adjusted[i] <= 0.05} - set(ties)


LEVELS = """
from throughtime.analysis.claims import Claim
from throughtime.analysis.verdicts import above, mean

def of(*values):
    def decide(results, level):
        statistic, low, high, n = mean(values, level)
        return above(statistic, low, high, 0.0, n)
    return decide

CLAIMS = [
    Claim("a", "A.", "Test.", of(1.0, 1.1, 0.9)),
    Claim("b", "B.", "Test.", of(1.0, 2.0, 1.5)),
    Claim("c", "C.", "Test.", of(1.0, -1.1, 0.9)),
    Claim("d", "D.", "Test.", of(1.0, 1.1, 0.9), confirmatory=False),
]
"""


def test_the_table_adjusts_over_confirmatory_claims_alone(tmp_path: Path):
    root = made(tmp_path, one(LEVELS))
    networks(root, 3)
    table = judged(root).set_index("name")
    assert table.loc[["a", "b", "c"], "adjusted"].tolist() == pytest.approx(
        holm(table.loc[["a", "b", "c"], "p"]).tolist()
    )
    assert table.loc["d", "p"] == table.loc["a", "p"]
    assert math.isnan(table.loc["d", "adjusted"])
    # b alone is decided, and among three it is no more
    assert table.loc["b", "p"] <= 0.05 < table.loc["b", "adjusted"]
    said = claims.text(table.reset_index())
    assert (
        "4 claims: 3 supported, 0 not supported, 1 undecided; adjusted over all 3 (Holm) 1" in said
    )


# Power --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("test", ["t", "flips"])
def test_without_an_effect_power_is_the_level_at_most(test):
    assert Power(1e-9, 0.3, 10, test).value <= 0.06 / 2 + 0.03


def test_students_power_is_that_of_tables():
    """Ten seeds, effect one standard deviation: .803 (Cohen's d = 1, one sample), its half side."""
    assert Power(1.0, 1.0, 10).value == pytest.approx(0.803, abs=0.002)


def test_flips_have_nearly_the_power_of_students_test():
    assert Power(1.0, 1.0, 10, "flips").value == pytest.approx(0.79, abs=0.04)
    assert Power(5.0, 0.1, 5, "flips").value == 0
    assert Power(5.0, 0.1, 6, "flips").value == 1
    assert Power(1.0, 1.0, 20, "flips").value > 0.97


def test_every_grid_point_must_be_decided():
    one_point, four = Power(1.0, 1.0, 10), Power(1.0, 1.0, 10, points=4)
    assert four.value < one_point.value**4
    assert "at each of 4 grid points" in str(four)


# Commits ------------------------------------------------------------------------------------------


def git(root: Path, *arguments: str) -> str:
    own = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *own, "-C", str(root), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(root: Path) -> str:
    git(root, "add", "experiments", "config.yaml")
    git(root, "commit", "-q", "--allow-empty", "-m", "c")
    return git(root, "rev-parse", "--short=12", "HEAD")


def trained_at(root: Path, *commits: str) -> None:
    folder = root / "results" / "reach"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"trained_at": list(commits)}))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = made(tmp_path, one())
    git(root, "init", "-q")
    return root


def test_a_claim_precedes_the_run_where_its_commit_is_an_ancestor(repository: Path):
    first = commit(repository)
    second = commit(repository)
    path = repository / "experiments" / "reach" / "claims.py"
    networks(repository, 2)
    for commits in ([first], [second], [f"{second}+", first]):
        trained_at(repository, *commits)
        assert judged(repository)[["commit", "precedes"]].to_numpy().tolist() == [[first, "yes"]]
    path.write_text(FILE.replace("Half", "A half"))
    assert last_commit(repository, path) == f"{first}+"
    assert judged(repository)["precedes"].tolist() == ["no: edited and not committed"]
    third = commit(repository)
    trained_at(repository, third, second)
    (row,) = judged(repository).to_dict("records")
    assert row["commit"] == third
    assert row["precedes"] == f"no: trained at {second}, before the claim"
    assert f"claim of commit {third}; no: trained at {second}" in claims.text(judged(repository))


def test_what_git_cannot_tell_is_said(repository: Path):
    networks(repository, 2)
    assert "no git repository" in judged(repository)["precedes"][0]  # never committed
    first = commit(repository)
    assert "names no commit" in judged(repository)["precedes"][0]
    trained_at(repository, "unknown")
    assert "names no commit" in judged(repository)["precedes"][0]
    trained_at(repository, "0123456789ab")
    assert "0123456789ab is not in this repository" in judged(repository)["precedes"][0]
    assert is_ancestor(repository, first, first) is True


@pytest.mark.parametrize("points", [1, 24])
def test_the_power_of_a_rate_is_how_often_the_interval_lies_above(points):
    rng = np.random.default_rng(0)
    solved = rng.binomial(10, 0.7, 4000)
    low, _ = stats.wilson(solved, 10, 1 - 0.05 / points)
    assert RatePower(0.7, 0.2, 10, points).value == pytest.approx((low > 0.2).mean(), abs=0.03)
    assert RatePower(0.2, 0.2, 10, points).value <= 0.05


def test_every_claim_states_its_power_or_why_it_has_none():
    for path in ROOT.glob("experiments/*/claims.py"):
        name = path.parent.name
        for claim in load_module(path, "CLAIMS").CLAIMS:
            if claim.power is None:
                assert "power" in claim.test, (name, claim.name)
            else:
                assert 0 <= claim.power.value <= 1
