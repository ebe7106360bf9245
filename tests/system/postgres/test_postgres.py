"""MLflow on a real PostgreSQL (server.py beside this file brings it up): many ingests at once,
killed ones, wrong addresses.
"""

import csv
import json
import math
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from sqlalchemy import create_engine

from tests.support import synthetic
from tests.system.postgres import worker
from tests.system.postgres.server import PATIENCE, POLL, Server, Unavailable, server
from throughtime.analysis.grid_points import mlflow_experiment, mlflow_page
from throughtime.core.errors import UserError
from throughtime.tracking import ingest, locks, sources, store, ui
from throughtime.tracking.records import Record, grid_point_records, networks, varying

ROOT = Path(__file__).parents[3]
MANY, SOME = 25, 2  # seeds: of 5,000 networks, of 400
CELLS = worker.GAINS * worker.JOBS
LOG = ROOT / "results" / "postgres" / "log.csv"
COLUMNS = ("what", "processes", "networks", "runs", "seconds", "runs per second", "written by each")

# mlflow, alembic and sqlalchemy warn of each other
pytestmark = pytest.mark.filterwarnings("ignore")

Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    """A server, for this file's tests."""
    try:
        with server() as running:
            yield running
            left = running.processes
        assert left() == []
        assert not running.folder.exists()
    except Unavailable as error:
        pytest.fail(str(error))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of 5,000 networks."""
    return made(tmp_path_factory.mktemp("many"), MANY)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of 400 networks."""
    return made(tmp_path_factory.mktemp("some"), SOME)


def made(results: Path, seeds: int) -> Path:
    synthetic.write_jobs(worker.plan(seeds), results, worker.POINTS)
    return results


@dataclass
class Ingests:
    """Processes that fill one store, and what they did.

    Attributes:
        each: new, unchanged and replaced runs of every process that came to its end.
    """

    uri: str
    seeds: int
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)
    each: list[list[int]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0

    def start(self, results: Path, share: int = 0, of: int = 1) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
            "OMP_NUM_THREADS": "1",
        }
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "tests.system.postgres.worker",
            str(results),
            *map(str, (self.seeds, share, of)),
        ]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.processes.append(
            subprocess.Popen(command, env={**environment, "MLFLOW_TRACKING_URI": self.uri}, **pipes)
        )

    def kill(self, count: int) -> None:
        for process in self.processes[:count]:
            process.kill()

    def finish(self) -> "Ingests":
        """Wait for all of them; those that were not killed must have come to a good end."""
        ends = [(process, *process.communicate()) for process in self.processes]
        self.seconds = time.monotonic() - self.began
        for process, out, said in ends:
            assert process.returncode in (0, -signal.SIGKILL), said
            if process.returncode == 0:
                self.each.append(json.loads(out.splitlines()[-1]))
        return self

    @property
    def new(self) -> list[int]:
        return [new for new, _, _ in self.each]


def together(uri: str, seeds: int, *results: Path, shares: bool = False) -> Ingests:
    """An ingest a results folder, all at once, each of the whole plan or of its share."""
    ingests = Ingests(uri, seeds)
    for number, folder in enumerate(results):
        ingests.start(folder, *((number, len(results)) if shares else (0, 1)))
    return ingests.finish()


def note(capsys: pytest.CaptureFixture[str], what: str, ingests: Ingests) -> None:
    """A line for the closing note, on the terminal and in LOG: measured, not judged."""
    runs = sum(ingests.new)
    figures = (
        len(ingests.processes),
        200 * ingests.seeds,
        runs,
        round(ingests.seconds, 1),
        round(runs / ingests.seconds, 1),
    )
    row = (what, *figures, " ".join(map(str, ingests.new)))
    LOG.parent.mkdir(parents=True, exist_ok=True)
    header = not LOG.exists()
    with LOG.open("a", newline="") as file:
        csv.writer(file).writerows([COLUMNS] * header + [row])
    with capsys.disabled():
        print(
            "\n" + "; ".join(f"{name}: {value}" for name, value in zip(COLUMNS, row, strict=True)),
            flush=True,
        )


def wanted(results: Path, seeds: int) -> tuple[list[Record], list[Record]]:
    """What is to be recorded of networks and of cells, read from the tables on this disk."""
    plan = worker.plan(seeds)
    found = sources.find(results, plan, "clipping")
    assert found is not None
    differing = varying(plan, "clipping")
    return (
        list(networks(found.summary, found.curves, differing, "smoke", found.provenance)),
        list(grid_point_records(found.summary, differing, "smoke", found.provenance)),
    )


RUNS = """
SELECT key.value, sha.value, run.status FROM runs run
JOIN experiments experiment ON experiment.experiment_id = run.experiment_id
LEFT JOIN tags key ON key.run_uuid = run.run_uuid AND key.key = 'run_key'
LEFT JOIN tags sha ON sha.run_uuid = run.run_uuid AND sha.key = 'content_sha'
WHERE run.lifecycle_stage = 'active' AND experiment.name = '{name}'"""
OF_RUN = """
SELECT tag.value, {columns} FROM {table} entry
JOIN tags tag ON tag.run_uuid = entry.run_uuid AND tag.key = 'run_key'
JOIN runs run ON run.run_uuid = entry.run_uuid AND run.lifecycle_stage = 'active' {more}"""


def check_exact(ask: Ask, results: Path, seeds: int, shares: bool = False) -> None:
    """Every record is one finished run with its sum; none is missing, none is there twice, and each
    has all it should hold.

    A cell's name, so its sum, depends on what the plan varies: the plan of a share may vary less.
    """
    trained, of_cells = wanted(results, seeds)
    assert len(trained) == 200 * seeds
    assert len(of_cells) == CELLS
    assert sorted(ask(RUNS.format(name=mlflow_experiment("clipping")))) == sorted(
        (r.key, r.sha, r.status) for r in trained
    )
    found = ask(RUNS.format(name=mlflow_page("clipping")))
    assert shares or {(r.key, r.sha, r.status) for r in of_cells} < set(found)
    assert {r.key for r in of_cells} < {key for key, _, _ in found}
    assert len(found) == CELLS + 1  # the overview
    counted = f"GROUP BY tag.value HAVING tag.value IN ({', '.join(repr(r.key) for r in trained)})"
    for table, sizes in {
        "metrics": {r.key: len(r.metrics) + len(r.curves) for r in trained},
        "params": {r.key: len(r.params) for r in trained},
    }.items():
        assert dict(ask(OF_RUN.format(columns="count(*)", table=table, more=counted))) == sizes  # type: ignore[arg-type] # rows of two
    for record in trained[:: len(trained) // 20]:
        only = f"WHERE tag.value = '{record.key}'"
        parameters = ask(OF_RUN.format(columns="entry.key, entry.value", table="params", more=only))
        assert {name: value for _, name, value in parameters} == record.params
        points = ask(
            OF_RUN.format(columns="entry.key, entry.step, entry.value", table="metrics", more=only)
        )
        told = [(name, 0, value) for name, value in record.metrics.items()] + record.curves
        assert sorted((name, step) for _, name, step, _ in points) == sorted(
            (name, step) for name, step, _ in told
        )
        values = {(name, step): value for name, step, value in told}
        assert all(
            math.isclose(value, values[name, step], rel_tol=1e-12)
            for _, name, step, value in points
        )


def asking(postgres: Server, uri: str) -> Ask:
    return lambda question: postgres.ask(uri.rpartition("/")[2], question)


# At once ------------------------------------------------------------------------------------------


def test_8_processes_record_the_same_5000_networks(
    postgres: Server, many: Path, capsys: pytest.CaptureFixture[str]
):
    uri = postgres.create("same")
    ingests = together(uri, MANY, *[many] * 8)
    note(capsys, "8 processes, the same networks", ingests)
    check_exact(asking(postgres, uri), many, MANY)
    assert sum(ingests.new) == 5000 + CELLS + 1
    assert all(sum(counts) == 5000 + CELLS + 1 for counts in ingests.each), (
        "each has seen to all of them"
    )
    assert sum(replaced for _, _, replaced in ingests.each) == 0
    assert sum(new > 0 for new in ingests.new) > 1, "the work was not shared"


def test_8_processes_record_a_share_each(
    postgres: Server, some: Path, capsys: pytest.CaptureFixture[str]
):
    uri = postgres.create("shares")
    ingests = together(uri, SOME, *[some] * 8, shares=True)
    note(capsys, "8 processes, a share each", ingests)
    check_exact(asking(postgres, uri), some, SOME, shares=True)
    assert sum(ingests.new) == 400 + CELLS + 1
    assert sum(replaced for _, _, replaced in ingests.each) <= 7, (
        "the overview alone differs from share to share"
    )


@pytest.mark.parametrize("killed", [5, 8])
def test_kill_of_some_of_8_midway(
    killed: int, postgres: Server, some: Path, capsys: pytest.CaptureFixture[str]
):
    uri = postgres.create(f"killed{killed}")
    ask = asking(postgres, uri)
    ingests = Ingests(uri, SOME)
    for _ in range(8):
        ingests.start(some)
    deadline = time.monotonic() + PATIENCE
    while (
        not ask("SELECT to_regclass('runs')")[0][0] or ask("SELECT count(*) FROM runs")[0][0] < 100
    ):
        assert time.monotonic() < deadline
        time.sleep(POLL)
    ingests.kill(killed)
    ingests.finish()
    if killed < 8:
        note(capsys, f"8 processes, {killed} killed", ingests)
    else:
        left = ask("SELECT count(*) FROM runs")[0][0]
        assert 100 <= left < 400
        again = together(uri, SOME, some)
        ((new, unchanged, _),) = again.each
        assert 0 < unchanged <= left
        assert new >= 400 + CELLS + 1 - left
    check_exact(ask, some, SOME)
    ((new, unchanged, replaced),) = together(uri, SOME, some).each
    assert (new, unchanged, replaced) == (0, 400 + CELLS + 1, 0)


def test_kill_of_8_that_make_the_tables(postgres: Server, some: Path):
    uri = postgres.create("tables")
    ask = asking(postgres, uri)
    ingests = Ingests(uri, SOME)
    for _ in range(8):
        ingests.start(some)
    deadline = time.monotonic() + PATIENCE
    while not ask(
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    ):  # one makes them, another waits
        assert time.monotonic() < deadline
        time.sleep(POLL)
    ingests.kill(8)
    ingests.finish()
    together(uri, SOME, some, some)
    check_exact(ask, some, SOME)


def test_what_a_killed_process_sent_last_is_waited_for(postgres: Server):
    """Its locks are free, but the transaction in which it makes a run is not over."""
    uri = postgres.create("last")
    store.connect(uri)
    with closing(psycopg2.connect(uri)) as killed, create_engine(uri).connect() as connection:
        killed.cursor().execute(
            "INSERT INTO runs "
            "(run_uuid, experiment_id, name, status, source_type, lifecycle_stage) "
            "VALUES ('sent-last', 0, 'x', 'RUNNING', 'LOCAL', 'active')"
        )
        seen: list[Any] = []

        def take() -> None:
            with locks.hold(locks.in_database(connection), "clipping/a"):
                seen.extend(postgres.ask("last", "SELECT name FROM runs"))

        thread = threading.Thread(target=take)
        thread.start()
        deadline = time.monotonic() + PATIENCE
        while not postgres.ask(
            "last", "SELECT 1 FROM pg_locks WHERE relation = 'runs'::regclass AND NOT granted"
        ):
            assert time.monotonic() < deadline, "it does not wait"
            time.sleep(POLL)
        assert seen == []
        killed.commit()
        thread.join(PATIENCE)
        assert seen == [("x",)]


def test_an_advisory_lock_has_one_holder_and_ends_with_its_connection(postgres: Server):
    uri = postgres.create("locks")
    store.connect(uri)
    engine = create_engine(uri)
    with engine.connect() as one, engine.connect() as other:
        first, second = locks.in_database(one), locks.in_database(other)
        with first("clipping/a") as free:
            assert free
            with second("clipping/a") as free, second("clipping/b") as another:
                assert (free, another) == (False, True)
        with second("clipping/a") as free:
            assert free
            with first("clipping/a") as too:
                assert not too
            (holder,) = postgres.ask(
                "locks", "SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory'"
            )
            postgres.ask("locks", f"SELECT pg_terminate_backend({holder[0]}, 10000)")
            with first("clipping/a") as free:
                assert free
            with pytest.raises(Exception, match=r"terminat|closed"), second("clipping/a"):
                pass
            other.invalidate()


# Other stores -------------------------------------------------------------------------------------


def test_4_processes_through_a_server(
    postgres: Server, some: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    uri = postgres.create("server")
    port = ui.free_port(0)
    with ui._server(uri, tmp_path, ui.HOST, port):
        ingests = together(f"http://127.0.0.1:{port}", SOME, *[some] * 4)
        note(capsys, "4 processes through mlflow server", ingests)
    check_exact(asking(postgres, uri), some, SOME)
    assert sum(ingests.new) == 400 + CELLS + 1
    assert sum(new > 0 for new in ingests.new) > 1, "the work was not shared"


def test_8_processes_of_two_results_folders_on_one_sqlite_database(
    some: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "store" / "mlflow.db"
    other = made(tmp_path / "other", SOME)
    ingests = together(f"sqlite:///{path}", SOME, *[some, other] * 4)
    note(capsys, "8 processes, SQLite", ingests)
    with closing(sqlite3.connect(path)) as connection:
        check_exact(lambda question: connection.execute(question).fetchall(), some, SOME)
    assert sorted(ingests.new) == [0] * 7 + [400 + CELLS + 1], (
        "one writes all, the others wait and find it done"
    )


# Mistakes -----------------------------------------------------------------------------------------


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What an ingest into an address that cannot work says."""

    def said(uri: str) -> str:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(UserError) as refusal:
            ingest.ingest(tmp_path, tmp_path, worker.plan(1), "smoke")
        assert "\n" not in str(refusal.value)
        return str(refusal.value)

    return said


def test_a_wrong_password_is_one_line_without_it(postgres: Server, refused: Callable[[str], str]):
    said = refused(postgres.address("postgres", "not-the-password"))
    assert "password authentication failed" in said
    assert "not-the-password" not in said
    assert postgres.password not in said


def test_a_database_that_is_not_there_is_one_line(postgres: Server, refused: Callable[[str], str]):
    said = refused(postgres.address("nowhere"))
    assert 'database "nowhere" does not exist' in said
    assert postgres.password not in said


def test_no_server_is_one_line(refused: Callable[[str], str]):
    # the discard port: nobody listens
    assert "secret" not in (said := refused("postgresql://me:secret@127.0.0.1:9/mlflow"))
    assert "refused" in said


def test_a_server_that_says_nothing_is_not_waited_for_long(
    refused: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "PATIENCE", 2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        said = refused(f"postgresql://me:secret@127.0.0.1:{mute.getsockname()[1]}/mlflow")
    assert "timeout" in said
    assert "secret" not in said


# The server itself --------------------------------------------------------------------------------


def test_it_listens_on_loopback_alone(postgres: Server):
    connections = [c for process in postgres.processes() for c in process.net_connections("inet")]
    assert {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_script_is_stopped(number: signal.Signals):
    """Ctrl-C, a polite kill, and kill -9: the server ends, and its folder goes."""
    script = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.system.postgres.server",
            "bash",
            "-c",
            "echo $POSTGRES_FOLDER; read",
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert script.stdout
        there = Server(Path(script.stdout.readline().strip()), 0, "")
        assert len(there.processes()) > 3
        script.send_signal(number)
        assert script.stdin
        script.stdin.close()  # ends the command, if it is still there
        script.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while there.processes() or there.folder.exists():
            assert time.monotonic() < deadline, there.processes()
            time.sleep(POLL)
    finally:
        script.kill()  # where the test failed: the reaper does the rest
        script.wait(PATIENCE)
