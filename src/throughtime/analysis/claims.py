"""Claims: sentences that the tables decide, each by a test that was fixed before its data were
seen. No torch.

``experiments/NAME/claims.py`` holds ``CLAIMS: list[Claim]``; ``throughtime.analysis.verdicts`` has
what most tests are made of.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from throughtime.core.errors import UserError, locate_errors
from throughtime.planning.experiment_files import load_module
from throughtime.planning.project import Project
from throughtime.results import tables
from throughtime.results.load import Results

FILE = "claims.py"  # of an experiment that claims something
VERDICTS = ("supported", "not supported", "undecided")


@dataclass(frozen=True)
class Evidence:
    """What a test found.

    Attributes:
        verdict: one of VERDICTS.
        statistic, low, high: an estimate and its interval; NaN where nothing could be computed.
        threshold: what the interval is held against.
        n: networks, or other independent cases, behind the statistic.
        detail: the numbers in words; why it is undecided.

    Raises:
        ValueError: an unknown verdict; or one that is decided without an interval, a threshold or a
            case.

    >>> Evidence("supported", 0.5, 0.4, math.nan, 0.2, 9)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: 'supported' without an interval, a threshold and a case: low 0.4, high nan, ...
    """

    verdict: str
    statistic: float
    low: float
    high: float
    threshold: float
    n: int
    detail: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict {self.verdict!r}; valid: {', '.join(VERDICTS)}")
        told = self.low <= self.high and not math.isnan(self.threshold) and self.n > 0
        if self.verdict != "undecided" and not told:
            raise ValueError(
                f"{self.verdict!r} without an interval, a threshold and a case: "
                f"low {self.low:g}, high {self.high:g}, threshold {self.threshold:g}, n {self.n}"
            )


@dataclass(frozen=True)
class Claim:
    """One sentence, and what decides it.

    Attributes:
        name: unique within the experiment.
        sentence: what is claimed.
        test: the statistic, its interval and the threshold, fixed beforehand, and why these.
        decide: the test; it is given the tables of the experiment and of those it reads, some of
            which may be empty.
    """

    name: str
    sentence: str
    test: str
    decide: Callable[[Results], Evidence]

    def judge(self, results: Results) -> Evidence:
        """The evidence; undecided where there is no table to read."""
        if results.summary.empty and results.computed.empty:
            return undecided("its tables are empty: nothing was trained or computed")
        return self.decide(results)


def undecided(reason: str) -> Evidence:
    """No verdict, because there is nothing to decide on.

    >>> undecided("no table").verdict
    'undecided'
    """
    return Evidence("undecided", math.nan, math.nan, math.nan, math.nan, 0, reason)


def load_claims(root: Path, experiment: str) -> list[Claim]:
    """The claims of an experiment; none where it has no claims.py.

    Raises:
        UserError: the file has no CLAIMS, or two of one name.
    """
    path = root / "experiments" / experiment / FILE
    if not path.exists():
        return []
    claims: list[Claim] = load_module(path, "CLAIMS").CLAIMS
    names = [c.name for c in claims]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{path}: two claims are called {twice[0]!r}; rename one")
    return claims


def judge(project: Project, results: Path) -> pd.DataFrame:
    """The claims table of all experiments, from their tables under ``results``; a claim whose
    tables are missing is undecided.

    Raises:
        UserError: a table is damaged, a claims.py is not as ``load_claims`` wants it, or a test
            raises something.
    """
    rows = []
    for name, told in project.experiments.items():
        claims = load_claims(project.root, name)
        there = claims and any(_there(results, n) for n in (name, *told.reads))
        found = (
            Results.load(results, name, told.reads, told.title, told.question) if there else None
        )
        for claim in claims:
            if found is None:
                evidence = undecided(f"no tables of {name} yet")
            else:
                with locate_errors(project.root / "experiments" / name):
                    evidence = claim.judge(found)
            rows.append(
                {
                    "experiment": name,
                    "name": claim.name,
                    "sentence": claim.sentence,
                    "test": claim.test,
                    **asdict(evidence),
                }
            )
    return tables.conform(pd.DataFrame(rows, columns=[c.name for c in tables.CLAIMS]), "claims")


def _there(results: Path, experiment: str) -> bool:
    return any(
        (results / experiment / f"{table}.parquet").exists() for table in ("summary", "computed")
    )


def text(judged: pd.DataFrame) -> str:
    """The claims table for a terminal: verdict, numbers, sentence and detail of each claim, and
    counts.

    >>> text(tables.empty("claims"))
    'no claims'
    """
    lines = []
    for row in judged.to_dict("records"):
        numbers = (
            ": {statistic:.3g} [{low:.3g}, {high:.3g}] against {threshold:.3g}, n = {n}".format_map(
                row
            )
            if row["n"]
            else ""
        )
        lines += [
            f"{row['verdict']:13} {row['experiment']}.{row['name']}{numbers}",
            f"{'':14}{row['sentence']}",
        ]
        lines += [f"{'':14}({row['detail']})"] if row["detail"] else []
    return "\n".join([*lines, counts(judged)])


def counts(judged: pd.DataFrame) -> str:
    """How many claims have which verdict.

    >>> counts(pd.DataFrame({"verdict": ["supported", "undecided", "supported"]}))
    '3 claims: 2 supported, 0 not supported, 1 undecided'
    """
    if judged.empty:
        return "no claims"
    each = ", ".join(f"{(judged['verdict'] == v).sum()} {v}" for v in VERDICTS)
    return f"{len(judged)} {'claim' if len(judged) == 1 else 'claims'}: {each}"
