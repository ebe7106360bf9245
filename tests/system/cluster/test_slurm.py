"""The pipeline on a real Slurm (slurm.py beside this file brings it up): the same tables as here,
retries with more memory, kills.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.support.projects import copy_project
from tests.system.cluster.slurm import PATIENCE, POLL, Slurm, Unavailable, cluster
from tests.system.faults.harness import ROOT, Site
from throughtime.planning.packs import Pack, packs
from throughtime.planning.project import Project

CONFIG = ("preset=smoke", "experiments=[brackets,initialization]")
QUICK = (
    "--seconds-between-status-checks", "2",
    "--slurm-init-seconds-before-status-checks", "2", "--slurm-keep-successful-logs",
)  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@dataclass(frozen=True)
class Record:
    """What sacct says about a job of Slurm.

    Attributes:
        memory: asked for, MiB.
        steps: the states of its steps; each is one job of Snakemake.
    """

    state: str
    memory: int
    comment: str
    steps: list[str] = field(default_factory=list)


@dataclass
class Submitting(Site):
    """A copy of the project whose pipelines submit to a cluster, with profiles/slurm."""

    slurm: Slurm | None = None
    first_on_path: Path | None = None

    def start(self, *prefix: str, cores: int = 2, **environment: str) -> "subprocess.Popen[str]":
        """See Site; ``cores`` is of no meaning here: the cluster has its own."""
        assert self.slurm
        more = {**self.slurm.environment, **environment}
        if self.first_on_path:
            more["PATH"] = f"{self.first_on_path}{os.pathsep}{more['PATH']}"
        command = [
            *prefix,
            sys.executable,
            "-m",
            "snakemake",
            "--workflow-profile",
            "slurm",
            *QUICK,
            "--config",
            *self.config,
        ]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def records(self) -> dict[str, Record]:
        """The jobs that worked in this copy, by number."""
        assert self.slurm
        found: dict[str, Record] = {}
        said = self.slurm.call(
            "sacct", "--noheader", "--parsable2", "--format=JobID,State,ReqMem,WorkDir,Comment"
        )
        for number, state, memory, folder, comment in (
            line.split("|", 4) for line in said.splitlines()
        ):
            if "." not in number and Path(folder) == self.root:
                found[number] = Record(state.split()[0], int(memory.rstrip("M")), comment)
            elif re.fullmatch(r"\d+\.\d+", number) and number.split(".")[0] in found:
                found[number.split(".")[0]].steps.append(state.split()[0])
        return found

    def trainings(self) -> dict[str, Record]:
        """Those of its finished jobs that train (a job's comment comes to the database at its
        end).
        """
        return {
            number: record
            for number, record in self.records().items()
            if record.comment.startswith("rule_train")
        }

    def settled(self) -> dict[str, Record]:
        """Its jobs, when none waits or runs any more."""
        deadline = time.monotonic() + PATIENCE
        while any(r.state in ("PENDING", "RUNNING", "COMPLETING") for r in self.records().values()):
            assert time.monotonic() < deadline, self.records()
            time.sleep(POLL)
        return self.records()

    def log(self, number: str) -> Path:
        """What a job of Slurm that trains has said."""
        (found,) = (self.root / ".snakemake" / "slurm_logs").rglob(f"{number}.log")
        return found


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    """A cluster, for this file's tests."""
    try:
        with cluster() as running:
            yield running
            left = running.processes
        assert left() == []
        assert not running.folder.exists()
    except Unavailable as error:
        pytest.fail(str(error))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The same pipeline on this machine alone, finished."""
    site = Site(copy_project(tmp_path_factory.mktemp("here")), CONFIG)
    site.run()
    return site


@pytest.fixture
def site(tmp_path: Path, slurm: Slurm) -> Submitting:
    """A fresh copy that submits."""
    return Submitting(copy_project(tmp_path), CONFIG, slurm=slurm)


def planned(site: Site) -> list[Pack]:
    """What is trained, by the process that trains it."""
    project = Project.open(site.root, "smoke")
    whole = packs(project.plan(), project.config.max_job_cost)
    return [pack for pack in whole if pack.experiment in ("brackets", "initialization")]


def test_the_cluster_listens_on_loopback_alone(slurm: Slurm):
    listening = {
        connection.laddr.ip
        for process in slurm.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_the_same_tables_as_on_one_machine_and_all_trained_by_slurm(
    site: Submitting, undisturbed: Site
):
    site.run()
    site.check(undisturbed.contents(), undisturbed.runs())
    records, made = site.trainings(), planned(site)
    assert [r.state for r in records.values()] == ["COMPLETED"] * len(made)
    assert [step for r in records.values() for step in r.steps] == ["COMPLETED"] * len(made)
    assert sorted(r.memory for r in records.values()) == sorted(p.megabytes() for p in made)
    elsewhere = {r.comment.split("_")[1] for r in site.records().values()}
    assert elsewhere == {"train", "references", "collect", "figure", "claims"}
    assert all(r.state == "COMPLETED" for r in site.records().values())
    assert "Nothing to be done" in site.run()


def test_a_training_that_slurm_kills_for_its_memory_gets_more(site: Submitting):
    """The estimate is made too small, and the training so long that Slurm, which looks every
    second, sees it.
    """
    site.config = ("preset=smoke", "experiments=[brackets]")
    source, sweep = (
        site.root / "src/throughtime/planning/resources.py",
        site.root / "experiments/brackets/experiment.yaml",
    )
    text = source.read_text()
    source.write_text(
        text.replace("LIBRARIES = 600 << 20", "LIBRARIES = 20 << 20").replace(
            "SNAKEMAKE = 400", "SNAKEMAKE = 300"
        )
    )
    assert source.read_text() != text
    text = sweep.read_text()
    sweep.write_text(text.replace("updates: 3,", "updates: 6000,"))
    assert sweep.read_text() != text
    site.run()
    records = sorted(site.trainings().items(), key=lambda item: int(item[0]))
    (number, first), (_, second) = records
    assert (first.state, second.state) == ("FAILED", "COMPLETED")
    assert "exceeded memory limit" in site.log(number).read_text()
    assert second.memory == 2 * first.memory
    assert site.throughtime("verify").returncode == 0


@pytest.mark.parametrize("reachable", [True, False], ids=["orphans are cancelled", "two writers"])
def test_kill_of_the_controlling_snakemake(
    reachable: bool, site: Submitting, undisturbed: Site, tmp_path: Path
):
    process = site.start()
    try:
        assert site.until(
            process, lambda: any(r.state == "RUNNING" and r.steps for r in site.records().values())
        )
        process.kill()
    finally:
        site.finish(process)
    orphans = site.records()
    assert {r.state for r in orphans.values()} & {"RUNNING", "PENDING"}, orphans
    if (
        not reachable
    ):  # the next pipeline cannot ask for the queue, and what is in it goes on beside it
        site.first_on_path = tmp_path / "bin"
        site.first_on_path.mkdir()
        (site.first_on_path / "squeue").write_text("#!/bin/sh\nexit 1\n")
        (site.first_on_path / "squeue").chmod(0o755)
    said = site.run()
    states = {
        number: record.state for number, record in site.settled().items() if number in orphans
    }
    if reachable:
        assert "jobs of a pipeline that was killed were still in Slurm's queue: cancelled" in said
        assert "CANCELLED" in states.values()
    else:
        assert set(states.values()) == {"COMPLETED"}, (
            "the end of a pipeline is no end of jobs on a cluster"
        )
    site.check(undisturbed.contents(), undisturbed.runs())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_script_is_stopped(number: signal.Signals):
    """Ctrl-C, a polite kill, and kill -9: daemons and jobs end, and the temporary folder goes."""
    command = (
        "sbatch --output=/dev/null --wrap 'sleep 600' > /dev/null; echo $SLURM_CONF; sleep 600"
    )
    script = subprocess.Popen(
        [sys.executable, "-m", "tests.system.cluster.slurm", "bash", "-c", command],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert script.stdout
        folder = Path(script.stdout.readline().strip()).parent
        assert (folder / "slurm.conf").exists()
        there = Slurm(folder, 1, 1)
        assert len(there.processes()) > 5
        script.send_signal(number)
        script.stdout.close()
        script.wait(PATIENCE)
        alive = psutil.wait_procs(there.processes(), timeout=PATIENCE)[1]
        assert alive == []
        deadline = time.monotonic() + PATIENCE
        while folder.exists():
            assert time.monotonic() < deadline, sorted(folder.iterdir())
            time.sleep(POLL)
    finally:
        script.kill()  # where the test failed: the reaper does the rest
        script.wait(PATIENCE)
