"""Tables -> MLflow: every trained network one run, every grid cell one run of a summary experiment. Written, never read back.

What makes it safe to run again, after a kill at any moment, or N times at once:

- records are looked up and written bucket by bucket, each by one process at a time (locks.py): a SQLite database is one bucket; elsewhere a
  bucket is the records whose key begins alike, one of 16 hex digits, and several ingests share the work;
- a run is known by its tag ``run_key``; all runs of a bucket are looked up once;
- a run is up to date if its status is terminal and its tag ``content_sha``, written LAST, is that of the record;
- any other run of that key is deleted and written anew; an artifact of this disk that is gone or differs is put back;
- a new SQLite database is made under another name and renamed when it is whole.

Runs that the plan no longer asks for stay; ``rm -r results/mlflow`` and a new ingest give a store of the present tables alone.
"""

import gc
import getpass
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from throughtime.core.files import aside, replace
from throughtime.pipeline.stages import write_json
from throughtime.planning import yaml_reader
from throughtime.planning.project import Plan, digest
from throughtime.results.provenance import git_commit
from throughtime.tracking import locks
from throughtime.tracking.records import Record, cells, networks, varying
from throughtime.tracking.saved_views import View, cell_views, network_views
from throughtime.tracking.sources import find, overview
from throughtime.tracking.store import (
    artifact_folder,
    connect,
    damage,
    database,
    engine,
    postgresql,
    shown,
    tracking_uri,
    understood,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

TERMINAL = ("FINISHED", "FAILED", "KILLED")
NUMBERS = "experiments.json"  # beside the database: where the store is, and the numbers of its experiments, by which the report links them


@dataclass
class Counts:
    """What an ingest did: runs of networks, cells and overviews together.

    Attributes:
        new, skipped, replaced: runs written, found up to date, written anew in place of another or given back an artifact.
        networks: how many of them all are trained networks.
        sources: experiment -> which tables were read.
    """

    new: int = 0
    skipped: int = 0
    replaced: int = 0
    networks: int = 0
    sources: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        read = "; ".join(f"{name}: {source}" for name, source in self.sources.items()) or "no tables yet"
        return f"{self.networks} networks; {self.new} runs new, {self.skipped} unchanged, {self.replaced} replaced ({read})"


def ingest(
    root: Path,
    results: Path,
    plan: Plan,
    preset: str,
    uri: str | None = None,
    progress: Callable[[int], None] | None = None,
    only: list[str] | None = None,
) -> Counts:
    """Bring the MLflow store up to date with the tables that exist. When it returns, all is recorded, whoever wrote it.

    Args:
        root: the project's folder: its commit, its experiments' questions.
        results: where tables and figures lie.
        plan: what the preset asks for; tables of other jobs are passed over.
        preset: its name.
        uri: the configured store, see ``tracking_uri``.
        progress: called with the number of runs seen so far.
        only: these experiments; the numbers that the report links by are left to an ingest of all.

    Raises:
        UserError: the server does not answer, the store or a table is damaged.
    """
    counts = Counts()
    uri = tracking_uri(root, results, uri)
    (results / "mlflow").mkdir(parents=True, exist_ok=True)
    with locks.whole(database(uri)):
        _heal(results, uri)
        client = connect(uri)
        numbers: dict[str, str] = {}
        with understood(uri), _attempt(uri, results) as attempt:
            for experiment in only or _experiments(results, plan):
                for shelf, records in _shelves(client, attempt, uri, root, results, plan, preset, experiment, counts):
                    shelf.fill(records, counts, progress)
                    numbers[shelf.name] = shelf.id
        if only is None:
            write_json({"server": shown(uri) if _remote(uri) else "", "experiments": numbers}, results / "mlflow" / NUMBERS)
    return counts


@contextmanager
def _attempt(uri: str, results: Path) -> Iterator[locks.Attempt | None]:
    """How buckets are shared out; None: nobody else is there."""
    if database(uri):
        yield None
    elif postgresql(uri):
        with engine(uri).connect() as connection:
            yield locks.in_database(connection)
    else:
        yield locks.in_folder(results / "mlflow" / "locks")


def _heal(results: Path, uri: str) -> None:
    """Move the results' own database aside where SQLite finds it damaged: all that it held is written again from the tables.

    A store that the user named is left alone; ``connect`` says what is wrong with it.
    """
    path = results.resolve() / "mlflow" / "mlflow.db"
    if database(uri) == path and path.exists() and path.stat().st_size and (said := damage(path)):
        print(
            f"{path.name}: damaged ({said.splitlines()[0]}); it lies in {aside(path).name} now, and is filled again from the tables"
        )
        for leftover in path.parent.glob(f"{path.name}-*"):  # journals of the damaged one
            leftover.unlink()


def _experiments(results: Path, plan: Plan) -> list[str]:
    """Those of the plan, and those that only have a figure."""
    drawn = [path.stem for path in sorted((results / "figures").glob("*.png"))]
    return list(dict.fromkeys([*(j.experiment for j in plan.jobs), *drawn]))


def _shelves(
    client: "MlflowClient",
    attempt: locks.Attempt | None,
    uri: str,
    root: Path,
    results: Path,
    plan: Plan,
    preset: str,
    experiment: str,
    counts: Counts,
) -> "Iterator[tuple[Shelf, list[Record]]]":
    """The MLflow experiments of one suite experiment, each with its records."""
    found, differing = find(results, plan, experiment), varying(plan, experiment)
    origin, note = _origin(root, experiment), _note(root, experiment)
    grid_cells: list[Record] = []
    if found is not None:
        counts.sources[experiment] = found.source
        counts.networks += len(found.summary)
        yield (
            Shelf.open(client, attempt, uri, results, experiment, note, network_views(preset, differing), origin),
            list(networks(found.summary, found.curves, preset, found.made)),
        )
        grid_cells = list(cells(found.summary, differing, preset, found.made))
    page = overview(found, grid_cells, results, experiment, preset)
    if page.files:
        views = cell_views(preset, differing) if found is not None else []
        yield Shelf.open(client, attempt, uri, results, f"{experiment} summary", note, views, origin), [*grid_cells, page]


def _origin(root: Path, experiment: str) -> dict[str, str]:
    """Who recorded, from what. Not part of a record's content: a new commit or user rewrites nothing."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "unknown"
    commit = git_commit(root)
    source = {"mlflow.source.name": f"experiments/{experiment}/experiment.yaml", "mlflow.source.type": "LOCAL"}
    return {"mlflow.user": user, "mlflow.source.git.commit": commit, "user": user, "git_commit": commit, **source}


def _note(root: Path, experiment: str) -> str:
    path = root / "experiments" / experiment / "experiment.yaml"
    content = yaml_reader.read(path) if path.exists() else {}
    return f"{content.get('title', experiment)}\n\n{content.get('question', '')}".strip()


def _remote(uri: str) -> bool:
    """Whether a server keeps the runs, and their artifacts."""
    return uri.startswith(("http", "databricks"))


@dataclass(frozen=True, eq=False)
class Shelf:
    """One MLflow experiment, open for writing.

    Attributes:
        attempt: how its buckets are shared out; None: nobody else is there, and all is one bucket.
        name, id: as MLflow has them.
        folder: where its artifacts lie; None: the server keeps them.
        datasets: those that are in it for certain.
    """

    client: "MlflowClient"
    attempt: locks.Attempt | None
    name: str
    id: str
    folder: Path | None
    origin: dict[str, str]
    datasets: set[str] = field(default_factory=set)

    @classmethod
    def open(
        cls,
        client: "MlflowClient",
        attempt: locks.Attempt | None,
        uri: str,
        results: Path,
        name: str,
        note: str,
        views: list[View],
        origin: dict[str, str],
    ) -> "Shelf":
        """The experiment of that name, made or restored where needed, with its note and views."""
        slug = name.replace(" ", "-")
        remote = _remote(uri)
        wanted = {"mlflow.note.content": note, "mlflow.experimentKind": "custom_model_development"} | dict(v.tag for v in views)
        with locks.held(attempt, name):
            found = client.get_experiment_by_name(name)
            if found is None:
                location = None if remote else f"mlflow-artifacts:/{slug}"
                found = client.get_experiment(client.create_experiment(name, artifact_location=location))
            if found.lifecycle_stage == "deleted":
                client.restore_experiment(found.experiment_id)
            for key, value in wanted.items():
                if found.tags.get(key) != value:
                    client.set_experiment_tag(found.experiment_id, key, value)
        folder = None if remote else artifact_folder(results) / slug
        return cls(client, attempt, name, found.experiment_id, folder, origin)

    def fill(self, records: list[Record], counts: Counts, progress: Callable[[int], None] | None = None) -> None:
        """Write the records that are not up to date."""
        for first, bucket in self._buckets(records):
            known = _known(self.client, self.id, first)
            for record in bucket:
                self._settle(record, known.get(record.key, []), counts)
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
        for name in locks.turns(self.attempt, buckets):
            yield name[-1], buckets[name]

    def _settle(self, record: Record, runs: "list[Run]", counts: Counts) -> None:
        """Bring one record up to date, whose runs so far are these."""
        sha = record.sha
        current = [r for r in runs if r.data.tags.get("content_sha") == sha and r.info.status in TERMINAL]
        for run in [r for r in runs if r not in current[:1]]:
            self._delete(run.info.run_id)
        if not current:
            self._write(record, sha)
        mended = bool(current) and self._mend(current[0].info.run_id, record.files)
        counts.new += not runs
        counts.replaced += bool(runs) and (mended or not current)
        counts.skipped += bool(current) and not mended

    def _mend(self, run_id: str, files: dict[str, bytes]) -> bool:
        """Put back the artifacts on this disk that are gone or differ, in size or in content; whether there were any."""
        if self.folder is None:
            return False
        broken = {name: content for name, content in files.items() if not _holds(self._place(run_id, name), content)}
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
        run_id = self.client.create_run(self.id, start_time=start, tags=tags, run_name=record.name).info.run_id
        points = [Metric(name, value, end or 0, 0) for name, value in record.metrics.items()]
        points += [Metric(name, value, end or 0, step) for name, step, value in record.curves]
        parameters = [Param(name, value) for name, value in record.params.items()]
        if record.dataset:
            self._describe(run_id, record.dataset)
        *before, last = [points[i : i + 900] for i in range(0, max(len(points), 1), 900)]  # a call takes 1,000 entities
        for part in before:
            self.client.log_batch(run_id, part, synchronous=True)
        self._attach(run_id, record.files)
        self.client.set_terminated(run_id, "FINISHED", end)
        # Of a call MLflow writes parameters, then metrics, then tags, each in a transaction: the tag means that all is there.
        self.client.log_batch(run_id, last, parameters, [RunTag("content_sha", sha)], synchronous=True)

    def _describe(self, run_id: str, dataset: dict[str, Any]) -> None:
        """Say what a run was trained on. All buckets share a dataset's row, which MLflow fails to make where two processes do at once."""
        key, described = digest(dataset), [_input(dataset)]
        if key in self.datasets:
            self.client.log_inputs(run_id, described)
        else:
            with locks.held(self.attempt, f"{self.name} datasets"):
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


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _known(client: "MlflowClient", experiment_id: str, first: str) -> dict[str, list["Run"]]:
    """Record key -> its runs, of the keys that begin with ``first``."""
    wanted = f"tags.run_key LIKE '{first}%'" if first else ""
    known: dict[str, list[Run]] = {}
    token: str | None = None
    with _uncollected():
        while True:
            page = client.search_runs([experiment_id], wanted, max_results=5000, page_token=token)
            for run in page:
                known.setdefault(run.data.tags.get("run_key", ""), []).append(run)
            token = page.token
            if not token:
                return known


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: a page of runs is a million objects to look through, and half the time of reading it."""
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
    made = Dataset(
        name=name, digest=digest(dataset), source_type="code", source=source, profile=json.dumps({"steps": dataset["steps"]})
    )
    return DatasetInput(made, [InputTag("mlflow.data.context", "training")])
