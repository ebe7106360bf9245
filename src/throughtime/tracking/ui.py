"""The MLflow UI, on this machine's loopback address unless told otherwise, with a link to begin
with; no process is left behind.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.error import URLError

from throughtime.analysis.grid_points import MLFLOW_NETWORKS, MLFLOW_PREFIX
from throughtime.core.errors import UserError
from throughtime.tracking.saved_views import MAP, opening
from throughtime.tracking.store import QUIET, artifact_folder, database, shown, tracking_uri

HOST = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")  # addresses that stand for all of a machine's
PATIENCE = 90.0  # seconds for the server to answer; 5 are usual
GRACE = 10.0  # seconds for it to stop by itself


def serve(
    root: Path, results: Path, configured: str | None = None, port: int = 5000, host: str = HOST
) -> None:
    """Run the server until Ctrl-C or SIGTERM; where the store is a server already, only print the
    links.

    Args:
        root, results, configured: as for ``store.tracking_uri``.
        port: the wanted port; another one is taken, and said, where it is in use.
        host: the address to listen on. Whoever reaches it can read, change and delete runs: MLflow
            asks for no password.

    Raises:
        UserError: there is no database yet, the address is none of this machine's, or the server
            does not start.
    """
    uri = tracking_uri(root, results, configured)
    if uri.startswith(("http://", "https://")):
        print(
            f"MLFLOW_TRACKING_URI is a server already: {shown(uri)}\n{links(uri.rstrip('/'))}",
            flush=True,
        )
        return
    path = database(uri)
    if path is not None and not path.exists():
        raise UserError(
            f"{path}: no MLflow database yet; run `make` first, or `make smoke` for tiny grids"
        )
    chosen = free_port(port, host)
    if chosen != port:
        print(f"Port {port} is taken; using {chosen}.", flush=True)
    names = host_names(host)
    if host != HOST:
        print(
            f"Whoever reaches {names[0]}:{chosen} can read, change and delete runs: MLflow asks "
            "for no password.",
            flush=True,
        )
    with _interruptible(), _server(uri, results, host, chosen) as process:
        address = f"http://{names[0]}:{chosen}"
        print(f"{links(address)}\n\nCtrl-C stops it.", flush=True)
        process.wait()
    if process.returncode not in (0, -signal.SIGTERM):
        raise UserError(
            f"the MLflow server stopped by itself; {results / 'mlflow' / 'server.log'} says why"
        )


def free_port(wanted: int, host: str = HOST) -> int:
    """``wanted`` where nothing listens on it, else one that the system offers.

    Raises:
        UserError: no such port, or no such address on this machine.
    """
    if not 0 <= wanted < 65536:
        raise UserError(f"port {wanted}: a port is a number from 0 to 65535")
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                reason = error.strerror or str(error)
                continue
            return int(probe.getsockname()[1])
    raise UserError(
        f"{host}: cannot listen there ({reason}); --host takes an address of this machine, 0.0.0.0 "
        "for all of them"
    )


def host_names(host: str) -> list[str]:
    """The names under which a browser may ask for a server that listens on ``host``, as they stand
    in an address.

    >>> host_names("127.0.0.1"), host_names("::1")
    (['127.0.0.1'], ['[::1]'])
    """
    if host in EVERYWHERE:
        return list(dict.fromkeys([socket.gethostname(), socket.getfqdn(), "localhost", HOST]))
    return [f"[{host}]" if ":" in host else host]


def links(server: str) -> str:
    """Where to begin, and one line per experiment: a short name, and the address of its page.

    A page shows a map of where learning fails, if there is one, below the experiment's description
    with its finding, its figure and links to its other views. The first with a map is the one to
    begin with.
    """
    pages: dict[str, str] = {}
    for experiment in sorted(_experiments(server), key=lambda e: e["name"]):
        name, tags = experiment["name"], experiment.get("tags", [])
        if name.startswith(MLFLOW_PREFIX) and not name.endswith(MLFLOW_NETWORKS):
            kept = {tag["key"]: tag["value"] for tag in tags}
            address = f"{server}/{opening(experiment['experiment_id'], kept)}"
            pages[name.removeprefix(MLFLOW_PREFIX)] = address
    if not pages:
        return f"MLflow is at {server}; nothing is recorded yet: run `throughtime track`."
    start = next((a for a in pages.values() if a.endswith(f"={MAP}")), next(iter(pages.values())))
    width = max(map(len, pages))
    lines = [f"  {name:{width}}  {address}" for name, address in pages.items()]
    return "\n".join([f"Open {start}", "", "Every experiment has such a page:", *lines])


def _experiments(server: str) -> list[dict[str, Any]]:
    body = json.dumps({"max_results": 1000}).encode()
    request = urllib.request.Request(
        f"{server}/api/2.0/mlflow/experiments/search",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            experiments: list[dict[str, Any]] = json.load(answer).get("experiments", [])
            return experiments
    except (OSError, ValueError) as error:
        raise UserError(f"{server}: no MLflow server answers ({error})") from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGINT end the block as one quiet exception, and the block alone."""

    class Stop(Exception):
        pass

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stop

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    except Stop:
        print("Stopped.", flush=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _server(uri: str, results: Path, host: str, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A server that answers; it and its children are gone when the block ends."""
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--artifacts-destination",
        str(artifact_folder(results).resolve()),
    ]
    command += [
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        "1",
    ]  # one person: one worker, 0.5 GB and not 3
    names = [f"{name}:{port}" for name in host_names(host)]
    if (
        host != HOST
    ):  # MLflow asks for names other than loopback's: no page may ask in a browser's name
        command += [
            "--allowed-hosts",
            ",".join(names),
            "--cors-allowed-origins",
            ",".join(f"http://{name}" for name in names),
        ]
    # By the environment, not on the command line, where everybody on this machine could read a
    # database's password.
    environment = {
        **os.environ,
        **QUIET,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_BACKEND_STORE_URI": uri,
    }
    log = results / "mlflow" / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(
            process,
            f"http://{HOST if host in EVERYWHERE else names[0].rpartition(':')[0]}:{port}/health",
            log,
        )
        yield process
    finally:
        _stop(process)


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    last = next(
        (line for line in reversed(log.read_text(errors="replace").splitlines()) if line.strip()),
        "it said nothing",
    )
    raise UserError(
        f"the MLflow server did not start: {last.strip()[:200]}; all it said is in {log}"
    )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server's whole process group: asked first, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
