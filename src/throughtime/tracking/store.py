"""The MLflow store: where it is, how a new one is made, and what is said when it cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

import os
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

from throughtime.core.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from sqlalchemy import Engine

PATIENCE = 10  # seconds for a server to answer
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}


def tracking_uri(root: Path, results: Path, configured: str | None = None) -> str:
    """The store's address: MLFLOW_TRACKING_URI, else the configured one, else SQLite under
    ``results``.

    A relative SQLite path is taken from ``root``, not from where the command was called.
    """
    uri = (
        os.environ.get("MLFLOW_TRACKING_URI")
        or configured
        or f"sqlite:///{(results / 'mlflow' / 'mlflow.db').resolve()}"
    )
    path = database(uri)
    return uri if path is None or path.is_absolute() else f"sqlite:///{(root / path).resolve()}"


def database(uri: str) -> Path | None:
    """The file behind a SQLite address, None for any other.

    >>> str(database("sqlite:///results/mlflow.db")), database("http://127.0.0.1:5000")
    ('results/mlflow.db', None)
    """
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def artifact_folder(results: Path) -> Path:
    """Where artifacts lie, and what the server gets as ``--artifacts-destination``."""
    return results / "mlflow" / "artifacts"


@contextmanager
def understood(uri: str) -> Iterator[None]:
    """Anything MLflow or the database raises becomes one line."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error) as error:
        path, reason = (
            database(uri),
            " ".join(str(getattr(error, "orig", None) or error).replace(uri, shown(uri)).split())[
                :200
            ],
        )
        mend = (
            "if it holds nothing but these runs, delete it and run again"
            if path
            else "check MLFLOW_TRACKING_URI and the server's log"
        )
        raise UserError(
            f"{shown(uri)}: the MLflow store cannot be used ({reason}); {mend}"
        ) from error


def shown(uri: str) -> str:
    """The address without user and password, which may also stand in its query.

    >>> shown("postgresql://me:secret@db.example/mlflow?password=secret")
    'postgresql://db.example/mlflow'
    """
    scheme, _, rest = uri.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def postgresql(uri: str) -> bool:
    """Whether the store is a PostgreSQL database, written to directly.

    >>> postgresql("postgresql+psycopg2://db.example/mlflow"), postgresql("http://db.example:5000")
    (True, False)
    """
    return uri.partition("://")[0].partition("+")[0] == "postgresql"


def connect(uri: str) -> "MlflowClient":
    """A client of the store; a SQLite database that does not exist is made, and so are MLflow's
    tables in PostgreSQL.

    Raises:
        UserError: the server does not answer or does not let us in, or the store is damaged.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if uri.startswith(("http://", "https://")):
        _reachable(uri)
    from mlflow import MlflowClient

    with understood(uri):
        if path := database(uri):
            _unhurried()
            _create(path)
            _check_database(path)
        elif postgresql(uri):
            _unhurried()
            _prepare(uri)
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def _reachable(uri: str) -> None:
    """One question with a short patience; MLflow's own client would ask for minutes."""
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        pass  # it answers; whether it lets us in, it says later
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(
            f"{shown(uri)}: no MLflow server answers ({reason}); start it or unset "
            "MLFLOW_TRACKING_URI"
        ) from None


@cache
def _unhurried() -> None:
    """A database no longer waits for the disk at every commit: a kill still loses nothing.

    After a power cut a SQLite store is rebuilt; PostgreSQL is whole, without the last second, which
    the next ingest writes again.
    """
    from sqlalchemy import Engine, event

    @event.listens_for(Engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")
        else:
            connection.cursor().execute("SET synchronous_commit = off")
            connection.commit()


def _create(path: Path) -> None:
    """A database with MLflow's tables and without its empty default experiment; whole or not at
    all.
    """
    if path.exists() and path.stat().st_size:
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    for leftover in path.parent.glob(f"{part.name}*"):
        leftover.unlink()
    store = SqlAlchemyStore(f"sqlite:///{part}", "mlflow-artifacts:/")
    store.delete_experiment("0")
    store.engine.dispose()
    os.replace(part, path)


def engine(uri: str) -> "Engine":
    """What MLflow's client of a database works with in this process; what an empty database lacks
    is made.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    shared: Engine = SqlAlchemyStore(uri, "mlflow-artifacts:/").engine
    return shared


def _prepare(uri: str) -> None:
    """PostgreSQL answers and has MLflow's tables, which one process makes while others wait.

    MLflow would try an address that does not answer ten times; here it is tried once.
    """
    from sqlalchemy import NullPool, create_engine, text

    try:
        first = create_engine(uri, poolclass=NullPool, connect_args={"connect_timeout": PATIENCE})
    except ModuleNotFoundError as error:
        install = "pip install --no-deps -r requirements-postgres.lock"
        raise UserError(
            f"{shown(uri)}: PostgreSQL needs the package {error.name}: {install}"
        ) from None
    except ValueError:
        raise UserError(
            f"{shown(uri)}: no address of a database: postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    with first.connect() as connection:
        connection.execute(
            text("SELECT pg_advisory_lock(hashtext('throughtime tables'))")
        )  # until the connection is closed
        engine(uri)


def _check_database(path: Path) -> None:
    """Raises sqlite3.DatabaseError at once where the file is damaged; MLflow would try again for
    minutes.
    """
    if reason := damage(path):
        raise sqlite3.DatabaseError(reason)


def damage(path: Path) -> str:
    """What SQLite says is wrong with a database file; empty where it finds nothing. A changed value
    in a cell it cannot find.

    Opened for writing: a writer killed within a transaction leaves a journal, which the next to
    open the file rolls back; opened for reading, SQLite refuses such a file, and it would pass for
    damaged. A file that is locked or may not be read is not damaged.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)) as connection:
            answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError:
        return ""
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if answer == "ok" else answer


def _remote(uri: str) -> bool:
    """Whether a server keeps the runs, and their artifacts."""
    return uri.startswith(("http", "databricks"))
