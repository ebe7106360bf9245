"""Two folders of results: equal, different, partial."""

import math

import pandas as pd
import pytest

from tests.support import synthetic
from throughtime.analysis.compare import compare, summarize
from throughtime.core.errors import UserError
from throughtime.results import tables

pytestmark = pytest.mark.slow


@pytest.fixture
def folders(tmp_path):
    """results/ and reference/ with equal tables of a toy plan."""
    plan = synthetic.toy_plan(seeds=8)
    for side in ("a", "b"):
        tables.write(
            synthetic.summary(plan).summary,
            "summary",
            tmp_path / side / "clipping" / "summary.parquet",
        )
    return tmp_path / "a", tmp_path / "b"


def edit(folder, change):
    path = folder / "clipping" / "summary.parquet"
    tables.write(change(tables.read("summary", path)), "summary", path)


def test_equal_results_are_the_same(folders):
    table = compare(*folders)
    assert len(table) == 16
    assert set(table["verdict"]) == {"same"}
    assert (table["rate_difference"] == 0).all()
    assert "16 grid points in both, 0 differ" in summarize(table)


def test_a_cell_that_stopped_being_solved_is_named(folders):
    def one(frame, status, final):
        point = (
            (frame["length"] == 10)
            & (frame["mode"] == "full")
            & (frame["gain"] == 1)
            & (frame["clip"] == math.inf)
        )
        return frame.assign(
            status=frame["status"].mask(point, status),
            final=frame["final"].mask(point, final + frame["seed"] / 1000),
        )

    edit(folders[0], lambda f: one(f, "solved", 0.99))
    edit(folders[1], lambda f: one(f, "unsolved", 0.5))
    differ = compare(*folders).query("verdict != 'same'")
    assert len(differ) == 1
    row = differ.iloc[0]
    assert (row["length"], row["gain"], row["clip"], row["verdict"]) == (
        10,
        1,
        math.inf,
        "rate, final",
    )
    assert (row["solved_a"], row["solved_b"], row["rate_difference"]) == (8, 0, 1)
    assert row["final_difference"] == pytest.approx(0.49)
    assert "1 differ" in summarize(differ)


def test_few_seeds_do_not_make_a_difference(folders):
    edit(folders[0], lambda f: f[f["seed"] < 1].assign(status="solved", final=0.99))
    edit(folders[1], lambda f: f[f["seed"] < 1].assign(status="unsolved", final=0.5))
    table = compare(*folders)
    assert set(table["verdict"]) == {"same"}
    assert "At 16 grid points a side has fewer than two" in summarize(table)


def test_cells_of_one_side_only(folders):
    edit(folders[0], lambda f: f[f["length"] == 10])
    edit(folders[1], lambda f: f[f["gain"] == 1])
    table = compare(*folders)
    assert table["verdict"].value_counts().to_dict() == {"same": 4, "only a": 4, "only b": 4}
    assert table.loc[table["verdict"] == "only a", "n_b"].eq(0).all()
    assert "4 grid points are only in b (clipping)" in summarize(table)


def test_cells_without_a_lag_are_matched(folders):
    for side in folders:
        edit(side, lambda f: f.assign(lag_min=pd.NA, lag_max=pd.NA))
    assert set(compare(*folders)["verdict"]) == {"same"}


def test_diverged_everywhere(folders):
    edit(folders[1], lambda f: f.assign(status="diverged", final=math.nan))
    table = compare(*folders)
    assert table["diverged_b"].eq(8).all()
    assert table["final_difference"].isna().all()


def test_a_folder_without_results_is_a_users_error(tmp_path, folders):
    with pytest.raises(UserError, match="no EXPERIMENT/summary"):
        compare(folders[0], tmp_path / "nowhere")


def test_untrained_networks_are_on_both_sides_and_in_no_rate(folders):
    for folder in folders:
        (path,) = folder.glob("*/summary.parquet")
        frame = tables.read("summary", path)
        tables.write(frame.assign(status="untrained"), "summary", path)
    table = compare(*folders)
    assert set(table["verdict"]) == {"same"}
    assert set(table["n_a"]) == {0}
    assert table["networks_a"].sum() == len(frame)
    assert table["rate_difference"].isna().all()
