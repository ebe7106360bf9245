"""Who waits for whom: locks that follow the store. Those of PostgreSQL are held by
tests/system/postgres.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import synthetic
from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.planning.plan import Plan
from throughtime.tracking import ingest, locks, store, writer
from throughtime.tracking.records import Record

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.slow,
]  # mlflow, alembic and sqlalchemy warn of each other

ROOT = Path(__file__).parents[2]
SMALL = synthetic.toy_plan(lengths=(10,), depths=(None,), axes={"gain": [0.5, 1.5]}, seeds=2)
RUNS = 4 + 2 + 1  # networks, grid points, the overview

HOLDER = """
import sys
from pathlib import Path
from throughtime.tracking import locks
with locks.database_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
INGEST = """
import sys
from pathlib import Path
from tests.support import synthetic
from throughtime.tracking import ingest
plan = synthetic.toy_plan(lengths=(10,), depths=(None,), axes={"gain": [0.5, 1.5]}, seeds=2)
results = Path(sys.argv[1])
print(ingest.ingest(results, results, plan, "smoke").new)
"""


def start(program: str, *arguments: Path, **more: str) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
        "OMP_NUM_THREADS": "1",
        **more,
    }
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, arguments)]
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# Turns --------------------------------------------------------------------------------------------


def test_turns_take_what_is_free_first_and_all_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, holding, slept = {"b", "d"}, [], []

    @contextmanager
    def attempt(name: str) -> Iterator[bool]:
        if name in elsewhere:
            yield False
            return
        holding.append(name)
        yield True
        holding.remove(name)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        elsewhere.remove("d" if "d" in elsewhere else "b")

    monkeypatch.setattr("throughtime.tracking.locks.time.sleep", sleep)
    seen = [(name, list(holding)) for name in locks.each_as_it_becomes_free(attempt, "abcd")]
    assert seen == [(name, [name]) for name in "acdb"]
    assert slept == [locks.POLL] * 2


def test_a_lock_in_a_folder_has_one_holder_and_is_free_after_an_error(tmp_path: Path) -> None:
    one, other = locks.in_folder(tmp_path / "locks"), locks.in_folder(tmp_path / "locks")
    with one("clipping/a") as free, other("clipping/a") as same, other("clipping/b") as another:
        assert (free, same, another) == (True, False, True)
    with pytest.raises(UserError), locks.hold(one, "clipping/a"):
        raise UserError("anything")
    with other("clipping/a") as free:
        assert free


def test_a_sqlite_database_has_one_user_at_a_time_whatever_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    holder = start(HOLDER, tmp_path / "store" / "mlflow.db")
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert (tmp_path / "store" / ".mlflow.db.lock").exists()
        lock = tmp_path / "store" / ".mlflow.db.lock"
        assert files.lock(lock, timeout=0) is None
        holder.send_signal(signal.SIGKILL)  # a lock ends with its process
        holder.wait()
        with locks.database_lock(tmp_path / "link" / "mlflow.db"):
            assert files.lock(lock, timeout=0) is None
    finally:
        holder.kill()
        holder.communicate()


# Ingests ------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, made once: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    store.connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def uri(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database beside all results folders."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


def folder(place: Path) -> Path:
    synthetic.write_jobs(SMALL, place)
    return place


def record(results: Path, plan: Plan = SMALL) -> tuple[int, int, int]:
    counts = ingest.ingest(results, results, plan, "smoke")
    return counts.new, counts.skipped, counts.replaced


def active(uri: str) -> list[Any]:
    client = store.connect(uri)
    numbers = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(numbers, max_results=1000))


def test_an_ingest_waits_until_the_database_is_free(tmp_path: Path, uri: str) -> None:
    holder = start(HOLDER, tmp_path / "mlflow.db")
    waiting = start(INGEST, folder(tmp_path / "r"))
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(
            subprocess.TimeoutExpired
        ):  # it takes 4 s where nobody is there; that it ended early would be the defect
            waiting.wait(8)
        assert active(uri) == []
        holder.communicate("")
        said, error = waiting.communicate()
        assert (waiting.returncode, said) == (0, f"{RUNS}\n"), error
    finally:
        holder.kill()
        waiting.kill()


def test_two_results_folders_with_one_database_at_once_double_nothing(
    tmp_path: Path, uri: str
) -> None:
    folders = [folder(tmp_path / name) for name in ("one", "other")]
    processes = [start(INGEST, place, MLFLOW_TRACKING_URI=uri) for place in folders]
    ends = [(process.communicate(), process.returncode) for process in processes]
    assert [code for _, code in ends] == [0, 0], ends
    assert sorted(int(said) for (said, _), _ in ends) == [0, RUNS]
    keys = [run.data.tags["run_key"] for run in active(uri)]
    assert len(keys) == len(set(keys)) == RUNS
    for place in folders:  # each has the artifacts of the run that one of them made
        assert len(list((place / "mlflow" / "artifacts").rglob("grid_points.csv"))) == 1
        assert record(place) == (0, RUNS, 0)


def test_buckets_hold_every_record_once_each_with_its_lock(tmp_path: Path) -> None:
    records = [Record(key, key) for key in ("a1", "0f", "a2", "b0")]
    held: list[str] = []

    @contextmanager
    def attempt(name: str) -> Iterator[bool]:
        held.append(name)
        yield True

    shared, alone = (
        writer.ExperimentWriter(None, a, "clipping", "1", tmp_path, {}) for a in (attempt, None)
    )  # type: ignore[arg-type] # no client
    buckets = {first: [r.key for r in bucket] for first, bucket in shared._buckets(records)}
    assert buckets == {"a": ["a1", "a2"], "0": ["0f"], "b": ["b0"]}
    assert held == ["clipping/a", "clipping/0", "clipping/b"]
    assert list(alone._buckets(records)) == [("", records)]


@pytest.mark.parametrize("content", [None, b"", b"another"])
def test_an_artifact_that_is_gone_or_differs_is_put_back(
    tmp_path: Path, uri: str, content: bytes | None
) -> None:
    results = folder(tmp_path / "r")
    record(results)
    (path,) = (results / "mlflow" / "artifacts").rglob("grid_points.csv")
    before, runs = path.read_bytes(), sorted(run.info.run_id for run in active(uri))
    path.unlink() if content is None else path.write_bytes(content)
    assert record(results) == (0, RUNS - 1, 1)
    assert path.read_bytes() == before
    assert sorted(run.info.run_id for run in active(uri)) == runs
    path.write_bytes(before[::-1])  # of the same size
    assert record(results) == (0, RUNS - 1, 1)
    assert path.read_bytes() == before


# Mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (
            "postgresql://me:secret@127.0.0.1:9/mlflow",
            r"PostgreSQL needs the package psycopg2: pip install --no-deps -r requirements-",
        ),
        (
            "postgresql://127.0.0.1:9/mlflow?password=secret",
            r"PostgreSQL needs the package psycopg2",
        ),
        (
            "postgresql://me:secret@127.0.0.1:port/mlflow",
            r"no address of a database: postgresql://USER:PASSWORD@HOST",
        ),
    ],
)
def test_what_postgresql_lacks_is_one_line_without_a_password(
    uri: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", None)  # as where it is not installed
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError, match=said) as refusal:
        record(tmp_path)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
