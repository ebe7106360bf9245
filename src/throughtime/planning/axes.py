"""The grid: what may vary between the networks of one job without changing a tensor's shape.

A grid is a DataFrame, one row per network. Its columns become the leading tensor dimension inside a
job and columns of the results on the way out, under the same names.
"""

import math
from functools import cache
from importlib.util import find_spec
from itertools import product
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    field_validator,
    model_validator,
)

from throughtime.core.component import Component
from throughtime.core.errors import nearest
from throughtime.engine.cells import Cell, Model, cell
from throughtime.engine.initialization import schemes
from throughtime.engine.optimizers import Optimizer, optimizers
from throughtime.engine.schedules import Schedule, schedules
from throughtime.engine.truncation import reach, strides
from throughtime.tasks import Task

# Job.cost of the calls of the engine torch, per gate, step and update: measured with 2 to 16
# networks of 32 to 64 units, tanh took 4e5, tanh with Omega 1e6, LSTM 1e6
CALLS = 6e5
WITHOUT_STATE = {"updates", "context", "generated"}  # probes of models that carry no state


@cache
def numba_is_installed() -> bool:
    """Whether the engine ``numba`` is at hand."""
    return find_spec("numba") is not None


def _infinity(value: Any) -> Any:
    return math.inf if value == "none" else value


class Row(BaseModel):
    """One network's place in the grid. The fields are config keys and grid axes.

    A clip threshold of ``none`` is infinity: such a row has ``clip_kind: none``, whatever was
    written beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(
        0, ge=0, lt=2**31, description="names the streams of data, initial weights and phase"
    )
    init: str = Field("orthogonal", description="scheme of W_hh, by the name of its file")
    gain: float = Field(
        1.0,
        ge=0,
        allow_inf_nan=False,
        description="factor on W_hh's initial matrix (a standard deviation)",
    )
    input_gain: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="W_xh ~ N(0, input_gain^2 / I)"
    )
    output_gain: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="W_hy ~ N(0, output_gain^2 / N)"
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
    omega: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="weight of a penalty on gradients that change size on the way back (Pascanu, "
        "Mikolov & Bengio 2013); above 0 it needs engine torch and an Elman cell",
    )

    @field_validator("init")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if value not in schemes():
            raise ValueError(f"unknown scheme {value!r}; {nearest(value, list(schemes()))}")
        return value

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

    K counts the steps whose inputs a loss can reach, its own step included: depth K reaches lags
    0..K-1, and K = T is ``full``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: SerializeAsAny[Task]
    cell: SerializeAsAny[Model] = Field(
        default_factory=lambda: cell("tanh"),
        description="recurrent cell, or attention, by the name of its file",
    )
    hidden: int = Field(32, ge=1, le=65_536, description="N, hidden units")
    batch: int = Field(20, ge=1, le=100_000_000, description="B, sequences a training batch")
    updates: int = Field(1000, ge=0, le=1_000_000_000, description="optimizer steps")
    mode: Literal["full", "chunked", "sliding", "buffered", "randomized"] = Field(
        "full", description="what K means"
    )
    K: int = Field(
        ...,
        ge=1,
        le=1_000_000,
        description="truncation length in steps (randomized: its mean), or full",
    )
    k1: int = Field(1, ge=1, le=1_000_000, description="sliding: steps between backward passes")
    tail: Annotated[float, BeforeValidator(_infinity)] = Field(
        math.inf,
        gt=2,
        description="randomized: exponent with which the probability of a length between two cuts "
        "falls; none: infinity, a constant chance of a cut",
    )
    border: Literal["carry", "reset"] = Field(
        "carry", description="state at a chunk border: detached, or zero"
    )
    align: Literal["end", "start", "random"] = Field(
        "end", description="where windows are anchored"
    )
    adapt: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="largest relative bias of the gradient, by which K is estimated anew during "
        "training (Aicher, Foti & Fox 2019), and the first K is K; 0: K stays",
    )
    adapt_every: int = Field(
        100, ge=1, le=1_000_000_000, description="where K adapts: updates between two estimates"
    )
    adapt_rates: bool = Field(
        False,
        description="where K adapts: True: from the first K on the learning rate goes with the "
        "square root of K, and the clip threshold with 1 / K",
    )
    h0: Literal["zero", "learned"] = Field("zero", description="initial state")
    optimizer: SerializeAsAny[Optimizer] = Field(
        default_factory=lambda: optimizers()["sgd"](),
        description="update rule, by the name of its file",
    )
    schedule: SerializeAsAny[Schedule] = Field(
        default_factory=lambda: schedules()["constant"](),
        description="course of the learning rate, by the name of its file",
    )
    points: int = Field(
        20, ge=1, le=100_000, description="points of a curve, evenly spaced over the updates"
    )
    eval_size: int = Field(
        1000, ge=1, le=10_000_000, description="fresh sequences in the final evaluation"
    )
    dtype: Literal["float32", "float64"] = Field("float32", description="arithmetic of the engine")
    engine: Literal["auto", "numba", "torch"] = Field(
        "auto",
        description="what computes: numba compiles the loop over time for the CPU; auto: numba "
        "where it is installed and knows the cell",
    )
    probes: tuple[str, ...] = Field(
        (),
        description="what is measured on the networks beside their training, by the names of files",
    )
    moments: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 1.0),
        min_length=1,
        description="when probes measure: shares of the updates; 0: before training, 1: after",
    )
    keep_weights: bool = Field(
        False, description="keep final weights beside the tables, for probes added later"
    )

    @model_validator(mode="after")
    def _engine(self) -> Self:
        if self.engine == "numba" and not self.cell.compiled:
            raise ValueError(f"engine numba does not know the cell {self.cell.name}; use auto")
        if self.engine == "numba" and not numba_is_installed():
            raise ValueError("engine numba needs the package numba: pip install numba")
        return self

    @model_validator(mode="after")
    def _randomized(self) -> Self:
        if self.mode != "randomized":
            if not math.isinf(self.tail):
                raise ValueError(
                    f"tail {self.tail:g}: mode {self.mode} has no random lengths; use none"
                )
            return self
        if self.engine == "numba":
            raise ValueError("mode randomized needs the engine torch; use auto")
        if self.border == "reset":
            raise ValueError("border reset: mode randomized has no borders of chunks; use carry")
        if self.align != "end":
            raise ValueError(f"align {self.align}: mode randomized has one window; use end")
        return self

    @model_validator(mode="after")
    def _adaptive(self) -> Self:
        if not self.adapt:
            return self
        if self.mode not in ("chunked", "buffered"):
            raise ValueError(f"adapt: mode {self.mode} has no K to adapt; use chunked or buffered")
        if self.border == "reset":
            raise ValueError("border reset: where K adapts, borders move; use carry")
        if self.align == "start":
            raise ValueError("align start: where K adapts, it need not divide the steps; use end")
        if self.largest_K < self.K:
            raise ValueError(
                f"K={self.K}: the first K that adapts has windows that fit the {self.steps} steps "
                f"of a sequence; use at most {self.largest_K}"
            )
        return self

    @model_validator(mode="after")
    def _without_state(self) -> Self:
        if self.cell.recurrent:
            return self
        name = self.cell.name
        for axis, allowed in (("mode", ("full", "sliding")), ("k1", (1,)), ("h0", ("zero",))):
            if (value := getattr(self, axis)) not in allowed:
                raise ValueError(
                    f"{axis} {value}: {name} has {axis} {' or '.join(map(str, allowed))}"
                )
        if others := set(self.probes) - WITHOUT_STATE:
            raise ValueError(f"probe {min(others)}: {name} has no recurrent state to measure")
        return self

    @model_validator(mode="after")
    def _width(self) -> Self:
        if self.hidden % self.cell.multiple:
            raise ValueError(
                f"hidden {self.hidden}: the cell {self.cell.name} needs a multiple of "
                f"{self.cell.multiple}"
            )
        return self

    @property
    def kernel(self) -> str:
        """The engine in use on the CPU, ``numba`` or ``torch``."""
        usable = self.cell.compiled and self.mode != "randomized" and numba_is_installed()
        return "numba" if self.engine != "torch" and usable else "torch"

    @property
    def steps(self) -> int:
        """T, the steps of a training sequence."""
        return self.task.steps

    @property
    def strides(self) -> tuple[int, int]:
        """(k1, k2) of the truncation, in steps."""
        return strides(self.mode, self.steps, self.K, self.k1)

    @property
    def largest_K(self) -> int:
        """The largest K whose windows fit a sequence: a bound where K adapts."""
        return (self.steps + 1) // 2 if self.mode == "buffered" else self.steps

    def offset(self, phase: float = 0.0, steps: int | None = None) -> int:
        """Length of the first stride of the windows over ``steps`` steps (None: T); ``phase`` in
        [0, 1) is used where ``align`` is random.
        """
        k1, _ = self.strides
        end = (steps or self.steps) % k1
        return {"end": end, "start": 0, "random": int(phase * k1)}[self.align]

    @property
    def reach(self) -> int:
        """The largest lag at which any scored loss reaches an input; where windows are aligned at
        random, at any phase. Of attention: what its layers see together. Where K adapts: of the
        largest K.
        """
        if not self.cell.recurrent:
            far = self.cell.parameters().get("layers", 1) * (self.K - 1)
            return self.steps - 1 if self.mode == "full" else min(self.steps - 1, far)
        if self.adapt:
            return strides(self.mode, self.steps, self.largest_K)[1] - 1
        k1, k2 = self.strides
        offsets = range(k1) if self.align == "random" else [self.offset()]
        return max(reach(self.steps, k1, k2, self.task.scored, offset) for offset in offsets)

    @property
    def cost(self) -> float:
        """Arithmetic of one network's training: mean steps x Model.work x B of the recurrence, for
        most cells gates (N^2 + 20 N), and Ts x N O x B of the readout, per update. What the planner
        balances, not a time.
        """
        steps, (k1, k2) = self.task.mean_steps, self.strides
        visits = (
            min(steps, k2) * math.ceil(self.task.scored / k1)
            if self.task.scored < self.steps
            else steps * k2 / k1
        )
        work = self.cell.work(self.hidden, k2, compiled=self.kernel == "numba")
        per_step = self.batch * work
        readout = self.batch * self.task.scored * self.hidden * self.task.outputs
        return self.updates * (per_step * (2 * steps + max(visits, 1)) / 3 + readout)

    @property
    def calls(self) -> float:
        """What a block of networks costs beside their arithmetic, however many they are, in the
        unit of ``cost``: the engine ``torch`` makes some calls per step of an update. 0 for the
        engine ``numba``, and for attention, whose networks follow each other.
        """
        if self.kernel == "numba" or not isinstance(self.cell, Cell):
            return 0.0
        return CALLS * self.cell.gates * self.updates * self.task.mean_steps

    @property
    def probed(self) -> list[int]:
        """The moments as numbers of updates done, in order; without probes there are none."""
        return (
            sorted({round(moment * self.updates) for moment in self.moments}) if self.probes else []
        )

    def components(self) -> dict[str, Component]:
        """What is chosen by name, by the axis that chooses it."""
        return {"cell": self.cell, "optimizer": self.optimizer, "schedule": self.schedule}

    def named(self) -> dict[str, Any]:
        """The job as columns of the tables: components by their name, beside it their parameters
        as ``cell_args`` and so on.
        """
        own = self.model_dump(mode="json", exclude={"task", *self.components(), *OF_A_SWEEP})
        own["engine"] = self.kernel
        parts = {"task": self.task, **self.components()}
        return {**own, **{k: c.name for k, c in parts.items()}} | {
            f"{k}_args": c.args for k, c in parts.items()
        }

    def canonical(self) -> dict[str, Any]:
        """What decides a network's numbers, as far as it differs from the defaults: so that a new
        axis with a default changes no key.
        """
        fields = type(self).model_fields
        own = {
            name: value
            for name, value in self.model_dump(
                mode="json", exclude={"task", "K", "engine", *self.components(), *OF_A_SWEEP}
            ).items()
            if value != fields[name].get_default()
        }
        if self.kernel != ("numba" if self.cell.compiled else "torch"):
            own["engine"] = self.kernel
        if self.mode != "full":  # K of mode full is T
            own["K"] = self.K
        parts: dict[str, Component] = {"task": self.task, **self.components()}
        standard = {"cell": "tanh", "optimizer": "sgd", "schedule": "constant"}
        named = {k: c.name for k, c in parts.items() if standard.get(k) != c.name}
        return (
            own | named | {f"{k}.{n}": v for k, c in parts.items() for n, v in c.changed().items()}
        )


# Of a sweep as a whole: no axes, and no network's number depends on them.
OF_A_SWEEP = ("probes", "moments", "keep_weights")
JOB_AXES: tuple[str, ...] = tuple(name for name in Job.model_fields if name not in OF_A_SWEEP)
