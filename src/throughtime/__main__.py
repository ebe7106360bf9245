"""``python -m throughtime``: the command line."""

import sys

from throughtime.cli.main import main

sys.exit(main())
