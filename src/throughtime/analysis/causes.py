"""How networks end, and what a label of failure is worth: how often it would have been given to
networks that are solved.
"""

from typing import Any

import numpy as np
import pandas as pd

from throughtime.analysis.columns import task_order
from throughtime.analysis.stats import trained, wilson
from throughtime.results import tables
from throughtime.results.causes import CAUSES, DIVERGED, FAILED, NOT_APPLICABLE, label

LIMIT = 0.1  # a label that more than this share of a task's solved networks would get is not shown
NOT_SHOWN = "cause not shown"
KINDS = (
    "solved",
    NOT_SHOWN,
    *reversed(CAUSES.values()),
    DIVERGED,
    NOT_APPLICABLE,
)  # how a trained network ended, as bars stack them


def specificity(summary: pd.DataFrame) -> pd.DataFrame:
    """The table ``causes``: for each task and label, how many of the failed networks have it, and
    the share of the solved ones that would have got it were their status not known.

    Args:
        summary: rows of the summary table; networks that were not trained are left out.

    Returns:
        A row for each task and label that can be asked for there; ``rate`` with Wilson's interval,
        NaN without solved networks; ``shown`` says whether it is LIMIT at most.
    """
    rows = trained(summary)
    got, solved = label(rows), rows["status"] == "solved"
    failed = rows["status"].isin(FAILED)
    rows_of_labels: list[dict[str, Any]] = []
    for task in task_order(rows["task"].unique()):
        own = rows["task"] == task
        for column, name in CAUSES.items():
            asked = own & rows[column].notna()
            if not asked.any():
                continue
            n, alarms = int((asked & solved).sum()), int((own & solved & (got == name)).sum())
            low, high = wilson(alarms, n)
            rate = alarms / n if n else np.nan
            rows_of_labels.append(
                {
                    "task": task,
                    "label": name,
                    "n_failed": int((own & failed).sum()),
                    "failed": int((own & failed & (got == name)).sum()),
                    "n_solved": n,
                    "false_alarms": alarms,
                    "rate": rate,
                    "low": float(low),
                    "high": float(high),
                    "shown": not rate > LIMIT,
                }
            )
    names = [column.name for column in tables.CAUSES]
    return tables.conform(pd.DataFrame(rows_of_labels, columns=names), "causes")


def shown(summary: pd.DataFrame, table: pd.DataFrame | None = None) -> pd.Series:
    """The column ``failure``, with NOT_SHOWN in place of labels that are not shown.

    Args:
        summary: rows of the summary table.
        table: of ``specificity``; None: that of ``summary``.
    """
    table_of_labels = specificity(summary) if table is None else table
    hidden = set(
        table_of_labels.loc[~table_of_labels["shown"], ["task", "label"]].itertuples(
            index=False, name=None
        )
    )
    pairs = zip(summary["task"], summary["failure"], strict=True)
    return summary["failure"].mask(np.array([pair in hidden for pair in pairs], bool), NOT_SHOWN)


def with_kind(summary: pd.DataFrame, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """The summary with a column ``kind``, one of KINDS: how the run ended, or why it failed as far
    as that is shown; ``untrained`` where there was no update.
    """
    status = summary["status"]
    kind = shown(summary, table).mask(status.isin(("solved", "untrained")), status)
    return summary.assign(kind=kind)


def describe(table: pd.DataFrame) -> str:
    """False-alarm rates as a caption says them, and which labels are not shown for which task.

    >>> row = {"task": "copy", "label": "vanishing", "n_solved": 40, "rate": 0.05}
    >>> table = pd.DataFrame([row | {"low": 0.0138, "high": 0.165, "shown": True}])
    >>> print(describe(table))  # doctest: +NORMALIZE_WHITESPACE
    Of solved networks, a label would have been given to (95 % interval): copy (n = 40): vanishing
    5 % (1 to 16). No label would have been given to more than 10 % of a task's.
    """
    parts = []
    for task, rows in table.groupby("task", sort=False):
        n = rows["n_solved"].iloc[0]
        rates = [
            f"{row['label']} {100 * row['rate']:.0f} % "
            f"({100 * row['low']:.0f} to {100 * row['high']:.0f})"
            for row in rows.to_dict("records")
        ]
        name = str(task).replace("_", " ")
        parts.append(f"{name} (n = {n}): {', '.join(rates)}" if n else f"{name}: none is solved")
    if not parts:
        return ""
    return (
        f"Of solved networks, a label would have been given to (95 % interval): {'; '.join(parts)}."
        f" {describe_hidden(table)}"
    )


def describe_hidden(table: pd.DataFrame) -> str:
    """Which labels are not shown for which task, as a sentence."""
    hidden = table[~table["shown"]].groupby("task", sort=False)["label"].agg(", ".join)
    if hidden.empty:
        return f"No label would have been given to more than {100 * LIMIT:g} % of a task's."
    named = "; ".join(f"{str(task).replace('_', ' ')}: {labels}" for task, labels in hidden.items())
    return (
        f"Labels that more than {100 * LIMIT:g} % of a task's solved networks would have got are "
        f"not shown: {named}."
    )
