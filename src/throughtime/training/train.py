"""Training as a pure function: a job and a grid go in, tables come out. No disk, no MLflow, no
global random state.

Rows are trained in blocks, one after the other; a row's numbers do not depend on its block. One
process uses one thread.
"""

import math
from collections.abc import Callable

import numpy as np

from throughtime.planning.plan import PlannedJob
from throughtime.results.tables import JOB_TABLES
from throughtime.results.trained import join
from throughtime.training.adaptive_trainer import AdaptiveTrainer
from throughtime.training.checkpoints import CheckpointStore
from throughtime.training.device_updates import DeviceTrainer
from throughtime.training.devices import prepare_device, rows_of_a_block
from throughtime.training.evaluation import Evaluators
from throughtime.training.outcome import train_block
from throughtime.training.reproducibility import (
    TWIN,
    one_thread,
    warn_if_bits_depend_on_places,
    with_twin,
)
from throughtime.training.result import Tables
from throughtime.training.trainer import FindProbe, Trainer


def train(
    planned: PlannedJob,
    progress: Callable[[int], None] | None = None,
    block: int | None = None,
    keeper: CheckpointStore | None = None,
    probe: FindProbe | None = None,
) -> Tables:
    """Train every row of a planned job.

    Args:
        planned: the job, its rows and its device; on any but ``cpu`` it has not been run.
        progress: called with the number of networks finished so far, after each block.
        block: rows at once; None: devices.rows_of_a_block. Changes no number on the CPU. Where K
            adapts it is one.
        keeper: keeps what was reached and is asked for it at the start; None: nothing is kept.
            Changes no number.
        probe: name -> what measures networks; needed where the job has probes.

    Returns:
        Summary (one row per network), curves, breakdown and probes.

    Raises:
        UserError: a network does not fit the memory.
    """
    job, rows, keys = planned.job, planned.grid, planned.run_keys
    prepare_device(planned.device)
    most = block or rows_of_a_block(planned)
    height = block or math.ceil(len(rows) / math.ceil(len(rows) / most))  # even blocks
    made_by = Trainer if planned.device == "cpu" else DeviceTrainer
    if job.adapt:
        height, made_by = 1, AdaptiveTrainer
    judges = Evaluators(job)
    parts = keeper.finished() if keeper else []
    with one_thread():
        warn_if_bits_depend_on_places()
        for start in range(sum(len(part.summary) for part in parts), len(rows), height):
            piece = rows.iloc[start : start + height].reset_index(drop=True)
            own, names = with_twin(piece, keys[start : start + height], always_alone=job.adapt > 0)
            trainer = made_by(job, own, judges, planned.device, probe)
            trained = train_block(planned, own, names, trainer, keeper)
            kept = {n: t[t["run_key"] != TWIN] for n, t in zip(JOB_TABLES, trained, strict=True)}
            weights = trainer.flat[: len(piece)].cpu().numpy() if job.keep_weights else None
            del trainer  # its memory, before the next block takes its own
            parts = [*parts, Tables(**kept, weights=weights)]
            if keeper and start + len(piece) < len(rows):
                keeper.finish(parts[-1])
            if progress:
                progress(start + len(piece))
    joined = join(planned, [{n: getattr(part, n) for n in JOB_TABLES} for part in parts])
    kept_weights = [part.weights for part in parts if part.weights is not None]
    return Tables(**joined, weights=np.concatenate(kept_weights) if kept_weights else None)
