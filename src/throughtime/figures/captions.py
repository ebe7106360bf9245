"""What every figure and caption says."""

import pandas as pd

from throughtime.results import tables


def _range(values: pd.Series) -> str:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def counts(summary: pd.DataFrame) -> str:
    """How many networks, how many of them diverged, and seeds a cell: on every figure.

    >>> from throughtime.results.load import Results
    >>> counts(Results.empty().summary)[:35]
    'n = 0 networks, of which n_diverged'
    """
    diverged = int((summary["status"] == "diverged").sum())
    seeds = (
        _range(summary.groupby(list(tables.GRID_POINT), dropna=False)["seed"].nunique())
        if len(summary)
        else "0"
    )
    few = "seed" if seeds == "1" else "seeds"
    return (
        f"n = {len(summary):,} networks, of which n_diverged = {diverged:,} "
        f"(×; counted as failures); {seeds} {few} a grid cell"
    )


def protocol(summary: pd.DataFrame) -> str:
    """Modes, sizes and budget of the networks, for captions; from the tables, so that it cannot
    drift from them.
    """

    def several(column: str) -> str:
        return ", ".join(sorted({str(v) for v in summary[column]})) or "none"

    rates = ", ".join(f"{v:g}" for v in sorted(set(summary["lr"])))
    return (
        f"Truncation mode: {several('mode')} (state at a border: {several('border')}). "
        f"Cell {several('cell')}, N = {_range(summary['hidden'])}, "
        f"B = {_range(summary['batch'])}; {_range(summary['updates'])} updates of "
        f"{several('optimizer')}, learning rate {rates or 'none'}."
    )
