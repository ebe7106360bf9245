"""A real PostgreSQL on this machine, for a while: on loopback, on a free port, with a random
password, in one temporary folder.

    python -m tests.system.postgres.server COMMAND ..      # runs COMMAND with MLFLOW_TRACKING_URI
    set, then takes everything down again

At the end no process and no file is left, also after Ctrl-C or kill -9: a reaper beside this
process waits for its end.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import psycopg2

PACKAGE = "postgresql"
PATIENCE = 60.0  # seconds after which the server counts as broken
POLL = 0.05  # seconds between two looks
REAP = "--reap"
USER = "throughtime"  # of the database; the system's user is OTHER
OTHER = "postgres"  # PostgreSQL refuses to run as root


class Unavailable(Exception):
    """This machine cannot run the server; the message says what to install."""


def program(name: str) -> str:
    """Where a program of PostgreSQL lies; Debian keeps those of the server out of PATH, in a folder
    a version.

    Raises:
        Unavailable: it is not installed.
    """
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, reversed(places))])
    found = shutil.which(name, path=path)
    if found is None:
        raise Unavailable(
            f"{name}: not installed; as root: apt-get install --no-install-recommends {PACKAGE}"
        )
    return found


def as_other() -> dict[str, Any]:
    """Arguments of subprocess: as root, the process is another user's."""
    return {"user": OTHER, "group": OTHER, "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL.

    Attributes:
        folder: of all that it writes.
        port: on 127.0.0.1.
        password: of USER, who may do everything in it.
    """

    folder: Path
    port: int
    password: str

    def address(self, database: str, password: str | None = None) -> str:
        """As SQLAlchemy, MLflow and psql read it."""
        return f"postgresql://{USER}:{password or self.password}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make an empty database; its address."""
        self.ask("postgres", f'CREATE DATABASE "{database}"')
        return self.address(database)

    def ask(self, database: str, question: str) -> list[tuple[Any, ...]]:
        """The rows that a statement gives, by a connection of its own."""
        connection = psycopg2.connect(self.address(database), connect_timeout=10)
        connection.autocommit = True  # CREATE DATABASE refuses to be part of a transaction
        try:
            with connection.cursor() as cursor:
                cursor.execute(question)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def processes(self) -> list[psutil.Process]:
        """Everything that works in the folder: the server and the processes it makes, a connection
        each.
        """
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if (
                    Path(process.cwd()).is_relative_to(self.folder)
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process)
        return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _up(running: Server) -> "subprocess.Popen[bytes]":
    folder, password = running.folder, running.folder / "password"
    password.write_text(running.password)
    if os.geteuid() == 0:
        for path in (folder, password):
            shutil.chown(path, OTHER, OTHER)
    made = subprocess.run(
        [program("initdb"), "--pgdata=data", f"--username={USER}", "--pwfile=password",
         "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"],
        cwd=folder, capture_output=True, text=True, check=False, **as_other(),
    )  # fmt: skip
    password.unlink()
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr[-2000:]}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            # and no socket file
            [program("postgres"), "-D", "data", "-h", "127.0.0.1", "-p", str(running.port),
             "-k", ""],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for this process alone
            **as_other(),
        )  # fmt: skip
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            running.ask("postgres", "SELECT 1")
            return process
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    "postgres does not come up: "
                    f"{(folder / 'log').read_text(errors='replace')[-2000:]}"
                ) from None
            time.sleep(POLL)


def sweep(folder: Path) -> None:
    """End whatever is left of the server, and delete its folder."""
    number = (
        signal.SIGQUIT
    )  # "immediate": sessions end, and shared memory is given back, which a kill would leave
    while left := Server(folder, 0, "").processes():
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        psutil.wait_procs(left, timeout=5)
        number = signal.SIGKILL
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server() -> Iterator[Server]:
    """A server, for as long as the block runs.

    Raises:
        Unavailable: this machine cannot run it.
        RuntimeError: it does not come up.
    """
    for name in ("initdb", "postgres"):
        program(name)
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    running = Server(folder, _free_port(), secrets.token_hex(16))
    with subprocess.Popen(
        [sys.executable, __file__, REAP, str(folder)], stdin=subprocess.PIPE, start_new_session=True
    ):
        try:
            process = _up(running)
            yield running
            process.send_signal(
                signal.SIGINT
            )  # "fast": ends sessions, writes everything; what does not end by itself is swept away
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE / 4)
        finally:
            sweep(folder)


def reap(folder: Path) -> None:
    """Wait until the process at the other end of stdin has ended, however it ended; then nothing of
    its server stays.
    """
    sys.stdin.read()
    sweep(folder)


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # through all `finally`


def main(command: list[str]) -> int:
    """Run a command beside a server with an empty database; its exit code."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell hands it on ignored to what it starts in the background
    try:
        with server() as running:
            environment = {
                **os.environ,
                "MLFLOW_TRACKING_URI": running.create("mlflow"),
                "POSTGRES_FOLDER": str(running.folder),
            }
            return subprocess.run(command, env=environment, check=False).returncode
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    if sys.argv[1:2] == [REAP]:
        sys.exit(reap(Path(sys.argv[2])))
    sys.exit(main(sys.argv[1:] or ["bash"]))
