"""A made-up paper in a copy of the project: its series runs when it is asked for, and its numbers
come into the table.
"""

from pathlib import Path

import pytest

from tests.pipeline.test_workflow import Copy
from tests.support.projects import copy_project
from throughtime.core.errors import UserError
from throughtime.pipeline.workflow import Pipeline
from throughtime.results import tables

pytestmark = pytest.mark.slow

FILES = {
    "experiment.yaml": """
name: paper
title: A made-up paper
question: Do two seeds give what was made up?
series: reproductions
sweeps:
  main: {task: copy, length: 2, payload: 2, batch: 4, hidden: 4, updates: 2, eval_size: 4, seeds: 2}
""",
    "published.csv": """quantity,described,value,low,high,source,unit
networks,Networks trained,2,,,Table 1,networks
solved,Share solved,,,,could not be found,
""",
    "reproduction.py": """
import pandas as pd


def measure(results):
    n = len(results.summary)
    rows = [("networks", n, n, n, n, 0, ""), ("solved", 0.5, 0, 1, n, 0, "")]
    names = ["quantity", "value", "low", "high", "n", "n_diverged", "why"]
    return pd.DataFrame(rows, columns=names)
""",
    "README.md": "# A made-up paper\n",
    "figure.py": """
from matplotlib.figure import Figure


def figure(results):
    fig = Figure(figsize=(2, 2))
    fig.subplots()
    return fig


def caption(results):
    return f"{len(results.summary)} networks."
""",
}
SERIES = ("--config", "experiments=reproductions", "preset=smoke", "results=results/papers")


def test_a_series_runs_alone_and_its_numbers_are_compared(tmp_path: Path) -> None:
    copy = Copy(copy_project(tmp_path, experiments=["brackets"]))
    folder = tmp_path / "experiments" / "paper"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    copy.snakemake("reproductions", "--cores", "1", *SERIES)
    results = tmp_path / "results" / "papers"
    assert {p.parent.name for p in results.glob("*/summary.parquet")} == {"paper"}
    table = tables.read("reproductions", results / "reproductions.parquet")
    assert table["verdict"].tolist() == ["same", "not comparable"]
    assert "paper" not in Pipeline.open(tmp_path, {"preset": "smoke"}).project.experiments
    with pytest.raises(UserError, match="did you mean 'reproductions'"):
        Pipeline.open(tmp_path, {"experiments": "reproduction"})
