"""What figure and reproduction share: the paper's names, and its measure of success."""

import json

import numpy as np
import pandas as pd

from throughtime.analysis import stats
from throughtime.results.load import Results

SCHEMES = ("sigmoid", "basic-tanh", "smart-tanh")
METHODS = {"sgd": "SGD", "clip": "SGD, clipped", "omega": "SGD, clipped, with Ω"}
LENGTHS = "-lengths"  # in the names of sweeps whose networks learn many lengths
# what such networks are judged on -> how often the longest trained length goes into it
LONGER = {"double": 2, "fivefold": 5}


def _named(results: Results) -> pd.DataFrame:
    rows = stats.trained(results.summary)
    method = np.where(
        rows["omega"] > 0, "omega", np.where(rows["clip_kind"] == "none", "sgd", "clip")
    )
    sweep = rows["sweep"].astype(str).str.removesuffix("-omega")
    return rows.assign(
        scheme=sweep.str.removesuffix(LENGTHS),
        many=sweep.str.endswith(LENGTHS),
        method=method,
        status=rows["status"].mask(rows["first_solved_at"].notna(), "solved"),
    )


def networks(results: Results) -> pd.DataFrame:
    """The summary of the networks of one length each, with the columns scheme (one of SCHEMES) and
    method (of METHODS).

    ``status`` is solved where the criterion was met at any check: the authors stop there, and a
    network that loses it later would have been kept.
    """
    rows = _named(results)
    return rows[~rows["many"]]


def networks_of_many_lengths(results: Results) -> pd.DataFrame:
    """The same of the networks that learn many lengths, from the column shortest to length."""
    rows = _named(results)
    rows = rows[rows["many"]]
    return rows.assign(shortest=[json.loads(args)["shortest"] for args in rows["task_args"]])


def rates(results: Results) -> pd.DataFrame:
    """Share of networks that solve each length, by scheme and method; see stats.success."""
    return stats.success(networks(results), ["scheme", "method", "length"])


def by_length(results: Results) -> pd.DataFrame:
    """The share of sequences that each network of many lengths classifies rightly, column
    ``value``, over their ``length``, which is the first of a bin within the trained lengths; beside
    scheme, method, seed and status. Networks that diverged are not judged, and are left out.
    """
    own = networks_of_many_lengths(results)
    columns = ["run_key", "scheme", "method", "seed", "status", "length"]
    rows = results.breakdown.merge(own[columns], on="run_key")
    trained = rows[(rows["data"] == "train") & (rows["by"] == "length")]
    longer = rows[rows["data"].isin(list(LONGER)) & (rows["by"] == "all")]
    times = longer["data"].map(LONGER).astype(int)
    return pd.concat(
        [trained.assign(length=trained["bin"]), longer.assign(length=longer["length"] * times)],
        ignore_index=True,
    )
