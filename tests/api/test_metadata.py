"""Parquet files say what their columns mean."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from throughtime.results import tables


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_field_carries_its_description_and_unit(name: str, tmp_path: Path) -> None:
    tables.write(tables.empty(name), name, tmp_path / "t.parquet")
    schema = pq.read_schema(tmp_path / "t.parquet")
    told = {field.name: field.metadata for field in schema}
    assert told == {
        c.name: {b"description": c.meaning.encode(), b"unit": c.unit.encode()}
        for c in tables.TABLES[name]
    }
    assert b"pandas" in schema.metadata


def test_a_column_of_steps_says_so(tmp_path: Path) -> None:
    tables.write(tables.empty("summary"), "summary", tmp_path / "s.parquet")
    field = pq.read_schema(tmp_path / "s.parquet").field("lag_max")
    assert field.metadata == {b"description": b"largest such lag, steps", b"unit": b"steps"}
