"""Every update's training loss and gradient norm, for the spikes that a curve's points hide.

Quantities, index = update, from 1; also of networks that have diverged, up to the update before:
``loss`` (nats, or squared units) and ``log_grad_norm`` (natural logarithm of the global norm before
clipping; -inf where the gradient is zero).
"""

import numpy as np
import pandas as pd

from throughtime.probes._base import Networks, empty, frame


def measure(networks: Networks) -> pd.DataFrame:
    """The quantities above, of all updates done so far."""
    if not networks.history.loss:
        return empty()
    loss, norm = np.stack(networks.history.loss, 1), np.stack(networks.history.norm, 1)
    with np.errstate(divide="ignore"):
        values = {"loss": loss, "log_grad_norm": np.log(norm)}
    return frame(values, np.arange(len(loss)), range(1, loss.shape[1] + 1))
