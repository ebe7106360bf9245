"""What figure and reproduction share: the paper's names, and its measure of success."""

import numpy as np
import pandas as pd

from throughtime.analysis import stats
from throughtime.results.load import Results

SCHEMES = ("sigmoid", "basic-tanh", "smart-tanh")
METHODS = {"sgd": "SGD", "clip": "SGD, clipped", "omega": "SGD, clipped, with Ω"}


def networks(results: Results) -> pd.DataFrame:
    """The summary, with the columns scheme (one of SCHEMES) and method (of METHODS).

    ``status`` is solved where the criterion was met at any check: the authors stop there, and a
    network that loses it later would have been kept.
    """
    rows = stats.trained(results.summary)
    method = np.where(
        rows["omega"] > 0, "omega", np.where(rows["clip_kind"] == "none", "sgd", "clip")
    )
    return rows.assign(
        scheme=rows["sweep"].str.removesuffix("-omega"),
        method=method,
        status=rows["status"].mask(rows["first_solved_at"].notna(), "solved"),
    )


def rates(results: Results) -> pd.DataFrame:
    """Share of networks that solve each length, by scheme and method; see stats.success."""
    return stats.success(networks(results), ["scheme", "method", "length"])
