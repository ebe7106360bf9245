"""Networks with outcomes and measurements of one's own making: tables in which the truth is
known.
"""

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from tests.support import synthetic
from throughtime.analysis import claims
from throughtime.analysis.claims import Evidence
from throughtime.planning.sweep import expand
from throughtime.results import tables
from throughtime.results.load import Results

ROOT = Path(__file__).parents[2]


def networks(sweep: str, **axes: Any) -> pd.DataFrame:
    """The summary of a sweep; axes with a dot are written with two underscores. All networks are
    unsolved.
    """
    named = {name.replace("__", "."): value for name, value in axes.items()}
    return _networks(sweep, json.dumps(named)).copy()


@cache
def _networks(sweep: str, axes: str) -> pd.DataFrame:
    """Many tests ask for the same networks, and give them outcomes of their own."""
    summary = synthetic.networks(expand("made", sweep, json.loads(axes), "made"))
    return tables.conform(
        summary.assign(status="unsolved", diverged_at=pd.NA, final=summary["chance"]), "summary"
    )


def probes(
    summary: pd.DataFrame,
    name: str,
    found: Callable[[Any], Iterable[tuple[str, int, float]]],
    step: int = 0,
) -> pd.DataFrame:
    """The probes table that ``found`` (row -> quantity, index, value) makes of every network."""
    rows = [
        (row.run_key, step, name, *values) for row in summary.itertuples() for values in found(row)
    ]
    return tables.conform(pd.DataFrame(rows, columns=[c.name for c in tables.PROBES]), "probes")


def results(
    summary: pd.DataFrame | None = None,
    *measured: pd.DataFrame,
    computed: pd.DataFrame | None = None,
) -> Results:
    """Results of these tables; what is not given is empty."""
    given = {name: tables.empty(name) for name in ("curves", "breakdown", "references")}
    found = pd.concat(measured, ignore_index=True) if measured else tables.empty("probes")
    made = tables.empty("computed") if computed is None else tables.conform(computed, "computed")
    return Results(
        tables.empty("summary") if summary is None else summary,
        **given,
        probes=found,
        computed=made,
    )


def decide(experiment: str, name: str, found: Results) -> Evidence:
    """An experiment's claim on these tables."""
    return next(c for c in claims.load_claims(ROOT, experiment) if c.name == name).decide(found)
