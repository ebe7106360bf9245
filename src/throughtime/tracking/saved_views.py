"""Saved views of MLflow's run table, provisioned through experiment tags. Imports no mlflow.

The tag ``mlflow.sharedViewState.ID`` holds what the UI's "Save view" writes. MLflow does not
document it; read off the JavaScript of 3.17.2 (chunks 3448, 3793, 3878) and tried in a browser:

- the tag's value is JSON: ``name``, ``createdAt`` and ``updatedAt`` (milliseconds) and ``state``;
- ``state`` is ``deflate;`` and the base64 of the zlib-compressed JSON of the view: search facets
  and the table's state together;
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
from dataclasses import dataclass
from typing import Any

TAG = "mlflow.sharedViewState."
NAME_WIDTH = 350  # pixels: most of a name; on 1280 there is still room for the first columns
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

    def link(self, server: str, experiment_id: str) -> str:
        """Its address on a server such as ``http://127.0.0.1:5000``."""
        mode = "CHART" if self.charts else "TABLE"
        query = f"workflowType=machine_learning&compareRunsMode={mode}&viewStateShareKey={self.id}"
        return f"{server}/#/experiments/{experiment_id}/runs?{query}"


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


def network_views(preset: str, differing: list[str]) -> list[View]:
    """The views of an experiment whose runs are networks.

    Args:
        preset: only its runs are shown.
        differing: parameters in which grid points differ.
    """
    outcome = ["diverged", "diverged_step", "final", "train_loss", "grad_norm", "clipped_share"]
    columns = [
        _NAME,
        "tags.`failure`",
        *_metrics(*outcome),
        *_parameters("task", "lag_max", *differing, "seed"),
    ]
    failed = f"tags.preset = '{preset}' and tags.status != 'solved' and tags.status != 'untrained'"
    return [View("failures", "failures first", _state(failed, "metrics.`diverged`", columns))]


def grid_point_views(preset: str, differing: list[str]) -> list[View]:
    """The views of a summary experiment, whose runs are grid points (and the overview, which the
    filter leaves out).
    """
    shown = [name for name in differing if name != "sweep"]
    outcome = [
        "n",
        "success_rate",
        "success_low",
        "success_high",
        "diverged_share",
        "final_mean",
        "final_std",
    ]
    columns = [_NAME, *_metrics(*outcome), *_parameters("task", "lag_max", *shown)]
    only = f"tags.preset = '{preset}' and tags.kind = 'grid_point'"
    mean = _state(only, "metrics.`success_rate`", columns)
    plane = (
        _state(only, "tags.`run_key`", columns) | _parallel()
    )  # by a digest: the 100 loaded first are a fair sample
    return [
        View("mean", "mean over seeds", mean),
        View("plane", "K x clip x scale", plane, charts=True),
    ]


def _parallel() -> dict[str, Any]:
    """Charts with one wide card: K, clipping and gain of all grid points against what became of
    them.
    """
    card = {
        "uuid": "throughtime-plane",
        "type": "PARALLEL",
        "runsCountToCompare": 100,
        "metricSectionId": "throughtime-section",
        "deleted": False,
        "isGenerated": False,
        "displayName": "K x clip x scale",
        "selectedParams": ["K", "clipping", "gain"],
        "selectedMetrics": ["diverged_share", "success_rate"],
        "showAllRuns": True,
    }
    section = {
        "uuid": "throughtime-section",
        "name": "Where learning fails",
        "display": True,
        "isReordered": True,
        "deleted": False,
    }
    sections = [section | {"columns": 1, "cardHeight": 460}]
    return {
        "compareRunCharts": [card],
        "compareRunSections": sections,
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
    }


def _state(search: str, order_by: str, columns: list[str]) -> dict[str, Any]:
    facets = {
        "searchFilter": search,
        "orderByKey": order_by,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
    }
    widths = {c: 75 if c.startswith("params") else 105 for c in columns} | {_NAME: NAME_WIDTH}
    table = {
        "selectedColumns": columns[1:],
        "columnOrder": [*columns, "runDateAndNestInfo", "duration"],
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


def _metrics(*names: str) -> list[str]:
    return [f"metrics.`{name}`" for name in names]
