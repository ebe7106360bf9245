"""Ways of training many small networks, each ready to be timed: ours, and what torch offers.

A way has two parts. ``step`` is a whole training step. For throughtime that is data, forward,
backward, clipping, update and log. For the others it is forward, backward, clipping by norm and
plain SGD on data that lie ready: they are given the benefit. ``gradients`` is forward and backward
alone, on data that lie ready, for all.

All train networks of the copy task's shape: symbols in, the last ``scored`` steps classified.
"""

import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import torch
from torch import Tensor

from throughtime.benchmarks.worker import fastest
from throughtime.core.errors import one_line
from throughtime.engine.cells import cell
from throughtime.planning.axes import numba_is_installed
from throughtime.planning.resources import rows_at_once
from throughtime.planning.sweep import expand
from throughtime.training.evaluation import Evaluators
from throughtime.training.trainer import Trainer

PARTS = ("step", "gradients")
PAYLOAD = 10

# calls for so many seconds -> seconds per network and call
Timed = Callable[[float], float]


class Unavailable(Exception):
    """Why a way cannot be measured here: one line."""


@dataclass(frozen=True)
class Shape:
    """Networks to train at once.

    Attributes:
        cell: ``tanh``, ``lstm`` or ``gru``.
        N, B, T: units, sequences per batch, steps.
        rows: networks; a way may take fewer at once.
    """

    cell: str
    N: int
    B: int
    T: int = 100
    rows: int = 32
    symbols: int = 10
    classes: int = 8
    scored: int = PAYLOAD

    @property
    def gates(self) -> int:
        """Matrices of N x N."""
        return cell(self.cell).gates

    @property
    def flops(self) -> float:
        """Floating point operations of forward and backward, per network, as products count.

        Forward, the states' gradient and the weights' gradient each multiply and add T B N (gates
        N) times in the recurrence, and Ts B N O times in the head. Inputs are symbols, which are
        looked up; nonlinearities are left out.

        >>> Shape("tanh", 32, 20).flops / 1e6, Shape("gru", 32, 20).flops / 1e6
        (12.5952, 37.1712)
        """
        recurrence = self.T * self.B * self.N * self.gates * self.N
        return 6.0 * (recurrence + self.scored * self.B * self.N * self.classes)

    @property
    def axes(self) -> dict[str, Any]:
        """Axes of a sweep: a gain x clip x seed grid of 32 rows on the copy task."""
        return {
            "task": "copy",
            "length": self.T - 2 * PAYLOAD,
            "hidden": self.N,
            "batch": self.B,
            "updates": 10**6,
            "optimizer": "sgd",
            "gain": [0.6, 0.8, 1.0, 1.2],
            "clip": [0.1, 1.0],
            "seeds": 4,
        }

    def message(self) -> dict[str, Any]:
        """What a worker is told."""
        return {**asdict(self), "axes": self.axes}


def shape_of(row: Any) -> Shape:
    """The shape of a row of a table: of its cell, N, B and T."""
    return Shape(row.cell, row.N, row.B, row.T)


@dataclass(frozen=True)
class Way:
    """A way of training.

    Attributes:
        name: in the table.
        cells: that it knows.
        prepare: (shape, part) -> what times it. Raises Unavailable.
    """

    name: str
    cells: tuple[str, ...]
    prepare: Callable[[Shape, str], Timed]


def here(prepare: Callable[[Shape, str], tuple[Callable[[], object], int]]) -> Any:
    """``Way.prepare`` of a function that returns a call and the networks that it trains."""

    def timed(shape: Shape, part: str) -> Timed:
        run, networks = prepare(shape, part)
        run()
        return lambda seconds: fastest(run, seconds) / networks

    return timed


# throughtime --------------------------------------------------------------------------------------


def throughtime(engine: str) -> Callable[[Shape, str], tuple[Callable[[], object], int]]:
    """A block of rows in training, as many as training takes at once, by one engine."""

    def prepare(shape: Shape, part: str) -> tuple[Callable[[], object], int]:
        if engine == "numba" and not numba_is_installed():
            raise Unavailable("numba is not installed")
        axes = {**shape.axes, "cell": shape.cell, "engine": engine}
        (planned,) = expand("bench", "bench", axes, "bench").jobs
        job = planned.job
        rows = planned.grid.head(min(shape.rows, rows_at_once(job)))
        trainer = Trainer(job, rows, Evaluators(job))
        if part == "step":
            numbers = count(1)
            return lambda: trainer.update(next(numbers)), len(rows)
        examples, found = next(trainer.feed), trainer.windows()
        return lambda: trainer.program.gradients(trainer.flat, examples, found), len(rows)

    return prepare


# torch --------------------------------------------------------------------------------------------


def _data(shape: Shape) -> tuple[Tensor, Tensor]:
    symbols = torch.randint(shape.symbols, (shape.T, shape.B))
    x = torch.nn.functional.one_hot(symbols, shape.symbols).float()
    return x, torch.randint(shape.classes, (shape.scored, shape.B))


class Network(torch.nn.Module):
    """torch's own recurrent module with a head; its value is the loss."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        module = {"tanh": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[shape.cell]
        self.body = module(shape.symbols, shape.N)
        self.head = torch.nn.Linear(shape.N, shape.classes)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy of the last steps, nats."""
        y = self.head(self.body(x)[0][-len(target) :])
        return torch.nn.functional.cross_entropy(y.flatten(0, 1), target.flatten())


def one_at_a_time(shape: Shape, part: str) -> tuple[Callable[[], object], int]:
    """torch.nn.RNN, LSTM or GRU with autograd and torch.optim.SGD."""
    network = Network(shape)
    return _by_autograd(network, network, shape, part), 1


def compiled_module(shape: Shape, part: str) -> tuple[Callable[[], object], int]:
    """torch.compile of the same, with torch's defaults: it leaves the recurrent module itself as a
    call of the library. To unroll it (``torch._dynamo.config.allow_rnn``) takes minutes of
    compilation per shape, and more the longer the sequence is.
    """
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        raise Unavailable("no C++ compiler, which torch.compile needs")
    network = Network(shape)
    try:
        call: Any = torch.compile(network)
        run = _by_autograd(network, call, shape, part)
        run()
    except Exception as error:  # a compiler that does not work says so in its own way
        raise Unavailable(one_line(f"{type(error).__name__}: {error}", 160)) from None
    return run, 1


def _by_autograd(
    network: Network, loss: Callable[[Tensor, Tensor], Tensor], shape: Shape, part: str
) -> Callable[[], object]:
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)
    x, target = _data(shape)

    def run() -> None:
        optimizer.zero_grad()
        loss(x, target).backward()
        if part == "step":
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()

    return run


def vmap_of_grad(shape: Shape, part: str) -> tuple[Callable[[], object], int]:
    """torch.func: vmap of grad over networks, a Python loop over time. tanh alone."""
    x, target = _data(shape)
    sizes = {
        "w_x": (shape.symbols, shape.N),
        "w_h": (shape.N, shape.N),
        "b": (shape.N,),
        "w_y": (shape.N, shape.classes),
        "b_y": (shape.classes,),
    }
    weights = {n: torch.randn(shape.rows, *size) * shape.N**-0.5 for n, size in sizes.items()}

    def loss(w: dict[str, Tensor]) -> Tensor:
        h, ys = torch.zeros(shape.B, shape.N), []
        for t, x_t in enumerate(x):
            h = torch.tanh(x_t @ w["w_x"] + h @ w["w_h"] + w["b"])
            if t >= shape.T - shape.scored:
                ys.append(h @ w["w_y"] + w["b_y"])
        return torch.nn.functional.cross_entropy(torch.stack(ys).flatten(0, 1), target.flatten())

    gradient = torch.func.vmap(torch.func.grad(loss))

    def run() -> None:
        gradients = gradient(weights)
        if part == "step":
            squares = [g.flatten(1).square().sum(1) for g in gradients.values()]
            norm = torch.stack(squares).sum(0).sqrt()
            factor = -1e-3 * (1 / norm).clamp(max=1.0)
            for name, g in gradients.items():
                weights[name].addcmul_(factor.view(-1, *[1] * (g.dim() - 1)), g)

    return run, shape.rows
