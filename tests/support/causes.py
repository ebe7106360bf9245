"""Columns of causes for made-up networks."""

from typing import Any

import numpy as np
import pandas as pd

from throughtime.results.causes import CAUSES, failure


def columns(rows: pd.DataFrame, **holds: Any) -> dict[str, Any]:
    """The columns of CAUSES, ``failure`` and what they rest on, as training leaves them.

    Args:
        rows: with status and lag_max.
        holds: which of the causes hold of which row; the others do not, and plateau is the rest.
    """
    known = {name: np.broadcast_to(np.asarray(v, bool), len(rows)) for name, v in holds.items()}
    made = pd.DataFrame({name: known.get(name, False) for name in CAUSES}, index=rows.index)
    made["plateau"] = ~made.any(axis=1)
    made = made.astype("boolean")
    judged = rows["status"].isin(("solved", "unsolved"))
    lagged = judged & rows["lag_max"].notna()
    for name in CAUSES:
        made[name] = made[name].where(judged if name == "still_learning" else lagged)
    signal = np.where(made["vanishing"].fillna(False), 1e-4, 0.3)
    return {
        **made.to_dict("series"),
        "failure": failure(rows.assign(**made.to_dict("series"))),
        "signal_max": np.where(lagged, signal, np.nan),
        "missed_beyond": np.where(lagged, made["truncated"].fillna(False).astype(float), np.nan),
        "improvement": np.where(
            judged, np.where(made["still_learning"].fillna(False), 4, 0.5), np.nan
        ),
    }
