"""What every figure and caption says."""

import pandas as pd

from throughtime.analysis.stats import trained
from throughtime.results import tables
from throughtime.results.load import Results
from throughtime.results.parameters import parameter_columns

MOST_NAMED = 8  # of more values the smallest and the largest are named


def _range(values: pd.Series) -> str:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def counts(summary: pd.DataFrame, computed: pd.DataFrame | None = None) -> str:
    """How many networks were trained, how many of them diverged, how many were not trained, and
    seeds per grid point: on every figure.

    Args:
        summary: of the networks behind the figure.
        computed: what is drawn beside networks; said where there are no networks.

    >>> counts(Results.empty().summary)
    'No networks trained'
    """
    if summary.empty:
        drawn = computed is not None and len(computed)
        return "Computed, no networks trained" if drawn else "No networks trained"
    own = trained(summary)
    text = f"n = {len(own):,} trained networks"
    if len(own):
        diverged = int((own["status"] == "diverged").sum())
        text += f", of which n_diverged = {diverged:,} (×; counted as failures)"
    if untrained := len(summary) - len(own):
        text += f"; {untrained:,} untrained networks (0 updates; in no rate)"
    points = summary.groupby(list(tables.GRID_POINT), dropna=False)
    seeds = _range(points["seed"].nunique())
    return f"{text}; {seeds} {'seed' if seeds == '1' else 'seeds'} per grid point"


def protocol(summary: pd.DataFrame) -> str:
    """Modes, sizes and budget of the networks, for captions; from the tables, so that it cannot
    drift from them. Empty without networks.
    """
    if summary.empty:
        return ""

    def several(column: str) -> str:
        return ", ".join(sorted({str(v) for v in summary[column]}))

    rates = sorted(set(summary["lr"]))
    named = ", ".join(f"{v:g}" for v in rates)
    if len(rates) > MOST_NAMED:
        named = f"{rates[0]:.3g} to {rates[-1]:.3g} ({len(rates)} values)"
    schedules = "" if several("schedule") == "constant" else f", schedule {several('schedule')}"
    return (
        f"Truncation mode: {several('mode')} (state at a border: {several('border')}). "
        f"Cell {several('cell')}, N = {_range(summary['hidden'])}, "
        f"B = {_range(summary['batch'])}; {_range(summary['updates'])} updates of "
        f"{several('optimizer')}, learning rate {named}{schedules}{_parameters(summary)}."
    )


def _parameters(summary: pd.DataFrame) -> str:
    """The parameters of cells, optimizers and schedules that vary, e.g. ``; forget_bias 0, 1``."""
    columns = parameter_columns(summary.assign(task_args="{}"))
    values = {name: sorted(set(column.dropna())) for name, column in columns.items()}
    return "".join(
        f"; {name} " + ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in several)
        for name, several in values.items()
    )


def describe_networks(results: Results) -> str:
    """The end of a caption: protocol and counts, as sentences."""
    return f"{protocol(results.summary)} {counts(results.summary, results.computed)}.".strip()
