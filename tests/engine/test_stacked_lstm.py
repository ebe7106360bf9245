"""The stack of LSTM layers: an LSTMCell per layer as its reference, torch's stack a step later."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.support.blocks import block
from throughtime.engine.cells import Cell, cell
from throughtime.engine.initialization import recurrent
from throughtime.engine.parameters import acting, initial, views
from throughtime.engine.program import Examples, Program, program
from throughtime.engine.sizes import Shapes, Sizes, shapes, size
from throughtime.engine.truncation import windows
from throughtime.planning.axes import grid

G, T, B, INPUTS, UNITS, OUTPUTS = 2, 8, 3, 2, 4, 2  # UNITS of a layer

Named = dict[str, Tensor]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def stack(layers: int = 2, learned: bool = False) -> tuple[Cell, Shapes, Tensor]:
    """The cell, its shapes and random weights (G, P)."""
    made = cell("stacked_lstm", layers=layers)
    layout = shapes(made, INPUTS, layers * UNITS, OUTPUTS, learned)
    return made, layout, 0.6 * random(G, size(layout))


def made_program(engine: str, made: Cell, layout: Shapes, rows: int = G) -> Program:
    hidden = layout["b_h"][0] // 4
    shape = Sizes(rows, T, B, INPUTS, hidden, OUTPUTS, T, tokens=False)
    return program(engine, made, "regression", shape, layout, torch.float64)


def examples(rows: int = G) -> Examples:
    """Squared error of (1, T, B, O) values, in the mean over steps and sequences."""
    x, values = random(1, T, B, INPUTS, seed=1).numpy(), random(1, T, B, OUTPUTS, seed=2).numpy()
    weight = np.full((1, T, B), 1 / (T * B))
    return Examples(x, values, weight, np.zeros(rows, np.int64))


# The reference: an LSTMCell per layer -------------------------------------------------------------


def parts(w: Named, layers: int) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Every layer's weights from below, from itself, and its bias, of one network."""
    z = 4 * UNITS
    blocks = w["W_hh"].split(z, 1)
    own, below = list(blocks[:layers]), [w["W_xh"], *blocks[layers:]]
    by_gate = w["b_h"].view(4, layers, UNITS)
    return below, own, [by_gate[:, layer].reshape(z) for layer in range(layers)]


def reference(w: Named, x: Tensor, layers: int) -> Tensor:
    """(T, B, O): an nn.LSTMCell per layer, each fed what the layer below was a step before."""
    below, own, biases = parts(w, layers)
    zero = torch.zeros(2 * layers * UNITS, dtype=x.dtype)
    start = w.get("h_0", zero).view(2, layers, 1, UNITS).expand(-1, -1, B, -1)
    states = [(start[0, layer], start[1, layer]) for layer in range(layers)]
    outputs = []
    for t in range(T):
        seen = [x[t], *(h for h, _ in states[:-1])]
        after = []
        for layer, (h, c) in enumerate(states):
            made = nn.LSTMCell(len(below[layer]), UNITS, dtype=x.dtype)
            given = {
                "weight_ih": below[layer].T,
                "weight_hh": own[layer].T,
                "bias_ih": biases[layer],
                "bias_hh": torch.zeros_like(biases[layer]),
            }
            after.append(torch.func.functional_call(made, given, (seen[layer], (h, c))))
        states = after
        outputs.append(states[-1][0] @ w["W_hy"] + w["b_y"])
    return torch.stack(outputs)


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize(("layers", "learned"), [(2, False), (2, True), (3, True)])
def test_outputs_and_gradients_are_those_of_a_cell_per_layer(
    engine: str, layers: int, learned: bool
) -> None:
    made, layout, flat = stack(layers, learned)
    given, whole = examples(), windows(T, T, T)
    outputs = made_program(engine, made, layout).outputs(flat, given).clone()
    loss, gradient = made_program(engine, made, layout).gradients(flat, given, whole)
    found = views(gradient, layout)
    x, values = torch.from_numpy(given.x[0]), torch.from_numpy(given.values[0])
    for row in range(G):
        w = {n: v[row].clone().requires_grad_() for n, v in views(flat, layout).items()}
        y = reference(w, x, layers)
        assert torch.allclose(outputs[:, row], y, rtol=0, atol=1e-10)
        theirs = (y - values).square().mean()
        assert loss[row].item() == pytest.approx(theirs.item(), rel=1e-10)
        theirs.backward()
        for name, own in w.items():
            assert own.grad is not None
            assert torch.allclose(found[name][row], own.grad, rtol=1e-10, atol=1e-10), name


# torch's stack ------------------------------------------------------------------------------------


def true_stack(w: Named) -> nn.LSTM:
    """torch.nn.LSTM of two layers with these weights."""
    below, own, biases = parts(w, 2)
    made = nn.LSTM(INPUTS, UNITS, num_layers=2, dtype=torch.float64)
    given = {}
    for layer in range(2):
        given |= {
            f"weight_ih_l{layer}": below[layer].T,
            f"weight_hh_l{layer}": own[layer].T,
            f"bias_ih_l{layer}": biases[layer],
            f"bias_hh_l{layer}": torch.zeros_like(biases[layer]),
        }
    made.load_state_dict(given)
    return made


def outputs_and_first_state(made: Cell, layout: Shapes, flat: Tensor) -> tuple[Tensor, Tensor]:
    """(T, G, B, O), and layer 2's (h, c) after step 0: it has seen nothing of the input."""
    ours = made_program("torch", made, layout).outputs(flat, examples()).clone()
    one = Sizes(G, 1, B, INPUTS, 2 * UNITS, OUTPUTS, 1, tokens=False)
    first = program("torch", made, "regression", one, layout, torch.float64)
    given = examples()
    cut = Examples(given.x[:, :1], given.values[:, :1], given.weight[:, :1], given.rows)
    first.outputs(flat, cut)
    return ours, first.final.view(G, B, 2, 2, UNITS)[:, :, :, 1].clone()


def test_a_step_later_it_is_torchs_stack_begun_where_layer_2_is_after_step_0() -> None:
    """For any weights; the last input is not in the outputs."""
    made, layout, flat = stack()
    ours, first = outputs_and_first_state(made, layout, flat)
    assert first.abs().min() > 0.001  # biases have moved it
    x = torch.from_numpy(examples().x[0])
    for row in range(G):
        w = {name: value[row] for name, value in views(flat, layout).items()}
        zero = torch.zeros(B, UNITS, dtype=torch.float64)
        h, c = (torch.stack([zero, first[row, :, k]]) for k in range(2))
        y = true_stack(w)(x, (h, c))[0] @ w["W_hy"] + w["b_y"]
        assert torch.allclose(ours[1:, row], y[:-1], rtol=0, atol=1e-12)
        fresh = true_stack(w)(x)[0] @ w["W_hy"] + w["b_y"]
        assert (ours[1:, row] - fresh[:-1]).abs().max() > 0.01


def test_a_step_later_it_is_torchs_stack_where_the_candidates_bias_is_zero() -> None:
    made, layout, flat = stack()
    named = views(flat, layout)
    named["b_h"].view(G, 4, 2, UNITS)[:, 2, 1] = 0  # gate g, layer 2: the others stay random
    ours, first = outputs_and_first_state(made, layout, flat)
    assert torch.equal(first, torch.zeros_like(first))
    x = torch.from_numpy(examples().x[0])
    for row in range(G):
        w = {name: value[row] for name, value in named.items()}
        y = true_stack(w)(x)[0] @ w["W_hy"] + w["b_y"]
        assert torch.allclose(ours[1:, row], y[:-1], rtol=0, atol=1e-12)


# The engines --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [(T, T), (2, 2), (1, 3), (3, 5)])
def test_both_engines_compute_the_same(stride: tuple[int, int]) -> None:
    made, layout, flat = stack()
    found = [
        made_program(engine, made, layout).gradients(flat, examples(), windows(T, *stride, 0))
        for engine in ("numba", "torch")
    ]
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_one_layer_is_the_lstm_bit_by_bit(engine: str) -> None:
    rows = grid({"seed": [3, 4], "gain": [0.7], "init": ["orthogonal"]})
    made, plain = cell("stacked_lstm", layers=1), cell("lstm")
    layout = shapes(plain, INPUTS, UNITS, OUTPUTS)
    assert shapes(made, INPUTS, UNITS, OUTPUTS) == layout
    flat = initial(plain, rows, layout, torch.float64)
    assert torch.equal(flat, initial(made, rows, layout, torch.float64))
    ours, theirs = (
        made_program(engine, c, layout).gradients(flat, examples(), windows(T, 2, 3, 0))
        for c in (made, plain)
    )
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_a_network_has_the_same_bits_alone_and_among_others(engine: str) -> None:
    made, layout, flat = stack()
    found = windows(T, 2, 3, 0)
    loss, gradient = made_program(engine, made, layout).gradients(flat, examples(), found)
    alone, own = made_program(engine, made, layout, 1).gradients(flat[1:], examples(1), found)
    assert torch.equal(loss[1:], alone)
    assert torch.equal(gradient[1:], own)


# Weights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_connections_that_there_are_not_stay_zero(optimizer: str) -> None:
    """After 50 updates with weight decay; and no number is trained that does not act."""
    axes = {"optimizer": optimizer, "weight_decay": 0.1, "lr": 0.02, "updates": 50, "seeds": 1}
    made = block("copy", cell="stacked_lstm", hidden=6, **axes)
    before = made.flat.clone()
    made.train()
    assert (made.flat != before).float().mean() > 0.99
    n, inputs, outputs = 3, made.sizes.inputs, made.sizes.outputs
    acts = acting(made.cell, made.flat, made.shapes)
    kept = {name: torch.zeros(acts[name].shape[1:]) for name in ("W_xh", "W_hh", "W_hy")}
    kept["W_xh"].view(inputs, 4, 2, n)[:, :, 0] = 1
    kept["W_hh"].view(2, n, 4, 2, n)[0] = 1  # layer 1 reaches both
    kept["W_hh"].view(2, n, 4, 2, n)[1, :, :, 1] = 1  # layer 2 itself alone
    kept["W_hy"][n:] = 1
    for name, mask in kept.items():
        assert torch.equal((acts[name] != 0).float(), mask.expand_as(acts[name])), name
    peer = nn.LSTM(inputs, n, num_layers=2)
    torchs = sum(p.numel() for name, p in peer.named_parameters() if "bias_hh" not in name)
    assert size(made.shapes) == torchs + n * outputs + outputs


def test_every_layer_starts_as_an_lstm_of_its_own_width() -> None:
    made = cell("stacked_lstm", layers=2, forget_bias=2, candidate_gain=0.5)
    n = 40
    layout = shapes(made, 3, 2 * n, 5)
    axes = {"seed": [3], "gain": [0.7], "init": ["orthogonal"], "input_gain": [2.0]}
    w = {
        name: value[0].numpy()
        for name, value in views(
            initial(made, grid({**axes, "output_gain": [3.0]}), layout, torch.float64), layout
        ).items()
    }
    blocks = w["W_hh"].reshape(n, 3, 4, n)
    for layer in range(2):
        for gate, factor in enumerate((1, 1, 0.5, 1)):
            own = recurrent("orthogonal", 3, n, 4 * layer + gate)
            assert np.allclose(blocks[:, layer, gate], 0.7 * factor * own, rtol=1e-12)
    assert blocks[:, 2].std() == pytest.approx(2 / np.sqrt(n), rel=0.03)
    assert w["W_xh"].std() == pytest.approx(2 / np.sqrt(3), rel=0.1)
    assert w["W_hy"].std() == pytest.approx(3 / np.sqrt(n), rel=0.15)
    assert np.array_equal(w["b_h"], np.repeat([0, 2, 0, 0], 2 * n))
    plain = cell("lstm", forget_bias=2, candidate_gain=0.5)
    one = shapes(plain, 3, n, 5)
    rows = grid({**axes, "output_gain": [3.0]})
    first = views(initial(plain, rows, one, torch.float64), one)
    for name in ("W_xh", "W_hy"):
        assert np.array_equal(w[name], first[name][0].numpy())
    assert np.array_equal(w["W_hh"][:, : 4 * n], first["W_hh"][0].numpy())
