"""The grid: what may vary between the networks of one job without changing a tensor's shape.

A grid is a DataFrame, a row a network. Its columns become the leading tensor dimension inside a job and columns of the results
on the way out, under the same names.
"""

import math
from itertools import product
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _infinity(value: Any) -> Any:
    return math.inf if value == "none" else value


class Row(BaseModel):
    """One network's place in the grid. The fields are config keys and grid axes.

    A clip threshold of ``none`` is infinity: such a row has ``clip_kind: none``, whatever was written beside it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0, lt=2**31, description="names the streams of data, initial weights and phase")
    init: Literal["orthogonal", "gaussian", "identity", "pytorch"] = Field(
        "orthogonal", description="distribution of W_hh; pytorch is U(+-1/sqrt N), sigma_w^2 = 1/3"
    )
    gain: float = Field(1.0, ge=0, allow_inf_nan=False, description="factor on W_hh's initial matrix (a standard deviation)")
    input_gain: float = Field(1.0, ge=0, allow_inf_nan=False, description="W_xh ~ N(0, input_gain^2 / I)")
    clip_kind: Literal["norm", "value", "none"] = Field("norm", description="how a gradient beyond the threshold is cut")
    clip: Annotated[float, BeforeValidator(_infinity)] = Field(
        1.0, gt=0, description="threshold, in the unit of the mean loss's gradient; none: infinity"
    )
    lr: float = Field(1e-3, ge=0, allow_inf_nan=False, description="learning rate")
    frozen: bool = Field(False, description="True: W_hh keeps its initial value (the reservoir control)")

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
