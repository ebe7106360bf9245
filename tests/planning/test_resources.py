"""What a cluster is asked for: equal to the engine's own figures, never too little, more at every attempt."""

import math
from pathlib import Path

import pandas as pd
import pytest

from throughtime.engine import cells
from throughtime.engine.cells import cell, cell_names
from throughtime.pipeline.progress import SPEED, START
from throughtime.planning import resources
from throughtime.planning.project import PlannedJob, Project, expand
from throughtime.training import train

ROOT = Path(__file__).parents[2]
LSTM = '''
from throughtime.engine.cells._base import Cell

HIDDEN = 4


class Part(Cell):
    gates: int = 4


class Lstm(Part):
    """Two blocks of state."""

    name = "lstm"
    source, states = "a pair is no literal", 1
    states = 2
'''


def jobs(preset: str) -> list[PlannedJob]:
    return Project.open(ROOT, preset).plan().jobs


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_memory_is_the_engines_own_estimate(preset: str):
    different = {j.job: None for j in jobs(preset)}
    assert len(different) > 10
    for job in different:
        assert resources.bytes_per_row(job) == train.bytes_per_row(job)
        assert resources.block_rows(job) == train.block_rows(job)


@pytest.mark.parametrize(
    "axes",
    [
        {"dtype": "float64"},
        {"h0": "learned", "cell": "relu"},
        {"mode": "sliding", "K": 4},
        {"mode": "sliding", "K": 4, "k1": 4},
        {"mode": "buffered", "K": 3},
        {"mode": "chunked", "K": 5, "align": "start"},
        {"hidden": 300, "batch": 200, "length": 400},
    ],
)
def test_memory_is_the_engines_own_estimate_on_every_kind_of_job(axes: dict[str, object]):
    job = expand("x", "s", {"task": "copy", "length": 10, **axes}, "here").jobs[0].job
    assert resources.bytes_per_row(job) == train.bytes_per_row(job)
    assert resources.block_rows(job) == train.block_rows(job)


def test_the_layout_of_a_cell_is_read_from_its_source():
    for name in cell_names():
        its = cell(name)
        assert resources.layout(name) == resources.Layout(its.gates, its.states, its.in_place)


def test_the_layout_of_a_cell_with_gates_and_more_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "_base.py").write_text((Path(cells.__path__[0]) / "_base.py").read_text())
    (tmp_path / "lstm.py").write_text(LSTM)
    monkeypatch.setattr(cells, "__path__", [str(tmp_path)])
    monkeypatch.setattr(resources, "layout", resources.layout.__wrapped__)  # not from the cache, nor into it
    assert resources.layout("lstm") == resources.Layout(gates=4, states=2, in_place=False)

    class Lstm(type(cell("tanh"))):
        gates, states, in_place = 4, 2, False

    monkeypatch.setattr(train, "cell", lambda _: Lstm())
    job = jobs("smoke")[0].job.model_copy(update={"cell": "lstm", "h0": "learned"})
    assert resources.bytes_per_row(job) == train.bytes_per_row(job)


def test_memory_grows_with_the_rows_of_a_block_and_doubles_with_every_attempt():
    wide = expand("x", "s", {"task": "copy", "length": 400, "batch": 100, "seeds": 200}, "here").jobs[0]
    one = PlannedJob(wide.experiment, wide.sweep, wide.job, wide.grid.head(1))
    per_row = resources.bytes_per_row(wide.job) / 2**20
    rows = resources.block_rows(wide.job)
    assert 1 < rows < len(wide.grid)
    assert resources.megabytes(wide) - resources.megabytes(one) == pytest.approx(resources.MARGIN * (rows - 1) * per_row, abs=1)
    assert resources.megabytes(one) > (resources.LIBRARIES + resources.SNAKEMAKE) / 2**20
    assert [resources.megabytes(wide, attempt) // resources.megabytes(wide) for attempt in (1, 2, 3)] == [1, 2, 4]


def test_time_is_the_expected_one_with_a_margin_and_grows_with_every_attempt():
    longest = max(jobs("paper"), key=lambda j: j.cost)
    expected = (START + longest.cost / SPEED) / 60
    assert resources.minutes(longest) == math.ceil(resources.ARRIVAL + resources.SAFETY * expected)
    assert [resources.minutes(longest, attempt) // resources.minutes(longest) for attempt in (1, 2, 3)] == [1, 2, 3]


def test_a_job_that_training_refuses_is_asked_for_all_the_same():
    job = expand("x", "s", {"task": "copy", "length": 400, "batch": 100}, "here").jobs[0]
    huge = job.job.model_copy(update={"batch": 10**7})
    assert resources.block_rows(huge) == 1
    assert resources.megabytes(PlannedJob("x", "s", huge, pd.concat([job.grid]))) > resources.MEMORY / 2**20
