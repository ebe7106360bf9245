"""Settings that all tests share, and what ``pytest`` alone leaves out."""

import os
import signal
from pathlib import Path
from typing import Any

# Before NumPy is imported: two workers with two threads each would wait for each other.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pytest
import torch
from hypothesis import settings

import throughtime  # noqa: F401  # asks MKL for equal bits, before torch's first product

# A shell hands SIGINT on ignored to what it starts in the background. What the tests start would
# then wait for ever for an interrupt that never comes.
signal.signal(signal.SIGINT, signal.default_int_handler)

LONGEST = ("test_workflow.py", "test_faults.py")  # they run whole pipelines
LEFT_OUT = pytest.StashKey[int]()
pytest_plugins = ["tests.support.toy_figures"]

torch.set_num_threads(1)  # as train does: sums over threads have other last bits
settings.register_profile("throughtime", deadline=None)  # a busy machine is no defect
settings.load_profile("throughtime")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--all`` runs the slow tests too; so does the name of a file or folder."""
    parser.addoption("--all", action="store_true", help="run the slow tests too (make test)")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """``pytest`` alone takes two processes, a file to one of them: its tests share what they set
    up.
    """
    if hasattr(config, "workerinput") or config.option.usepdb or config.option.collectonly:
        return
    if _everything(config) and config.option.numprocesses is None:
        config.option.numprocesses = min(2, os.cpu_count() or 1)
        config.option.dist, config.option.loadscopereorder = "loadfile", False


def _everything(config: pytest.Config) -> bool:
    """Whether no file, folder or test is named."""
    return config.args_source is not pytest.Config.ArgsSource.ARGS


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files start first, so that no worker is left alone with one. Slow tests are left
    out where nothing asks for them.
    """
    items.sort(key=lambda item: item.path.name not in LONGEST)
    args = [str(arg) for arg in config.invocation_params.args]
    named = any(Path(arg.split("::")[0]).exists() for arg in args if not arg.startswith("-"))
    if named or config.option.all or config.option.markexpr or config.option.keyword:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.stash[LEFT_OUT] = len(slow)
    if hasattr(config, "workeroutput"):  # a worker of xdist, whose stash the controller never sees
        config.workeroutput["left out"] = len(slow)
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in set(slow)]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Every worker collects all tests: what one left out, all did."""
    config: pytest.Config = node.config
    left = getattr(node, "workeroutput", {}).get("left out", 0)
    config.stash[LEFT_OUT] = max(left, config.stash.get(LEFT_OUT, 0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out."""
    config = terminalreporter.config
    left = config.stash.get(LEFT_OUT, 0)
    if hasattr(config, "workerinput") or config.option.all:
        return
    if left or _everything(config):
        count = f"{left} slow tests" if left else "the slow tests"
        terminalreporter.write_line(
            f"left out: {count} (whole pipelines, MLflow, every figure); "
            "`make test` or `pytest --all` runs them"
        )
