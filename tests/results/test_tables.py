"""Tables on disk: whole or not at all, checked when read, equal bytes for equal frames."""

import itertools
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.planning.axes import OF_A_SWEEP, ROW_AXES, Job, Row
from throughtime.results import tables


def curves(values: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"run_key": "a", "step": range(len(values)), "metric": "loss", "value": values}
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    tables.write(curves([1.0, 0.5]), "curves", tmp_path / "new" / "c.parquet")
    pd.testing.assert_frame_equal(
        tables.read("curves", tmp_path / "new" / "c.parquet"),
        tables.conform(curves([1.0, 0.5]), "curves"),
    )


def test_missing_values_survive(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        [{c.name: None if c.dtype in MISSING else _any(c.dtype) for c in tables.SUMMARY}]
    )
    tables.write(frame, "summary", tmp_path / "s.parquet")
    read = tables.read("summary", tmp_path / "s.parquet")
    assert read["diverged_at"].isna().all()
    assert (read["truncated"].isna().all(), read["truncated"].dtype) == (True, "boolean")
    assert read["length"].dtype == "Int64"


MISSING = ("Int64", "boolean")  # values of these may be missing


def _any(dtype: str) -> object:
    return {"str": "x", "int64": 1, "float64": 0.5, "bool": True, "boolean": True}[dtype]


def test_equal_frames_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tables.write(curves([1.0, 2.0]), "curves", tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_table_is_written_with_its_sum(tmp_path: Path) -> None:
    tables.write(curves([1.0]), "curves", tmp_path / "c.parquet")
    assert files.is_intact(tmp_path / "c.parquet")


def test_a_missing_table_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.parquet: no such table; run the pipeline first$"):
        tables.read("curves", tmp_path / "none.parquet")


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b"",
        lambda b: b"PAR1 but no more",
        lambda b: b[:40] + b"\0" * 80 + b[120:],
    ],
)
def test_a_damaged_table_is_said_in_one_line(tmp_path: Path, damage) -> None:
    path = tmp_path / "c.parquet"
    tables.write(curves([1.0, 2.0, 3.0]), "curves", path)
    path.write_bytes(damage(path.read_bytes()))
    for said in (
        r"damaged: its sha256 is .*; delete it and run again$",
        r"not a readable curves table .*; delete it and run again$",
    ):
        with pytest.raises(UserError, match=said) as error:
            tables.read("curves", path)
        assert "\n" not in str(error.value)
        files.sum_path(path).unlink(missing_ok=True)  # the second time as a table without a sum


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    curves([1.0]).rename(columns={"value": "worth"}).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(UserError, match=r"columns missing or unknown: .'value', 'worth'."):
        tables.read("curves", tmp_path / "c.parquet")


def test_a_table_from_before_an_axis_has_its_default(tmp_path: Path) -> None:
    frame = pd.DataFrame([{c.name: _any(c.dtype.lower()) for c in tables.SUMMARY}])
    tables.write(frame.assign(omega=2.0), "summary", tmp_path / "new.parquet")
    old = pq.read_table(tmp_path / "new.parquet").drop_columns(["omega"])
    pq.write_table(old, tmp_path / "old.parquet")
    assert tables.read("summary", tmp_path / "new.parquet")["omega"].tolist() == [2.0]
    assert tables.read("summary", tmp_path / "old.parquet")["omega"].tolist() == [0.0]
    for name, value in tables.LATER.items():
        assert (Row.model_fields | Job.model_fields)[name].default == value


def test_conform_orders_columns_and_refuses_what_a_dtype_cannot_hold() -> None:
    frame = curves([1.0])[["value", "metric", "step", "run_key"]]
    assert list(tables.conform(frame, "curves").columns) == ["run_key", "step", "metric", "value"]
    with pytest.raises((ValueError, TypeError)):
        tables.conform(curves([1.0]).assign(step="soon"), "curves")


def test_the_hash_sees_every_value_name_and_the_order_of_rows() -> None:
    frames = [
        curves([1.0, 2.0]),
        curves([1.0, 2.5]),
        curves([2.0, 1.0]),
        curves([1.0]),
        curves([1.0, 2.0]).rename(columns={"step": "at"}),
    ]
    hashes = [tables.content_hash(f) for f in frames]
    assert all(a != b for a, b in itertools.combinations(hashes, 2))
    assert tables.content_hash(curves([1.0, 2.0])) == hashes[0]


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_column_has_a_known_dtype_a_meaning_and_a_name_of_its_own(name: str) -> None:
    columns = tables.TABLES[name]
    assert {c.dtype for c in columns} <= {"str", "int64", "float64", "bool", *MISSING}
    assert all(c.meaning for c in columns)
    assert len({c.name for c in columns}) == len(columns)


def test_every_axis_of_job_and_grid_is_a_column_under_the_same_name() -> None:
    named = {c.name for c in tables.IDENTITY}
    settings = {"points", "eval_size", *OF_A_SWEEP}  # of the measurement, not of the training
    assert {*Job.model_fields, *ROW_AXES} - settings <= named


def test_a_grid_point_is_everything_but_its_seed() -> None:
    assert {c.name for c in tables.IDENTITY} - set(tables.GRID_POINT) == {
        "run_key",
        "job_key",
        "seed",
        "lag_mean",  # follows from the task's parameters, and is NaN where the task tells none
    }


def test_page_checksums_do_not_see_every_flipped_bit_and_the_sum_does(tmp_path: Path) -> None:
    """Why tables have a sum as all files do: see ARCHITECTURE.md, "Guards"."""
    frame = pa.Table.from_pandas(tables.empty("curves"))
    pq.write_table(frame, tmp_path / "table", write_page_checksum=True)
    content = bytearray((tmp_path / "table").read_bytes())
    files.write(tmp_path / "table", bytes(content))
    content[content.index(b'"pandas_version"') + 1] ^= 1  # in the footer
    (tmp_path / "table").write_bytes(content)
    pq.read_table(tmp_path / "table", page_checksum_verification=True)
    assert not files.is_intact(tmp_path / "table")
