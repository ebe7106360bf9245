"""What is kept of every update."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from throughtime.core.typing import Arrays, Floats
from throughtime.results import tables


@dataclass
class History:
    """What is kept of every update, (updates, G) in the end, and the points of the curves."""

    loss: list[Floats] = field(default_factory=list)
    norm: list[Floats] = field(default_factory=list)
    clipped: list[NDArray[np.bool_]] = field(default_factory=list)
    points: list[tuple[int, str, Floats]] = field(default_factory=list)

    def point(self, step: int, **values: Floats) -> None:
        """Values (G) at ``step``; NaN: no point."""
        self.points.extend((step, name, value) for name, value in values.items())

    def interval(self, step: int, since: int) -> None:
        """The points that sum up the updates since ``since``."""
        loss, norm, clipped = (
            np.stack(self.loss[since:]),
            np.stack(self.norm[since:]),
            np.stack(self.clipped[since:]),
        )
        self.point(
            step,
            loss=loss.mean(0),
            grad_norm=np.median(norm, 0),
            grad_norm_max=norm.max(0),
            clipped_share=clipped.mean(0),
        )

    def arrays(self) -> Arrays:
        """All of it as arrays without Python objects."""
        steps, names, values = zip(*self.points, strict=True)
        kept: Arrays = {
            "points.step": np.array(steps),
            "points.name": np.array(names),
            "points.value": np.stack(values),
        }
        if self.loss:
            kept |= {
                "loss": np.stack(self.loss),
                "norm": np.stack(self.norm),
                "clipped": np.stack(self.clipped),
            }
        return kept

    def restore(self, arrays: Arrays) -> None:
        """What ``arrays`` was made from."""
        for name, rows in (("loss", self.loss), ("norm", self.norm), ("clipped", self.clipped)):
            rows[:] = list(arrays.get(name, ()))
        points = zip(*(arrays[f"points.{part}"] for part in ("step", "name", "value")), strict=True)
        self.points = [(int(step), str(name), value) for step, name, value in points]

    def frame(self, keys: list[str], alive_until: NDArray[np.int64]) -> pd.DataFrame:
        """The curves table: finite values of rows that were alive at that step."""
        steps, metrics, values = zip(*self.points, strict=True)
        value = np.stack(values)
        good = np.isfinite(value) & (np.array(steps)[:, None] < alive_until)
        count = good.sum(1)
        curves = pd.DataFrame(
            {
                "run_key": np.tile(np.array(keys), (len(steps), 1))[good],
                "step": np.repeat(steps, count),
                "metric": np.repeat(metrics, count),
                "value": value[good],
            }
        )
        return tables.conform(curves, "curves")
