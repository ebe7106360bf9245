"""Saved views of MLflow's run table, provisioned through experiment tags. Imports no mlflow.

MLflow 3.15 and later saves views from a menu of the run table ("Views"). It has no Python call for
that, but its menu reads experiment tags, and MLflow's own demo writes such tags from Python
(mlflow/demo/generators/saved_views.py, mlflow#24359). Tried in a browser with 3.17.2:

- the tag ``mlflow.sharedViewState.ID`` holds JSON: ``name``, ``createdAt`` and ``updatedAt``
  (milliseconds) and ``state``;
- ``state`` is ``deflate;`` and the base64 of the zlib-compressed JSON of the view: search facets
  and the table's state together. What is in it, MLflow does not document;
- a column is written ``metrics.`NAME` ``, ``params.`NAME` ``, ``tags.`NAME` `` or
  ``attributes.`NAME` ``;
- ``&viewStateShareKey=ID`` opens it, unless the address carries a search facet of its own
  (``searchFilter``, ``orderByKey``, ..);
- whether table or charts are shown is not part of the state: ``&compareRunsMode=CHART`` in the
  address says so.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from throughtime.tracking.records import AXIS, Record, axis

TAG = "mlflow.sharedViewState."
MAP, MEAN = "map", "mean"  # the views of grid points that a page opens with, the first that it has
NAME_WIDTH = 200  # pixels: the axes have columns of their own
# 2026-01-01: the same for all and for ever, so that equal views are equal tags
CREATED = 1_767_225_600_000


@dataclass(frozen=True)
class View:
    """One saved view of the runs of an MLflow experiment.

    Attributes:
        id: its key in the address.
        name: its name in the UI.
        state: what the UI is to restore.
        charts: opened with charts, not the table.
    """

    id: str
    name: str
    state: dict[str, Any]
    charts: bool = False

    @property
    def tag(self) -> tuple[str, str]:
        """Key and value of the experiment tag."""
        packed = base64.b64encode(
            zlib.compress(json.dumps(self.state, sort_keys=True).encode(), 9)
        ).decode()
        return TAG + self.id, json.dumps(
            {
                "name": self.name,
                "createdAt": CREATED,
                "updatedAt": CREATED,
                "state": f"deflate;{packed}",
            }
        )

    def link(self, experiment_id: str) -> str:
        """Its address, relative to the server's."""
        mode = "CHART" if self.charts else "TABLE"
        return f"{page_link(experiment_id)}&compareRunsMode={mode}&viewStateShareKey={self.id}"


def page_link(experiment_id: str) -> str:
    """The address of an experiment's runs on the training side of the UI, relative to the server's.

    >>> page_link("3")
    '#/experiments/3/runs?workflowType=machine_learning'
    """
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning"


def opening(experiment_id: str, tags: Mapping[str, str]) -> str:
    """The address of a page: its first map, which answers at a glance, else its table.

    >>> opening("3", {"mlflow.sharedViewState.mean": "{}"}).split("&")[1:]
    ['compareRunsMode=TABLE', 'viewStateShareKey=mean']
    >>> opening("3", {})
    '#/experiments/3/runs?workflowType=machine_learning'
    """
    for view in (View(MAP, "", {}, charts=True), View(MEAN, "", {})):
        if TAG + view.id in tags:
            return view.link(experiment_id)
    return page_link(experiment_id)


def unpack(tag_value: str) -> dict[str, Any]:
    """The state in a tag's value.

    >>> unpack(View("a", "A", {"groupBy": None}).tag[1])
    {'groupBy': None}
    """
    packed: str = json.loads(tag_value)["state"]
    state: dict[str, Any] = json.loads(
        zlib.decompress(base64.b64decode(packed.removeprefix("deflate;")))
    )
    return state


def views_of_networks(preset: str, differing: list[str], records: list[Record]) -> list[View]:
    """The views of an experiment whose runs are networks.

    Args:
        preset: only its runs are shown.
        differing: the axes in which grid points differ.
        records: the networks that there are.
    """
    columns = [
        *_tags("status", "failure"),
        *_axes(differing, records),
        *_parameters("seed"),
        *_metrics("final", "diverged_step", "train_loss", "grad_norm", "clipped_share"),
    ]
    failed = f"tags.preset = '{preset}' and tags.status != 'solved' and tags.status != 'untrained'"
    return [View("failures", "failures first", _state(failed, "metrics.`diverged`", columns))]


def views_of_grid_points(preset: str, differing: list[str], points: list[Record]) -> list[View]:
    """The views of an experiment whose runs are grid points (and the overview, which the filter
    leaves out): one table, a map per task that has one, and all axes side by side.

    Args:
        preset: only its runs are shown.
        differing: the axes in which grid points differ.
        points: the grid points that there are.
    """
    if not points:
        return []
    spread = ["success_low", "success_high", "final_mean", "final_std"]
    columns = [
        *_metrics("success_rate", "n"),
        *_axes(differing, points),
        *_tags("failure"),
        *_metrics(*spread),
    ]
    only = f"tags.preset = '{preset}' and tags.kind = 'grid_point'"
    views = [View(MEAN, "mean over seeds", _state(only, "metrics.`success_rate`", columns))]
    by_task: dict[str, list[Record]] = {}
    for point in points:
        by_task.setdefault(point.params["task"], []).append(point)
    maps = [chosen for own in by_task.values() for chosen in choose_maps(own, differing)]
    views += [_map_view(only, chosen, first=chosen is maps[0]) for chosen in maps]
    return [*views, *_all_axes(only, differing, points)]


@dataclass(frozen=True)
class Map:
    """A plane of two axes through one task's grid points.

    Attributes:
        task: whose grid points they are.
        x, y: the axes, as metrics.
        colour: what became of a grid point, a metric.
        fixed: the parameters that are the same on the plane and differ elsewhere.
    """

    task: str
    x: str
    y: str
    colour: str
    fixed: dict[str, str]


def choose_maps(points: list[Record], differing: list[str]) -> list[Map]:
    """The planes of the three axes that vary most among one task's grid points.

    Args:
        points: of one task.
        differing: the axes in which grid points differ, in the order in which they are held.

    Returns:
        The plane of the two axes with most values first; none where fewer than two axes vary and
        are numbers, or no network was trained.
    """
    colour = "final_mean" if points[0].tags["measure"] == "bpc" else "success_rate"
    seen = [point for point in points if colour in point.metrics]
    values = {
        axis(name): {p.metrics[axis(name)] for p in seen if axis(name) in p.metrics}
        for name in differing
    }
    several = [name for name in values if len(values[name]) > 1]
    most = sorted(several, key=lambda name: -len(values[name]))[:3]
    pairs = [sorted(pair, key=several.index) for pair in combinations(most, 2)]
    maps = [_map(seen, differing, x, y, colour) for x, y in pairs]
    return [plane for plane in maps if plane]


def _map(points: list[Record], differing: list[str], x: str, y: str, colour: str) -> Map | None:
    """A plane, with each other axis held where the plane has most points; of equal ones, at the
    value that comes first. None where nothing is left to see.
    """
    left = [point for point in points if x in point.metrics and y in point.metrics]
    fixed: dict[str, str] = {}
    for name in differing:
        values = dict.fromkeys(point.params.get(name, "") for point in left)
        if axis(name) in (x, y) or len(values) < 2:
            continue
        fixed[name] = max(values, key=lambda value: len(_places(left, x, y, name, value)))
        left = [point for point in left if point.params.get(name, "") == fixed[name]]
    if min(len({point.metrics[name] for point in left}) for name in (x, y)) < 2:
        return None
    return Map(left[0].params["task"], x, y, colour, fixed)


def _places(
    points: list[Record], x: str, y: str, name: str, value: str
) -> set[tuple[float, float]]:
    """Where the plane has points, with one axis held."""
    own = [point for point in points if point.params.get(name, "") == value]
    return {(point.metrics[x], point.metrics[y]) for point in own}


def _map_view(only: str, chosen: Map, first: bool) -> View:
    """A contour chart of one plane; the filter says what is held."""
    conditions = {
        "task": chosen.task,
        **{name: value for name, value in chosen.fixed.items() if value},
    }
    search = " and ".join([only, *(f"params.`{n}` = '{value}'" for n, value in conditions.items())])
    columns = [*_metrics(chosen.x, chosen.y, chosen.colour), *_tags("failure")]
    x, y = (name.removeprefix(AXIS) for name in (chosen.x, chosen.y))
    card = {
        "type": "CONTOUR",
        "displayName": f"{chosen.task}: {chosen.colour} by {x} and {y}",
        "xaxis": {"key": chosen.x, "type": "METRIC"},
        "yaxis": {"key": chosen.y, "type": "METRIC"},
        "zaxis": {"key": chosen.colour, "type": "METRIC"},
    }
    state = _state(search, f"metrics.`{chosen.y}`", columns) | _chart(card)
    number = MAP if first else f"map-{chosen.task}-{x}-{y}"
    return View(number, f"{chosen.task}: {x} by {y}", state, charts=True)


def _all_axes(only: str, differing: list[str], points: list[Record]) -> list[View]:
    """Parallel coordinates of the axes that vary among these grid points, against what became of
    them. An axis is a metric where all have it as a number, else a parameter.
    """
    coloured = [c for c in ("success_rate", "final_mean") if all(c in p.metrics for p in points)]
    several = [
        name
        for name in ("task", *differing)
        if len({point.params.get(name) for point in points}) > 1
    ]
    numbers = [name for name in several if all(axis(name) in p.metrics for p in points)]
    if not coloured or not several:
        return []
    card = {
        "type": "PARALLEL",
        "displayName": "all axes that vary",
        "selectedParams": [name for name in several if name not in numbers],
        "selectedMetrics": [*(axis(name) for name in numbers), coloured[0]],
        "showAllRuns": True,
    }
    # by a digest: the 100 that MLflow loads first are a fair sample
    state = _state(only, "tags.`run_key`", _metrics(coloured[0])) | _chart(card)
    return [View("axes", "all axes", state, charts=True)]


def _chart(card: dict[str, Any]) -> dict[str, Any]:
    """Charts with one wide card of all loaded runs."""
    section = {
        "uuid": "throughtime-section",
        "name": "Where learning fails",
        "display": True,
        "isReordered": True,
        "deleted": False,
        "columns": 1,
        "cardHeight": 460,
    }
    whole = {
        "uuid": "throughtime-card",
        "runsCountToCompare": 100,
        "metricSectionId": section["uuid"],
        "deleted": False,
        "isGenerated": False,
        **card,
    }
    return {
        "compareRunCharts": [whole],
        "compareRunSections": [section],
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
    }


def _state(search: str, order_by: str, columns: list[str]) -> dict[str, Any]:
    """Search facets, and the table's columns in their order, after the run's name."""
    facets = {
        "searchFilter": search,
        "orderByKey": order_by,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
    }
    narrow = ("params.", f"metrics.`{AXIS}", "tags.`status`")
    widths = {c: 80 if c.startswith(narrow) else 105 for c in columns} | {_NAME: NAME_WIDTH}
    table = {
        "selectedColumns": columns,
        "columnOrder": [_NAME, *columns, "runDateAndNestInfo", "duration"],
        "columnWidths": widths,
    }
    return (
        facets
        | table
        | {
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "runsHiddenMode": "FIRST_20_RUNS",
        }
    )


_NAME = "attributes.`Run Name`"


def _parameters(*names: str) -> list[str]:
    return [f"params.`{name}`" for name in names]


def _axes(differing: list[str], records: list[Record]) -> list[str]:
    """Task and axes, first those with most values, since a narrow screen shows few; those that are
    numbers as metrics, which sort as numbers.
    """
    values = {name: {r.params.get(name) for r in records} for name in differing}
    numbers = {name for name in differing if any(axis(name) in r.metrics for r in records)}
    return [
        *_parameters("task"),
        *(
            _metrics(axis(name))[0] if name in numbers else _parameters(name)[0]
            for name in sorted(differing, key=lambda name: -len(values[name]))
        ),
    ]


def _metrics(*names: str) -> list[str]:
    return [f"metrics.`{name}`" for name in names]


def _tags(*names: str) -> list[str]:
    return [f"tags.`{name}`" for name in names]
