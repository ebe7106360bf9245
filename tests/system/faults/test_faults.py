"""Kills, full disks, damaged files, moved clocks: the next pipeline ends with the tables and MLflow
runs of an undisturbed one.

What was injected, how often, and what each left behind is written to results/faults/log.csv of the
project.
"""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.projects import copy_project
from tests.system.faults import harness
from tests.system.faults.harness import Site
from throughtime.core import files

SEED = int(os.environ.get("THROUGHTIME_FAULTS_SEED", "0"))
ROUNDS = int(os.environ.get("THROUGHTIME_FAULTS_ROUNDS", "3"))  # kills in a row, of each victim
PRESET = ("preset=smoke", "experiments=[brackets, initialization, cliff]", "checkpoint_every=0.05")
LOG: list[str] = []


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site after one pipeline that nothing disturbed."""
    site = Site(copy_project(tmp_path_factory.mktemp("undisturbed")), PRESET)
    site.run()
    yield site
    out = harness.ROOT / "results" / "faults" / "log.csv"
    files.write(out, "\n".join(["fault,left behind", *LOG, ""]).encode())


@pytest.fixture
def fresh(tmp_path: Path) -> Site:
    """A copy of the project in which nothing has run."""
    return Site(copy_project(tmp_path / "project"), PRESET)


@pytest.fixture
def finished(undisturbed: Site, tmp_path: Path) -> Site:
    """A copy of the undisturbed site with its results."""
    shutil.copytree(undisturbed.root, tmp_path / "project", symlinks=True)
    return Site(tmp_path / "project", PRESET)


def log(fault: str, site: Site) -> None:
    LOG.append(f'"{fault}","{harness.state_of(site)}"'.replace('{"', "{'").replace('"}', "'}"))


def agree(site: Site, undisturbed: Site) -> None:
    site.check(undisturbed.contents(), undisturbed.runs())


@pytest.mark.parametrize("victim", ["snakemake", "group", "train", "track", "figure", "collect"])
def test_kills_several_times_in_a_row(fresh: Site, undisturbed: Site, victim: str) -> None:
    rng = random.Random(f"{SEED} {victim}")
    killed = 0
    for _ in range(ROUNDS):
        killed += fresh.kill(victim, rng)
        log(f"kill -9 of {victim}", fresh)
    assert killed > 0
    fresh.run()
    agree(fresh, undisturbed)


def test_a_long_job_goes_on_from_its_checkpoint(fresh: Site, undisturbed: Site) -> None:
    """Killed as soon as a checkpoint is there, again and again: it could not end if it began from
    the start each time.
    """
    checkpoint = fresh.results / "cliff" / "checkpoints"
    seen: set[str] = set()
    for _ in range(ROUNDS):
        process = fresh.start()
        known = set(seen)

        def another(known: set[str] = known) -> bool:
            return {harness.digest(p) for p in checkpoint.rglob("block.npz")} - known != set()

        if fresh.until(process, another):
            for target in fresh.processes("throughtime", "train", "cliff"):
                harness.with_no_error(target.kill)
            seen |= {harness.digest(p) for p in checkpoint.rglob("block.npz")}
            log("kill -9 of train right after a checkpoint", fresh)
        fresh.finish(process)
    assert seen
    fresh.run()
    agree(fresh, undisturbed)
    assert not checkpoint.exists()


DAMAGES = [
    "brackets/jobs/*/summary.parquet",
    "brackets/jobs/*/curves.parquet",
    "brackets/jobs/*/timing.json",
    "brackets/summary.parquet",
    "brackets/references.parquet",
    "brackets/manifest.json",
    "cliff/computed.parquet",
    "figures/brackets.png",
    "figures/brackets.md",
    "claims.parquet",
    "report.html",
    "mlflow/mlflow.db",
]


@pytest.mark.parametrize("how", [harness.flip, harness.truncate])
def test_damaged_files_are_made_again(
    finished: Site, undisturbed: Site, how: harness.Damage
) -> None:
    rng = random.Random(f"{SEED} {how.__name__}")
    hit = [rng.choice(sorted(finished.results.glob(pattern))) for pattern in DAMAGES]
    for path in hit:
        how(path, rng)
        log(f"{how.__name__} {path.relative_to(finished.results).parts[-1]}", finished)
    named = finished.throughtime("verify")
    assert named.returncode == 2
    found = {p for p in hit if f"damaged: {p.relative_to(finished.root)}\n" in named.stdout}
    assert {
        p for p in hit if p.suffix != ".db"
    } <= found  # a byte flipped inside a value of the database cannot be seen
    said = finished.run()
    assert all(
        f"{p.relative_to(finished.root)}: damaged" in said for p in found if p.suffix != ".db"
    )
    agree(finished, undisturbed)


@pytest.mark.parametrize("how", [harness.flip, harness.truncate])
def test_a_sum_that_is_damaged_costs_a_redo_and_no_more(
    finished: Site, undisturbed: Site, how: harness.Damage
) -> None:
    rng = random.Random(f"{SEED} sums {how.__name__}")
    for path in rng.sample(list(files.files_with_checksum(finished.results)), 3):
        how(files.sum_path(path), rng)
    finished.run()
    agree(finished, undisturbed)


def test_two_pipelines_in_one_folder(fresh: Site, undisturbed: Site) -> None:
    first = fresh.start()
    assert fresh.until(first, lambda: fresh.written() > 0)
    said = fresh.fail()
    assert (
        f"results: a pipeline is at work in this folder (process {first.pid}); wait for it, or "
        "stop it" in said
    )
    log("a second pipeline in the folder", fresh)
    code, said = fresh.finish(first)
    assert code == 0, said
    agree(fresh, undisturbed)


@pytest.mark.parametrize("days", [-400, 400])
def test_files_from_another_time(finished: Site, undisturbed: Site, days: int) -> None:
    """The clock was wrong when half of the files were written."""
    rng = random.Random(f"{SEED} {days}")
    for path in sorted(
        p for p in finished.results.rglob("*") if p.is_file() and rng.random() < 0.5
    ):
        then = path.stat().st_mtime + days * 86400
        os.utime(path, (then, then))
    log(f"half of the files dated {days} days off", finished)
    finished.run()
    agree(finished, undisturbed)


def test_a_worker_out_of_memory(fresh: Site, undisturbed: Site) -> None:
    """A limit on its address space while it trains: a real failure to allocate."""
    process = fresh.start()
    limited: set[int] = set()

    def limit() -> bool:
        for worker in fresh.processes("throughtime", "train"):
            try:
                worker.rlimit(psutil.RLIMIT_AS, (1 << 20, 1 << 20))
                limited.add(worker.pid)
            except psutil.Error:
                continue
        return False

    fresh.until(process, limit)
    code, said = fresh.finish(process)
    assert limited
    assert code != 0
    log(f"{len(limited)} workers out of memory", fresh)
    assert "Some jobs failed. Run the same command again" in said
    fresh.run()
    agree(fresh, undisturbed)


root_alone = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")


@root_alone
def test_a_full_disk(fresh: Site, undisturbed: Site) -> None:
    with harness.mounted(fresh.results, "300k"):
        for size in ("600k", "2m", "6m"):
            said = fresh.fail()
            assert (
                "cannot be written: No space left on device; free some space and run again" in said
            )
            # no half-written file, though the disk is full
            assert files.damaged(fresh.results) == []
            log(f"full disk, before it grows to {size}", fresh)
            harness.remount(fresh.results, f"size={size}")
        harness.remount(fresh.results, "size=500m")
        fresh.run()
        agree(fresh, undisturbed)


@root_alone
def test_a_read_only_results_folder(fresh: Site, undisturbed: Site) -> None:
    with harness.mounted(fresh.results, "500m"):
        fresh.kill("group", random.Random(f"{SEED} read-only"))
        harness.remount(fresh.results, "ro")
        said = fresh.fail()
        assert (
            "cannot be written: Read-only file system; make its folder writable and run again"
            in said
        )
        log("read-only results folder", fresh)
        harness.remount(fresh.results, "rw")
        fresh.run()
        agree(fresh, undisturbed)
