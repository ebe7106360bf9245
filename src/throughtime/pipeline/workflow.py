"""What the Snakefile asks: which files depend on which, and a digest of the code behind each."""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from throughtime.analysis import reproductions
from throughtime.core.errors import UserError
from throughtime.core.hashing import digest
from throughtime.pipeline import stages
from throughtime.pipeline.failures import pack_log
from throughtime.pipeline.progress import is_finished, job_digest
from throughtime.planning.experiment_files import COMPUTE
from throughtime.planning.packs import Pack, packs
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.planning.project import Experiment, Project
from throughtime.planning.rounds import Search
from throughtime.results.paths import job_folder, recorded
from throughtime.results.provenance import PACKAGE, code_digest
from throughtime.results.tables import JOB_TABLES
from throughtime.tasks import tasks

OTHER_FORMATS = ("pdf", "svg", "csv")  # picture and caption
FIGURES = ("png", "md", *OTHER_FORMATS)
MIN_NETWORKS_FOR_EARLY_TRACKING = (
    1000  # networks, from which on recording some of them early is worth a process of its own
)
HIGHEST_PRIORITY = 1e18  # priority of what others wait for: above any training's
JOB_FILES = (*(f"{table}.parquet" for table in JOB_TABLES), "timing.json")
REPORT_ASSETS = ("html", "css", "js")  # what the report page is made of beside code
# Errors go on by a pipe, not from the log: on a full disk the log is empty, and its last lines are
# what says so.
SHELL_PREFIX = r"""
set -euo pipefail
trap 'exit 130' INT
throughtime() { attempt "$@" 3>&1 | shown; }
attempt() {
  trap 'exit 130' INT
  local errors code=0 killed
  errors=$(
    { COMMAND "${@:2}" --config PAIRS "results=${1%/logs/*}" 2>&1 >&3 3>&-; } |
      { tee "$1" 2> /dev/null || true; } | tail -n 25
  ) || code=$?
  if [ $code -gt 128 ]; then
    killed="throughtime: ended by signal $((code - 128))"
    killed+=" (9: killed, by hand or for want of memory)"
    { echo "$killed" >> "$1"; } 2> /dev/null || true
    errors+=${errors:+$'\n'}$killed
  fi
  if [ $code -ne 0 ]; then echo "$errors" | shown >&2; return 1; fi
}
shown() {
  if [ -t 1 ]; then while IFS= read -r line; do printf '\r\033[K%s\n' "$line"; done; else cat; fi
}
"""
RULES = (
    "all",
    "validate",
    "train",
    "train_chosen",
    "choose",
    "references",
    "collect",
    "compute",
    "claims",
    "reproductions",
    "track",
    "track_early",
    "track_experiment",
    "report_experiment",
    "figure",
    "figures",
    "manifest",
    "report",
)


@dataclass(frozen=True)
class Pipeline:
    """The files of a project, relative to its folder."""

    project: Project
    plan: Plan
    overrides: dict[str, Any]

    @classmethod
    def open(cls, root: Path, overrides: dict[str, Any]) -> "Pipeline":
        """Read and check the project.

        Args:
            root: the project's folder.
            overrides: keys given instead of config.yaml's (``snakemake --config``).

        Raises:
            UserError: anything wrong in any file, before any job starts.
        """
        project = Project.open(root, overrides=overrides)
        for name in project.experiments:
            folder = f"experiments/{name}"
            if name in RULES:
                raise UserError(
                    f"{folder}: {name!r} is also a rule of the Snakefile; rename the experiment"
                )
            if not (root / folder / "figure.py").exists():
                raise UserError(f"{folder}/figure.py: no such file; an experiment needs a figure")
        return cls(project, project.plan(), dict(overrides))

    @property
    def results(self) -> str:
        """The folder of results."""
        return self.project.config.results

    def shell(self, python: str) -> str:
        """The prefix of every rule's shell command: strict bash, and ``throughtime LOG COMMAND
        ..``, which sees this very project.

        Errors go to the log; its last lines are shown if the command fails. Results lie where
        Snakemake has the log: where they are kept in object storage, that is a local copy. On a
        terminal it takes the place of the live line (see live_line.py). Braces are doubled,
        as Snakemake wants them.
        """
        pairs = " ".join(
            shlex.quote(f"{key}={json.dumps(value)}") for key, value in self.overrides.items()
        )
        return (
            SHELL_PREFIX.replace("COMMAND", f"{shlex.quote(python)} -m throughtime")
            .replace("PAIRS", pairs)
            .replace("{", "{{")
            .replace("}", "}}")
        )

    def packs(self, *, here: bool = True, main: bool = True) -> dict[str, Pack]:
        """What is to be trained: name of a rule -> the pack that one process trains.

        A job that is finished by its own record is in none of them.

        Args:
            here: whether results lie on this disk; elsewhere, as in object storage, all jobs are
                in packs, and Snakemake finds out what is there.
            main: whether this is Snakemake's main process. That of one job on a cluster is asked
                for its pack by name, also where another has finished it meanwhile: it is empty.
        """
        results = Path(self.results)
        searching = {(s.experiment, s.sweep) for s in self.searches()}
        own = [p for p in self.plan.jobs if (p.experiment, p.sweep) not in searching]
        whole = packs(Plan(tuple(own), ()), self.project.config.max_job_cost)
        if not here:
            return {pack.name: pack for pack in whole}
        left = (pack.only(j for j in pack.jobs if not is_finished(results, j)) for pack in whole)
        return {pack.name: pack for pack in left if pack.jobs or not main}

    @cached_property
    def full_plan(self) -> Plan:
        """The plan with the full grid of every sweep."""
        return self.project.full_plan() if self.searches() else self.plan

    @cached_property
    def _searches(self) -> list[Search]:
        return self.project.searches()

    def searches(self, *experiments: str) -> list[Search]:
        """The sweeps that look for a frontier; of some experiments, if they are named."""
        return [s for s in self._searches if s.experiment in experiments or not experiments]

    def jobs(self, experiment: str) -> tuple[PlannedJob, ...]:
        """The jobs of an experiment; where it searches, with those of the rounds until now."""
        plan = self.project.plan(experiment) if self.searches(experiment) else self.plan
        return plan.select(experiment).jobs

    @cached_property
    def trained(self) -> list[str]:
        """The experiments that train something."""
        return [name for name in self.project.experiments if self.full_plan.select(name).jobs]

    @property
    def computing(self) -> list[str]:
        """The experiments that compute something outside of training."""
        return [
            name
            for name in self.project.experiments
            if (self.project.root / "experiments" / name / COMPUTE).exists()
        ]

    @property
    def claiming(self) -> dict[str, Path]:
        """The experiments that claim something, and their files."""
        paths = {
            name: self.project.root / "experiments" / name / "claims.py"
            for name in self.project.experiments
        }
        return {name: path for name, path in paths.items() if path.exists()}

    @cached_property
    def reproducing(self) -> list[str]:
        """The experiments that reproduce a paper."""
        return reproductions.reproducing(self.project)

    @property
    def decided(self) -> list[str]:
        """The commands that decide something on the tables of all experiments."""
        return ["claims", *(["reproductions"] if self.reproducing else [])]

    # Files ----------------------------------------------------------------------------------------

    def job_files(self, *experiments: str, names: Sequence[str] = JOB_FILES) -> list[str]:
        """Files of these names of every job of some experiments."""
        jobs = [planned for experiment in experiments for planned in self.jobs(experiment)]
        return [str(job_folder(Path(self.results), j) / name) for j in jobs for name in names]

    def records(self, *experiments: str) -> list[str]:
        """The records (timing.json) of all jobs of some experiments."""
        return self.job_files(*experiments, names=["timing.json"])

    def job_tables(self, experiment: str) -> list[str]:
        """All job tables of an experiment."""
        return self.job_files(experiment, names=[f"{t}.parquet" for t in JOB_TABLES])

    def pack_files(self, pack: Pack) -> list[str]:
        """The files that a pack's jobs make."""
        return [
            str(job_folder(Path(self.results), planned) / name)
            for planned in pack.jobs
            for name in JOB_FILES
        ]

    def pack_log(self, pack: Pack) -> str:
        """The log of a pack's process; each job has one of its own beside it."""
        return str(pack_log(Path(self.results), pack))

    def tables(self, experiment: str) -> list[str]:
        """The tables that an experiment's figure reads."""
        names = [experiment, *self.project.experiments[experiment].reads]
        collected = [
            f"{self.results}/{n}/{t}.parquet"
            for n in names
            if n in self.trained
            for t in (*JOB_TABLES, "references")
        ]
        return collected + [
            f"{self.results}/{n}/computed.parquet" for n in names if n in self.computing
        ]

    def all_outputs(self, *experiments: str) -> list[str]:
        """Every file of trained experiments that is not drawn: asked for by name, because Snakemake
        misses no intermediate file.
        """
        names = [name for name in experiments or self.trained if name in self.trained]
        tables = [
            f"{self.results}/{n}/{t}.parquet" for n in names for t in (*JOB_TABLES, "references")
        ]
        manifests = [f"{self.results}/{name}/manifest.json" for name in names]
        return self.job_files(*names) + tables + manifests

    def collected_tables(self) -> list[str]:
        """The tables of all experiments."""
        return sorted({table for name in self.project.experiments for table in self.tables(name)})

    def computed_tables(self) -> list[str]:
        """What all experiments compute outside of training."""
        return [f"{self.results}/{n}/computed.parquet" for n in self.computing]

    def claim_inputs(self) -> list[str]:
        """The tables that claims are decided on."""
        return sorted({table for name in self.claiming for table in self.tables(name)})

    def reproduction_inputs(self) -> list[str]:
        """The tables that our numbers are measured on."""
        return sorted({table for name in self.reproducing for table in self.tables(name)})

    def reproductions(self) -> list[str]:
        """The table of reproductions; nothing where no experiment reproduces a paper."""
        return [f"{self.results}/reproductions.parquet"] if self.reproducing else []

    def figures(self, *experiments: str) -> list[str]:
        """The files of figures and captions; of all experiments unless some are named."""
        return [
            f"{self.results}/figures/{n}.{kind}"
            for n in experiments or self.project.experiments
            for kind in FIGURES
        ]

    def manifests(self, *experiments: str) -> list[str]:
        """The manifests of those experiments that train something."""
        return [
            f"{self.results}/{n}/manifest.json"
            for n in experiments or self.trained
            if n in self.trained
        ]

    def report_files(self, experiment: str) -> list[str]:
        """What says that an experiment was recorded in MLflow, and then put into the report."""
        results = Path(self.results)
        return [
            str(stages.recorded_file(results, experiment)),
            str(stages.reported_file(results, experiment)),
        ]

    # Rounds ---------------------------------------------------------------------------------------

    def search(self, experiment: str, name: str) -> Search:
        """The search of that name."""
        return next(s for s in self.searches(experiment) if s.name == name)

    def before_round(self, search: Search, number: int) -> list[str]:
        """The files that a round is chosen by: those of the jobs of the rounds before it."""
        results = Path(self.results)
        jobs = search.plan(search.chosen(results, number)).jobs
        return [str(job_folder(results, j) / name) for j in jobs for name in JOB_FILES]

    def chosen(self, experiment: str, job: str) -> Pack:
        """A job that a round has chosen, by its key, as a pack of its own."""
        return Pack(experiment, 0, (self.project.plan(experiment).job(job),))

    def chosen_jobs(self, *, main: bool = True) -> str:
        """A regular expression for the keys of jobs that a search may train: those of its sweeps,
        but for the finished ones, whose files are inputs like any other.

        Args:
            main: as of ``packs``: that of one job is asked for it, also where it has finished.
        """
        sweeps = "|".join(sorted({re.escape(s.sweep) for s in self.searches()}))
        finished = sorted(set(self._finished())) if main else []
        others = f"(?!(?:{'|'.join(map(re.escape, finished))})/)" if finished else ""
        return f"{others}(?:{sweeps})-[^/]+"

    def _finished(self) -> Iterator[str]:
        """The keys of finished jobs of searching sweeps, whether a round has chosen them yet or
        not: a search of another width may choose them again.
        """
        for search in self.searches():
            for planned in search.full.jobs:
                place = Path(self.results) / search.experiment / "jobs"
                for folder in place.glob(f"{planned.stem}-*"):
                    record = recorded(folder / "timing.json") or {}
                    there = all((folder / name).exists() for name in JOB_FILES)
                    if there and record.get("code") == job_digest(planned):
                        yield folder.name

    # In which order -------------------------------------------------------------------------------

    @cached_property
    def early(self) -> list[str]:
        """The experiments that are trained first, and recorded while the rest is trained: about
        nine tenths of all networks.

        Recording takes one core for minutes; without this the others would wait for it at the end.
        Those with most networks for their cost go first, so that what is left takes longer to train
        than this to record.
        """
        parts = {n: self.plan.select(n) for n in self.trained if not self.searches(n)}
        chosen: list[str] = []
        if self.plan.networks < MIN_NETWORKS_FOR_EARLY_TRACKING:
            return chosen
        for name in sorted(
            parts, key=lambda n: sum(j.cost for j in parts[n].jobs) / parts[n].networks
        )[:-1]:
            if 10 * sum(parts[n].networks for n in chosen) >= 9 * self.plan.networks:
                break
            chosen.append(name)
        return chosen

    def early_tracking_files(self) -> list[str]:
        """What says that they were recorded; nothing where there are none."""
        return [f"{self.results}/mlflow/early.txt"] if self.early else []

    def order(self, pack: Pack) -> float:
        """The larger the sooner: early experiments before others, and in both packs that take
        longer before others.
        """
        return pack.cost + (HIGHEST_PRIORITY / 2 if pack.experiment in self.early else 0)

    # What decides a file's content beside its inputs ----------------------------------------------

    def training_code(self, pack: Pack) -> str:
        """Digest of the engine, the tasks and the cells of a pack's jobs."""
        return digest([job_digest(planned) for planned in pack.jobs])

    def choosing_code(self) -> str:
        """Digest of what chooses the networks of a round."""
        return code_digest("throughtime.analysis.adaptive")

    def reference_code(self, experiment: str) -> str:
        """Digest of the tasks of an experiment, their code and their parameters."""
        jobs = self.full_plan.select(experiment).jobs
        code = code_digest(*sorted({tasks()[j.job.task.name].__module__ for j in jobs}))
        return digest([code, sorted({j.job.task.model_dump_json() for j in jobs})])

    def alone(self, experiment: str) -> bool:
        """Whether nothing may run beside what an experiment computes, because it measures wall
        time.
        """
        return self.project.experiments[experiment].alone

    def compute_code(self, experiment: str) -> str:
        """Digest of what an experiment computes outside of training, and of the preset that it is
        asked for.
        """
        path = self.project.root / "experiments" / experiment / COMPUTE
        return digest([code_digest(path), self.project.config.preset])

    def experiment(self, experiment: str) -> Experiment:
        """What an experiment says of itself."""
        return self.project.experiments[experiment]

    def figure_code(self, experiment: str) -> str:
        """Digest of a figure's code, of what it says about its experiment, and of the preset, by
        which its table of grid points names them.
        """
        path = self.project.root / "experiments" / experiment / "figure.py"
        described, code = self.experiment(experiment), code_digest(path, "throughtime.figures.draw")
        words = [described.title, described.question, described.reads]
        return digest([code, *words, self.project.config.preset])

    def claims_code(self) -> str:
        """Digest of all claims, and of what they say about their experiments."""
        reads = [[name, self.project.experiments[name].reads] for name in self.claiming]
        return digest(
            [
                reads,
                code_digest("throughtime.analysis.claims"),
                [code_digest(path) for path in self.claiming.values()],
            ]
        )

    def reproductions_code(self) -> str:
        """Digest of the papers' numbers, of what measures ours, and of what compares them."""
        folders = {n: self.project.root / "experiments" / n for n in self.reproducing}
        measured = [f / reproductions.MEASURED for f in folders.values()]
        published = [f / reproductions.PUBLISHED for f in folders.values()]
        return digest(
            [
                [[name, self.project.experiments[name].reads] for name in folders],
                code_digest("throughtime.analysis.reproductions"),
                [code_digest(path) for path in measured if path.exists()],
                [hashlib.sha256(p.read_bytes()).hexdigest() for p in published if p.exists()],
            ]
        )

    def manifest_code(self, experiment: str) -> str:
        """Digest of the config in force."""
        sweeps = self.project.experiments[experiment].sweeps_of(self.project.config.preset)
        return digest(
            [
                self.project.config.model_dump(mode="json"),
                sweeps,
                [j.key for j in self.jobs(experiment)],
            ]
        )

    def tracking_code(self) -> str:
        """Digest of what writes to MLflow, and of where it writes to."""
        uri = os.environ.get("MLFLOW_TRACKING_URI", "") + str(self.project.config.mlflow)
        return digest(
            [
                code_digest("throughtime.tracking.ingest"),
                hashlib.sha256(uri.encode()).hexdigest(),
                self.project.config.preset,
            ]
        )

    def report_code(self) -> str:
        """Digest of what writes the report, its templates, style and script included."""
        parts = [
            hashlib.sha256(p.read_bytes()).hexdigest()
            for kind in REPORT_ASSETS
            for p in sorted(PACKAGE.glob(f"report/templates/*.{kind}"))
        ]
        return digest([code_digest("throughtime.report.page"), parts])
