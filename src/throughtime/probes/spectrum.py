"""The recurrent matrix's spectrum, and what the states do with it.

Quantities:

- ``spectral_radius``: largest |eigenvalue| of W_hh; index 0.
- ``singular_value``: of W_hh, index = rank, largest first. Of a cell with several gates both are of
  the first gate's matrix.
- ``saturation``: share of units with |h_t| > SATURATED, index = step t. For tanh, phi' is below .1
  there.
- ``state_norm``: root mean square over sequences of ||h_t||, index = step t.
"""

import numpy as np
import pandas as pd
from torch import Tensor

from throughtime.probes._base import Floats, Networks, Subject

SATURATED = 0.95
BATCHES = 5


def measure(networks: Networks) -> pd.DataFrame:
    """The quantities above; states on BATCHES check batches."""
    subject = Subject(networks)
    hidden = networks.job.hidden
    w = subject.weights["W_hh"][..., :hidden].cpu().numpy()
    saturation, square = [], []
    for _ in subject.runs(BATCHES):
        h = subject.tape.states[1:, ..., :hidden]
        means = activity(h.numpy()) if h.device.type == "cpu" else activity_on_device(h)
        saturation.append(means[0])
        square.append(means[1])
    states = {"saturation": np.mean(saturation, 0).T, "state_norm": np.sqrt(np.mean(square, 0)).T}
    matrix = {
        "spectral_radius": np.abs(np.linalg.eigvals(w)).max(-1),
        "singular_value": np.linalg.svd(w, compute_uv=False),
    }
    return pd.concat([subject.frame(matrix), subject.frame(states)], ignore_index=True)


def activity(h: Floats) -> tuple[Floats, Floats]:
    """(T, G) share of saturated units, and mean square norm, of states (T, G, B, N). By NumPy,
    because torch's sums depend on G in their last bits.
    """
    return (np.abs(h) > SATURATED).mean((2, 3)), np.square(h).sum(-1).mean(-1)


def activity_on_device(h: Tensor) -> tuple[Floats, Floats]:
    """The same where the states are: they are gigabytes for thousands of networks."""
    saturated = (h.abs() > SATURATED).double().mean((2, 3))
    return saturated.cpu().numpy(), h.square().sum(-1).mean(-1).cpu().numpy()
