"""What is chosen by its name and has parameters of its own: a task, a cell, an optimizer, a
schedule.
"""

import json
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Component(BaseModel):
    """A part of an experiment: one file, one class, found by its ``name``.

    The fields of a subclass are its parameters. They are keys of YAML files and axes of a sweep.

    Attributes:
        name: the name of its file.
        source: the paper or library that it follows, and the section.
        later: parameters that came when there were results already. Tables leave them out at their
            defaults, so that old and new networks of one kind have one name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    source: ClassVar[str]
    later: ClassVar[frozenset[str]] = frozenset()

    def parameters(self) -> dict[str, Any]:
        """All parameters, JSON-ready."""
        return self.model_dump(mode="json")

    def changed(self) -> dict[str, Any]:
        """The parameters that differ from their defaults: what keys are made of, so that a new
        parameter with a default changes no key.
        """
        fields = type(self).model_fields
        return {k: v for k, v in self.parameters().items() if v != fields[k].get_default()}

    @property
    def args(self) -> str:
        """The parameters as canonical JSON: how tables hold them."""
        named = self.parameters()
        for name in self.later - self.changed().keys():
            del named[name]
        return json.dumps(named, sort_keys=True, separators=(",", ":"))
