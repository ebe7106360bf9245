"""Adam with decoupled weight decay."""

from typing import ClassVar

from pydantic import Field

from throughtime.engine.optimizers.adam import Adam


class AdamW(Adam):
    """Adam, with a decay of the weights that no running mean sees. As torch.optim.AdamW."""

    name: ClassVar[str] = "adamw"
    source: ClassVar[str] = "Loshchilov & Hutter 2019, algorithm 2; torch.optim.AdamW"
    decoupled: ClassVar[bool] = True

    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False, description="decay of all weights")
