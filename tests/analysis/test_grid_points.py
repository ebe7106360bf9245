"""A companion table counts as its networks are, and its filters find exactly those."""

import io
import math

import numpy as np
import pandas as pd
import pytest

from tests.support import synthetic
from tests.support.made import networks as made_networks
from throughtime.analysis import grid_points
from throughtime.analysis.stats import wilson
from throughtime.planning.plan import Plan
from throughtime.results import tables
from throughtime.tracking.records import Provenance, grid_point_records, networks, varying

PLAN = synthetic.toy_plan(
    lengths=(10, 30), depths=(None, 5), seeds=3
)  # 4 jobs of 12 networks, 16 grid points
FRAMES = synthetic.summary(PLAN)
SUMMARY = FRAMES.summary


def made(plan: Plan) -> dict[str, Provenance]:
    return {job.key: Provenance("c", (0, 1)) for job in plan.jobs}


def test_the_filter_of_a_row_finds_its_networks_and_no_others() -> None:
    records = list(networks(SUMMARY, FRAMES.curves, varying(PLAN, "clipping"), "smoke", made(PLAN)))
    own = SUMMARY.set_index("run_key")
    found = grid_points.tabulate(SUMMARY, "smoke")
    assert len(found) == 16
    for row in found.to_dict("records"):
        chosen = [
            r
            for r in records
            if f"tags.grid_point = '{r.tags['grid_point']}'" == row["mlflow_filter"]
        ]
        networks_of = own.loc[[r.key for r in chosen]]
        assert len(chosen) == row["n"] == 3
        assert {tuple(r) for r in networks_of[["length", "K", "gain", "clip"]].to_numpy()} == {
            (row["length"], row["K"], row["gain"], row["clip"])
        }
        assert row["mlflow_experiment"] == grid_points.mlflow_experiment("clipping")
        assert row["seeds"] == "0 1 2"


def test_a_cell_has_the_key_of_its_run_in_the_summary_experiment() -> None:
    keys = [
        r.key for r in grid_point_records(SUMMARY, varying(PLAN, "clipping"), "smoke", made(PLAN))
    ]
    assert grid_points.tabulate(SUMMARY, "smoke")["mlflow_filter"].tolist() == [
        grid_points.mlflow_filter(key) for key in keys
    ]


def test_another_preset_or_column_is_another_cell_and_another_seed_is_not() -> None:
    row = SUMMARY.iloc[0].to_dict()
    key = grid_points.grid_point_key(row, "smoke")
    assert (
        grid_points.grid_point_key(
            {**row, "seed": 99, "run_key": "other", "job_key": "other", "status": "diverged"},
            "smoke",
        )
        == key
    )
    others = [grid_points.grid_point_key(row, "laptop")]
    others += [
        grid_points.grid_point_key({**row, name: "another"}, "smoke") for name in tables.GRID_POINT
    ]
    assert len({key, *others}) == len(others) + 1


def test_counts_rates_and_spread_by_hand() -> None:
    four = SUMMARY.iloc[[0, 0, 0, 0]].reset_index(drop=True)
    four["seed"] = [3, 1, 2, 0]
    four["status"] = ["solved", "unsolved", "diverged", "unsolved"]
    four["final"] = [1.0, 0.5, np.nan, 0.6]
    (row,) = grid_points.tabulate(four, "smoke").to_dict("records")
    low, high = (float(v) for v in wilson(1, 4))
    wanted = {
        "n": 4,
        "solved": 1,
        "unsolved": 2,
        "diverged": 1,
        "success_rate": 0.25,
        "success_low": low,
        "success_high": high,
        "final_mean": 0.7,
        "final_std": math.sqrt((0.3**2 + 0.2**2 + 0.1**2) / 2),
        "final_min": 0.5,
        "final_max": 1.0,
    }
    assert {name: row[name] for name in wanted} == pytest.approx(wanted)
    assert row["seeds"] == "0 1 2 3"
    assert not {"gain", "clip", "K"} & set(row)  # one grid point differs in nothing


def test_rows_in_another_order_give_the_same_cells() -> None:
    shuffled = SUMMARY.sample(frac=1, random_state=0)  # an index that is not 0..n-1, too
    one, other = (
        grid_points.tabulate(s, "smoke").sort_values("mlflow_filter").reset_index(drop=True)
        for s in (SUMMARY, shuffled)
    )
    pd.testing.assert_frame_equal(one, other)


def test_missing_values_are_a_cell_of_their_own() -> None:
    two = pd.concat(
        [
            SUMMARY[SUMMARY["K"] == 5].head(1),
            SUMMARY[SUMMARY["K"] == 5].head(1).assign(length=pd.NA),
        ]
    )
    assert grid_points.tabulate(tables.conform(two, "summary"), "smoke")["n"].tolist() == [1, 1]


def test_the_file_reads_as_the_table() -> None:
    read = pd.read_csv(io.BytesIO(grid_points.csv(SUMMARY, "smoke")))
    found = grid_points.tabulate(SUMMARY, "smoke")
    assert list(read) == list(found)
    for name in ("n", "solved", "gain", "clip", "success_low", "final_mean"):
        np.testing.assert_allclose(read[name], found[name].to_numpy(float), rtol=1e-11)
    assert math.inf in read["clip"].tolist()


def test_no_networks_give_a_table_of_heads() -> None:
    assert grid_points.csv(tables.empty("summary"), "smoke").decode().strip().split(",")[:2] == [
        "experiment",
        "sweep",
    ]


def test_untrained_networks_are_counted_apart() -> None:
    four = SUMMARY.iloc[[0, 0, 0, 0]].reset_index(drop=True)
    four["seed"] = range(4)
    four["status"] = ["solved", "unsolved", "untrained", "untrained"]
    (row,) = grid_points.tabulate(four, "smoke").to_dict("records")
    counts = {name: row[name] for name in ("n", "solved", "unsolved", "diverged", "untrained")}
    assert counts == {"n": 2, "solved": 1, "unsolved": 1, "diverged": 0, "untrained": 2}
    assert row["success_rate"] == 0.5
    four["status"] = "untrained"
    (row,) = grid_points.tabulate(four, "smoke").to_dict("records")
    assert row["n"] == 0
    assert math.isnan(row["success_rate"])


def test_a_parameter_that_varies_is_a_column_and_not_json() -> None:
    two = SUMMARY.iloc[[0, 0]].reset_index(drop=True)
    two["cell"] = "lstm"
    two["cell_args"] = ['{"forget_bias":0.0}', '{"forget_bias":1.0}']
    table = grid_points.tabulate(two, "smoke")
    assert table["forget_bias"].tolist() == [0.0, 1.0]
    assert "cell_args" not in table


def test_a_trained_grid_point_names_its_frozen_control():
    both = made_networks(
        "c", task="copy", length=4, K=[2, 4], mode="chunked", frozen=[False, True], seeds=3
    )
    both["status"] = np.where(both["frozen"] & (both["K"] == 2) & (both["seed"] < 2), "solved", "x")
    both["status"] = both["status"].replace("x", "unsolved")
    table = grid_points.tabulate(both, "laptop").set_index(["K", "frozen"])["frozen_control"]
    assert table[2, False] == "2 of 3"
    assert table[4, False] == "0 of 3"
    assert pd.isna(table[2, True])
    alone = grid_points.tabulate(both[~both["frozen"]], "laptop")
    assert "frozen_control" not in alone
