"""The atlas is given every grid point once; what it says of networks is what the tables say."""

import json
import math
import re
from typing import Any, ClassVar

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import synthetic
from throughtime.analysis import grid_points
from throughtime.planning.axes import Job, grid
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.report import atlas, vega_charts

pytestmark = pytest.mark.slow

PLAN = synthetic.toy_plan(lengths=(10, 30), depths=(None, 5), seeds=3)
FRAMES = synthetic.summary(PLAN)
FOUND = {"clipping": (FRAMES.summary, FRAMES.curves)}
ATLAS = atlas.explore(FOUND, "smoke")
PANELS = [panel for sweep in ATLAS["sweeps"] for panel in sweep["panels"]]


def same(values: "pd.Series[float]") -> Any:
    """To 4 digits; what is not finite is missing."""
    return pytest.approx(
        [v if math.isfinite(v) else math.nan for v in values], rel=1e-3, nan_ok=True
    )


def test_every_grid_point_is_in_one_panel_at_its_place_with_its_networks() -> None:
    assert [(s["name"], s["experiment"]) for s in ATLAS["sweeps"]] == [("main: toy", "clipping")]
    shown = [point for panel in PANELS for point in panel["grid_points"]]
    wanted = FRAMES.summary.assign(
        point=[
            grid_points.grid_point_key(row, "smoke") for row in FRAMES.summary.to_dict("records")
        ]
    )
    assert sorted(key for _, _, key, _ in shown) == sorted(wanted["point"].unique())
    for panel in PANELS:
        assert len({(x, y) for x, y, _, _ in panel["grid_points"]}) == len(
            panel["grid_points"]
        )  # none covers another
    for _, _, key, networks in shown:
        own = wanted[wanted["point"] == key].sort_values("seed")
        assert [n[:3] for n in networks] == own[["seed", "status", "failure"]].to_numpy().tolist()
        assert [math.nan if n[3] is None else n[3] for n in networks] == same(own["final"])


def test_places_and_titles_are_the_axes_of_the_grid() -> None:
    axes = {panel["x"]: panel["xs"] for panel in PANELS} | {
        panel["y"]: panel["ys"] for panel in PANELS
    }
    by_title = {atlas.title(name): name for name in ("lag", "K", "gain", "clip", "mode")}
    assert set(axes) <= set(by_title)
    columns = {
        "clip": ["1", "none"],
        "lag": ["10", "30"],
        "K": ["5", "full"],
        "gain": ["0.5", "1"],
    }
    for title, values in axes.items():
        assert [math.nan if v is None else v for v in values] == [
            v for v in columns[by_title[title]] if v in values
        ]
    for panel in PANELS:
        for x, y, key, _ in panel["grid_points"]:
            (row,) = (
                r
                for r in FRAMES.summary.to_dict("records")[::3]
                if grid_points.grid_point_key(r, "smoke") == key
            )
            words = {
                name: grid_points.text({**row, "lag": row["lag_max"]}[name]) for name in columns
            } | ({"K": "full"} if row["mode"] == "full" else {})
            assert (panel["xs"][x], panel["ys"][y]) == (
                words[by_title[panel["x"]]],
                words[by_title[panel["y"]]],
            )
            assert all(
                f"{name} {words[name]}" in panel["fixed"]
                for name in words
                if atlas.title(name) not in (panel["x"], panel["y"])
            )


def test_curves_are_those_of_the_network() -> None:
    lines = {
        (run, metric): line
        for (run, metric), line in FRAMES.curves.sort_values("step").groupby(
            ["run_key", "metric"], sort=False
        )
    }
    keys = {
        (grid_points.grid_point_key(row, "smoke"), row["seed"]): row["run_key"]
        for row in FRAMES.summary.to_dict("records")
    }
    compared = 0
    for panel in PANELS:
        for _, _, point, networks in panel["grid_points"]:
            for seed, *_, drawn in networks:
                for metric, (at, values) in zip(atlas.LINES, drawn, strict=True):
                    line = lines[keys[point, seed], metric]
                    assert ATLAS["steps"][at] == line["step"].tolist()
                    assert [math.nan if v is None else v for v in values] == same(line["value"])
                    compared += 1
    assert compared == 3 * len(FRAMES.summary)


def test_too_many_curves_leave_the_lowest_seeds_of_all_grid_points() -> None:
    few = atlas.explore(FOUND, "smoke", most=20)
    assert (few["networks"], few["curves"]) == (48, 20)
    points_of_map = [
        point
        for sweep in few["sweeps"]
        for panel in sweep["panels"]
        for point in panel["grid_points"]
    ]
    assert (
        sorted(
            network[0] for _, _, _, networks in points_of_map for network in networks if network[5]
        )
        == [0] * 16 + [1] * 4
    )
    assert atlas.explore(FOUND, "smoke", most=0)["curves"] == 0


def test_it_is_json_and_the_same_each_time() -> None:
    text = json.dumps(ATLAS, allow_nan=False)
    shuffled = {"clipping": (FRAMES.summary, FRAMES.curves.sample(frac=1, random_state=0))}
    assert json.dumps(atlas.explore(shuffled, "smoke")) == text


def panel(x: str, y: str, points: int) -> dict[str, Any]:
    return {"x": atlas.title(x), "y": atlas.title(y), "grid_points": [[]] * points}


def test_it_opens_on_lag_and_k_of_copy_else_on_the_largest_panel() -> None:
    sweeps = [
        {"name": "chunked: adding", "panels": [panel("lag", "K", 30)]},
        {"name": "map: copy", "panels": [panel("gain", "lag", 60)]},
        {"name": "chunked: copy", "panels": [panel("K", "lag", 16), panel("K", "lag", 18)]},
        {"name": "hard: copy", "panels": [panel("lag", "K", 6)]},
    ]
    assert atlas._start(sweeps) == (2, 1)
    assert atlas._start(sweeps[:2]) == (1, 0)


def test_nothing_trained_is_nothing_to_show() -> None:
    assert atlas.explore({}, "smoke") == {
        "sweeps": [],
        "start": (0, 0),
        "steps": [],
        "networks": 0,
        "curves": 0,
    }


@given(st.lists(st.lists(st.sampled_from("ab"), min_size=4, max_size=4), min_size=1, max_size=12))
def test_the_columns_kept_tell_rows_apart_as_well_as_all(rows: list[list[str]]) -> None:
    labels = pd.DataFrame(rows, columns=list("wxyz"), dtype=object)
    kept = atlas.distinguishing(labels)
    assert (
        len(labels[kept].drop_duplicates()) == len(labels.drop_duplicates())
        if kept
        else labels.drop_duplicates().shape[0] == 1
    )
    assert kept == [name for name in labels if name in kept]  # first ones first


# Charts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["heat", "loss", "measure", "gradient"])
def test_a_chart_draws_what_it_is_given(name: str) -> None:
    import vl_convert

    spec = vega_charts.specs()[name]
    points_of_map = [
        {
            "x": "1",
            "y": "2",
            "key": "k",
            "rate": 0.5,
            "text": "1/2",
            "label": "a label",
            "grid_point": "c",
            "n": 2,
        }
    ]
    points = [
        {
            "seed": 0,
            "status": "solved",
            "step": step,
            "value": value,
            "last": step == 3,
            "name": "seed-0",
        }
        for step, value in ((1, 0.5), (3, 0.1))
    ]
    drawn = vl_convert.vegalite_to_svg(
        {**spec, "datasets": {"grid_points": points_of_map, "points": points}, "width": 300},
        vl_version=vega_charts._version(),
    )
    assert ("1/2" if name == "heat" else "seed-0") in drawn
    if name != "heat":
        assert f'stroke="{vega_charts.STATUS["solved"][0]}"' in drawn


def test_the_charts_of_the_sliders_draw_theory_and_what_was_measured() -> None:
    import vl_convert

    charts = vega_charts.specs()
    ends = {"low": 0.01, "high": 1.0, "n": 3}
    drawn = {}
    for name, data in {
        "by_lag": {
            "theory": [
                {"lag": k, "norm": 0.5**k, "part": list(vega_charts.PARTS)[k // 2]}
                for k in range(4)
            ],
            "measured": [{"lag": 1, "norm": 0.3, "init": "orthogonal", **ends}],
            "chosen": [{"lag": 3}],
        },
        "frontier": {
            "predicted": [{"gain": g, "lag": 9 * g, "name": "6"} for g in (0.5, 1.0)],
            "measured": [{"gain": 0.5, "lag": 8, "kind": "at least", **ends}],
            "chosen": [{"gain": 0.7, "lag": 5}],
        },
    }.items():
        spec = {**charts[name], "datasets": data, "width": 400}
        drawn[name] = vl_convert.vegalite_to_svg(spec, vl_version=vega_charts._version())
    for colour, count in zip(vega_charts.PARTS.values(), (2, 2), strict=True):
        dots = re.findall(rf'<path aria-label="lag[^>]*fill="{colour}"', drawn["by_lag"])
        assert len(dots) == count
    assert "gradient norm, of that at lag 0" in drawn["by_lag"]
    assert drawn["frontier"].count(f'stroke="{vega_charts.NEUTRAL}"') >= 2
    assert "half the seeds" in drawn["frontier"]


def test_a_grid_point_of_untrained_networks_has_a_grey_tile() -> None:
    import vl_convert

    spec = vega_charts.specs()["heat"]
    points = [
        {"x": "1", "y": y, "key": y, "rate": rate, "text": "-", "label": f"point {y}", "n": 0}
        for y, rate in (("a", None), ("b", 0.5))
    ]
    drawn = vl_convert.vegalite_to_svg(
        {**spec, "datasets": {"grid_points": points}, "width": 300},
        vl_version=vega_charts._version(),
    )
    tiles = [tag for tag in re.findall(r"<path [^>]*>", drawn) if 'aria-label="point' in tag]
    assert len(tiles) == 2
    assert [f'fill="{vega_charts.NO_RATE}"' in tag for tag in tiles] == [True, False]


def test_the_javascript_can_stand_in_a_script_element() -> None:
    code = vega_charts.javascript()
    assert "window.vegaEmbed" in code
    assert "</script" not in code
    assert "<!--" not in code


class Delay(synthetic.Toy):
    """A task of a user's own, which no file of the package names."""

    name: ClassVar[str] = "delay"
    gap: int = 1


def test_a_task_of_a_users_is_in_the_atlas_with_its_parameters() -> None:
    rows = grid({"seed": [0, 1]})
    jobs = [
        PlannedJob("mine", "main", Job(task=Delay(length=n, gap=g), K=n + 1), rows)
        for n, g in ((10, 1), (10, 2), (20, 1), (20, 2))
    ]
    frames = synthetic.summary(Plan(tuple(jobs), ()))
    (sweep,) = atlas.explore({"mine": (frames.summary, frames.curves)}, "smoke")["sweeps"]
    assert sweep["name"] == "main: delay"
    (panel,) = sweep["panels"]
    assert (panel["x"], panel["y"]) == ("lag of the dependency, steps", "gap")
    assert (panel["xs"], panel["ys"]) == (["10", "20"], ["1", "2"])
    assert len(panel["grid_points"]) == 4
