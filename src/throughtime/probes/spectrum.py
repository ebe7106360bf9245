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

from throughtime.probes._base import Networks, Subject

SATURATED = 0.95
BATCHES = 5


def measure(networks: Networks) -> pd.DataFrame:
    """The quantities above; states on BATCHES check batches."""
    subject = Subject(networks)
    hidden = networks.job.hidden
    w = subject.weights["W_hh"][..., :hidden].cpu().numpy()
    saturation, square = [], []
    for _ in subject.runs(BATCHES):
        # (T, G, B, N); torch's sums depend on G in their last bits
        h = subject.tape.states[1:, ..., :hidden].cpu().numpy()
        saturation.append((np.abs(h) > SATURATED).mean((2, 3)))
        square.append(np.square(h).sum(-1).mean(-1))
    states = {"saturation": np.mean(saturation, 0).T, "state_norm": np.sqrt(np.mean(square, 0)).T}
    matrix = {
        "spectral_radius": np.abs(np.linalg.eigvals(w)).max(-1),
        "singular_value": np.linalg.svd(w, compute_uv=False),
    }
    return pd.concat([subject.frame(matrix), subject.frame(states)], ignore_index=True)
