"""throughtime: where, and why, recurrent networks fail to learn long-range dependencies."""

import os

__version__ = "0.1.0"

# MKL's matrix products give other bits at other memory alignments unless asked not to, so a row
# would depend on its place in the grid. It must be asked before its first call; at the sizes used
# here it costs nothing that could be measured.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
