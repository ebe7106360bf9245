"""What the CPU cannot tell of a GPU: `make test-gpu`. Nothing of this has been run yet.

Tolerances are shares of the largest element of what is compared: DOUBLE in float64, and SINGLE in
float32, whose sums of some dozen steps are taken in another order.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from throughtime.core.typing import Floats
from throughtime.engine.parameters import initial, views
from throughtime.engine.program import TorchProgram
from throughtime.engine.truncation import overlapping, windows
from throughtime.planning import resources
from throughtime.planning.plan import PlannedJob
from throughtime.planning.sweep import expand
from throughtime.probes import probe, probe_names
from throughtime.results import tables
from throughtime.results.tables import JOB_TABLES
from throughtime.training import device_updates
from throughtime.training.batches import Feed
from throughtime.training.device_updates import DeviceTrainer, Recorder
from throughtime.training.devices import prepare_device
from throughtime.training.evaluation import Evaluators
from throughtime.training.result import Tables
from throughtime.training.train import train
from throughtime.training.trainer import Trainer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]

GPU = "cuda"
DOUBLE, SINGLE = 1e-10, 1e-4
SMALL: dict[str, Any] = {
    "task": "copy",
    "length": 20,
    "payload": 3,
    "engine": "torch",
    "hidden": 33,
    "batch": 7,
    "updates": 30,
    "points": 3,
    "eval_size": 50,
    "seeds": 5,
    "gain": [0.7, 1.0, 1.4],
    "clip": [0.1, "none"],
}
ADDING = {k: v for k, v in SMALL.items() if k != "payload"} | {"task": "adding"}
TEXT = {k: v for k, v in SMALL.items() if k not in ("payload", "length")}
JOBS: dict[str, dict[str, Any]] = {
    **{cell: {**SMALL, "cell": cell} for cell in ("tanh", "relu", "identity", "sigmoid")},
    "lstm": {**SMALL, "cell": "lstm", "h0": "learned"},
    "gru": {**SMALL, "cell": "gru", "mode": "chunked", "K": 5, "border": "reset"},
    "sliding": {**SMALL, "mode": "sliding", "K": 6, "optimizer": "adam"},
    "random phase": {**SMALL, "mode": "chunked", "K": 4, "align": "random"},
    "features": {**ADDING, "mode": "buffered", "K": 4, "optimizer": "rmsprop"},
    "text": {**TEXT, "task": "text", "window": 20, "optimizer": "adam"},
}
each_job = pytest.mark.parametrize("name", JOBS)


@pytest.fixture(autouse=True)
def prepared() -> None:
    prepare_device(GPU)


def planned(name: str, **more: Any) -> PlannedJob:
    (job,) = expand("x", "s", {**JOBS[name], **more}, "here").jobs
    return job


def on_gpu(job: PlannedJob) -> PlannedJob:
    return replace(job, device=GPU)


def hashes(made: Tables) -> list[str]:
    return [tables.content_hash(getattr(made, name)) for name in JOB_TABLES]


def close(found: Floats, expected: Floats, share: float) -> None:
    assert np.isfinite(expected).all()
    assert np.abs(found - expected).max() <= share * np.abs(expected).max()


@each_job
@pytest.mark.parametrize(("dtype", "share"), [("float64", DOUBLE), ("float32", SINGLE)])
def test_outputs_and_gradients_are_those_of_the_cpu(name: str, dtype: str, share: float) -> None:
    job, grid = (made := planned(name, dtype=dtype)).job, made.grid
    sizes, shapes = resources.sizes(job, job.task, len(grid)), resources.weight_shapes(job)
    examples = next(Feed(job.task, grid["seed"], sizes, dtype))
    found = windows(job.steps, *job.strides, job.offset())
    resets = frozenset(w.start for w in found if w.start and job.border == "reset")
    results = []
    for device in ("cpu", GPU):
        flat = initial(job.cell, grid, shapes, getattr(torch, dtype)).to(device)
        own = TorchProgram(
            job.cell, job.task.head, sizes, shapes, flat.dtype, device, overlap=overlapping(found)
        )
        loss, gradient = own.gradients(flat, examples, found, None, resets)
        y = own.outputs(flat, examples, None, resets)
        parts = {"loss": loss, "y": y, **views(gradient, shapes)}
        results.append({key: part.cpu().numpy() for key, part in parts.items()})
    on_cpu, on_device = results
    for key, expected in on_cpu.items():
        close(on_device[key], expected, share)


@each_job
def test_a_training_ends_like_that_of_the_cpu(name: str) -> None:
    job = planned(name, dtype="float64", updates=10)
    cpu, gpu = train(job), train(on_gpu(job))
    for column in ("final", "final_loss", "train_loss", "grad_norm", "radius_end", "signal_end"):
        left, right = (t.summary[column].to_numpy(float) for t in (cpu, gpu))
        assert np.allclose(left, right, rtol=1e-6, atol=1e-12, equal_nan=True)
    assert cpu.summary["status"].tolist() == gpu.summary["status"].tolist()


@each_job
def test_the_same_training_twice_has_the_same_bits(name: str) -> None:
    job = on_gpu(planned(name))
    assert hashes(train(job)) == hashes(train(job))


@each_job
def test_a_graph_computes_what_the_calls_compute(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = on_gpu(planned(name))
    with_graphs = hashes(train(job))
    monkeypatch.setattr(device_updates, "Recorder", lambda device: Recorder(device, records=False))
    assert hashes(train(job)) == with_graphs


@pytest.mark.parametrize("name", ["tanh", "lstm", "features", "text"])
@pytest.mark.parametrize("height", [1, 4, 16])
def test_a_rows_bits_do_not_depend_on_its_block(name: str, height: int) -> None:
    """If this fails, docs/how-to/use-a-gpu.md has to say that they do."""
    job = on_gpu(planned(name, updates=10))
    assert hashes(train(job, block=height)) == hashes(train(job))


@each_job
def test_no_update_waits_for_the_device(name: str) -> None:
    job = planned(name)
    block = DeviceTrainer(job.job, job.grid, Evaluators(job.job), GPU)
    for number in range(1, 10):  # the first set up memory, and record graphs
        block.update(number)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(10, 20):
            if len(block.recorder.graphs) == len(block.recorder.met):
                block.update(number)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    block.settle()
    assert len(block.history.loss) == block.number
    assert np.isfinite(block.history.loss[-1]).any()


def test_a_block_fits_the_memory_that_was_reckoned() -> None:
    job = planned("sliding", seeds=50, probes=["truncation_bias"], moments=[1.0], updates=5)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    train(on_gpu(job), probe=probe)
    taken = torch.cuda.max_memory_allocated() - before
    assert taken <= resources.MARGIN * resources.bytes_on_device(job.job) * len(job.grid)


def test_products_of_float32_are_of_float32() -> None:
    a, b = (torch.randn(8, 64, 64, device=GPU) for _ in range(2))
    exact = torch.bmm(a.double(), b.double())
    error = (torch.bmm(a, b).double() - exact).abs().max() / exact.abs().max()
    assert error < 1e-6  # TF32: 1e-3


@pytest.mark.parametrize("name", ["tanh", "lstm", "text"])
def test_probes_find_what_they_find_on_the_cpu(name: str) -> None:
    of_text = ("context", "generated")
    names = [n for n in probe_names() if n not in of_text or (name == "text" and n == "context")]
    job = planned(name, dtype="float64", probes=names)
    found = []
    for kind, device in ((Trainer, "cpu"), (DeviceTrainer, GPU)):
        block = kind(job.job, job.grid, Evaluators(job.job), device, probe)
        block.measure(0)
        found.append(pd.concat(block.measured, ignore_index=True))
    cpu, gpu = found
    keys = ["probe", "row", "quantity", "index"]
    both = cpu.merge(gpu, on=keys, how="outer", suffixes=("", "_gpu"))
    assert len(both) == len(cpu) == len(gpu)
    assert np.allclose(both["value"], both["value_gpu"], rtol=1e-5, atol=1e-7, equal_nan=True)
