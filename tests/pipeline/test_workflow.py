"""The true DAG on tiny grids, in a copy of the project with four of its experiments: what runs,
what is run again after an edit, and that numbers do not change.

The other experiments go through the same stages in one process: tests/experiments/test_smoke.py.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import forks
from tests.support.projects import copy_project
from throughtime.pipeline import failures, live_line
from throughtime.pipeline.workflow import FIGURES, HIGHEST_PRIORITY, Pipeline
from throughtime.planning.project import Project
from throughtime.results import tables
from throughtime.results.provenance import closure
from throughtime.results.tables import JOB_TABLES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMOKE = ("--config", "preset=smoke")
PACK = re.compile(r"train_(\w+)_\d+")  # the rule of a pack: its experiment
REDRAWN = ("atlas", "cliff")  # maps, a surface in three dimensions
LAST = {"all", "report", "track", "track_early"}  # they follow every figure

# one that reads others, a plain one, two that compute, one of them alone
EXPERIMENTS = {"atlas", "brackets", "cliff", "cost"}
JOBS = [j for j in Project.open(ROOT, "smoke").plan().jobs if j.experiment in EXPERIMENTS]
TRAINED = {j.experiment for j in JOBS}
WITH_BRACKETS = {j.experiment for j in JOBS if j.job.task.name == "brackets"}
COMPUTING = {name for name in EXPERIMENTS if (ROOT / "experiments" / name / "compute.py").exists()}
TIMED = {"cost"}  # its tables hold wall times

BROKEN = """
name: broken
title: One job fails
question: What is left when a job fails?
sweeps:
  main: {task: copy, length: 2, payload: 2, batch: [4, 100000000], hidden: 4, updates: 2,
    eval_size: 4}
"""


@dataclass(frozen=True)
class Copy:
    """A copy of the project that may be edited and run."""

    root: Path

    def environment(self, first_on_path: Path | None = None) -> dict[str, str]:
        """With the copy's package, and nothing that points to another pipeline."""
        path = os.pathsep.join(str(p) for p in (first_on_path, self.root / "src") if p)
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("MLFLOW", "SNAKEMAKE", "THROUGHTIME"))
        }
        return {**kept, "PYTHONPATH": path}

    def run(
        self, *command: str, first_on_path: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a Python module in the copy, with the copy's package."""
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.root,
            env=self.environment(first_on_path),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def snakemake(self, *arguments: str, first_on_path: Path | None = None) -> str:
        """Run snakemake, which must succeed; what it said."""
        done = self.run("snakemake", *arguments, first_on_path=first_on_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def dry_run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run ``snakemake -n``, which changes nothing, in half the time that it takes to start."""
        return forks.run(
            "snakemake", *arguments, "-n", *SMOKE,
            folder=self.root, environment=self.environment(),
        )  # fmt: skip

    def scheduled(self, *arguments: str) -> dict[str, set[str]]:
        """What a dry run would run: rule -> experiments."""
        done = self.dry_run(*arguments, "--quiet", "host")
        assert done.returncode == 0, done.stdout + done.stderr
        said = done.stdout + done.stderr
        found: dict[str, set[str]] = defaultdict(set)
        for block in re.split(r"^(?=(?:local)?rule )", said, flags=re.MULTILINE)[1:]:
            rule = re.match(r"(?:local)?rule (\w+)", block)
            assert rule
            if pack := PACK.fullmatch(rule[1]):
                found["train"].add(pack[1])
                continue
            found[rule[1]] |= set(
                re.findall(r"^ +wildcards: experiment=(\w+)", block, flags=re.MULTILINE)
            )
        return dict(found)

    @contextmanager
    def edited(self, name: str, text: str) -> Iterator[None]:
        """The file with ``text`` at its end, for a while."""
        path = self.root / name
        before = path.read_text()
        path.write_text(before + text)
        try:
            yield
        finally:
            path.write_text(before)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The project, without its results."""
    return Copy(copy_project(tmp_path_factory.mktemp("project"), experiments=EXPERIMENTS))


@pytest.fixture(scope="module")
def finished(copy: Copy) -> Copy:
    """After `snakemake --config preset=smoke` on two cores."""
    copy.snakemake("--cores", "2", *SMOKE)
    return copy


@pytest.fixture(scope="module")
def poison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which torch and mlflow cannot be imported."""
    folder = tmp_path_factory.mktemp("poison")
    for name in ("torch", "mlflow"):
        (folder / f"{name}.py").write_text(f"raise RuntimeError('{name} was imported')\n")
    return folder


def using(module: str, file: str) -> set[str]:
    """The experiments whose ``file`` imports a module of the package, directly or not."""
    paths = [ROOT / "experiments" / name / file for name in EXPERIMENTS]
    return {path.parent.name for path in paths if path.exists() and module in closure(path)}


# Before anything ran ------------------------------------------------------------------------------


def test_the_snakefile_is_read_without_torch_and_mlflow(copy: Copy, poison: Path) -> None:
    said = copy.snakemake("-n", *SMOKE, first_on_path=poison)
    assert re.search(rf"^train +{len(JOBS)}$", said, flags=re.MULTILINE)


def test_a_dry_run_lists_every_job_with_its_reason_and_counts_them(copy: Copy) -> None:
    done = copy.dry_run()
    text = done.stdout + done.stderr
    for planned in JOBS:
        assert re.search(
            rf"^train {planned.experiment} {re.escape(planned.key)}: Missing output files: \S+",
            text,
            flags=re.MULTILINE,
        )
    assert re.search(rf"^train +{len(JOBS)}$", text, flags=re.MULTILINE)
    assert "throughtime()" not in text


def test_an_experiment_by_its_name_is_recorded_and_reported_without_the_others(copy: Copy) -> None:
    planned = copy.scheduled("brackets")
    assert set(planned) == {
        "train", "collect", "references", "manifest", "figure", "track_experiment",
        "report_experiment", "brackets",
    }  # fmt: skip
    assert set.union(*planned.values()) == {"brackets"}
    assert planned["track_experiment"] == planned["report_experiment"] == {"brackets"}


def test_a_mistyped_target_names_the_nearest_experiment(copy: Copy) -> None:
    done = copy.dry_run("clif")
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1] == (  # a dry run speaks there
        "throughtime: clif: no such experiment, rule or file; did you mean 'cliff'?"
    )


def test_a_mistake_is_one_line_before_any_job_starts(copy: Copy) -> None:
    with copy.edited("experiments/brackets/experiment.yaml", "\nquestoin: which?\n"):
        done = copy.run("snakemake", *SMOKE)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith("throughtime: ")
    assert (
        "experiments/brackets/experiment.yaml: questoin: unknown key; did you mean 'question'?"
        in done.stderr
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert not (copy.root / "results").exists()


def test_an_unknown_key_on_the_command_line_is_said_too(copy: Copy) -> None:
    done = copy.run("snakemake", "--config", "prest=smoke")
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].endswith("prest: unknown key; did you mean 'preset'?")


def test_larger_packs_come_first() -> None:
    pipeline = Pipeline.open(ROOT, {"preset": "smoke"})
    orders = [(pipeline.order(pack), pack.cost) for pack in pipeline.packs(here=False).values()]
    assert sorted(orders) == sorted(orders, key=lambda pair: pair[1])


@pytest.mark.parametrize("preset", ["laptop", "paper"])
def test_nine_tenths_of_the_networks_are_trained_first_at_little_cost(preset: str) -> None:
    pipeline = Pipeline.open(ROOT, {"preset": preset})
    jobs, early = pipeline.plan.jobs, set(pipeline.early)
    share = sum(len(j.grid) for j in jobs if j.experiment in early) / pipeline.plan.networks
    assert 0.9 <= share < 1
    assert sum(j.cost for j in jobs if j.experiment in early) < share * sum(j.cost for j in jobs)
    order = {pack: pipeline.order(pack) for pack in pipeline.packs(here=False).values()}
    assert min(o for p, o in order.items() if p.experiment in early) > max(
        o for p, o in order.items() if p.experiment not in early
    )
    assert max(order.values()) < HIGHEST_PRIORITY  # nothing is trained before what others wait for
    assert (
        Pipeline.open(ROOT, {"preset": preset, "experiments": ["brackets"]}).early_tracking_files()
        == []
    )  # there are no others
    assert Pipeline.open(ROOT, {"preset": "smoke"}).early_tracking_files() == []  # there are few


def in_shell(
    copy: Copy, command: str, python: str = sys.executable
) -> "subprocess.CompletedProcess[str]":
    """Run a rule's command as Snakemake does; the braces are doubled for it."""
    prefix = (
        Pipeline.open(copy.root, {"preset": "smoke"})
        .shell(python)
        .replace("{{", "{")
        .replace("}}", "}")
    )
    environment = {**os.environ, "PYTHONPATH": str(copy.root / "src")}
    return subprocess.run(
        ["bash", "-c", prefix + command],
        cwd=copy.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_went_wrong_is_said_though_the_log_cannot_be_written(copy: Copy) -> None:
    done = in_shell(copy, "throughtime /dev/full train brackets nonsense")
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1].startswith(
        "throughtime: "
    )  # to /dev/full nothing can be written: No space left on device


def test_a_command_that_succeeds_says_what_it_says_and_keeps_a_log(copy: Copy) -> None:
    (copy.root / "results" / "logs").mkdir(parents=True)
    try:
        done = in_shell(copy, "throughtime results/logs/x.log plan --total")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("preset smoke: ")
        assert (copy.root / "results" / "logs" / "x.log").read_text() == ""
        failed = in_shell(copy, "throughtime results/logs/x.log train brackets nonsense")
        assert failed.returncode != 0
        assert failed.stderr == (copy.root / "results" / "logs" / "x.log").read_text()
        assert failed.stderr.startswith("throughtime: no job 'nonsense'")
    finally:
        shutil.rmtree(copy.root / "results")


def stand_in(folder: Path, text: str) -> str:
    """A program in Python's place."""
    path = folder / "program"
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_command_that_is_killed_is_told_apart(copy: Copy, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    log.parent.mkdir()
    done = in_shell(
        copy,
        f"throughtime {log} train",
        stand_in(tmp_path, "echo 4 of 12 networks >&2; kill -9 $$"),
    )
    killed = "throughtime: ended by signal 9 (9: killed, by hand or for want of memory)"
    assert (done.returncode, done.stdout) == (1, "")
    assert log.read_text() == f"4 of 12 networks\n{killed}\n"
    assert done.stderr.endswith(log.read_text())  # bash names the process before
    assert failures.reason(log) == killed.removeprefix("throughtime: ")


def test_an_interrupted_command_says_nothing_and_is_told_apart(copy: Copy, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    program = stand_in(
        tmp_path,
        "trap 'echo KeyboardInterrupt >&2; exit 130' INT; echo ready > ready; "
        "while true; do sleep 0.05; done",
    )
    prefix = Pipeline.open(copy.root, {"preset": "smoke"}).shell(program)
    command = prefix.replace("{{", "{").replace("}}", "}")
    process = subprocess.Popen(
        ["bash", "-c", f"{command}throughtime {tmp_path}/logs/x.log train"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "ready").exists() and process.poll() is None:
        os.sched_yield()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    stdout, stderr = process.communicate(timeout=60)
    assert (stdout, stderr) == ("", "")
    assert process.returncode in (130, -signal.SIGINT)


def test_on_a_terminal_what_is_said_takes_the_live_lines_place(copy: Copy, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    prefix = Pipeline.open(copy.root, {"preset": "smoke"}).shell(
        stand_in(tmp_path, "echo one; echo two; echo bad >&2; exit 3")
    )
    command = (
        prefix.replace("{{", "{").replace("}}", "}") + f"throughtime {tmp_path}/logs/x.log figure"
    )
    terminal, there = os.openpty()
    process = subprocess.Popen(["bash", "-c", command], cwd=copy.root, stdout=there, stderr=there)
    os.close(there)
    said = b""
    with suppress(OSError):  # the other end was closed
        while part := os.read(terminal, 1000):
            said += part
    os.close(terminal)
    assert process.wait() == 1
    assert sorted(said.decode().split("\r\n")) == [
        "",
        *sorted(f"{live_line.CLEAR}{word}" for word in ("one", "two", "bad")),
    ]


# The whole of it ----------------------------------------------------------------------------------


def test_every_stage_leaves_its_files(finished: Copy) -> None:
    results = finished.root / "results"
    plan = Project.open(finished.root, "smoke").plan()
    for name in EXPERIMENTS:
        assert all(
            (results / "figures" / f"{name}.{kind}").stat().st_size > 100 for kind in FIGURES
        )
    for name in COMPUTING:
        assert len(tables.read("computed", results / name / "computed.parquet")) > 0
    claims = tables.read("claims", results / "claims.parquet")
    assert set(claims["experiment"]) == {
        n for n in EXPERIMENTS if (ROOT / "experiments" / n / "claims.py").exists()
    }
    assert "No claim has been decided yet" not in (results / "report.html").read_text()
    for name in TRAINED:
        summary = tables.read("summary", results / name / "summary.parquet")
        assert set(summary["run_key"]) == {k for j in plan.select(name).jobs for k in j.run_keys}
        probed = {k for j in plan.select(name).jobs for k in j.run_keys if j.job.probes}
        assert set(tables.read("probes", results / name / "probes.parquet")["run_key"]) == probed
        assert set(tables.read("curves", results / name / "curves.parquet")["run_key"]) <= set(
            summary["run_key"]
        )
        assert len(tables.read("references", results / name / "references.parquet")) > 0
        manifest = json.loads((results / name / "manifest.json").read_text())
        assert set(manifest["jobs"]) == {j.key for j in plan.select(name).jobs}
        assert manifest["packages"]["torch"].startswith("2.13.0")
    assert f"{plan.networks} networks" in (results / "mlflow" / "ingested.txt").read_text()
    ends = [path.stat().st_mtime for path in results.glob("*/jobs/*/timing.json")]
    assert (results / "cost" / "computed.parquet").stat().st_mtime < min(
        ends
    )  # it measures time, alone
    assert (results / "report.html").stat().st_size > 1000
    assert not list(results.rglob("*.part"))


def test_a_second_run_has_nothing_to_do(finished: Copy) -> None:
    assert finished.scheduled() == {}


def test_the_command_line_says_what_was_trained(finished: Copy) -> None:
    said = finished.run("throughtime", "status", "--preset", "smoke").stdout
    networks = sum(len(j.grid) for j in JOBS)
    assert re.search(rf"^all +{networks} +{networks} .* 0$", said, flags=re.MULTILINE)
    assert "results/figures/" in said
    assert "make ui" in said


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("experiments/brackets/figure.py", {"figure": {"brackets"}}),
        ("src/throughtime/figures/draw.py", {"figure": EXPERIMENTS}),
        ("src/throughtime/tracking/ingest.py", {}),
        (
            "experiments/cliff/compute.py",
            {"compute": {"cliff"}, "figure": {"cliff"}, "claims": set()},
        ),
        (  # its figure's titles are decided by the claims' tests
            "experiments/cliff/claims.py",
            {"figure": {"cliff"}, "claims": set()},
        ),
        (
            "src/throughtime/engine/bptt.py",
            {
                "train": TRAINED,
                "collect": TRAINED,
                "manifest": TRAINED,
                "compute": using("throughtime.engine.bptt", "compute.py"),
                "figure": EXPERIMENTS,
                "claims": set(),
            },
        ),
    ],
)
def test_an_edit_reruns_what_it_concerns(
    finished: Copy, file: str, expected: dict[str, set[str]]
) -> None:
    with finished.edited(file, "\nEDITED = True\n"):
        scheduled = finished.scheduled()
    assert {rule: names for rule, names in scheduled.items() if rule not in LAST} == expected
    assert "track" in scheduled  # MLflow shows figures and findings


def test_an_edit_of_the_statistics_trains_nothing(finished: Copy) -> None:
    with finished.edited("src/throughtime/analysis/stats.py", "\nEDITED = True\n"):
        scheduled = finished.scheduled()
    assert set(scheduled) - LAST <= {"figure", "claims", "compute"}
    assert scheduled["figure"] == using("throughtime.analysis.stats", "figure.py")
    assert scheduled.get("compute", set()) == using("throughtime.analysis.stats", "compute.py")


def test_an_edit_of_a_probe_trains_what_it_measures(finished: Copy) -> None:
    with finished.edited("src/throughtime/probes/updates.py", "\nEDITED = True\n"):
        scheduled = finished.scheduled()
    assert scheduled["train"] == {j.experiment for j in JOBS if "updates" in j.job.probes} < TRAINED


def test_another_preset_computes_anew() -> None:
    pipelines = [Pipeline.open(ROOT, {"preset": preset}) for preset in ("smoke", "laptop")]
    for name in COMPUTING:
        assert len({pipeline.compute_code(name) for pipeline in pipelines}) == 2


def test_an_edit_of_a_task_trains_what_uses_it(finished: Copy) -> None:
    with finished.edited("src/throughtime/tasks/brackets.py", "\nEDITED = True\n"):
        scheduled = finished.scheduled()
    assert scheduled["train"] == WITH_BRACKETS < TRAINED


def test_a_comment_reruns_nothing(finished: Copy) -> None:
    files = ("src/throughtime/engine/bptt.py", "src/throughtime/figures/draw.py",
             "experiments/atlas/figure.py")  # fmt: skip
    with ExitStack() as edits:
        for file in files:
            edits.enter_context(finished.edited(file, "\n# a remark\n"))
        assert finished.scheduled() == {}


def test_one_experiment_or_one_figure_can_be_asked_for(finished: Copy) -> None:
    figure = finished.root / "results" / "figures" / "cliff.pdf"
    before = figure.read_bytes()
    figure.unlink()
    assert finished.scheduled("results/figures/cliff.pdf") == {"figure": {"cliff"}}
    again = ("figure", "cliff", "track_experiment", "report_experiment")
    assert finished.scheduled("cliff") == {
        rule: set() if rule == "cliff" else {"cliff"} for rule in again
    }
    # Its figure is there; at most it is recorded again, where --touch made figures look newer.
    later = {"brackets", "track_experiment", "report_experiment"}
    assert set(finished.scheduled("brackets")) <= later
    figure.write_bytes(before)
    finished.snakemake("--touch", "--cores", "1", *SMOKE)


def test_the_numbers_are_the_same_again_and_on_one_core(finished: Copy) -> None:
    names = [f"brackets/{table}.parquet" for table in (*JOB_TABLES, "references")]
    names += [f"{n}/computed.parquet" for n in sorted(COMPUTING - TIMED)]
    finished.snakemake(*(f"again/{n}" for n in names), "--cores", "1", *SMOKE, "results=again")
    first, second = (
        {n: (finished.root / folder / n).read_bytes() for n in names}
        for folder in ("results", "again")
    )
    assert [n for n in names if first[n] != second[n]] == []


def test_figures_and_claims_come_back_byte_for_byte_without_torch(
    finished: Copy, poison: Path
) -> None:
    folder, claims = (
        finished.root / "results" / "figures",
        finished.root / "results" / "claims.parquet",
    )
    files = [p for name in REDRAWN for p in sorted(folder.glob(f"{name}.*"))]
    before, judged = {p.name: p.read_bytes() for p in files}, claims.read_bytes()
    assert len(before) == len(REDRAWN) * len(FIGURES)
    for path in (*files, claims):
        path.unlink()
    finished.snakemake("figures", "claims", "--cores", "2", *SMOKE, first_on_path=poison)
    assert [p.name for p in files if p.read_bytes() != before[p.name]] == []
    assert claims.read_bytes() == judged


def test_what_a_failed_job_leaves_can_be_collected(finished: Copy) -> None:
    folder = finished.root / "experiments" / "broken"
    folder.mkdir()
    (folder / "experiment.yaml").write_text(BROKEN)
    shutil.copy(finished.root / "experiments" / "brackets" / "figure.py", folder)
    only = ("--config", "preset=smoke", "experiments=[broken]", "results=broken")
    done = finished.run("snakemake", "broken", "--cores", "2", *only)
    assert done.returncode != 0
    assert re.search(r"throughtime: broken main-copy\S+: one network ", done.stdout + done.stderr)
    assert re.search(
        r"^1/2 networks · 0 solved 1 unsolved 0 diverged · 1 job failed$",
        done.stderr,
        flags=re.MULTILINE,
    )
    status = finished.run("throughtime", "status", *only).stdout
    assert status.startswith("1/2 networks · not running, ")
    assert re.search(
        r"^failed: broken main-copy\S+: one network on copy with 6 steps",
        status,
        flags=re.MULTILINE,
    )
    assert not (finished.root / "broken" / "logs" / "run.json").exists()
    collected = finished.run("throughtime", "collect", *only)
    shutil.rmtree(folder)
    assert collected.stdout.splitlines()[0] == "broken: 1 networks of 1 jobs collected"
    assert collected.stdout.splitlines()[1].startswith("  missing: main-copy")
    assert len(tables.read("summary", finished.root / "broken" / "broken" / "summary.parquet")) == 1
