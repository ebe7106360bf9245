"""Worlds in which the truth is known: an evening plan's networks with an outcome by rule, and the
verdicts that claims come to on them.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from tests.support import synthetic
from throughtime.analysis import claims
from throughtime.analysis.claims import Evidence
from throughtime.planning.plan import Plan
from throughtime.planning.project import Project
from throughtime.results.load import Results

ROOT = Path(__file__).parents[2]
Rule = Callable[[dict[str, Any]], dict[str, Any]]


@cache
def plan(preset: str) -> Plan:
    """Of all experiments."""
    return Project.open(ROOT, preset).plan()


@cache
def networks(experiment: str, preset: str = "evening") -> pd.DataFrame:
    """The networks of a preset, as yet without an outcome."""
    parts = [
        synthetic.identity(p).assign(
            reach=p.job.reach, measure=p.job.task.measure, chance=p.job.task.chance
        )
        for p in plan(preset).select(experiment).jobs
    ]
    outcome = {
        "status": "unsolved",
        "first_solved_at": pd.NA,
        "diverged_at": pd.NA,
        "final": float("nan"),
    }
    return pd.concat(parts, ignore_index=True).assign(**outcome)


@cache
def _rows(experiment: str, preset: str) -> list[dict[str, Any]]:
    """The same, one network after another."""
    found: list[dict[str, Any]] = networks(experiment, preset).astype(object).to_dict("records")
    return found


def world(experiment: str, rule: Rule, preset: str = "evening", **tables: pd.DataFrame) -> Results:
    """Results whose networks have what ``rule`` says of each: a row of the summary in, changed
    columns out.
    """
    changed = pd.DataFrame([rule({**row}) for row in _rows(experiment, preset)])
    return Results(
        summary=networks(experiment, preset).assign(**dict(changed.items())),
        **{t: getattr(Results.empty(), t) for t in ("curves", "breakdown", "references")},
        **tables,
    )


def solved_if(yes: bool, at: int = 100) -> dict[str, Any]:
    """The outcome of a solved or unsolved network."""
    return (
        {"status": "solved", "first_solved_at": at}
        if yes
        else {"status": "unsolved", "first_solved_at": pd.NA}
    )


def judged(experiment: str, results: Results) -> dict[str, Evidence]:
    """Claim -> evidence."""
    return {claim.name: claim.judge(results) for claim in claims.load_claims(ROOT, experiment)}


def verdicts(experiment: str, results: Results) -> dict[str, str]:
    """Claim -> verdict."""
    return {name: evidence.verdict for name, evidence in judged(experiment, results).items()}
