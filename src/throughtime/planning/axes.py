"""The grid: what may vary between the networks of one job without changing a tensor's shape.

A grid is a DataFrame, a row a network. Its columns become the leading tensor dimension inside a job and columns of the results
on the way out, under the same names.
"""

import math
from itertools import product
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny, model_validator

from throughtime.engine.truncation import reach, strides
from throughtime.tasks import Task


def _infinity(value: Any) -> Any:
    return math.inf if value == "none" else value


class Row(BaseModel):
    """One network's place in the grid. The fields are config keys and grid axes.

    A clip threshold of ``none`` is infinity: such a row has ``clip_kind: none``, whatever was written beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(
        0, ge=0, lt=2**31, description="names the streams of data, initial weights and phase"
    )
    init: Literal["orthogonal", "gaussian", "identity", "pytorch"] = Field(
        "orthogonal", description="distribution of W_hh; pytorch is U(+-1/sqrt N), sigma_w^2 = 1/3"
    )
    gain: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="factor on W_hh's initial matrix (a standard deviation)",
    )
    input_gain: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="W_xh ~ N(0, input_gain^2 / I)"
    )
    clip_kind: Literal["norm", "value", "none"] = Field(
        "norm", description="how a gradient beyond the threshold is cut"
    )
    clip: Annotated[float, BeforeValidator(_infinity)] = Field(
        1.0, gt=0, description="threshold, in the unit of the mean loss's gradient; none: infinity"
    )
    lr: float = Field(1e-3, ge=0, allow_inf_nan=False, description="learning rate")
    frozen: bool = Field(
        False, description="True: W_hh keeps its initial value (the reservoir control)"
    )

    @model_validator(mode="before")
    @classmethod
    def _one_none(cls, values: Any) -> Any:
        if isinstance(values, dict):
            clip = _infinity(values.get("clip", 1.0))
            if clip == math.inf or values.get("clip_kind") == "none":
                values = {**values, "clip": math.inf, "clip_kind": "none"}
        return values


ROW_AXES: tuple[str, ...] = tuple(Row.model_fields)


def grid(axes: dict[str, list[Any]]) -> pd.DataFrame:
    """The product of ``axes`` as rows, without duplicates; axes not named take their default.

    >>> grid({"gain": [0.5, 1.0], "seed": [0]})[["gain", "seed", "clip"]].values.tolist()
    [[0.5, 0.0, 1.0], [1.0, 0.0, 1.0]]
    """
    names = list(axes)
    rows = [Row(**dict(zip(names, values, strict=True))) for values in product(*axes.values())]
    return pd.DataFrame([r.model_dump() for r in dict.fromkeys(rows)], columns=list(ROW_AXES))


class Job(BaseModel):
    """What fixes the shapes and the code path of one training program; its grid rows share it.

    K counts the steps whose inputs a loss can reach, its own step included: depth K reaches lags 0..K-1, and K = T is ``full``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: SerializeAsAny[Task]
    cell: str = Field("tanh", description="recurrent cell, by the name of its file")
    hidden: int = Field(32, ge=1, le=65_536, description="N, hidden units")
    batch: int = Field(20, ge=1, le=100_000_000, description="B, sequences a training batch")
    updates: int = Field(1000, ge=0, le=1_000_000_000, description="optimizer steps")
    mode: Literal["full", "chunked", "sliding", "buffered"] = Field(
        "full", description="what K means"
    )
    K: int = Field(..., ge=1, le=1_000_000, description="truncation length in steps, or full")
    k1: int = Field(1, ge=1, le=1_000_000, description="sliding: steps between backward passes")
    border: Literal["carry", "reset"] = Field(
        "carry", description="state at a chunk border: detached, or zero"
    )
    align: Literal["end", "start", "random"] = Field(
        "end", description="where windows are anchored"
    )
    h0: Literal["zero", "learned"] = Field("zero", description="initial state")
    optimizer: Literal["sgd", "rmsprop", "adam"] = Field(
        "sgd", description="update rule, torch.optim's defaults"
    )
    momentum: float = Field(0.0, ge=0, lt=1, description="sgd and rmsprop")
    points: int = Field(
        20, ge=1, le=100_000, description="points of a curve, evenly spaced over the updates"
    )
    eval_size: int = Field(
        1000, ge=1, le=10_000_000, description="fresh sequences in the final evaluation"
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="arithmetic of the engine")
    probes: tuple[str, ...] = Field(
        (),
        description="what is measured on the networks beside their training, by the names of files",
    )
    moments: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 1.0),
        min_length=1,
        description="when probes measure: shares of the updates; 0: before training, 1: after",
    )

    @property
    def steps(self) -> int:
        """T, the steps of a training sequence."""
        return self.task.steps

    @property
    def strides(self) -> tuple[int, int]:
        """(k1, k2) of the truncation, in steps."""
        return strides(self.mode, self.steps, self.K, self.k1)

    def offset(self, phase: float = 0.0) -> int:
        """Length of the first stride of the windows; ``phase`` in [0, 1) is used where ``align`` is random."""
        k1, _ = self.strides
        return {"end": self.steps % k1, "start": 0, "random": int(phase * k1)}[self.align]

    @property
    def reach(self) -> int:
        """The largest lag at which any scored loss reaches an input (windows aligned as at phase 0)."""
        return reach(self.steps, *self.strides, self.task.scored, self.offset())

    @property
    def cost(self) -> float:
        """Arithmetic of one network's training, in steps x (N^2 + 20 N) x B: what the planner balances, not a time."""
        k1, k2 = self.strides
        visits = (
            min(self.steps, k2) * math.ceil(self.task.scored / k1)
            if self.task.scored < self.steps
            else self.steps * k2 / k1
        )
        per_step = self.batch * (self.hidden**2 + 20 * self.hidden)
        return self.updates * per_step * (2 * self.steps + max(visits, 1)) / 3

    @property
    def probed(self) -> list[int]:
        """The moments as numbers of updates done, in order; without probes there are none."""
        return (
            sorted({round(moment * self.updates) for moment in self.moments}) if self.probes else []
        )

    def canonical(self) -> dict[str, Any]:
        """All that decides a network's numbers, flat and JSON-ready, the task's parameters beside the task's name."""
        own = self.model_dump(mode="json", exclude={"task", *MEASURED})
        return {"task": self.task.name, **self.task.model_dump(mode="json"), **own}


MEASURED = (
    "probes",
    "moments",
)  # of a sweep as a whole, lists in themselves: no axes, and no network's number depends on them


JOB_AXES: tuple[str, ...] = tuple(name for name in Job.model_fields if name not in MEASURED)
