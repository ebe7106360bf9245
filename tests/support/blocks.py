"""Small blocks for the probes' tests."""

from typing import Any

from throughtime.engine.cells import cells
from throughtime.planning.sweep import expand
from throughtime.probes._base import Subject
from throughtime.training.evaluation import Evaluators
from throughtime.training.trainer import Trainer

RECURRENT = [name for name, model in cells().items() if model.recurrent]


def block(task: str = "copy", **axes: Any) -> Trainer:
    """An untrained block; small and float64 unless ``axes`` say otherwise."""
    own = {
        "copy": {"length": 4, "payload": 3, "alphabet": 2},
        "brackets": {"length": 12},
        "text": {"window": 6},
    }
    multiple = cells()[axes.get("cell", "tanh")]().multiple
    small = {
        "task": task,
        **own.get(task, {}),
        "hidden": multiple * -(-5 // multiple),
        "batch": 4,
        "updates": 3,
        "points": 1,
        "dtype": "float64",
    }
    (planned,) = expand(
        "tests", "tests", {**small, "gain": [0.7, 1.3], "seeds": 2, **axes}, "tests"
    ).jobs
    return Trainer(planned.job, planned.grid, Evaluators(planned.job))


def linear(matrix: Any, steps: int = 8, hidden: int = 3, rows: int = 1) -> Subject:
    """Networks h_t = h_{t-1} ``matrix`` that start at zero and stay there; ``matrix`` (N, N) or (G,
    N, N).
    """
    made = block("copy", length=steps - 6, cell="identity", hidden=hidden, gain=1.0, seeds=rows)
    made.weights["W_xh"].zero_()
    made.weights["W_hh"].copy_(matrix)
    subject = Subject(made)
    assert subject.sizes.steps == steps
    return subject
