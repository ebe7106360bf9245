"""Axes to rows."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from throughtime.planning.axes import ROW_AXES, Row, grid

VALUES = st.lists(st.floats(0.01, 10), min_size=1, max_size=4, unique=True)


@given(VALUES, VALUES, st.integers(1, 5))
def test_a_grid_is_the_product_of_its_axes_in_order(
    gains: list[float], rates: list[float], seeds: int
) -> None:
    rows = grid({"seed": list(range(seeds)), "gain": gains, "lr": rates})
    expected = [(s, g, r) for s in range(seeds) for g in gains for r in rates]
    assert list(rows[["seed", "gain", "lr"]].itertuples(index=False, name=None)) == expected


def test_axes_that_are_not_named_take_their_default() -> None:
    rows = grid({"seed": [7]})
    assert tuple(rows.columns) == ROW_AXES
    assert rows.iloc[0].to_dict() == {**Row().model_dump(), "seed": 7}


def test_columns_keep_their_dtype() -> None:
    rows = grid({"seed": [0, 1], "gain": [1, 2], "frozen": [True, False]})
    assert {c: str(rows[c].dtype) for c in ("seed", "gain", "frozen")} == {
        "seed": "int64",
        "gain": "float64",
        "frozen": "bool",
    }


def test_none_is_one_row_whatever_kind_is_written_beside_it() -> None:
    rows = grid({"clip_kind": ["norm", "value", "none"], "clip": [0.5, "none"]})
    kinds = list(rows[["clip_kind", "clip"]].itertuples(index=False, name=None))
    assert kinds == [("norm", 0.5), ("none", math.inf), ("value", 0.5)]


def test_duplicate_values_make_one_row() -> None:
    assert len(grid({"gain": [1, 1.0]})) == 1


@pytest.mark.parametrize(
    ("axis", "value"),
    [
        ("seed", -1),
        ("seed", 1.5),
        ("gain", math.inf),
        ("gain", -0.1),
        ("clip", 0),
        ("clip_kind", "nrom"),
        ("lr", math.nan),
        ("init", "xavier"),
    ],
)
def test_a_value_out_of_range_is_refused_and_named(axis: str, value: object) -> None:
    with pytest.raises(ValidationError) as error:
        grid({axis: [value]})
    assert error.value.errors()[0]["loc"] == (axis,)
