"""Seconds and memory of every stage around training, at several numbers of networks: `make
test-scale`.

Each stage is a process of its own, as in a pipeline, on a copy of the project with synthetic
results. The exponent is that of seconds over networks between the two largest: 1 is linear.
"""

import argparse
import math
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.system.scale import made
from throughtime.planning.project import Project

SIZES = (10_000, 30_000, 100_000)
MOST = 1.25  # exponent above which a stage grows faster than linearly
CLI = "from throughtime.cli.main import main; sys.exit(main({}))"
BEFORE = (
    "import sys; from pathlib import Path; from throughtime.planning.project import Project; "
    "results = Path('results'); "
)

# What stands in for training: the job's tables as they lie there. All else of `throughtime train`
# is done.
TRAIN = """
from throughtime.results import tables
from throughtime.pipeline import stages
from throughtime.results import paths
from throughtime.training.checkpoints import Checkpoints
from throughtime.training.result import Tables
def trained(planned, *rest, **named):
    folder = paths.job_folder(results, planned)
    return Tables(*(tables.read(n, folder / f"{n}.parquet") for n in tables.JOB_TABLES)), 1.0
stages._train = trained
"""
RECORDS = """
from throughtime.tracking import sources, records
project = Project.open(Path('.')); plan = project.plan(); n = 0
for name in project.experiments:
    found = sources.find(results, plan, name)
    if found is not None:
        differing = records.varying(plan, name)
        summary, made = found.summary, found.provenance
        for record in records.networks(summary, found.curves, differing, 'scale', made):
            n += bool(record.sha)
        cells = list(records.grid_point_records(summary, differing, 'scale', made))
print(n)
"""
DRY = ["snakemake", "-n", "--quiet", "all"]
# Every rule's command is a copy of files that were made beforehand: what is left is Snakemake's own
# work, and two processes a job.
COPYING = """
shell.prefix(
    "set -euo pipefail; throughtime() {{ local to=results/$4/jobs from=ready/$4/jobs; shift 4; "
    "mkdir -p $to; for job; do cp -r $from/$job $to/; done; }}; "
)
"""


@dataclass(frozen=True)
class Cost:
    """What a stage took."""

    seconds: float
    mib: float


def run(root: Path, *command: str) -> Cost:
    """Run a Python module or ``-c`` code in ``root`` with the copy's package; its time and the
    largest memory of one process of it.

    Raises:
        RuntimeError: it failed.
    """
    environment = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("MLFLOW", "SNAKEMAKE", "THROUGHTIME"))
    }
    log = root / "said.txt"
    began = time.monotonic()
    with log.open("wb") as said:
        actions = [(os.POSIX_SPAWN_DUP2, said.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)]
        here = Path.cwd()
        os.chdir(root)
        try:
            process = os.posix_spawn(
                sys.executable,
                [sys.executable, *command],
                {**environment, "PYTHONPATH": str(root / "src")},
                file_actions=actions,
            )
        finally:
            os.chdir(here)
        _, status, usage = os.wait4(process, 0)
    if status:
        raise RuntimeError(f"{command}: {log.read_text()[-2000:]}")
    return Cost(time.monotonic() - began, usage.ru_maxrss / 1024)


def code(text: str) -> tuple[str, str]:
    """Arguments that run ``text``."""
    return "-c", BEFORE + text


def cli(*arguments: str) -> tuple[str, str]:
    """Arguments that run a command of `throughtime`."""
    return code(CLI.format(list(arguments)))


def stages(project: Project) -> dict[str, tuple[str, ...]]:
    """Every stage: name -> arguments of Python. They are run in this order; the later ones need
    what the earlier ones wrote.
    """
    plan = project.plan()
    last = plan.jobs[-1]
    trained = [name for name in project.experiments if plan.select(name).jobs]
    wanted = {
        "read the project, plan": code("Project.open(Path('.')).plan()"),
        "throughtime plan": cli("plan"),
        "throughtime train, but training": code(
            TRAIN + CLI.format(["train", last.experiment, last.key])
        ),
        "snakemake -n, nothing done": ("-m", *DRY, "--config", "results=none"),
        "snakemake -n, all trained": ("-m", *DRY),
        "throughtime status": cli("status"),
        "damaged files": code(
            "from throughtime.core import files; assert not files.damaged(results)"
        ),
        "verify": cli("verify"),
        "collect": cli("collect"),
        "references": cli("references"),
        "manifest": cli("manifest"),
        "compute": cli("compute", "--preset", "smoke"),  # no networks in it
    }
    wanted |= {f"figure {name}": cli("figure", name) for name in project.experiments}
    wanted |= {
        "claims": cli("claims"),
        "report": cli("report"),
        f"records of {len(trained)} experiments": code(RECORDS),
    }
    return wanted | {"compare": cli("compare", "results", "results")}


def measure(root: Path, networks: int, chosen: str, scheduling: bool) -> dict[str, Cost]:
    """All stages on a project of about ``networks`` networks at ``root``."""
    project = made.project(root, networks)
    print(f"\n{made.counts(project)}", flush=True)
    made.results(project, root / "results")
    found = {}
    for name, arguments in stages(project).items():
        if chosen in name or name in ("collect", "references", "compute"):
            found[name] = run(root, *arguments)
            print(
                f"  {name:34} {found[name].seconds:8.1f} s {found[name].mib:8,.0f} MiB", flush=True
            )
    if scheduling:
        found["snakemake, jobs that do nothing"] = _scheduling(root, project)
        print(
            "  snakemake, jobs that do nothing  "
            f"{found['snakemake, jobs that do nothing'].seconds:8.1f} s",
            flush=True,
        )
    return found


def _scheduling(root: Path, project: Project) -> Cost:
    """Run all training jobs, each of which only copies files that lie ready."""
    (root / "results").rename(root / "ready")
    text = (root / "Snakefile").read_text()
    head, line, tail = text.partition("shell.prefix(PIPELINE.shell(sys.executable))\n")
    assert line
    (root / "Snakefile").write_text(head + COPYING + tail)
    return run(root, "-m", "snakemake", "--cores", "2", "train")


def table(found: dict[int, dict[str, Cost]]) -> str:
    """Markdown: a row a stage."""
    sizes = sorted(found)
    lines = [
        "| stage | " + " | ".join(f"{n:,}: s, MiB" for n in sizes) + " | exponent |",
        "|---" * (len(sizes) + 2) + "|",
    ]
    for name in found[sizes[-1]]:
        costs = [found[n][name] for n in sizes]
        shown = " | ".join(f"{c.seconds:.1f}, {c.mib:,.0f}" for c in costs)
        lines.append(f"| {name} | {shown} | {exponent(found, name):.2f} |")
    return "\n".join(lines)


def exponent(found: dict[int, dict[str, Cost]], name: str) -> float:
    """The power of the number of networks that a stage's seconds grow with, between the two largest
    numbers; NaN for one number.
    """
    sizes = sorted(found)[-2:]
    if len(sizes) < 2:
        return math.nan
    small, large = (found[n][name].seconds for n in sizes)
    return math.log(large / small) / math.log(sizes[1] / sizes[0])


def main() -> int:
    """Measure, print the table; 1 if a stage grows faster than linearly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, nargs="+", default=SIZES)
    parser.add_argument("--stage", default="", help="only stages whose name has this in it")
    parser.add_argument(
        "--no-scheduling",
        dest="scheduling",
        action="store_false",
        help="do not run Snakemake over all jobs",
    )
    chosen = parser.parse_args()
    found = {}
    for n in chosen.networks:
        root = Path(tempfile.mkdtemp(prefix="scale"))
        try:
            found[n] = measure(root, n, chosen.stage, chosen.scheduling)
        finally:
            shutil.rmtree(root)
    print("\n" + table(found))
    fast = [name for name in found[max(found)] if exponent(found, name) > MOST]
    print(
        "\n"
        + (
            f"faster than linear: {', '.join(fast)}"
            if fast
            else "nothing grows faster than linearly"
        )
    )
    return 1 if fast else 0


if __name__ == "__main__":
    sys.exit(main())
