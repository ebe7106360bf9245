"""Maps show the plane that holds most grid points, and views name the axes that vary alone."""

from itertools import product
from typing import Any

from throughtime.tracking.records import Record
from throughtime.tracking.saved_views import (
    Map,
    choose_maps,
    views_of_grid_points,
    views_of_networks,
)


def point(task: str = "copy", rate: float | None = 0.5, **axes: Any) -> Record:
    """A grid point whose axes are these; numbers are metrics too, but for K of full depth."""
    numbers = {
        f"axis/{'lag' if name == 'lag_max' else name}": float(value)
        for name, value in axes.items()
        if not isinstance(value, str)
    }
    rates = {} if rate is None else {"success_rate": rate, "final_mean": 2.0}
    params = {name: str(value) for name, value in axes.items()}
    measure = "bpc" if task == "text" else "accuracy"
    tags = {"measure": measure}
    return Record(str(axes), str(axes), {"task": task, **params}, {**numbers, **rates}, tags)


AXES = ["lag_max", "mode", "K", "gain"]
CHUNKED = [
    point(lag_max=lag, mode="chunked", K=k, gain=gain)
    for lag, k, gain in product([5, 10, 20, 40], [5, 10, 20], [1.0, 0.5])
]
FULL = [point(lag_max=lag, mode="full", K="full", gain=1.0) for lag in [5, 10, 20, 40, 80]]
SLIDING = [point(lag_max=lag, mode="sliding", K=5, gain=1.0) for lag in [5, 10]]


def test_the_plane_of_the_axes_with_most_values_comes_first_and_the_rest_is_held() -> None:
    first, *others = choose_maps(SLIDING + FULL + CHUNKED, AXES)
    held = {"mode": "chunked", "gain": "1.0"}  # gain 1 and .5 hold equally many: the first seen
    assert first == Map("copy", "axis/lag", "axis/K", "success_rate", held)
    assert {(m.x, m.y) for m in others} == {("axis/lag", "axis/gain"), ("axis/K", "axis/gain")}


def test_without_two_axes_that_are_numbers_there_is_no_map() -> None:
    assert choose_maps(FULL, AXES) == []
    assert choose_maps([point(rate=None, lag_max=n, gain=n) for n in (1, 2)], AXES) == []


def test_text_is_coloured_by_what_it_is_judged_in() -> None:
    points = [point("text", K=k, gain=g) for k, g in product([1, 5], [0.5, 1.0])]
    (only,) = choose_maps(points, AXES)
    assert (only.x, only.y, only.colour) == ("axis/K", "axis/gain", "final_mean")


def test_views_show_axes_that_vary_and_no_constants() -> None:
    views = {v.name: v for v in views_of_grid_points("smoke", AXES, SLIDING + FULL + CHUNKED)}
    assert list(views) == [
        "mean over seeds",
        "copy: lag by K",
        "copy: lag by gain",
        "copy: K by gain",
        "all axes",
    ]
    search = views["copy: lag by K"].state["searchFilter"]
    assert "params.`task` = 'copy' and params.`mode` = 'chunked' and params.`gain` = " in search
    (card,) = views["all axes"].state["compareRunCharts"]
    assert card["selectedParams"] == ["mode", "K"]  # K is no number in all of them
    assert card["selectedMetrics"] == ["axis/lag", "axis/gain", "success_rate"]
    (card,) = {v.name: v for v in views_of_grid_points("smoke", AXES, FULL)}["all axes"].state[
        "compareRunCharts"
    ]
    assert (card["selectedParams"], card["selectedMetrics"]) == ([], ["axis/lag", "success_rate"])
    assert views_of_grid_points("smoke", AXES, []) == []


def test_failures_first_begins_with_outcome_cause_and_the_axes_with_most_values() -> None:
    (view,) = views_of_networks("smoke", AXES, FULL + CHUNKED)
    assert view.state["selectedColumns"][:7] == [
        "tags.`status`",
        "tags.`failure`",
        "params.`task`",
        "metrics.`axis/lag`",  # five values
        "metrics.`axis/K`",  # four, with full
        "params.`mode`",
        "metrics.`axis/gain`",
    ]
    assert view.state["orderByKey"] == "metrics.`diverged`"
