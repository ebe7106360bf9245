"""The server comes up where there is room, answers on loopback only, and leaves no process
behind.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import synthetic
from throughtime.core.errors import UserError
from throughtime.tracking import ingest, ui

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.slow,
]  # mlflow, alembic and sqlalchemy warn of each other

ROOT = Path(__file__).parents[2]
PLAN = synthetic.toy_plan(lengths=(10,), depths=(None,), axes={"gain": [0.5]}, seeds=1)
PROGRAM = """
import sys
from pathlib import Path
from throughtime.tracking import ui
ui.serve(Path(sys.argv[1]), Path(sys.argv[1]), None, int(sys.argv[2]), sys.argv[3])
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        synthetic.write_jobs(PLAN, folder)
        ingest.ingest(folder, folder, PLAN, "smoke")
        yield folder


@contextmanager
def served(
    results: Path, port: int, host: str = ui.HOST
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The server in a process of its own, and what it said until it was ready."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, str(results), str(port), host]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        yield process, said
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_takes_a_free_port_answers_there_and_goes_with_all_its_children(
    results: Path, number: signal.Signals
) -> None:
    with socket.create_server((ui.HOST, 0)) as taken:
        wanted = taken.getsockname()[1]
        with served(results, wanted) as (process, said):
            match = re.search(rf"Port {wanted} is taken; using (\d+)\.", said)
            assert match, said
            port = int(match[1])
            with urllib.request.urlopen(f"http://{ui.HOST}:{port}/health", timeout=20) as answer:
                assert answer.read() == b"OK"
            family = psutil.Process(process.pid).children(recursive=True)
            listening = {
                c.laddr.ip
                for p in family
                for c in p.net_connections()
                if c.status == psutil.CONN_LISTEN
            }
            assert listening == {ui.HOST}
            assert not any(
                "sqlite" in part for p in family for part in p.cmdline()
            )  # an address may hold a password
            start = re.findall(r"^Open (http://127\.0\.0\.1:\d+/\S+)$", said, re.MULTILINE)
            pages = dict(re.findall(r"^  (\S+)  +(\S+)$", said, re.MULTILINE))
            assert [pages["04-clipping"]] == start
            assert "workflowType=machine_learning" in start[0]
            experiment = re.search(r"experiments/(\d+)/runs\?", start[0])
            assert experiment
            run, _ = sorted(
                posted(port, "runs/search", {"experiment_ids": [experiment[1]]})["runs"],
                key=lambda run: run["info"]["run_name"] == "overview",
            )
            assert run["info"]["run_name"] == "toy-tanh-lag10"
            process.send_signal(number)
            rest, _ = process.communicate(timeout=30)
            assert (process.returncode, rest.strip()) == (0, "Stopped.")
            assert family
            assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family)
            assert ui.free_port(port) == port


def posted(port: int, path: str, content: object) -> dict[str, Any]:
    """What MLflow's REST API answers."""
    request = urllib.request.Request(
        f"http://{ui.HOST}:{port}/api/2.0/mlflow/{path}",
        json.dumps(content).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        said: dict[str, Any] = json.load(answer)
        return said


def asked(address: str, **headers: str) -> int:
    """The status of a question to the server, as a browser's page asks it."""
    body = json.dumps({"max_results": 1}).encode()
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/experiments/search",
        body,
        {"Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_told_to_it_listens_elsewhere_says_what_that_means_and_lets_no_other_page_ask(
    results: Path,
) -> None:
    host = "127.0.0.2"
    port = ui.free_port(0, host)
    with served(results, port, host) as (process, said):
        address = f"http://{host}:{port}"
        assert f"Whoever reaches {host}:{port} can read, change and delete runs" in said
        assert f"Open {address}/#/experiments/" in said
        family = psutil.Process(process.pid).children(recursive=True)
        assert {
            c.laddr.ip
            for p in family
            for c in p.net_connections()
            if c.status == psutil.CONN_LISTEN
        } == {host}
        assert asked(address, Origin=address) == 200
        assert asked(address, Origin="http://elsewhere.example") == 403
        assert asked(address, Host="elsewhere.example") == 403
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_everywhere_is_known_by_the_machines_names() -> None:
    assert {socket.gethostname(), "localhost", ui.HOST} <= set(ui.host_names("0.0.0.0"))


@pytest.mark.parametrize(
    ("port", "host", "said"),
    [
        (99999, ui.HOST, "0 to 65535"),
        (-1, ui.HOST, "0 to 65535"),
        (0, "192.0.2.1", "192.0.2.1: cannot listen"),
        (0, "no such name", "no such name: cannot listen"),
    ],
)
def test_an_impossible_address_is_one_line(port: int, host: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        ui.free_port(port, host)


def test_without_a_database_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match=r"mlflow\.db: no MLflow database yet; run `make` first"):
        ui.serve(tmp_path, tmp_path)


def test_a_server_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://store")
    with pytest.raises(
        UserError, match=r"the MLflow server did not start: .*; all it said is in .*server\.log$"
    ):
        ui.serve(tmp_path, tmp_path, port=ui.free_port(0))
    assert (tmp_path / "mlflow" / "server.log").read_text().strip()


def test_a_free_port_is_taken_as_it_is() -> None:
    free = ui.free_port(0)
    assert ui.free_port(free) == free
    with socket.create_server((ui.HOST, free)):
        assert ui.free_port(free) != free
