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
    lost = {m: int((summary["status"][summary["mode"] == m] == "diverged").sum()) for m in bits}
    return pd.DataFrame(
        [
            share("artbp_converges", ends["converged"][ends["series"] == "randomized"]),
            share("truncated_diverges", worst["left"]),
            of_text("bpc_truncated", bits["chunked"], lost["chunked"]),
            of_text("bpc_artbp", bits["randomized"], lost["randomized"]),
            of_text("bpc_saved", bits["chunked"] - bits["randomized"], max(lost.values())),
        ]
    )
