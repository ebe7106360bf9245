"""What every cell, optimizer, schedule, initial scheme and probe keeps, whoever adds it.

The tasks' contract is tests/tasks/test_contract.py.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.blocks import RECURRENT, block
from throughtime.core.component import Component
from throughtime.engine.bptt import forward, with_ones
from throughtime.engine.cells import cell, cells
from throughtime.engine.initialization import recurrent, schemes
from throughtime.engine.losses._base import Targets, weights
from throughtime.engine.losses.softmax import loss as cross_entropy
from throughtime.engine.optimizers import optimizers
from throughtime.engine.parameters import acting, initial, views
from throughtime.engine.program import TorchProgram
from throughtime.engine.schedules import schedules
from throughtime.engine.sizes import Sizes, shapes, size
from throughtime.engine.truncation import windows
from throughtime.engine.updates import Updater
from throughtime.planning.axes import JOB_AXES, ROW_AXES, grid
from throughtime.probes import COLUMNS, context, probe, probe_names
from throughtime.tasks import tasks

PLACES: dict[str, Callable[[], Mapping[str, type[Component]]]] = {
    "cell": cells,
    "optimizer": optimizers,
    "schedule": schedules,
    "init": schemes,
    "task": tasks,
}
FOUND = [(kind, name) for kind, found in PLACES.items() for name in found()]
SHIPPED = {
    "cell": (
        "attention",
        "gru",
        "identity",
        "irnn",
        "lru",
        "lstm",
        "minimal",
        "orthogonal",
        "relu",
        "sigmoid",
        "stacked_lstm",
        "tanh",
    ),
    "optimizer": ("adam", "adamw", "rmsprop", "sgd"),
    "schedule": ("constant", "cosine", "step", "warmup"),
    "init": ("gaussian", "identity", "orthogonal", "pytorch"),
    "task": ("adding", "brackets", "copy", "temporal_order", "text"),
}


@pytest.mark.parametrize("kind", SHIPPED)
def test_what_the_package_ships_is_found(kind: str) -> None:
    assert set(SHIPPED[kind]) <= set(PLACES[kind]())


# Every component ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "name"), FOUND)
def test_named_as_its_file_with_documentation_and_source(kind: str, name: str) -> None:
    found = PLACES[kind]()[name]
    assert found.name == name
    assert name == Path(sys.modules[found.__module__].__file__ or "").stem
    assert found.__doc__
    assert found.source
    assert all(field.description for field in found.model_fields.values())


@pytest.mark.parametrize(("kind", "name"), FOUND)
def test_its_defaults_are_valid_and_no_part_of_a_key(kind: str, name: str) -> None:
    found = PLACES[kind]()[name]
    assert found().changed() == {}
    assert found(**found().parameters()) == found()


@pytest.mark.parametrize(("kind", "name"), FOUND)
def test_no_parameter_has_the_name_of_an_axis(kind: str, name: str) -> None:
    taken = {*JOB_AXES, *ROW_AXES, *PLACES, "seeds", "probes", "moments", "keep_weights"}
    assert not taken & set(PLACES[kind]()[name].model_fields)


@pytest.mark.parametrize("room", ["cells", "optimizers", "schedules", "initialization"])
def test_finding_them_imports_no_torch(room: str) -> None:
    found = {"initialization": "schemes"}.get(room, room)
    code = (
        f"import sys; from throughtime.engine.{room} import {found}; {found}(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Cells --------------------------------------------------------------------------------------------

G, T, B, INPUTS, HIDDEN, OUTPUTS = 2, 6, 3, 3, 4, 2


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cut_loss(program: TorchProgram, flat: Tensor, x: Tensor, targets: Targets) -> Tensor:
    """(G): each row's loss, of forward passes alone."""
    w = acting(program.cell, flat, program.shapes)
    each, _ = cross_entropy(forward(program.tape, w, with_ones(x)).clone(), targets)
    return each


@pytest.mark.parametrize("name", RECURRENT)
def test_the_gradient_of_the_loss_is_that_of_finite_differences(name: str) -> None:
    """Through the whole sequence and every weight, with a learned initial state."""
    made = cell(name)
    layout = shapes(made, INPUTS, HIDDEN, OUTPUTS, True)
    flat = 0.6 * random(G, size(layout))
    x = random(T, G, B, INPUTS, seed=1)
    values = torch.randint(
        OUTPUTS, (T, G, B), generator=torch.Generator().manual_seed(2), dtype=torch.int64
    )
    targets = Targets(values, weights(None, values, torch.float64))
    shape = Sizes(G, T, B, INPUTS, HIDDEN, OUTPUTS, T, False)
    program = TorchProgram(made, "softmax", shape, layout, torch.float64)
    w = views(flat, layout)
    _, gradient = program.differentiate(flat, with_ones(x), targets, windows(T, T, T))
    found = views(gradient, layout)
    for number, weight in enumerate(layout):
        direction = random(*w[weight].shape, seed=10 + number)
        start = w[weight].clone()
        around = []
        for eps in (1e-6, -1e-6):
            w[weight].copy_(start + eps * direction)
            around.append(cut_loss(program, flat, x, targets))
        w[weight].copy_(start)
        numeric = (around[0] - around[1]) / 2e-6
        exact = (found[weight] * direction).flatten(1).sum(1)
        assert torch.allclose(exact, numeric, rtol=1e-6, atol=1e-8), weight


@pytest.mark.parametrize("name", cells())
def test_initial_weights_depend_on_their_row_alone(name: str) -> None:
    made = cells()[name]()
    layout = shapes(made, INPUTS, HIDDEN, OUTPUTS)
    rows = grid({"seed": [0, 1], "gain": [0.5, 2.0], "init": ["gaussian", "orthogonal"]})
    whole = initial(made, rows, layout, torch.float32)
    assert torch.isfinite(whole).all()
    for i in range(len(rows)):
        alone = initial(made, rows.iloc[[i]].reset_index(drop=True), layout, torch.float32)
        assert torch.equal(whole[i : i + 1], alone)


@pytest.mark.parametrize("name", cells())
def test_a_network_that_diverges_is_found_and_set_to_zero(name: str) -> None:
    """With a learning rate that throws the weights to 1e30 at the first update."""
    axes = {"cell": name, "lr": 1e30, "clip": "none", "gain": 1.0, "dtype": "float32"}
    made = block("copy", optimizer="sgd", updates=4, **axes)
    made.train()
    assert (made.diverged_at > 0).all()
    assert not made.flat.any()


# Optimizers and schedules -------------------------------------------------------------------------


@pytest.mark.parametrize("name", optimizers())
def test_an_optimizer_updates_a_row_alike_alone_and_among_others(name: str) -> None:
    def updated(rows: slice) -> Tensor:
        flat = random(5, 11)[rows].clone()
        lr = torch.tensor([1e-3, 1e-2, 0.1, 0.0, 0.3], dtype=torch.float64)[rows]
        updater = Updater(optimizers()[name](), schedules()["constant"](), 4, flat, lr)
        for update in range(4):
            updater.step_(flat, random(5, 11, seed=update + 1)[rows].clone())
        return flat

    whole = updated(slice(0, 5))
    assert torch.isfinite(whole).all()
    assert torch.equal(whole[3], random(5, 11)[3])  # its learning rate is 0
    assert not torch.equal(whole[4], random(5, 11)[4])
    for row in range(5):
        assert torch.equal(whole[row : row + 1], updated(slice(row, row + 1)))


@pytest.mark.parametrize("name", optimizers())
def test_an_optimizer_follows_the_gradient_down(name: str) -> None:
    """On sum(w^2) from w = 1, with a small learning rate."""
    flat = torch.ones(1, 3, dtype=torch.float64)
    lr = torch.tensor([0.01], dtype=torch.float64)
    updater = Updater(optimizers()[name](), schedules()["constant"](), 20, flat, lr)
    for _ in range(20):
        updater.step_(flat, 2 * flat)
    assert (flat.abs() < 1).all()


@pytest.mark.parametrize("name", schedules())
def test_a_schedule_is_a_finite_factor_whatever_the_budget(name: str) -> None:
    made = schedules()[name]()
    for updates in (0, 1, 2, 1000):
        factors = [made.factor(update, updates) for update in range(max(updates, 1))]
        assert all(isinstance(f, float) and 0 <= f < np.inf for f in factors)
    assert factors == [made.factor(update, 1000) for update in range(1000)]


# Initial schemes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [1, 2, 5, 8])
@pytest.mark.parametrize("name", schemes())
def test_a_scheme_draws_a_matrix_from_its_generator_alone(name: str, hidden: int) -> None:
    def drawn(seed: int) -> Any:
        return schemes()[name]().matrix(np.random.default_rng(seed), hidden)

    np.random.seed(0)  # the global state, which nothing may read or move
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # MT19937's words
    one = drawn(7)
    np.random.seed(1)
    assert (one == drawn(7)).all()
    np.random.seed(0)
    drawn(7)
    assert (before == np.random.get_state()[1]).all()  # type: ignore[index]  # as above
    assert one.shape == (hidden, hidden)
    assert one.dtype == np.float64
    assert np.isfinite(one).all()


@pytest.mark.parametrize("name", schemes())
def test_the_recurrent_matrix_is_proportional_to_the_gain(name: str) -> None:
    made = cell("tanh")
    layout = shapes(made, INPUTS, HIDDEN, OUTPUTS)
    rows = grid({"seed": [3], "gain": [0.0, 1.0, 2.5], "init": [name]})
    w = views(initial(made, rows, layout, torch.float64), layout)["W_hh"].numpy()
    drawn = recurrent(name, 3, HIDDEN)
    assert np.abs(drawn).max() > 0
    for row, gain in enumerate(rows["gain"]):
        assert np.allclose(w[row], gain * drawn, rtol=1e-14)


# Probes on cells ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.slow
def test_every_probe_measures_a_trained_network_of_every_cell(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On ``text``, on which all probes but ``closing`` have something to say."""
    monkeypatch.setattr(context, "POSITIONS", 500)
    made = block("text", cell=name, gain=[0.7, 1.3], seeds=1)
    made.train()
    brackets = block("brackets", cell=name, gain=[0.7, 1.3], seeds=1, generate=True, opening=0.5)
    brackets.train()
    steps, hidden = made.sizes.steps, made.job.hidden
    lengths = {
        "loss": made.job.updates,
        "log_grad_norm": made.job.updates,
        "saturation": steps,
        "state_norm": steps,
        "spectral_radius": 1,
        "singular_value": hidden,
    }
    for measured in probe_names():
        found = probe(measured)(brackets if measured == "closing" else made)
        assert found.dtypes.astype(str).to_dict() == COLUMNS
        assert set(found["row"]) == {0, 1}, measured
        # a gradient or a singular value of exactly zero has the logarithm -inf
        bad = ~np.isfinite(found["value"])
        logarithm = found["quantity"].str.startswith("log_") | (found["quantity"] == "lyapunov")
        zero = logarithm & (found["value"] == -np.inf)
        assert not (bad & ~zero).any(), measured
        counts = found.groupby(["quantity", "row"]).size().unstack()
        assert (counts[0] == counts[1]).all(), measured
        for quantity, length in lengths.items():
            if quantity in counts.index:
                assert counts.loc[quantity, 0] == length, (measured, quantity)
