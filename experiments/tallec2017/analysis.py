"""How runs of influence balancing end, and bits per character by mode. No torch."""

import pandas as pd

from throughtime.results.load import Results
from throughtime.theory.influence import Balancing

OPTIMUM = Balancing().optimum
NEAR = 0.05  # of theta's distance from the optimum: a run has converged
METHODS = {"full": "full", "chunked": "truncated", "randomized": "ARTBP"}


def ends(results: Results) -> pd.DataFrame:
    """A row per run of influence balancing: series, y, first and last distance from the optimum,
    whether it ``converged`` (within NEAR) and whether it ``left`` (ended farther off than it
    began).
    """
    rows = results.computed[results.computed["quantity"] == "theta"].sort_values("x")
    rows = rows.assign(distance=(rows["value"] - OPTIMUM).abs())
    found = rows.groupby(["series", "y"])["distance"].agg(["first", "last"]).reset_index()
    return found.assign(converged=found["last"] < NEAR, left=found["last"] > found["first"])


def bits(results: Results) -> pd.DataFrame:
    """Final bits per character: a row per seed, a column per mode. A diverged network has its
    task's chance.
    """
    rows = results.summary
    rows = rows.assign(bits=rows["final"].fillna(rows["chance"]))
    table = rows.pivot_table(index="seed", columns="mode", values="bits")
    return table.reindex(columns=list(METHODS)).astype(float)
