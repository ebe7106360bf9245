"""``runs.network``: a module of torch that computes what the engine computes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import throughtime as tt
from tests.support.programs import program
from throughtime.core.rng import stream
from throughtime.engine.bptt import forward
from throughtime.engine.cells import cell as cell_named
from throughtime.engine.modules import MODULES, torch_module
from throughtime.engine.program import program as engine_program
from throughtime.pipeline import stages
from throughtime.planning.plan import PlannedJob
from throughtime.planning.resources import sizes, weight_shapes
from throughtime.planning.sweep import expand
from throughtime.results.trained import weights_folder
from throughtime.results.weights import read_weights
from throughtime.training.batches import examples

pytestmark = pytest.mark.slow

KINDS = {
    "tanh": nn.RNN, "relu": nn.RNN, "irnn": nn.RNN, "lstm": nn.LSTM, "stacked_lstm": nn.LSTM,
    "gru": nn.GRU,
}  # fmt: skip


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("cell", MODULES)
def test_outputs_are_those_of_the_engine(cell: str, learned: bool, tokens: bool) -> None:
    p = program(cell, hidden=6, scored=5, tokens=tokens, learned=learned)
    outputs = forward(p.tape, cell_named(cell).acting(p.weights), p.x)
    for row in range(p.sizes.rows):
        module = torch_module(cell, {name: w[row] for name, w in p.weights.items()})
        assert type(module.recurrent) is KINDS[cell]
        dense = p.dense[:, row]
        y = module(dense.argmax(-1) if tokens else dense)
        assert y.shape == (7, 4, 2)
        torch.testing.assert_close(y[-5:], outputs[:, row], rtol=0, atol=1e-12)
        torch.testing.assert_close(module(dense), y, rtol=0, atol=0)


def test_no_random_state_is_moved() -> None:
    before = torch.random.get_rng_state()
    p = program("lstm", rows=1)
    torch_module("lstm", {name: w[0] for name, w in p.weights.items()})
    assert torch.equal(before, torch.random.get_rng_state())


AXES: dict[str, Any] = {
    "task": ["copy", "adding"], "length": 6, "hidden": 6, "batch": 3, "updates": 3,
    "dtype": "float64", "lr": 0.1, "seeds": 2, "keep_weights": True,
}  # fmt: skip


def engine_outputs(planned: PlannedJob, flat: Tensor) -> tuple[Tensor, Tensor]:
    """Fresh sequences, and the engine's outputs of every network on them."""
    job = planned.job
    batch = job.task.sample(stream(7, "test"), job.batch)
    shape = sizes(job, job.task, len(flat))
    given = examples([batch], np.zeros(len(flat), np.int64), shape, job.dtype)
    made = engine_program(
        job.kernel, job.cell, job.task.head, shape, weight_shapes(job), flat.dtype
    )
    return torch.from_numpy(batch.inputs), made.outputs(flat, given)


@pytest.mark.parametrize("cell", MODULES)
def test_a_trained_network_computes_the_same(cell: str, tmp_path: Path) -> None:
    """Weights in memory, and weights on disk."""
    axes = {**AXES, "cell": cell, "h0": "learned" if cell in ("lstm", "relu") else "zero"}
    plan = expand("mine", "train", axes, "test")
    for planned in plan.jobs:
        stages.train_job(planned, tmp_path, 1e9, lambda _: None)
    stages.collect(plan, tmp_path, "mine")
    for runs in (tt.load(tmp_path, "mine"), tt.train(**axes, experiment="mine", workers=1)):
        assert len(runs) == 4
        for planned in plan.jobs:
            kept = read_weights(weights_folder(tmp_path, planned) / "weights.safetensors")
            rows = torch.stack([torch.from_numpy(kept[key].copy()) for key in planned.run_keys])
            x, y = engine_outputs(planned, rows)
            for row, key in enumerate(planned.run_keys):
                module = runs.network(key)
                assert type(module.recurrent) is KINDS[cell]
                assert module.readout.weight.dtype == torch.float64
                mine = module(x)[-planned.job.task.scored :]
                torch.testing.assert_close(mine, y[:, row], rtol=0, atol=1e-12)


def test_a_stack_of_more_layers_is_read_with_its_parameters() -> None:
    axes = {**AXES, "task": "copy", "cell": "stacked_lstm", "layers": 3, "seeds": 1}
    runs = tt.train(**axes, workers=1)
    (planned,) = expand("mine", "train", axes, "test").jobs
    key = runs.summary["run_key"][0]
    flat = torch.cat([torch.from_numpy(w.ravel()) for w in runs._weights(key).values()])
    x, y = engine_outputs(planned, flat[None])
    mine = runs.network(key)(x)[-planned.job.task.scored :]
    torch.testing.assert_close(mine, y[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (
            {"cell": "identity"},
            "cell 'identity': torch has no module that computes it; it has tanh,",
        ),
        ({"cell": "sigmoid"}, "cell 'sigmoid': torch has no module that computes it"),
        ({"keep_weights": False}, "weights were not kept; train with keep_weights=True"),
        ({"mode": "chunked", "K": 3, "border": "reset"}, "trained with border=reset"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_said(axes: dict[str, Any], message: str) -> None:
    runs = tt.train(**{**AXES, "task": "copy", "payload": 2, **axes}, workers=1)
    with pytest.raises(tt.Error, match=message.replace("(", r"\(")):
        runs.network(runs.summary["run_key"][0])
    with pytest.raises(tt.Error, match="no network 'nobody' among these"):
        runs.network("nobody")


def test_weights_that_are_not_on_disk_are_named(tmp_path: Path) -> None:
    plan = expand("mine", "train", {**AXES, "task": "copy", "keep_weights": False}, "test")
    stages.train_job(plan.jobs[0], tmp_path, 1e9, lambda _: None)
    stages.collect(plan, tmp_path, "mine")
    runs = tt.load(tmp_path, "mine")
    with pytest.raises(tt.Error, match="no weights there; set keep_weights: true and run again"):
        runs.network(runs.summary["run_key"][0])
