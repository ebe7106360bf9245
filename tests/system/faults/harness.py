"""A copy of the project, pipelines in it that can be killed at a chosen moment, and what must be
the same afterwards.
"""

import hashlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from throughtime.core import files
from throughtime.results import tables

ROOT = Path(__file__).parents[3]
# seconds after which a pipeline counts as hanging: a failure, never a pass; more on a busy machine
PATIENCE = float(os.environ.get("THROUGHTIME_FAULTS_PATIENCE", "300"))
POLL = 0.01  # seconds between two looks at a running pipeline


@dataclass
class Site:
    """A copy of the project in which pipelines run.

    Attributes:
        root: of the copy.
        config: for ``snakemake --config``.
        said: all that its pipelines have said.
    """

    root: Path
    config: tuple[str, ...]
    said: list[str] = field(default_factory=list)

    @property
    def results(self) -> Path:
        """Where the pipelines write."""
        folder = [c.partition("=")[2] for c in self.config if c.startswith("results=")]
        return self.root / (folder[0] if folder else "results")

    def environment(self, **more: str) -> dict[str, str]:
        """Of the pipelines: the copy's package, and nothing that points to another pipeline."""
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("MLFLOW", "SNAKEMAKE", "THROUGHTIME"))
        }
        return {**kept, "PYTHONPATH": str(self.root / "src"), **more}

    def start(self, *prefix: str, cores: int = 2, **environment: str) -> "subprocess.Popen[str]":
        """A pipeline in a process group of its own."""
        command = [
            *prefix,
            sys.executable,
            "-m",
            "snakemake",
            "--cores",
            str(cores),
            "--config",
            *self.config,
        ]
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, process: "subprocess.Popen[str]") -> tuple[int, str]:
        """Wait for a pipeline; its exit code and what it said."""
        said, _ = process.communicate(timeout=PATIENCE)
        self.said.append(said)
        return process.returncode, said

    def run(self, *prefix: str, cores: int = 2, **environment: str) -> str:
        """A pipeline that must succeed; what it said."""
        code, said = self.finish(self.start(*prefix, cores=cores, **environment))
        assert code == 0, said
        return said

    def fail(self, **environment: str) -> str:
        """A pipeline that must fail, without a traceback; what it said."""
        code, said = self.finish(self.start(**environment))
        assert code != 0, said
        assert "Traceback" not in said, said
        return said

    def throughtime(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command of throughtime in the copy."""
        command = [sys.executable, "-m", "throughtime", *arguments, "--config", *self.config]
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    # What must be the same ------------------------------------------------------------------------

    def contents(self) -> dict[str, str]:
        """Content hash of every table, and SHA-256 of every figure, caption and report; wall times
        and commits are no part of them.
        """
        found = {}
        for path in sorted(self.results.rglob("*.parquet")):
            if path.parent.name != "artifacts" and "mlflow" not in path.parts:
                found[str(path.relative_to(self.results))] = tables.content_hash(
                    tables.read(path.stem, path)
                )
        for path in sorted(
            p for p in (self.results / "figures").glob("[!.]*") if p.suffix != files.DAMAGED
        ):
            found[f"figures/{path.name}"] = files.sum_path(path).read_text()
        return found

    def runs(self) -> dict[tuple[str, str], list[str]]:
        """(MLflow experiment, record key) -> status of its runs, of those that are not deleted."""
        query = """
            SELECT e.name, t.value, r.status FROM runs r
            JOIN experiments e ON e.experiment_id = r.experiment_id
            LEFT JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'run_key'
            WHERE r.lifecycle_stage = 'active'
        """
        found: dict[tuple[str, str], list[str]] = {}
        with closing(sqlite3.connect(self.results / "mlflow" / "mlflow.db")) as connection:
            for experiment, key, status in connection.execute(query):
                found.setdefault((experiment, key), []).append(status)
        return found

    def check(self, contents: dict[str, str], runs: dict[tuple[str, str], list[str]]) -> None:
        """The folder is as an undisturbed pipeline leaves it, and nothing is still at work."""
        assert self.contents() == contents
        assert self.runs() == runs
        assert all(s in (["FINISHED"], ["FAILED"]) for s in runs.values())  # FAILED: diverged
        assert list(self.results.rglob(".*.part")) == []
        verified = self.throughtime("verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert self.processes() == []

    # Injection ------------------------------------------------------------------------------------

    def processes(self, *words: str) -> list[psutil.Process]:
        """The living Python processes at work in this copy whose command line holds all
        ``words``.
        """
        found = []
        for process in psutil.process_iter():
            try:
                line = process.cmdline()
                here = process.cwd() == str(self.root) and process.status() != psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if here and line and "python" in Path(line[0]).name and all(w in line for w in words):
                found.append(process)
        return found

    def written(self) -> int:
        """Files of results that are finished so far."""
        return (
            sum(1 for _ in files.files_with_checksum(self.results)) if self.results.exists() else 0
        )

    def until(self, process: "subprocess.Popen[str]", reached: Callable[[], bool]) -> bool:
        """Wait until ``reached`` holds; False where the pipeline ended before."""
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None:
            if reached():
                return True
            assert time.monotonic() < deadline, "the pipeline hangs"
            time.sleep(POLL)
        return False

    def kill(self, victim: str, rng: random.Random, most: int = 12) -> bool:
        """Start a pipeline and kill -9 a part of it at a moment drawn from ``rng``.

        Args:
            victim: ``snakemake``, alone (its jobs must end by themselves); ``group``, with all its
                jobs; or a command of throughtime such as ``train`` or ``track``.
            rng: draws after how many more files, and after how much of a second.
            most: more files, at the most.

        Returns:
            Whether there was something to kill before the pipeline had ended.
        """
        process = self.start()
        goal = self.written() + rng.randrange(most)
        try:
            alive = self.until(
                process, lambda: self.written() >= goal and bool(self._victims(process, victim))
            )
            if alive:
                time.sleep(rng.random() * 0.3)  # anywhere within whatever it is doing
                for target in self._victims(process, victim):
                    with_no_error(target.kill)
        finally:
            self.finish(process)
        gone = psutil.wait_procs(self.processes(), timeout=PATIENCE)[1]
        assert gone == [], "jobs outlive their pipeline"
        return alive

    def _victims(self, process: "subprocess.Popen[str]", victim: str) -> list[psutil.Process]:
        if victim in ("snakemake", "group"):
            if process.poll() is not None:
                return []
            main = psutil.Process(process.pid)
            return [main, *main.children(recursive=True)] if victim == "group" else [main]
        return self.processes("throughtime", victim)


def with_no_error(call: Callable[[], object]) -> None:
    """``call``, unless its process has just ended by itself."""
    with suppress(psutil.NoSuchProcess):
        call()


Damage = Callable[[Path, random.Random], None]


def digest(path: Path) -> str:
    """SHA-256 of a file; empty where it is gone meanwhile."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def flip(path: Path, rng: random.Random) -> None:
    """Change one byte of a file, as a bad disk does."""
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def truncate(path: Path, rng: random.Random) -> None:
    """Cut a file off anywhere, also to nothing."""
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """A file system of that size at ``folder``; only root can do this."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Change the options of what is mounted at ``folder``."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def state_of(site: Site) -> str:
    """A line for the log of injected faults: what lies in the results folder now."""
    parts, damaged = len(list(site.results.rglob(".*.part"))), len(files.damaged(site.results))
    tried = len(list(site.results.rglob("block.npz")))
    database = (site.results / "mlflow" / "mlflow.db").exists()
    return json.dumps(
        {
            "files": site.written(),
            "scraps": parts,
            "damaged": damaged,
            "checkpoints": tried,
            "database": database,
        }
    )
