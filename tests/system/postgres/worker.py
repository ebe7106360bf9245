"""One ingest of several: ``python -m tests.system.postgres.worker RESULTS SEEDS SHARE OF``, into
MLFLOW_TRACKING_URI.

The networks are those of ``plan(SEEDS)``, of whose jobs it takes every OF-th. Its last line is how
many runs were new, unchanged, replaced.
"""

import json
import sys
from pathlib import Path

from tests.support import synthetic
from throughtime.planning.plan import Plan
from throughtime.tracking import ingest

GAINS = 25
JOBS = 8
POINTS = 2  # of each curve


def plan(seeds: int) -> Plan:
    """Of 200 networks per seed."""
    axes = {"gain": [round(0.1 * (n + 1), 1) for n in range(GAINS)], "clip": [1.0]}
    return synthetic.toy_plan(lengths=(10, 20, 30, 40), depths=(None, 5), axes=axes, seeds=seeds)


if __name__ == "__main__":
    results, (seeds, share, of) = Path(sys.argv[1]), map(int, sys.argv[2:5])
    whole = plan(seeds)
    counts = ingest.ingest(results, results, Plan(whole.jobs[share::of], whole.skipped), "smoke")
    print(json.dumps([counts.new, counts.skipped, counts.replaced]))
