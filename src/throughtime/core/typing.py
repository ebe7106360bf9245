"""Names for types of arrays."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


Arrays = dict[str, NDArray[np.generic]]
