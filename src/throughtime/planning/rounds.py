"""A sweep that looks for a frontier: of its full grid it has the networks that rounds have chosen.

A round is a file below results/EXPERIMENT/rounds that the pipeline writes. The plan reads them, so
that every command sees the networks chosen so far.
"""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.core.hashing import digest
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.planning.sweep import message, pieces

KEY = "frontier"  # of a sweep in YAML


class Frontier(BaseModel):
    """What a sweep says of its search: ``frontier: lag``, or with the width that is asked for,
    ``frontier: {axis: lag, width: 2}``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    axis: Literal["lag"] = Field("lag", description="along which half the seeds are found to fail")
    width: float = Field(
        1.5,
        gt=1,
        le=1000,
        description="largest ratio of the ends of the 95 % interval; where it is reached, no more "
        "networks are trained",
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"axis": value} if isinstance(value, str) else value


@dataclass(frozen=True)
class Search:
    """A sweep that looks for the frontier of each of its curves: all axes but the lag and the seed
    name a curve.

    Attributes:
        experiment, sweep: names.
        width: as of ``Frontier``.
        full: the full grid, a job per combination of job axes.
        max_cost: a job that costs more is split by rows.
    """

    experiment: str
    sweep: str
    width: float
    full: Plan
    max_cost: float

    @cached_property
    def grid(self) -> pd.DataFrame:
        """All networks: curve, run_key, lag_max (steps), seed."""
        parts = []
        for planned in self.full.jobs:
            rows = planned.grid.drop(columns="seed").to_dict("records")
            job = {k: v for k, v in planned.job.canonical().items() if k != "task.length"}
            curves = [digest([job, {k: str(v) for k, v in row.items()}]) for row in rows]
            lags = planned.job.task.lags
            columns = {"curve": curves, "run_key": planned.run_keys, "lag_max": lags and lags[1]}
            parts.append(pd.DataFrame({**columns, "seed": planned.grid["seed"]}))
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def name(self) -> str:
        """Of its files: another grid or another width has other ones."""
        return f"{self.sweep}-{digest([sorted(self.grid['run_key']), self.width])}"

    def file(self, results: Path, number: int) -> Path:
        """Where a round lies; the first has the number 1."""
        return results / self.experiment / "rounds" / f"{self.name}-{number}.json"

    def chosen(self, results: Path, before: int | None = None) -> list[list[str]]:
        """The run keys that each round so far has chosen; of the rounds before a number, if it is
        given. The last round of a search chooses none.
        """
        rounds: list[list[str]] = []
        while before is None or len(rounds) + 1 < before:
            if not (keys := read(self.file(results, len(rounds) + 1))):
                break
            rounds.append(keys)
        return rounds

    def plan(self, rounds: list[list[str]]) -> Plan:
        """The networks of these rounds: each round has jobs of its own, so that no job grows."""
        jobs: list[PlannedJob] = []
        for keys in rounds:
            for planned in self.full.jobs:
                part = planned.only(keys)
                if len(part.grid):
                    split = pieces(part.grid, part.job, self.max_cost)
                    jobs += [replace(part, grid=rows) for rows in split]
        return Plan(tuple(jobs), self.full.skipped)


def read(path: Path) -> list[str] | None:
    """The run keys of a round; None where it is missing or damaged, and will be chosen again."""
    try:
        return list(json.loads(files.read(path))["networks"])
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None


def frontier(value: Any, where: str) -> Frontier:
    """What the key ``frontier`` of a sweep says.

    Raises:
        UserError: an unknown axis or key, or a width that is not above 1.
    """
    try:
        return Frontier.model_validate(value)
    except ValidationError as error:
        raise UserError(message(error, f"{where}.{KEY}")) from None


def search(sweep: str, asked: Frontier, full: Plan, max_cost: float, where: str) -> Search:
    """A checked search.

    Raises:
        UserError: a task without a lag, a curve with one lag, or one seed.
    """
    for planned in full.jobs:
        if not planned.job.task.lags or planned.job.task.lags[1] <= 0:
            raise UserError(f"{where}.{KEY}: task {planned.job.task.name!r} has no lag; remove it")
    if not full.jobs:
        raise UserError(f"{where}.{KEY}: the sweep has no networks; see what `plan` skips")
    found = Search(full.jobs[0].experiment, sweep, asked.width, full, max_cost)
    counts = found.grid.groupby("curve")[["lag_max", "seed"]].nunique().min()
    for column, axis, value in (("lag_max", "length", "[10, 20, 40]"), ("seed", "seeds", "5")):
        if counts[column] < 2:
            raise UserError(
                f"{where}.{KEY}: a search needs two values of {axis} or more; add `{axis}: {value}`"
            )
    return found
