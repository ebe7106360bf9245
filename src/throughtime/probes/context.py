"""How much context a language model uses: validation loss against n, the characters of true context
that its state holds. Attention carries no state: it holds the last T characters that it has read.

Quantities, index = n (the current character included), nats per character, over positions of the
validation text that are drawn per network. Networks of the same seed get the same ones, so that
they can be compared in pairs; what the draw adds to the error is part of the spread over seeds:

- ``loss_reset``: the network starts n characters before the scored one, in its initial state. At n
  = LONGEST: (nearly) all context.
- ``loss_shuffled``: the LONGEST - n characters before these n are read first, in random order.
- ``loss_replaced``: LONGEST characters of training text from elsewhere are read first.

``loss_reset`` is over POSITIONS; fewer leave a sampling error of the effective context of half a
character and more. The other two cost more, and are of FEW of them: what they add to ``loss_reset``
at LONGEST there is added to it here.

After Khandelwal, He, Qi & Jurafsky 2018. Deviations: characters for words; LONGEST 100 for their
300; the replacing text has the same length for every n (theirs has length 300 - n), so that it is
read once.

Other tasks have no running text: their frame is empty.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from throughtime.core.rng import stream
from throughtime.probes._base import Networks, empty, ladder, records
from throughtime.probes._reader import Reader, Symbols, reader_of
from throughtime.tasks.text import Characters, Text

LONGEST = 100  # characters of context, at most
POSITIONS = 8000  # scored characters
FEW = 400  # of them, with shuffled and replaced text before
PIECE = 500  # of them at once: states stay in the cache

Losses = dict[tuple[str, int], NDArray[np.float64]]


def measure(networks: Networks) -> pd.DataFrame:
    """The quantities above, for n in a ladder up to LONGEST and LONGEST itself; less where the text
    is shorter.
    """
    if not isinstance(networks.job.task, Text):
        return empty()
    found = []
    # One network after another: its bits do not depend on those beside it.
    for row in np.flatnonzero(networks.diverged_at == 0):
        own = reader_of(networks, networks.flat[row : row + 1])
        means = of_network(own, networks.job.task.data, int(networks.rows["seed"].iloc[row]))
        found += [(int(row), quantity, n, value.item()) for (quantity, n), value in means.items()]
    return records(found)


def over_pieces(count: int, losses_of: Callable[[int, slice], Losses]) -> Losses:
    """The mean of each loss over ``count`` positions, PIECE at a time: (G)."""
    pieces = [slice(i, i + PIECE) for i in range(0, count, PIECE)]
    parts = [losses_of(i, p) for i, p in enumerate(pieces)]
    return {key: np.concatenate([part[key] for part in parts], 1).mean(1) for key in parts[0]}


def positions(
    text: NDArray[np.integer], longest: int, rng: np.random.Generator
) -> tuple[Symbols, Symbols]:
    """(longest, P) contexts and (P) the characters that follow them, at POSITIONS different places
    of ``text`` (all, where it has fewer), in order.
    """
    count = len(text) - longest
    places = longest + np.sort(rng.choice(count, min(POSITIONS, count), replace=False))
    true, target = text[places + np.arange(-longest, 0)[:, None]], text[places]
    return true.astype(np.int64), target.astype(np.int64)


def reset_losses(reader: Reader, true: Symbols, target: Symbols) -> Losses:
    """("loss_reset", n) -> (G, B) nats, for all n; arguments as of ``losses``."""
    longest, batch = true.shape
    fresh = reader.start(batch)
    return {
        ("loss_reset", n): reader.loss(reader.read(fresh, true[longest - n :]), target)
        for n in [*ladder(longest - 1), longest]
    }


def losses(
    reader: Reader, true: Symbols, target: Symbols, foreign: Symbols, rng: np.random.Generator
) -> Losses:
    """(quantity, n) -> (G, B) nats; ``loss_reset`` at LONGEST alone.

    Args:
        reader: the networks.
        true: (LONGEST, B) characters before the scored ones.
        target: (B) the scored ones.
        foreign: (LONGEST, B) characters of another text.
        rng: of the shuffles.
    """
    longest, batch = true.shape
    fresh = reader.start(batch)
    elsewhere = reader.read(fresh, foreign)
    result = {("loss_reset", longest): reader.loss(reader.read(fresh, true), target)}
    for n in [*ladder(longest - 1), longest]:
        near = true[longest - n :]
        result["loss_replaced", n] = reader.loss(reader.read(elsewhere, near), target)
        if n < longest:
            far = rng.permuted(true[: longest - n], axis=0)
            result["loss_shuffled", n] = reader.loss(
                reader.read(reader.read(fresh, far), near), target
            )
    return result


def of_network(reader: Reader, data: Characters, seed: int) -> Losses:
    """The mean of each loss: (1), a network alone."""
    longest = min(LONGEST, len(data.valid) - 1, len(data.train))
    true, target = positions(data.valid, longest, stream(seed, "context", "positions"))
    starts = stream(seed, "context", "foreign").integers(
        0, len(data.train) - longest + 1, true.shape[1]
    )
    foreign = data.train[starts + np.arange(longest)[:, None]].astype(np.int64)
    means = over_pieces(len(target), lambda _, p: reset_losses(reader, true[:, p], target[p]))
    few = np.linspace(0, len(target) - 1, min(FEW, len(target))).astype(np.int64)
    there, after, elsewhere = true[:, few], target[few], foreign[:, few]
    others = over_pieces(
        len(few),
        lambda i, p: losses(
            reader,
            there[:, p],
            after[p],
            elsewhere[:, p],
            stream(seed, "context", "shuffle", i),
        ),
    )
    whole = ("loss_reset", longest)
    more = {key: value - others[whole] + means[whole] for key, value in others.items()}
    return more | means
