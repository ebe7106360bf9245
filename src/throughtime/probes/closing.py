"""Whether a network that generates brackets knows which one has to close, as Hewitt et al. 2020
score it.

After every step at which a bracket is open, whether a closing follows or not, the network is right
if more than MASS of the probability that it gives to closings is on the one that matches.
Quantities, on STRINGS fresh strings that all networks share:

- ``closing``: the share of positions that are right; index = steps since the open bracket was read
  (0: just now). Their score is the mean over these indices, each with the same weight.
- ``positions``: how many positions that is of.
- ``strings``: the share of strings that are right at all positions; index 0. After Suzgun,
  Gehrmann, Belinkov & Shieber 2019, who count whole strings. Deviation: right as above; they ask
  for the set of all symbols that may follow.

The same with ``long_`` before the name: of strings beyond the lengths of training, the task's
evaluation set ``long``.

Source: reporter.py of john-hewitt/dyckkm-learning, eval_closing_bracket_constraint (which steps
count, P_THRESHOLD .8, distances from 0) and make_emnlp2020_plot.py (the mean over distances).
Deviation: positions at the end of the string are not asked, because no bracket is open there.

Other tasks, and brackets without ``generate``, have no such rows.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from throughtime.core.rng import stream
from throughtime.probes._base import Networks, empty, frame
from throughtime.probes._reader import Reader, reader_of
from throughtime.tasks import Batch
from throughtime.tasks.brackets import Brackets, innermost

MASS = 0.8  # P_THRESHOLD of theirs
STRINGS = 1000


def measure(networks: Networks) -> pd.DataFrame:
    """The quantities above."""
    task = networks.job.task
    if not isinstance(task, Brackets) or not task.generate:
        return empty()
    variants = {"": task, "long_": task.evaluation_sets["long"]}
    drawn = {
        name: (variant, variant.sample(stream(0, "closing", name or "train"), STRINGS))
        for name, variant in variants.items()
        if isinstance(variant, Brackets)
    }
    frames = [empty()]
    # One network after another: its bits do not depend on those beside it.
    for row in np.flatnonzero(networks.diverged_at == 0):
        own = reader_of(networks, networks.flat[row : row + 1])
        for name, (variant, batch) in drawn.items():
            scores = judge(variant, batch, predictions(own, batch))
            frames.append(scores.assign(row=row, quantity=name + scores["quantity"]))
    return pd.concat(frames[1:] or frames, ignore_index=True)


def predictions(reader: Reader, batch: Batch) -> Iterator[Tensor]:
    """The logits (B, O) of one network after each step of a batch."""
    state = reader.start(batch.size)
    for symbols in batch.inputs:
        state = reader.read(state, symbols[None])
        yield reader.logits(state)[0]


def judge(task: Brackets, batch: Batch, predicted: Iterable[Tensor]) -> pd.DataFrame:
    """The quantities of one network on a batch, as a probe's table."""
    kind, since = innermost(task, batch)
    asked = (kind >= 0) & (True if batch.mask is None else batch.mask)
    right = np.ones(kind.shape, bool)
    for t, logits in enumerate(predicted):
        closings = logits[:, task.types : 2 * task.types]
        mass = torch.softmax(closings.double(), -1).cpu().numpy()
        own = np.take_along_axis(mass, np.maximum(kind[t], 0)[:, None], 1)[:, 0]
        right[t] = own > MASS
    return _table(right, since, asked)


def _table(
    right: NDArray[np.bool_], since: NDArray[np.int64], asked: NDArray[np.bool_]
) -> pd.DataFrame:
    total = np.bincount(since[asked])
    good = np.bincount(since[asked & right], minlength=len(total))
    index = np.flatnonzero(total)
    counts = total[index].astype(np.float64)[None]
    one = np.zeros(1, np.int64)
    whole = np.array([(right | ~asked).all(0).mean()])
    by_distance = {"closing": good[index] / counts, "positions": counts}
    return pd.concat(
        (frame(by_distance, one, index.tolist()), frame({"strings": whole}, one)),
        ignore_index=True,
    )
