"""JSON schemas of config.yaml and experiment.yaml, for editors: generated from the models, never
written by hand.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from throughtime.core.registry import probe_names
from throughtime.engine.initialization import schemes
from throughtime.planning.axes import Job, Row
from throughtime.planning.project import Config, Experiment
from throughtime.planning.rounds import KEY, Frontier
from throughtime.planning.sweep import KINDS, Spaced


def schemas() -> dict[str, dict[str, Any]]:
    """Path in the project -> JSON schema."""
    return {
        "config.schema.json": _titled(Config, "config.yaml"),
        "experiments/schema.json": _experiment(),
    }


def write(root: Path) -> list[Path]:
    """Write both schemas under ``root`` and return their paths."""
    paths = []
    for name, content in schemas().items():
        paths.append(root / name)
        paths[-1].write_text(text(content), encoding="utf-8")
    return paths


def text(schema: dict[str, Any]) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def _titled(model: type[BaseModel], title: str) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
        "title": title,
    }


def _experiment() -> dict[str, Any]:
    schema = _titled(Experiment, "experiment.yaml")
    axes = _axes()
    names = "|".join(name for kind in KINDS.values() for name in kind())
    of_task = f"^({names})\\.({'|'.join(axes)})$"  # copy.length holds for copy alone
    sweep = {
        "type": "object",
        "properties": axes,
        "patternProperties": {of_task: {}},
        "additionalProperties": False,
    }
    changes = {
        "type": "object",
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/Sweep"}, {"type": "null"}]},
    }
    spaced = Spaced.model_json_schema()
    search = Frontier.model_json_schema()
    axes[KEY] = {
        "anyOf": [search["properties"]["axis"], {"$ref": "#/$defs/Frontier"}],
        "description": "train only what finds the longest lag that half the seeds learn",
    }
    defined = {"Spaced": spaced, "Frontier": search, "Sweep": sweep}
    schema["$defs"] = {**schema.get("$defs", {}), **defined}
    schema["properties"]["sweeps"]["additionalProperties"] = {"$ref": "#/$defs/Sweep"}
    schema["properties"]["presets"]["additionalProperties"] = changes
    return schema


def _axes() -> dict[str, Any]:
    """Every axis of every task: a value, a list of values, or of numbers evenly spaced ones."""
    components = [component for kind in KINDS.values() for component in kind().values()]
    schemas: dict[str, list[Any]] = {}
    for component in components:
        for name, field in _fields(component).items():
            schemas.setdefault(name, []).extend(
                [field] if field not in schemas.get(name, []) else []
            )
    own = {name: _one_of(fields) for name, fields in schemas.items()}
    axes = {**own, **_fields(Job), **_fields(Row)}
    for kind, makers in KINDS.items():
        described = Job.model_fields[kind].description or "task, by its name"
        axes[kind] = {"enum": list(makers()), "description": described}
    axes["init"] = {**axes["init"], "enum": list(schemes())}
    axes["K"] = {
        **_either(axes["K"], {"const": "full"}),
        "description": axes["K"].get("description", ""),
    }
    for name in ("clip", "tail"):
        axes[name] = {
            **_either(axes[name], {"const": "none"}),
            "description": axes[name].get("description", ""),
        }
    axes["seeds"] = {
        "type": "integer",
        "minimum": 1,
        "description": "short for seed: [0, .., seeds - 1]",
    }
    keep = axes.pop("keep_weights")
    lists = {name: axes.pop(name) for name in ("probes", "moments")}
    lists["probes"] |= {"items": {"enum": probe_names()}, "uniqueItems": True}
    values = {
        name: _either(one, {"type": "array", "items": one, "minItems": 1})
        for name, one in axes.items()
    }
    for name, one in axes.items():
        if name not in ("seed", "seeds") and {"integer", "number"} & _types(one):
            values[name]["anyOf"].append({"$ref": "#/$defs/Spaced"})
    values |= {name: _either(many["items"], many) for name, many in lists.items()}
    return dict(sorted({**values, "keep_weights": keep}.items()))


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    properties = model.model_json_schema()["properties"]
    return {
        name: {k: v for k, v in field.items() if k not in ("title", "default")}
        for name, field in properties.items()
    }


def _types(field: dict[str, Any]) -> set[Any]:
    """The JSON types that a field may have."""
    return {field.get("type")}.union(*(_types(one) for one in field.get("anyOf", [])))


def _one_of(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """What any of the components that have a parameter of one name takes."""
    if len(fields) == 1:
        return fields[0]
    description = "; ".join(dict.fromkeys(f["description"] for f in fields if "description" in f))
    return {"anyOf": fields, "description": description}


def _either(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [one, other]}
