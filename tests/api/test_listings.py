"""What there is, as DataFrames."""

import throughtime as tt
from throughtime.core.registry import probe_names
from throughtime.engine.cells import cells
from throughtime.planning.axes import JOB_AXES, OF_A_SWEEP, ROW_AXES
from throughtime.results import tables
from throughtime.tasks import tasks


def test_everything_that_is_found_is_listed() -> None:
    assert tt.tasks()["name"].tolist() == list(tasks())
    assert tt.cells()["name"].tolist() == list(cells())
    assert tt.probes()["name"].tolist() == probe_names()
    for table in (tt.tasks(), tt.cells(), tt.probes()):
        assert table["description"].str.len().min() > 5
        assert not table["description"].str.contains("\n").any()


def test_every_axis_is_listed_with_its_default() -> None:
    axes = tt.axes()
    assert {*JOB_AXES, *OF_A_SWEEP, *ROW_AXES, "seeds"} <= set(axes["axis"])
    by = axes.set_index(["of", "axis"])
    assert by.loc[("cell lstm", "forget_bias"), "default"] == "1.0"
    assert by.loc[("job", "optimizer"), "default"] == "sgd"
    assert by.loc[("job", "cell"), "values"] == ", ".join(cells())
    assert by.loc[("task copy", "length"), "values"] == "int"
    assert axes["description"].str.len().min() > 0


def test_every_column_of_every_table_is_listed() -> None:
    columns = tt.columns()
    assert len(columns) == sum(len(schema) for schema in tables.TABLES.values())
    assert columns["description"].str.len().min() > 0


def test_every_unit_is_of_a_column() -> None:
    assert set(tables.UNITS) <= {c.name for schema in tables.TABLES.values() for c in schema}
