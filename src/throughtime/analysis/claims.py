"""Claims: sentences that the tables decide, each by a test that was fixed before its data were
seen. No torch.

``experiments/NAME/claims.py`` holds ``CLAIMS: list[Claim]``; ``throughtime.analysis.verdicts`` has
what most tests are made of.
"""

import inspect
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from throughtime.analysis.power import Power, RatePower
from throughtime.core import files
from throughtime.core.errors import UserError, locate_errors
from throughtime.planning.experiment_files import load_module
from throughtime.planning.project import Project
from throughtime.results import provenance, tables
from throughtime.results.load import Results

FILE = "claims.py"  # of an experiment that claims something
VERDICTS = ("supported", "not supported", "undecided")
LEVEL = 0.95
SMALLEST_P = 1e-4  # smaller ones are not told apart


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
        decidable = self.low <= self.high and not math.isnan(self.threshold) and self.n > 0
        if self.verdict != "undecided" and not decidable:
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
            which may be empty, and the level of its interval. A function of the tables alone has
            one level, hence no p.
        power: with which chance it is decided, at the planned seeds; None: not stated.
        confirmatory: whether it belongs to the family over which p values are adjusted.
    """

    name: str
    sentence: str
    test: str
    decide: Callable[..., Evidence]
    power: Power | RatePower | None = None
    confirmatory: bool = True

    def judge(self, results: Results, level: float = LEVEL) -> Evidence:
        """The evidence with intervals of this level; undecided where there is no table to read."""
        if results.summary.empty and results.computed.empty:
            return undecided("its tables are empty: nothing was trained or computed")
        return self.decide(results, level) if self._has_level else self.decide(results)

    @cached_property
    def _has_level(self) -> bool:
        return len(inspect.signature(self.decide).parameters) > 1

    def p(self, results: Results) -> float:
        """The p value, two-sided: 1 less the largest level at which the claim is decided, to within
        a hundredth of itself; SMALLEST_P where it is that or less; NaN where the test has one
        level.
        """
        if not self._has_level:
            return math.nan
        low, high = math.log(SMALLEST_P), 0.0

        def decided(log_alpha: float) -> bool:
            level = min(max(1 - math.exp(log_alpha), 1e-6), 1 - 1e-6)
            return self.judge(results, level).verdict != "undecided"

        if decided(low):
            return SMALLEST_P
        if not decided(high):
            return 1.0
        while high - low > 0.01:
            middle = (low + high) / 2
            low, high = (low, middle) if decided(middle) else (middle, high)
        return math.exp(high)


def undecided(reason: str) -> Evidence:
    """No verdict, because there is nothing to decide on.

    >>> undecided("no table").verdict
    'undecided'
    """
    return Evidence("undecided", math.nan, math.nan, math.nan, math.nan, 0, reason)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """p values adjusted over a family, in order of the input: where all that are adjusted to .05 or
    less are taken as decided, the chance that any of them is wrongly so is at most .05, whatever
    they have to do with each other (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, float)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


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
    for name, experiment in project.experiments.items():
        claims = load_claims(project.root, name)
        there = claims and any(_there(results, n) for n in (name, *experiment.reads))
        loaded = (
            Results.load(results, name, experiment.reads, experiment.title, experiment.question)
            if there
            else None
        )
        for claim in claims:
            if loaded is None:
                evidence, p = undecided(f"no tables of {name} yet"), math.nan
            else:
                with locate_errors(project.root / "experiments" / name):
                    evidence = claim.judge(loaded)
                    p = claim.p(loaded) if evidence.n else math.nan
            rows.append(
                {
                    "experiment": name,
                    "name": claim.name,
                    "sentence": claim.sentence,
                    "test": claim.test,
                    **asdict(evidence),
                    "p": p,
                    "confirmatory": claim.confirmatory,
                    "power": claim.power.value if claim.power else math.nan,
                    "power_for": str(claim.power or ""),
                    **written_before(project.root, results, name, experiment.reads),
                }
            )
    frame = pd.DataFrame(rows, columns=[c.name for c in tables.CLAIMS if c.name != "adjusted"])
    family = frame["confirmatory"].astype(bool) & frame["p"].notna()
    frame.loc[family, "adjusted"] = holm(frame.loc[family, "p"].to_numpy(float))
    return tables.conform(frame.reindex(columns=[c.name for c in tables.CLAIMS]), "claims")


def written_before(root: Path, results: Path, experiment: str, reads: list[str]) -> dict[str, str]:
    """When an experiment's claims were written, beside when the networks that they are decided on
    were trained.

    Returns:
        ``commit``, the last that changed claims.py, with ``+`` where it has been edited since; and
        ``precedes``: "yes" where it is an ancestor of every commit at which those networks were
        trained, "no" where it is not, else why that cannot be checked.
    """
    claimed = provenance.last_commit(root, root / "experiments" / experiment / FILE)
    commits = set().union(*(_trained_at(results, name) for name in (experiment, *reads)))
    if claimed == "unknown":
        return {"commit": claimed, "precedes": "cannot be checked: no git repository"}
    if not commits or "unknown" in commits:
        return {"commit": claimed, "precedes": "cannot be checked: the run names no commit"}
    if claimed.endswith("+"):
        return {"commit": claimed, "precedes": "no: edited and not committed"}
    checked = {c: provenance.is_ancestor(root, claimed, c.rstrip("+")) for c in sorted(commits)}
    if missing := [c for c, answer in checked.items() if answer is None]:
        return {
            "commit": claimed,
            "precedes": f"cannot be checked: commit {missing[0]} is not in this repository",
        }
    late = [c for c, answer in checked.items() if not answer]
    return {
        "commit": claimed,
        "precedes": f"no: trained at {late[0]}, before the claim" if late else "yes",
    }


def _trained_at(results: Path, experiment: str) -> set[str]:
    """The commits that the manifest of an experiment names."""
    try:
        manifest = json.loads(files.read(results / experiment / "manifest.json"))
        return set(manifest.get("trained_at") or [manifest["git_commit"]])
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return set()


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
        if not math.isnan(row["p"]):
            numbers += f", p = {row['p']:.2g}"
        if not math.isnan(row["adjusted"]):
            numbers += f", adjusted {row['adjusted']:.2g}"
        lines += [
            f"{row['verdict']:13} {row['experiment']}.{row['name']}{numbers}",
            f"{'':14}{row['sentence']}",
        ]
        lines += [f"{'':14}({row['detail']})"] if row["detail"] else []
        if row["precedes"].startswith("no"):
            lines += [f"{'':14}(claim of commit {row['commit']}; {row['precedes']})"]
    return "\n".join([*lines, counts(judged)])


def counts(judged: pd.DataFrame) -> str:
    """How many claims have which verdict.

    >>> counts(pd.DataFrame({"verdict": ["supported", "undecided", "supported"]}))
    '3 claims: 2 supported, 0 not supported, 1 undecided'
    """
    if judged.empty:
        return "no claims"
    each = ", ".join(f"{(judged['verdict'] == v).sum()} {v}" for v in VERDICTS)
    words = f"{len(judged)} {'claim' if len(judged) == 1 else 'claims'}: {each}"
    if "adjusted" in judged and judged["adjusted"].notna().any():
        kept = (judged["verdict"] != "undecided") & (judged["adjusted"] <= 1 - LEVEL)
        words += (
            f"; adjusted over all {judged['adjusted'].notna().sum()} (Holm) {kept.sum()} are "
            "decided"
        )
    return words
