"""Which of several ingests writes what. Locks follow the store, not the results folder, and vanish
with their process.

A SQLite file has one writer at a time: a lock file beside it is held for a whole ingest, and others
wait. In any other store the work is shared out: a lock has a name, an *attempt* says whether it
could be had just now, and ``each_as_it_becomes_free`` goes through many names, free ones first.

A killed client may have sent a last COMMIT, and its lock be free before that is done. In PostgreSQL
whoever takes a lock first waits for every transaction that has written to MLflow's runs; a SQLite
database ends with its process; a server's last request is not waited for, and a run that it so
doubles is put right by the next ingest.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime.core import files
from throughtime.tracking.store import PATIENCE

if TYPE_CHECKING:
    from sqlalchemy import Connection

TryLock = Callable[[str], AbstractContextManager[bool]]
POLL = 0.1  # seconds until a lock that another process holds is tried again


@contextmanager
def database_lock(database: Path | None) -> Iterator[None]:
    """A SQLite database for this process alone, after any other is done with it; None: nothing is
    locked. Its folder is made.
    """
    if database is None:
        yield
        return
    path = database.resolve()  # one lock per file, whatever links lead to it
    lock = files.lock(path.with_name(f".{path.name}.lock"))
    try:
        yield
    finally:
        if lock:
            lock.release()


def in_folder(folder: Path) -> TryLock:
    """Locks between the processes that write from one results folder: files, which stay and mean
    nothing when nobody holds them.
    """

    @contextmanager
    def attempt(name: str) -> Iterator[bool]:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        lock = files.lock(folder / f"{digest}.lock", timeout=0)
        try:
            yield lock is not None
        finally:
            if lock:
                lock.release()

    return attempt


def in_database(connection: "Connection") -> TryLock:
    """PostgreSQL's advisory locks, between all that write to one database.

    Args:
        connection: the locks' own; they are free when it ends.
    """
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    def ask(statement: str) -> object:
        with connection.begin():
            answer = connection.execute(text(statement))
            return answer.scalar() if answer.returns_rows else None

    @contextmanager
    def attempt(name: str) -> Iterator[bool]:
        number = int.from_bytes(
            hashlib.sha256(f"throughtime {name}".encode()).digest()[:8], signed=True
        )
        if not ask(f"SELECT pg_try_advisory_lock({number})"):
            yield False
            return
        try:
            ask(
                f"SET LOCAL lock_timeout = '{PATIENCE}s'; LOCK TABLE runs IN SHARE MODE"
            )  # those who write to it are done now
            yield True
        except BaseException:
            with suppress(SQLAlchemyError):  # where the connection is gone, so is the lock
                ask(f"SELECT pg_advisory_unlock({number})")
            raise
        ask(
            f"SELECT pg_advisory_unlock({number})"
        )  # raises where the connection was lost meanwhile, and the lock with it

    return attempt


def each_as_it_becomes_free(attempt: TryLock, names: Iterable[str]) -> Iterator[str]:
    """Every name once, each while its lock is held; those that others hold come as they become
    free.
    """
    waiting = list(names)
    while waiting:
        before = len(waiting)
        for name in list(waiting):
            with attempt(name) as free:
                if free:
                    waiting.remove(name)
                    yield name
        if len(waiting) == before:
            time.sleep(POLL)


@contextmanager
def hold(attempt: TryLock | None, name: str) -> Iterator[None]:
    """One lock, waited for; None: nobody else is there."""
    for _ in each_as_it_becomes_free(attempt, [name]) if attempt else [name]:
        yield
