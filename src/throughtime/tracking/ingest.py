"""Tables -> MLflow: of each experiment one MLflow experiment with a run per trained network, and
one with a run per grid point, whose description shows figure and finding. Written, never read back.

What makes it safe to run again, after a kill at any moment, or N times at once:

- records are looked up and written bucket by bucket, each by one process at a time (locks.py): a
  SQLite database is one bucket; elsewhere a bucket is the records whose key begins alike, one of 16
  hex digits, and several ingests share the work;
- a run is known by its tag ``run_key``; all runs of a bucket are looked up once;
- a run is up to date if its status is terminal and its tag ``content_sha``, written LAST, is that
  of the record;
- any other run of that key is deleted and written anew; an artifact of this disk that is gone or
  differs is put back;
- a new SQLite database is made under another name and renamed when it is whole.

Runs that the plan no longer asks for stay; ``rm -r results/mlflow`` and a new ingest give a store
of the present tables alone.
"""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime.analysis.grid_points import mlflow_experiment, mlflow_page
from throughtime.core.files import set_aside
from throughtime.planning.plan import Plan
from throughtime.results.paths import write_json
from throughtime.results.provenance import git_commit
from throughtime.tracking import locks
from throughtime.tracking.descriptions import Page, described, markdown, network_markdown
from throughtime.tracking.records import Record, grid_point_records, networks, varying
from throughtime.tracking.saved_views import (
    View,
    opening,
    views_of_grid_points,
    views_of_networks,
)
from throughtime.tracking.sources import PICTURE, find, overview
from throughtime.tracking.store import (
    _remote,
    connect,
    damage,
    database,
    engine,
    postgresql,
    shown,
    tracking_uri,
    understood,
)
from throughtime.tracking.writer import Counts, ExperimentWriter

if TYPE_CHECKING:
    from mlflow import MlflowClient

# beside the database: where the store is, and the numbers of its experiments, by which the report
# links them
NUMBERS = "experiments.json"
OF_ONE = "numbers"  # a folder with the same for each experiment, also where not all are recorded


def ingest(
    root: Path,
    results: Path,
    plan: Plan,
    preset: str,
    uri: str | None = None,
    progress: Callable[[int], None] | None = None,
    only: list[str] | None = None,
) -> Counts:
    """Bring the MLflow store up to date with the tables that exist. When it returns, all is
    recorded, whoever wrote it.

    Args:
        root: the project's folder: its commit, its experiments' questions.
        results: where tables and figures lie.
        plan: what the preset asks for; tables of other jobs are passed over.
        preset: its name.
        uri: the configured store, see ``tracking_uri``.
        progress: called with the number of runs seen so far.
        only: these experiments; NUMBERS, which holds those of all, is left to an ingest of all.

    Raises:
        UserError: the server does not answer, the store or a table is damaged.
    """
    counts = Counts()
    uri = tracking_uri(root, results, uri)
    (results / "mlflow").mkdir(parents=True, exist_ok=True)
    with locks.database_lock(database(uri)):
        set_aside_damaged_database(results, uri)
        client = connect(uri)
        server = shown(uri) if _remote(uri) else ""
        numbers: dict[str, dict[str, str]] = {}
        with understood(uri), _attempt(uri, results) as attempt:
            opener = partial(ExperimentWriter.open, client, attempt, uri, results)
            recorded: dict[str, Recorded] = {}
            for experiment in only or _experiments(results, plan):
                for name, writer, records in _open_writers(
                    opener, root, results, plan, preset, experiment, recorded, counts
                ):
                    writer.fill(records, counts, progress)
                    numbers.setdefault(experiment, {})[name] = writer.id
            _describe(client, root, results, preset, recorded)
        for experiment, own in numbers.items():
            path = results / "mlflow" / OF_ONE / f"{experiment}.json"
            write_json({"server": server, "experiments": own}, path)
        if only is None:
            every = {name: number for own in numbers.values() for name, number in own.items()}
            write_json({"server": server, "experiments": every}, results / "mlflow" / NUMBERS)
    return counts


@contextmanager
def _attempt(uri: str, results: Path) -> Iterator[locks.TryLock | None]:
    """How buckets are shared out; None: nobody else is there."""
    if database(uri):
        yield None
    elif postgresql(uri):
        with engine(uri).connect() as connection:
            yield locks.in_database(connection)
    else:
        yield locks.in_folder(results / "mlflow" / "locks")


def set_aside_damaged_database(results: Path, uri: str) -> None:
    """Move the results' own database aside where SQLite finds it damaged: all that it held is
    written again from the tables.

    A store that the user named is left alone; ``connect`` says what is wrong with it.
    """
    path = results.resolve() / "mlflow" / "mlflow.db"
    if database(uri) == path and path.exists() and path.stat().st_size and (reason := damage(path)):
        print(
            f"{path.name}: damaged ({reason.splitlines()[0]}); it lies in {set_aside(path).name} "
            "now, and is filled again from the tables"
        )
        for leftover in path.parent.glob(f"{path.name}-*"):  # journals of the damaged one
            leftover.unlink()


def _experiments(results: Path, plan: Plan) -> list[str]:
    """Those of the plan, and those that only have a figure."""
    drawn = [path.stem for path in sorted((results / "figures").glob("*.png"))]
    return list(dict.fromkeys([*(j.experiment for j in plan.jobs), *drawn]))


@dataclass
class Recorded:
    """The MLflow experiments of one suite experiment, open for writing, and their saved views.

    Attributes:
        page: figure, finding and grid points.
        networks: None without tables.
        figure: whether there is one.
    """

    page: ExperimentWriter
    networks: ExperimentWriter | None
    views: list[View]
    network_views: list[View]
    figure: bool


def _open_writers(
    opener: Callable[[str, list[View], dict[str, str]], ExperimentWriter],
    root: Path,
    results: Path,
    plan: Plan,
    preset: str,
    experiment: str,
    recorded: dict[str, Recorded],
    counts: Counts,
) -> "Iterator[tuple[str, ExperimentWriter, list[Record]]]":
    """The MLflow experiments of one suite experiment: by what name the report links them, and the
    records. ``recorded`` gets what was opened.
    """
    found, differing = find(results, plan, experiment), varying(plan, experiment)
    origin = _origin(root, experiment)
    points: list[Record] = []
    writer, network_views = None, list[View]()
    if found is not None:
        counts.sources[experiment] = found.source
        counts.networks += len(found.summary)
        trained = list(networks(found.summary, found.curves, differing, preset, found.provenance))
        network_views = views_of_networks(preset, differing, trained)
        writer = opener(mlflow_experiment(experiment), network_views, origin)
        yield experiment, writer, trained
        points = list(grid_point_records(found.summary, differing, preset, found.provenance))
    overviewed = overview(found, points, results, experiment, preset)
    if overviewed.files:
        views = views_of_grid_points(preset, differing, points)
        page = opener(mlflow_page(experiment), views, origin)
        yield f"{experiment} summary", page, [*points, overviewed]
        figure = PICTURE in overviewed.files
        recorded[experiment] = Recorded(page, writer, views, network_views, figure)


def _describe(
    client: "MlflowClient",
    root: Path,
    results: Path,
    preset: str,
    recorded: dict[str, Recorded],
) -> None:
    """Finding, title, question, links and figure of each; the first of the story last, because
    MLflow lists what changed last first.
    """
    for experiment, own in sorted(
        recorded.items(), key=lambda item: item[1].page.name, reverse=True
    ):
        told = described(root, results, experiment)
        related = {
            name: opening(there.experiment_id, there.tags)
            for name in told.reads
            if (there := client.get_experiment_by_name(mlflow_page(name)))
        }
        page = Page(
            own.page.id,
            own.networks.id if own.networks else "",
            own.page.overview(preset) if own.figure else "",
            own.views,
            own.network_views,
        )
        if own.networks:
            own.networks.describe(network_markdown(told, page))
        own.page.describe(markdown(told, page, related))


def _origin(root: Path, experiment: str) -> dict[str, str]:
    """Who recorded, from what. Not part of a record's content: a new commit or user rewrites
    nothing.
    """
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        user = "unknown"
    commit = git_commit(root)
    source = {
        "mlflow.source.name": f"experiments/{experiment}/experiment.yaml",
        "mlflow.source.type": "LOCAL",
    }
    return {
        "mlflow.user": user,
        "mlflow.source.git.commit": commit,
        "user": user,
        "git_commit": commit,
        **source,
    }
