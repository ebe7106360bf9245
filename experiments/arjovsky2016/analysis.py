"""Learning curves against the baselines, and when a model leaves them. No torch."""

import json
import math

import pandas as pd

from throughtime.results.load import Results
from throughtime.tasks import tasks

CELLS = ("tanh", "irnn", "orthogonal", "lstm")
LEFT = 0.9  # of the baseline: below this a model has left it


def baseline(task: str, task_args: str) -> float:
    """The loss of the memoryless strategy: nats per scored step, or squared units.

    >>> round(baseline("copy", '{"length": 100, "score": "whole"}'), 4)
    0.1733
    >>> round(baseline("adding", '{"length": 100}'), 3)
    0.167
    """
    return tasks()[task](**json.loads(task_args)).chance_loss


def problem(task: str, task_args: str) -> str:
    """What a network was trained on, in words.

    >>> problem("copy", '{"length": 20, "score": "whole"}')
    'copy, whole sequence, T = 20'
    """
    args = json.loads(task_args)
    scored = {"whole": ", whole sequence"}.get(args.get("score"), ", recall alone")
    return f"{task}{scored if task == 'copy' else ''}, T = {args['length']}"


def with_problem(summary: pd.DataFrame) -> pd.DataFrame:
    """The summary with columns problem and baseline."""
    pairs = list(zip(summary["task"], summary["task_args"], strict=True))
    return summary.assign(
        problem=pd.Series([problem(*p) for p in pairs], summary.index, dtype=str),
        baseline=pd.Series([baseline(*p) for p in pairs], summary.index, dtype=float),
    )


def courses(results: Results) -> pd.DataFrame:
    """The loss on check data over the updates, beside the summary's columns, problem and
    baseline.
    """
    losses = results.curves[results.curves["metric"] == "eval_loss"]
    return losses.merge(with_problem(results.summary), on="run_key")


def departures(results: Results) -> pd.DataFrame:
    """The summary with a column left: the first point of the curve with a loss below LEFT of the
    baseline, updates; infinite where there is none.
    """
    rows = courses(results)
    below = rows[rows["value"] < LEFT * rows["baseline"]]
    first = below.groupby("run_key")["step"].min()
    left = results.summary["run_key"].map(first).astype(float).fillna(math.inf)
    return with_problem(results.summary).assign(left=left)
