"""The programs of the site lie beside its pages, in docs/site."""

import sys
from pathlib import Path

SITE = Path(__file__).parents[2] / "docs" / "site"
if str(SITE) not in sys.path:
    sys.path.insert(0, str(SITE))
