"""Python programs that start within a tenth of a second: what takes long to import is imported
once, in a process that is copied for every run.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

# What Snakemake and the reading of a plan import. Nothing of throughtime: a copy of the project has
# a package of its own.
PRELOADED = ["snakemake.cli", "pandas", "pydantic", "yaml"]
PATIENCE = 600  # seconds
CONTEXT = multiprocessing.get_context("forkserver")


def run(
    module: str, *arguments: str, folder: Path, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m module`` in ``folder``, with nothing else in its environment; both of its
    outputs as text.
    """
    said = [folder / f".said-{os.getpid()}-{number}" for number in (1, 2)]
    CONTEXT.set_forkserver_preload(PRELOADED)
    process = CONTEXT.Process(
        target=_program, args=(module, arguments, str(folder), environment, said)
    )
    process.start()
    process.join(PATIENCE)
    process.kill()  # if it hangs
    process.join()
    texts = [path.read_text() for path in said]
    for path in said:
        path.unlink()
    return subprocess.CompletedProcess(arguments, process.exitcode, *texts)


def _program(
    module: str, arguments: tuple[str, ...], folder: str, environment: dict[str, str],
    said: list[Path],
) -> None:  # fmt: skip
    for number, path in enumerate(said, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [folder, *environment.get("PYTHONPATH", "").split(os.pathsep)]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
