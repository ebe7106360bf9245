"""Records as runs of one MLflow experiment."""

import gc
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime.core.files import replace
from throughtime.core.hashing import digest
from throughtime.tracking import locks
from throughtime.tracking.records import Record
from throughtime.tracking.saved_views import View
from throughtime.tracking.store import (
    _remote,
    artifact_folder,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run


NOTE = "mlflow.note.content"
KIND = "mlflow.experimentKind"  # with it, MLflow shows training and not GenAI
TERMINAL = ("FINISHED", "FAILED", "KILLED")


@dataclass
class Counts:
    """What an ingest did: runs of networks, grid points and overviews together.

    Attributes:
        new, skipped, replaced: runs written, found up to date, written anew in place of another or
            given back an artifact.
        networks: how many of them all are trained networks.
        sources: experiment -> which tables were read.
    """

    new: int = 0
    skipped: int = 0
    replaced: int = 0
    networks: int = 0
    sources: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        read = (
            "; ".join(f"{name}: {source}" for name, source in self.sources.items())
            or "no tables yet"
        )
        return (
            f"{self.networks} networks; {self.new} runs new, {self.skipped} unchanged, "
            f"{self.replaced} replaced ({read})"
        )


@dataclass(frozen=True, eq=False)
class ExperimentWriter:
    """One MLflow experiment, open for writing.

    Attributes:
        attempt: how its buckets are shared out; None: nobody else is there, and all is one bucket.
        name, id: as MLflow has them.
        folder: where its artifacts lie; None: the server keeps them.
        datasets: those that are in it for certain.
    """

    client: "MlflowClient"
    attempt: locks.TryLock | None
    name: str
    id: str
    folder: Path | None
    origin: dict[str, str]
    datasets: set[str] = field(default_factory=set)

    @classmethod
    def open(
        cls,
        client: "MlflowClient",
        attempt: locks.TryLock | None,
        uri: str,
        results: Path,
        name: str,
        views: list[View],
        origin: dict[str, str],
    ) -> "ExperimentWriter":
        """The experiment of that name, made or restored where needed, with its views."""
        slug = name.rpartition("/")[2]
        remote = _remote(uri)
        wanted = {KIND: "custom_model_development"} | dict(v.tag for v in views)
        with locks.hold(attempt, name):
            opened = client.get_experiment_by_name(name)
            if opened is None:
                location = None if remote else f"mlflow-artifacts:/{slug}"
                opened = client.get_experiment(
                    client.create_experiment(name, artifact_location=location)
                )
            if opened.lifecycle_stage == "deleted":
                client.restore_experiment(opened.experiment_id)
            _set_tags(client, opened, wanted)
        folder = None if remote else artifact_folder(results) / slug
        return cls(client, attempt, name, opened.experiment_id, folder, origin)

    def describe(self, note: str) -> None:
        """What the UI shows above the runs, as Markdown."""
        with locks.hold(self.attempt, self.name):
            _set_tags(self.client, self.client.get_experiment(self.id), {NOTE: note})

    def overview(self, preset: str) -> str:
        """The id of the run that carries the figure."""
        wanted = f"tags.kind = 'overview' and tags.preset = '{preset}'"
        return str(self.client.search_runs([self.id], wanted, max_results=1)[0].info.run_id)

    def fill(
        self, records: list[Record], counts: Counts, progress: Callable[[int], None] | None = None
    ) -> None:
        """Write the records that are not up to date."""
        for first, bucket in self._buckets(records):
            runs_of = _runs_by_key(self.client, self.id, first)
            for record in bucket:
                self.sync(record, runs_of.get(record.key, []), counts)
                if progress:
                    progress(counts.new + counts.skipped + counts.replaced)

    def _buckets(self, records: list[Record]) -> Iterator[tuple[str, list[Record]]]:
        """How the keys of a bucket begin, and its records; each while no other process has it."""
        if self.attempt is None:
            yield "", records
            return
        buckets: dict[str, list[Record]] = {}
        for record in records:
            buckets.setdefault(f"{self.name}/{record.key[0]}", []).append(record)
        for name in locks.each_as_it_becomes_free(self.attempt, buckets):
            yield name[-1], buckets[name]

    def sync(self, record: Record, runs: "list[Run]", counts: Counts) -> None:
        """Bring one record up to date, whose runs so far are these."""
        sha = record.sha
        current = [
            r for r in runs if r.data.tags.get("content_sha") == sha and r.info.status in TERMINAL
        ]
        for run in [r for r in runs if r not in current[:1]]:
            self._delete(run.info.run_id)
        if not current:
            self._write(record, sha)
        mended = bool(current) and self.restore_artifacts(current[0].info.run_id, record.files)
        counts.new += not runs
        counts.replaced += bool(runs) and (mended or not current)
        counts.skipped += bool(current) and not mended

    def restore_artifacts(self, run_id: str, files: dict[str, bytes]) -> bool:
        """Put back the artifacts on this disk that are gone or differ, in size or in content;
        whether there were any.
        """
        if self.folder is None:
            return False
        broken = {
            name: content
            for name, content in files.items()
            if not _holds(self._place(run_id, name), content)
        }
        self._attach(run_id, broken)
        return bool(broken)

    def _place(self, run_id: str, name: str) -> Path:
        assert self.folder is not None
        return self.folder / run_id / "artifacts" / name

    def _delete(self, run_id: str) -> None:
        self.client.delete_run(run_id)
        if self.folder is not None:
            shutil.rmtree(self.folder / run_id, ignore_errors=True)

    def _write(self, record: Record, sha: str) -> None:
        from mlflow.entities import Metric, Param, RunTag

        start, end = record.span if any(record.span) else (None, None)
        tags = record.tags | self.origin | {"run_key": record.key}
        run_id = self.client.create_run(
            self.id, start_time=start, tags=tags, run_name=record.name
        ).info.run_id
        points = [Metric(name, value, end or 0, 0) for name, value in record.metrics.items()]
        points += [Metric(name, value, end or 0, step) for name, step, value in record.curves]
        parameters = [Param(name, value) for name, value in record.params.items()]
        if record.dataset:
            self.log_dataset(run_id, record.dataset)
        *before, last = [
            points[i : i + 900] for i in range(0, max(len(points), 1), 900)
        ]  # a call takes 1,000 entities
        for part in before:
            self.client.log_batch(run_id, part, synchronous=True)
        self._attach(run_id, record.files)
        self.client.set_terminated(run_id, record.status, end)
        # Of a call MLflow writes parameters, then metrics, then tags, each in a transaction: the
        # tag means that all is there.
        self.client.log_batch(
            run_id, last, parameters, [RunTag("content_sha", sha)], synchronous=True
        )

    def log_dataset(self, run_id: str, dataset: dict[str, Any]) -> None:
        """Say what a run was trained on. All buckets share a dataset's row, which MLflow fails to
        make where two processes do at once.
        """
        key, described = digest(dataset), [_input(dataset)]
        if key in self.datasets:
            self.client.log_inputs(run_id, described)
        else:
            with locks.hold(self.attempt, f"{self.name} datasets"):
                self.client.log_inputs(run_id, described)
            self.datasets.add(key)

    def _attach(self, run_id: str, files: dict[str, bytes]) -> None:
        for name, content in files.items():
            if self.folder is None:
                self._upload(run_id, name, content)
            else:
                replace(self._place(run_id, name), content)

    def _upload(self, run_id: str, name: str, content: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            path.write_bytes(content)
            parent = str(Path(name).parent)
            self.client.log_artifact(run_id, str(path), None if parent == "." else parent)


def _set_tags(client: "MlflowClient", experiment: "Experiment", wanted: dict[str, str]) -> None:
    for key, value in wanted.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(experiment.experiment_id, key, value)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _runs_by_key(client: "MlflowClient", experiment_id: str, first: str) -> dict[str, list["Run"]]:
    """Record key -> its runs, of the keys that begin with ``first``."""
    wanted = f"tags.run_key LIKE '{first}%'" if first else ""
    runs_by_key: dict[str, list[Run]] = {}
    token: str | None = None
    with _uncollected():
        while True:
            page = client.search_runs([experiment_id], wanted, max_results=5000, page_token=token)
            for run in page:
                runs_by_key.setdefault(run.data.tags.get("run_key", ""), []).append(run)
            token = page.token
            if not token:
                return runs_by_key


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: a page of runs is a million objects to look through, and half the
    time of reading it.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _input(dataset: dict[str, Any]) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    name = f"{dataset['task']} T={dataset['steps']}"
    source = json.dumps({"task": dataset["task"], **dataset["args"]}, sort_keys=True)
    dataset_of_mlflow = Dataset(
        name=name,
        digest=digest(dataset),
        source_type="code",
        source=source,
        profile=json.dumps({"steps": dataset["steps"]}),
    )
    return DatasetInput(dataset_of_mlflow, [InputTag("mlflow.data.context", "training")])
