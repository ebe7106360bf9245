"""Columns that figures and claims derive from a summary."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

TASKS = (
    "copy",
    "adding",
    "temporal_order",
    "brackets",
    "text",
)  # the order of panels; another task follows


def task_order(names: Iterable[Any]) -> list[str]:
    """The distinct names in the order of panels."""
    present = {str(n) for n in names}
    return [t for t in TASKS if t in present] + sorted(present - set(TASKS))


def with_depth(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with a column ``depth``: K, or infinity in mode full (whose K is T, another
    number for every length).
    """
    return summary.assign(
        depth=summary["K"].astype(float).where(summary["mode"] != "full", math.inf)
    )


def with_full(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows (with ``depth``) and, under every K, also the networks at full depth whose sequences are
    shorter than K.

    Such a K is not run, because it is the same as full; without these a short lag would be missing
    in a curve over K.
    """
    full = rows[np.isinf(rows["depth"])]
    finite = sorted(rows.loc[np.isfinite(rows["depth"]), "depth"].unique())
    return pd.concat(
        [rows, *(full[full["steps"] < K].assign(depth=K) for K in finite)], ignore_index=True
    )
