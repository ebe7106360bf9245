"""Every axis that a sweep may have, in one table."""

import math
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from throughtime.core.component import Component
from throughtime.planning.axes import JOB_AXES, Job, Row
from throughtime.planning.sweep import DEFAULTS, KINDS

REQUIRED = "(required)"  # stands for the default of an axis that has none


@dataclass(frozen=True)
class Axis:
    """One axis of a sweep.

    Attributes:
        name: as in experiment.yaml; a parameter of a task, cell, optimizer or schedule has the name
            of its owner before it (``copy.length``).
        kind: ``job``, ``grid``, ``task``, ``cell``, ``optimizer`` or ``schedule``.
        default: as in YAML.
        description: what it sets, in one line.
    """

    name: str
    kind: str
    default: str
    description: str


def axes() -> list[Axis]:
    """All axes: of a job, of its grid, and the parameters of each task, cell, optimizer and
    schedule.

    >>> [axis.default for axis in axes() if axis.name in ("hidden", "clip_kind", "copy.length")]
    ['32', 'norm', '20']
    """
    job = [_axis(name, "job", Job.model_fields[name]) for name in JOB_AXES]
    row = [_axis(name, "grid", field) for name, field in Row.model_fields.items()]
    owned = [
        _axis(f"{owner}.{name}", kind, field)
        for kind, components in KINDS.items()
        for owner, component in components().items()
        for name, field in component.model_fields.items()
    ]
    return [*job, *row, *owned]


def _axis(name: str, kind: str, field: FieldInfo) -> Axis:
    description = field.description or (
        "what is learned, by the name of its file" * (name == "task")
    )
    return Axis(name, kind, _default(name, field), " ".join(description.split()))


def _default(name: str, field: FieldInfo) -> str:
    if name == "K":
        return "full"  # a sweep without K truncates nothing
    if name in DEFAULTS:
        return DEFAULTS[name][0]
    if field.is_required():
        return REQUIRED
    return _yaml(field.get_default(call_default_factory=True))


def _yaml(value: Any) -> str:
    if isinstance(value, Component):
        return value.name
    if isinstance(value, float) and math.isinf(value):
        return "none"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_yaml(v) for v in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
