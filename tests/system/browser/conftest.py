"""A finished smoke run, the MLflow UI on it, and a browser that writes down what its pages ask for
and complain of.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.support.projects import copy_project
from throughtime.analysis.grid_points import grid_point_key
from throughtime.results import tables

ROOT = Path(__file__).parents[3]
SMOKE = ("--config", "preset=smoke")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)
LOCAL = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:")
SIZES = {
    "wide": {"width": 1280, "height": 900},
    "laptop": {"width": 1440, "height": 900},
    "narrow": {"width": 390, "height": 844},
}


@dataclass(frozen=True)
class Site:
    """A copy of the project after `snakemake --config preset=smoke`."""

    root: Path

    @property
    def results(self) -> Path:
        return self.root / "results"

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a Python module in the copy, with the copy's package."""
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("MLFLOW", "SNAKEMAKE", "THROUGHTIME"))
        }
        environment = {**kept, "PYTHONPATH": str(self.root / "src"), "PYTHONUNBUFFERED": "1"}
        whole = [sys.executable, "-m", *command]
        return subprocess.Popen(
            whole,
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str) -> str:
        """Run one, which must succeed; what it said."""
        process = self.start(*command)
        said, _ = process.communicate(timeout=900)
        assert process.returncode == 0, said
        return said

    def networks(self, experiment: str) -> pd.DataFrame:
        """Its summary, with the key of each network's grid point."""
        summary = tables.read("summary", self.results / experiment / "summary.parquet")
        keys = [grid_point_key(row, "smoke") for row in summary.to_dict("records")]
        return summary.assign(grid_point=keys)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folders = ("src", "experiments", "profiles", "captions")
    made = Site(copy_project(tmp_path_factory.mktemp("project"), folders))
    made.run("snakemake", "--cores", "2", *SMOKE)
    return made


@pytest.fixture(scope="session")
def server(site: Site) -> Iterator[tuple[str, str]]:
    """The address of the MLflow UI, as `throughtime ui` starts it, and what that said."""
    process = site.start("throughtime", "ui", "--port", "0", *SMOKE)
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        address = said.partition("Open ")[2].partition("/#")[0]
        assert address.startswith("http://127.0.0.1:"), said
        yield address, said
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "no chromium in PATH; on Debian: apt-get install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """A page, the addresses that it asked for, and what it complained of."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    @property
    def abroad(self) -> list[str]:
        """Addresses that are on no disk and on no server of this machine."""
        return [address for address in self.asked if not address.startswith(LOCAL)]


@pytest.fixture(params=["wide"])
def watched(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A new page, 1280 pixels wide, or as its parameter says; no request of it leaves the
    machine.
    """
    context = browser.new_context(viewport=SIZES[request.param])
    made = Watched(context.new_page())
    yield made
    context.close()
    assert made.abroad == []


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where pictures go, for people to look at."""
    folder = ROOT / "results" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
