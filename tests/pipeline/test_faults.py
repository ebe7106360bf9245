"""The smallest of the fault-injection suite (tests/system/faults): kills and damage, one after
another, in one real pipeline.
"""

import random
from pathlib import Path

import pytest

from tests.support.projects import copy_project
from tests.system.faults import harness
from tests.system.faults.harness import Site

pytestmark = pytest.mark.slow

SMALL = ("preset=smoke", "experiments=[brackets]", "checkpoint_every=0.01")


def test_kills_and_damage_in_a_row_leave_what_an_undisturbed_pipeline_leaves(
    tmp_path: Path,
) -> None:
    undisturbed, site = (
        Site(copy_project(tmp_path / name), SMALL) for name in ("undisturbed", "disturbed")
    )
    undisturbed.run()
    contents, runs = undisturbed.contents(), undisturbed.runs()
    rng = random.Random(0)
    assert sum(site.kill(victim, rng, most=2) for victim in ("snakemake", "train", "group")) > 1
    site.run()
    site.check(contents, runs)
    tables = sorted(site.results.glob("brackets/jobs/*/summary.parquet"))
    harness.flip(tables[0], rng)
    harness.truncate(site.results / "figures" / "brackets.png", rng)
    said = site.run()
    assert said.count(": damaged; it lies in ") == 2
    site.check(contents, runs)
