"""What will be trained: jobs with their rows, and what is skipped."""

import hashlib
import json
import math
from collections.abc import Collection, Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from throughtime.core.errors import UserError
from throughtime.core.hashing import digest
from throughtime.planning.axes import Job, Row


@dataclass(frozen=True, eq=False)
class PlannedJob:
    """One training process: a job and the rows of the grid it trains."""

    experiment: str
    sweep: str
    job: Job
    grid: pd.DataFrame  # one row per network, columns ROW_AXES
    device: str = "cpu"

    @cached_property
    def run_keys(self) -> list[str]:
        """One key per row, made of what in the job and the row differs from the defaults: the same
        in every grid, preset and split, and after a new axis with a default. What decides numbers
        and is not code, the device, is part of it.
        """
        base = {"experiment": self.experiment, "sweep": self.sweep, **self.job.canonical()}
        if self.device != "cpu":
            base["device"] = self.device
        parts = {str(name): [_pair(name, value)] * len(self.grid) for name, value in base.items()}
        parts |= {str(name): _pairs(self.grid[name]) for name in self.grid}
        rows = zip(*(parts[name] for name in sorted(parts)), strict=True)
        texts = ("{" + ",".join(part for part in row if part) + "}" for row in rows)
        return [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]

    @cached_property
    def stem(self) -> str:
        """The readable part of the key."""
        job = self.job
        length = f"-T{job.steps}" if job.task.length_axis else ""
        return f"{self.sweep}-{job.task.name}{length}-{job.cell.name}-{job.mode}{job.K}"

    @cached_property
    def key(self) -> str:
        """Names the job's files: readable first, then a digest of everything that decides its
        tables but the code.
        """
        asked: list[Any] = [list(self.job.probes), self.job.probed] if self.job.probes else []
        asked += ["weights"] if self.job.keep_weights else []
        return f"{self.stem}-{digest(self.run_keys + asked)}"

    def only(self, keys: Collection[str]) -> "PlannedJob":
        """The same job with those of its networks alone, in the grid's order."""
        chosen = [key in keys for key in self.run_keys]
        return replace(self, grid=self.grid[chosen].reset_index(drop=True))

    def without(self, keys: Collection[str]) -> "PlannedJob":
        """The same job without those networks."""
        return self.only([key for key in self.run_keys if key not in keys])

    @property
    def cost(self) -> float:
        """Arithmetic and calls of the whole job, in the unit of Job.cost. With Omega a network has
        twice the arithmetic, and its block half as many calls more (measured with 1 to 15 networks
        of 32 and 50 units).
        """
        if self.grid.empty:
            return 0.0
        penalized = int((self.grid["omega"] > 0).sum())
        calls = self.job.calls * (1.5 if penalized else 1.0)
        return self.job.cost * (len(self.grid) + penalized) + calls


@dataclass(frozen=True)
class Skipped:
    """A combination that the axes ask for and that has no meaning."""

    experiment: str
    sweep: str
    axes: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """Everything a pipeline will run, and what it will not."""

    jobs: tuple[PlannedJob, ...]
    skipped: tuple[Skipped, ...]

    @cached_property
    def networks(self) -> int:
        """Trained networks in all."""
        return sum(len(j.grid) for j in self.jobs)

    def select(self, *experiments: str) -> "Plan":
        """The part of one experiment, or of several, in the plan's order."""
        if len(experiments) == 1:
            return self._parts.get(experiments[0], Plan((), ()))
        return Plan(
            tuple(j for j in self.jobs if j.experiment in experiments),
            tuple(s for s in self.skipped if s.experiment in experiments),
        )

    @cached_property
    def _parts(self) -> dict[str, "Plan"]:
        jobs: dict[str, list[PlannedJob]] = {}
        skipped: dict[str, list[Skipped]] = {}
        for planned in self.jobs:
            jobs.setdefault(planned.experiment, []).append(planned)
        for skip in self.skipped:
            skipped.setdefault(skip.experiment, []).append(skip)
        return {
            name: Plan(tuple(jobs.get(name, ())), tuple(skipped.get(name, ())))
            for name in {**jobs, **skipped}
        }

    def job(self, key: str) -> PlannedJob:
        """The job of that key. Only jobs that share its readable part are digested.

        Raises:
            UserError: no job has it.
        """
        stem = key.rpartition("-")[0]
        for planned in self.jobs:
            if planned.stem == stem and planned.key == key:
                return planned
        raise UserError(
            f"no job {key!r} in this plan: was a config edited while the pipeline ran? run it again"
        )


def _pair(name: Hashable, value: Any) -> str:
    """An entry of a mapping as digest() writes it. inf is not JSON: a threshold of infinity is
    written none.
    """
    shown = "none" if isinstance(value, float) and math.isinf(value) else value
    return f"{json.dumps(str(name))}:{json.dumps(shown, sort_keys=True, separators=(',', ':'))}"


def _pairs(column: "pd.Series[Any]") -> list[str]:
    """The entries of a column of the grid, which has few different values; empty for defaults."""
    values, default = column.tolist(), Row.model_fields[str(column.name)].default
    entries = {v: "" if v == default else _pair(column.name, v) for v in set(values)}
    return [entries[value] for value in values]
