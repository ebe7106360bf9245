"""What training yields."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Tables:
    """What training yields; each conforms to its schema in tables.py."""

    summary: pd.DataFrame
    curves: pd.DataFrame
    breakdown: pd.DataFrame
    probes: pd.DataFrame
    weights: NDArray[np.generic] | None = None  # (networks, P), where the job keeps them
