"""Straight lines through what an update costs."""

from collections.abc import Iterable
from dataclasses import asdict

import pandas as pd

from throughtime.analysis.lines import line


def laws(
    table: pd.DataFrame, quantities: Iterable[str] = ("kept_bytes", "update_ms")
) -> pd.DataFrame:
    """Straight lines through the table of ``cost.measure``: each quantity against T where mode is
    full, against K elsewhere.

    Args:
        table: of ``cost.measure``; sizes other than the most frequent (hidden, batch, rows) are
            left out.
        quantities: its columns.

    Returns:
        mode, quantity, against, and the fields of fits.Line.
    """
    kind = ["hidden", "batch", "rows"]
    usual = list(table[kind].value_counts().index[0])
    table = table[(table[kind] == usual).all(axis=1)]
    rows = []
    for mode, part in table.groupby("mode", sort=False):
        against = "T" if mode == "full" else "K"
        rows += [
            {
                "mode": mode,
                "quantity": q,
                "against": against,
                **asdict(line(part[against], part[q])),
            }
            for q in quantities
        ]
    return pd.DataFrame(rows)
