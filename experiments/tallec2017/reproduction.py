"""What was measured, beside published.csv."""

import math
from typing import Any

import pandas as pd

from throughtime.analysis import stats
from throughtime.analysis.verdicts import mean
from throughtime.results.load import Results

from . import analysis

OTHER_TEXT = "another text (speeches, not Penn Treebank), smaller networks and a smaller budget"


def share(quantity: str, found: "pd.Series[bool]") -> dict[str, Any]:
    """A share of runs with Wilson's interval."""
    n, k = len(found), int(found.sum())
    low, high = stats.wilson(k, n)
    value = k / n if n else math.nan
    own = {"low": float(low), "high": float(high)} if n else {"low": math.nan, "high": math.nan}
    why = "" if n else "influence balancing was not computed"
    return {"quantity": quantity, "value": value, **own, "n": n, "n_diverged": 0, "why": why}


def exact(row: dict[str, Any]) -> dict[str, Any]:
    """Of what nothing is random in: its interval is the value."""
    return {**row, "low": row["value"], "high": row["value"]}


def of_text(quantity: str, values: "pd.Series[float]", diverged: int) -> dict[str, Any]:
    """A mean over seeds with Student's interval."""
    value, low, high, n = mean(values)
    own = {"value": value, "low": low, "high": high, "n": n, "n_diverged": diverged}
    return {"quantity": quantity, **own, "why": OTHER_TEXT}


def measure(results: Results) -> pd.DataFrame:
    """One row per quantity of published.csv."""
    ends, bits = analysis.ends(results), analysis.bits(results)
    truncated = ends[ends["series"] == "chunked"]
    worst = truncated[truncated["last"] == truncated["last"].max()]
    summary = results.summary
    failed = summary[summary["status"] == "diverged"]
    method = analysis.method(failed)
    seeds = {m: set(failed["seed"][method == m]) for m in analysis.METHODS}
    lost = {m: len(found) for m, found in seeds.items()}
    either = len(seeds["chunked"] | seeds[analysis.CONSTANT])
    tail = analysis.FALLING[-1]
    return pd.DataFrame(
        [
            share("artbp_converges", ends["converged"][ends["series"] == analysis.CONSTANT]),
            share("artbp_tail_converges", ends["converged"][ends["series"].isin(analysis.FALLING)]),
            exact(share("truncated_diverges", worst["left"])),
            of_text("bpc_truncated", bits["chunked"], lost["chunked"]),
            of_text("bpc_artbp", bits[analysis.CONSTANT], lost[analysis.CONSTANT]),
            of_text("bpc_artbp_tail", bits[tail], lost[tail]),
            of_text("bpc_saved", bits["chunked"] - bits[analysis.CONSTANT], either),
        ]
    )
