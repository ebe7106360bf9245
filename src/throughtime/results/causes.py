"""Why networks failed: the labels, their order, and which one a network gets.

Each cause is a column of the summary, and several can hold of one network. The first of them is its
label. The columns are filled for solved networks too, so that one can ask how often a label would
have been given to those.
"""

import numpy as np
import pandas as pd

# Column -> label, in order of precedence; before them comes a divergence.
CAUSES = {
    "truncated": "truncated",
    "vanishing": "vanishing",
    "clipped": "clipped",
    "still_learning": "still learning",
    "plateau": "plateau",
}
DIVERGED, NOT_APPLICABLE = "diverged", "not applicable"
LABELS = (DIVERGED, *CAUSES.values(), NOT_APPLICABLE)
FAILED = ("unsolved", "diverged")  # status of networks that failed


def label(rows: pd.DataFrame) -> pd.Series:
    """The first cause that holds of each network, whether it failed or not.

    Args:
        rows: of the summary: ``status`` and the columns of CAUSES, missing where a cause cannot be
            asked for.

    >>> row = {"status": "solved", **dict.fromkeys(CAUSES, False), "clipped": True}
    >>> label(pd.DataFrame([row, row | {"truncated": True}])).tolist()
    ['clipped', 'truncated']
    """
    holds = [rows[column].astype("boolean").fillna(False).to_numpy(bool) for column in CAUSES]
    conditions = [(rows["status"] == "diverged").to_numpy(bool), *holds]
    labels = np.select(conditions, [DIVERGED, *CAUSES.values()], NOT_APPLICABLE)
    return pd.Series(labels, rows.index, dtype=object)


def failure(rows: pd.DataFrame) -> pd.Series:
    """The label of each network that failed; ``none`` of the others."""
    return label(rows).where(rows["status"].isin(FAILED), "none")
