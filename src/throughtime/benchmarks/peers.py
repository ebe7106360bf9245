"""Ways that run in processes of their own: JAX in an environment that is installed for it, and the
torch path of an earlier commit, from git.

Each waits while another is timed, so that all take turns on one core.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from throughtime.benchmarks import ways, worker
from throughtime.benchmarks.ways import Shape, Timed, Unavailable, Way
from throughtime.core.errors import one_line

HERE = Path(__file__).parent
COMMIT = "b346b3a"  # the last one whose only engine was torch
JAX = "jax==0.10.2"
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}


@contextmanager
def one_core() -> Iterator[None]:
    """This process, and those that it starts, on one core, where the system can say so: no way has
    a core that is busier than another's, and XLA starts threads whatever it is told.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Worker:
    """A process that times a way, see worker.py; ``close`` ends it.

    Args:
        python: the interpreter.
        file: of this folder, with ``prepare``.
        path: PYTHONPATH of the process.
    """

    def __init__(self, python: Path, file: str, path: Path | None = None) -> None:
        self.errors: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed by close
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(path) if path else ""}
        self.process = subprocess.Popen(
            [str(python), "-P", worker.__file__, str(HERE / file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.orders, self.answers = self.process.stdin, self.process.stdout

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """The answer to an order.

        Raises:
            Unavailable: the process has ended, or it answers with an error.
        """
        try:
            self.orders.write(json.dumps(order) + "\n")
            self.orders.flush()
            line = self.answers.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": self._last_words()}
        if "error" in answer:
            raise Unavailable(one_line(answer["error"], 160))
        return answer

    def prepare(self, shape: Shape, part: str) -> Timed:
        """See Way."""
        self.ask({"part": part, "shape": shape.message()})
        return lambda seconds: float(self.ask({"part": part, "seconds": seconds})["seconds"])

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):  # it has ended already
            self.orders.close()
        self.process.wait()
        self.answers.close()
        self.errors.close()

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = [line for line in self.errors.read().splitlines() if line.strip()]
        return f"its process ended: {lines[-1] if lines else 'without a word'}"


def install_jax(folder: Path) -> Path:
    """The interpreter of an environment with JAX, which is made where there is none.

    Raises:
        Unavailable: it cannot be installed.
    """
    python, done = folder / "bin" / "python", folder / f".{JAX}"
    if not done.is_file():
        print(f"installing {JAX} into {folder} (a minute, the first time)", flush=True)
        pip = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", JAX]
        for command in ([sys.executable, "-m", "venv", str(folder)], pip):
            try:
                run = subprocess.run(command, capture_output=True, text=True, check=False)
            except OSError as error:
                raise Unavailable(f"{JAX} cannot be installed: {error}") from None
            if run.returncode:
                words = (run.stderr or run.stdout).strip().splitlines() or ["no reason given"]
                raise Unavailable(one_line(f"{JAX} cannot be installed: {words[-1]}", 160))
        done.touch()
    return python


def check_out(root: Path, folder: Path, commit: str = COMMIT) -> Path:
    """The source folder of a commit, unpacked below ``folder``.

    Raises:
        Unavailable: no git, no repository at ``root``, or it does not hold the commit.
    """
    command = ["git", "-C", str(root), "archive", commit, "src"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError as error:
        raise Unavailable(f"no commit {commit}: {error}") from None
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip() or "git archive failed"
        raise Unavailable(one_line(f"no commit {commit}: {words}", 160))
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


def missing(reason: str) -> Any:
    """``Way.prepare`` of a way that cannot be measured at all."""

    def prepare(shape: Shape, part: str) -> Timed:
        raise Unavailable(reason)

    return prepare


OURS, TORCH, EARLIER = "throughtime numba", "throughtime torch", f"throughtime {COMMIT}"


@contextmanager
def all_ways(root: Path) -> Iterator[list[Way]]:
    """Every way, with the processes that they need for as long as they are measured; all on one
    core.

    Args:
        root: the project's folder: its history holds the earlier commit, and JAX is installed below
            it.
    """
    with ExitStack() as stack:
        stack.enter_context(one_core())

        def start(python: Path, file: str, path: Path | None = None) -> Any:
            process = Worker(python, file, path)
            stack.callback(process.close)
            return process.prepare

        try:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            earlier = start(Path(sys.executable), "earlier.py", check_out(root, folder))
        except Unavailable as reason:
            earlier = missing(str(reason))
        try:
            jax = start(install_jax(root / ".venv-jax"), "peer_jax.py")
        except Unavailable as reason:
            jax = missing(str(reason))
        gated = ("lstm", "gru")
        yield [
            Way(OURS, ("tanh", *gated), ways.here(ways.throughtime("numba"))),
            Way(TORCH, ("tanh", *gated), ways.here(ways.throughtime("torch"))),
            Way(EARLIER, ("tanh",), earlier),
            Way("torch.nn, one at a time", ("tanh", *gated), ways.here(ways.one_at_a_time)),
            Way("torch.compile of torch.nn", ("tanh",), ways.here(ways.compiled_module)),
            Way("torch.func vmap(grad)", ("tanh",), ways.here(ways.vmap_of_grad)),
            Way("jax jit(vmap(grad(scan)))", ("tanh",), jax),
        ]
