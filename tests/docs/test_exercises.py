"""The answers of the guide's exercises, computed by another way than the guide's own."""

import itertools
import math
from collections.abc import Callable

import guide_numbers as numbers
import numpy as np
import pytest
import torch
from guide_numbers import NUMBERS, Reference
from scipy.integrate import quad

import throughtime as tt
from throughtime.theory.mean_field import q_star

REFERENCE = Reference()


def value(name: str) -> float:
    return float(NUMBERS[name](REFERENCE))


def test_1_weights_are_those_of_a_trained_network() -> None:
    runs = tt.train(task="copy", payload=1, cell=["tanh", "lstm"], updates=0, workers=1)
    parameters = runs.summary.set_index("cell")["parameters"]
    rnn = [torch.nn.RNN(10, 32), torch.nn.Linear(32, 10)]
    count = sum(p.numel() for module in rnn for p in module.parameters())
    assert value("state.weights") == count - 32  # torch has two biases per unit
    for cell in ("tanh", "lstm"):  # copy has 10 inputs and 8 outputs
        assert parameters[cell] == numbers.weights(10, 32, 8, cell)
    lstm = torch.nn.LSTM(10, 32)
    gates = sum(p.numel() for p in lstm.parameters()) - 4 * 32
    assert value("state.lstm") == gates + 32 * 10 + 10


@pytest.mark.parametrize(("w", "name"), [(0.5, "sum"), (2.0, "sum.two")])
def test_2_the_sum_over_lags_is_the_gradient(w: float, name: str) -> None:
    weights = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    h = torch.tensor(1.0, dtype=torch.float64)
    for weight, x in zip(weights, (0.5, 1.5, 0.0), strict=True):
        h = weight * h + x
    (h**2 / 2).backward()
    by_step = [float(weight.grad) for weight in weights if weight.grad is not None]
    assert by_step == [value(f"{name}.lag{k}") for k in (2, 1, 0)]
    assert sum(by_step) == value(f"{name}.total")


def test_3_powers() -> None:
    assert value("vanish.power") == pytest.approx(3**10)
    assert 3 ** (-0.5 * value("vanish.steps")) < 1e-3 < 3 ** (-0.5 * (value("vanish.steps") - 1))
    assert value("explode.power") == pytest.approx(1.5**20)


def test_4_the_critical_gain_by_quadrature() -> None:
    def mean(f: Callable[[float], float], q: float) -> float:
        def weighed(z: float) -> float:
            return f(math.sqrt(q) * z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

        return float(quad(weighed, -9, 9)[0])

    g = value("border.ten")
    q = q_star(g, 0.1)
    assert q == pytest.approx(g**2 * mean(lambda z: math.tanh(z) ** 2, q) + 0.1, rel=1e-6)
    assert g**2 * mean(lambda z: (1 - math.tanh(z) ** 2) ** 2, q) == pytest.approx(1, rel=1e-6)
    assert value("border.ten.left") == pytest.approx(100 * value("border.ten.chi") ** 10)


def test_5_depths_counted_by_hand() -> None:
    assert value("cut.mean.chunked") == np.mean([1, 2, 3, 4, 5])
    assert value("cut.mean.buffered") == np.mean([5, 6, 7, 8, 9])
    assert value("cut.reach") == 4


def test_6_influences_by_tossing_all_coins() -> None:
    """Every sequence of heads and tails, counted."""
    total = 0.0
    for j in range(14):
        heads = [sum(tosses) for tosses in itertools.product((0, 1), repeat=j)]
        a = np.mean([b < 2 for b in heads]) - np.mean([2 <= b < 5 for b in heads])
        if j < 5:
            assert a == pytest.approx(value(f"balance.small.a{j}"))
        before, total = total, total + a
        if before >= 0 > total:
            assert value("balance.small.K") == j + 1
    assert total < 0


def test_7_clipping_by_torch() -> None:
    g = torch.nn.Parameter(torch.zeros(2))
    g.grad = torch.tensor([3.0, 4.0])
    assert torch.nn.utils.clip_grad_norm_([g], 1.0).item() == value("clip.norm")
    assert g.grad.tolist() == pytest.approx([value("clip.first"), value("clip.second")], rel=1e-4)
    turned = math.degrees(math.atan2(4, 3) - math.pi / 4)
    assert value("clip.angle") == pytest.approx(turned)


def test_8_bits() -> None:
    assert 2 ** value("text.uniform") == pytest.approx(88)
    assert math.exp(value("text.nats")) == pytest.approx(value("text.perplexity"))


def test_9_backward_steps_by_hand() -> None:
    assert value("cost.sliding") == sum(min(t, 10) for t in range(1, 101))
    assert value("cost.buffered") == 10 + 9 * 19


def test_10_steps_until_two_states_agree() -> None:
    for gain, name in ((3**-0.5, "memory.pytorch"), (0.9, "memory.nine")):
        distance, steps = 2 * math.sqrt(32), 0
        while distance > 0.01:
            distance, steps = distance * gain, steps + 1
        assert steps == value(name)


def test_11_the_gate_that_halves() -> None:
    f = torch.sigmoid(torch.tensor(value("gate.bias"), dtype=torch.float64))
    assert float(f**20) == pytest.approx(0.5)


def test_12_chance_and_reach() -> None:
    draws = np.random.default_rng(0).random((200_000, 2)).sum(1)
    assert draws.var() == pytest.approx(value("task.chance.adding"), rel=0.02)
    assert value("task.reach.buffered") == 11  # 2 * 11 - 1 = 21 steps reach lag 20
    assert numbers.smallest_reach("chunked", 20) == 21
