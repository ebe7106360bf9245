"""Text that a language model writes: what a reader looks at first.

Quantities, values are Unicode code points:

- ``prompt``, index = place: PROMPT characters of the validation text, which all networks read.
- ``character``, index = place: LENGTH characters that the network writes after it, each drawn from
  its distribution (temperature 1) and read as its next input. The draws invert the distribution's
  cumulative sum at the same uniform numbers for all networks, so that two networks which predict
  alike write alike.

Other tasks have no text: their frame is empty.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.core.rng import stream
from throughtime.probes._base import Networks, empty, frame
from throughtime.probes._reader import Reader, reader_of
from throughtime.tasks.text import Text

PROMPT = 100  # characters read; the middle of the validation text follows them
LENGTH = 300  # characters written


def measure(networks: Networks) -> pd.DataFrame:
    """The quantities above; a shorter prompt where the text is shorter."""
    if not isinstance(networks.job.task, Text):
        return empty()
    data = networks.job.task.data
    middle = len(data.valid) // 2
    prompt = data.valid[max(0, middle - PROMPT) : middle].astype(np.int64)
    all_networks = reader_of(networks, networks.flat)
    uniform = torch.from_numpy(stream(0, "generated").random(LENGTH)).to(networks.flat.device)
    read = all_networks.read(all_networks.start(1), prompt[:, None])
    written = write(all_networks, read, uniform)
    points = np.array([ord(s) for s in data.symbols])
    alive = np.flatnonzero(networks.diverged_at == 0)
    return pd.concat(
        [
            frame({"prompt": np.tile(points[prompt], (len(written), 1))}, alive),
            frame({"character": points[written.cpu().numpy()]}, alive),
        ],
        ignore_index=True,
    )


def write(reader: Reader, state: Tensor, uniform: Tensor) -> Tensor:
    """(G, L) the symbols that networks write, each after its own.

    Args:
        reader: the networks.
        state: (G, 1, S) after what was read.
        uniform: (L) numbers in [0, 1).
    """
    written = []
    for number in uniform:
        below = torch.softmax(reader.logits(state)[:, 0], -1).cumsum(-1)  # (G, O)
        symbol = (below < number).sum(-1).clamp(max=below.shape[-1] - 1)
        written.append(symbol)
        state = reader.step(state, symbol[:, None])
    return torch.stack(written, 1)
