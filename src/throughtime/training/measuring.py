"""Measuring networks whose weights were kept: probes that were added after training, or edited."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from throughtime.planning.plan import PlannedJob
from throughtime.results import tables
from throughtime.training.devices import prepare_device, rows_of_a_block
from throughtime.training.evaluation import Evaluators
from throughtime.training.outcome import probed
from throughtime.training.reproducibility import one_thread, with_twin
from throughtime.training.trainer import FindProbe, Trainer


def measure(
    planned: PlannedJob,
    weights: NDArray[np.generic],
    diverged_at: Mapping[str, int],
    probe: FindProbe,
) -> pd.DataFrame:
    """The probes table of trained networks, as training would have made it.

    Args:
        planned: the job, whose moments are 0 (the initial weights, which are drawn again) and 1.
        weights: (G, P) final weights, a row per row of the job's grid.
        diverged_at: run key -> update, of those networks that diverged.
        probe: name -> what measures.
    """
    job, keys = planned.job, planned.run_keys
    prepare_device(planned.device)
    height, judges, parts = rows_of_a_block(planned), Evaluators(job), [tables.empty("probes")]
    with one_thread():
        for start in range(0, len(keys), height):
            rows = planned.grid.iloc[start : start + height].reset_index(drop=True)
            own, names = with_twin(rows, keys[start : start + height], always_alone=job.adapt > 0)
            trainer = Trainer(job, own, judges, planned.device, probe)
            for moment in job.probed:
                if moment == job.updates and moment > 0:
                    final = torch.from_numpy(weights[start : start + len(rows)])
                    trainer.flat.copy_(final.expand(len(own), -1) if len(rows) == 1 else final)
                    trainer.diverged_at[:] = [diverged_at.get(key, 0) for key in names]
                    if len(rows) == 1:
                        trainer.diverged_at[:] = diverged_at.get(names[0], 0)
                trainer.measure(moment)
            measured = probed(trainer, names)
            parts.append(measured[measured["run_key"].isin(keys)])
    return tables.conform(pd.concat(parts, ignore_index=True), "probes")
