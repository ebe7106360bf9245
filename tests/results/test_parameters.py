"""Parameters of components as columns."""

import pandas as pd

from throughtime.results.parameters import with_parameters
from throughtime.tasks.adding import Adding
from throughtime.tasks.copy import Copy


def test_a_parameter_that_came_later_is_a_column_where_it_varies() -> None:
    tasks = [Copy(length=3), Copy(length=3, score="whole"), Adding(length=8)]
    plain = {"cell_args": "{}", "optimizer_args": "{}", "schedule_args": "{}"}
    summary = pd.DataFrame([{"task": t.name, "task_args": t.args, **plain} for t in tasks])
    summary = summary.assign(cell="tanh", optimizer="sgd", schedule="constant")
    assert with_parameters(summary)["score"].fillna("").tolist() == ["", "whole", ""]
    assert "score" not in with_parameters(summary[summary["task_args"] != tasks[1].args])
