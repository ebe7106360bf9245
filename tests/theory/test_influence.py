"""Influence balancing against autograd, exact fractions and its own recurrences."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.support.modes import losses
from throughtime.engine.bptt import Tape, gradients, with_ones
from throughtime.engine.cells import cell
from throughtime.engine.losses._base import Targets
from throughtime.engine.sizes import Sizes
from throughtime.engine.truncation import Window, cut_chance, random_factors
from throughtime.theory.influence import Balancing, random_lengths
from throughtime.theory.mean_field import ConvergenceError, DomainError

MODES = ["full", "chunked", "sliding", "buffered"]


def exact_cumulative(system: Balancing, depth: int) -> list[Fraction]:
    """G_0 .. G_depth by powers of 2 A, in integers."""
    row, total, result = [1] + [0] * (system.n - 1), Fraction(0), [Fraction(0)]
    for j in range(depth):
        total += Fraction(sum(r * int(b) for r, b in zip(row, system.b, strict=True)), 2**j)
        result.append(total)
        row = [a + b for a, b in zip(row, [0, *row[:-1]], strict=True)]
    return result


def test_the_influence_is_that_of_powers_of_the_matrix() -> None:
    system = Balancing(n=7, positive=3)
    row = np.eye(7)[0]
    for j in range(30):
        assert system.influence(j) == pytest.approx(row @ system.b, abs=1e-14)
        row = row @ system.A


def test_at_rest_the_short_and_the_long_run_have_opposite_signs() -> None:
    system = Balancing()
    rest = np.linalg.solve(np.eye(23) - system.A, system.b)
    assert rest[0] == pytest.approx(system.total)
    assert system.cumulative(2000)[-1] == pytest.approx(system.total)
    assert system.cumulative(1)[-1] == 1
    assert system.states(system.optimum, 3000)[-1, 0] == pytest.approx(1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("K", [1, 4, 11])
def test_truncated_gradients_are_those_of_autograd(mode: str, K: int) -> None:
    system, steps = Balancing(n=6, positive=2), 22
    theta = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    A, b = torch.from_numpy(system.A), torch.from_numpy(system.b)

    def step(s: Tensor, t: int) -> Tensor:
        return A @ s + theta * b

    start = torch.linspace(-1, 1, 6, dtype=torch.float64)
    found = 0.0
    for _, s in losses(mode, step, start, steps, K):
        (gradient,) = torch.autograd.grad((s[0] - 1) ** 2 / 2, theta, retain_graph=True)
        found += gradient.item() / steps
    stride = {"chunked": K, "buffered": K, "sliding": 1, "full": steps}[mode]
    assert system.gradient(
        0.3, mode, K, steps, start.numpy(), offset=steps % stride
    ) == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize(
    ("mode", "K", "k1"),
    [("full", 1, 1), ("chunked", 5, 1), ("sliding", 5, 1), ("sliding", 6, 3), ("buffered", 4, 1)],
)
def test_the_trajectory_is_that_of_online_descent_by_autograd(mode: str, K: int, k1: int) -> None:
    system, lr, updates = Balancing(n=6, positive=2), 0.02, 12
    stride, depth = {
        "full": (1, 10**6),
        "chunked": (K, K),
        "sliding": (k1, K),
        "buffered": (K, 2 * K - 1),
    }[mode]
    A, b = torch.from_numpy(system.A), torch.from_numpy(system.b)
    s, pushes, path = torch.ones(6, dtype=torch.float64), [], [0.5]
    for _ in range(updates):
        loss = torch.zeros((), dtype=torch.float64)
        for _ in range(
            stride
        ):  # one leaf per step, so that the depth is counted in steps and not in updates
            pushes.append(torch.tensor(path[-1], dtype=torch.float64, requires_grad=True))
            s = A @ s + pushes[-1] * b
            loss = loss + (s[0] - 1) ** 2 / 2 / stride
        gradient = sum(
            g.item() for g in torch.autograd.grad(loss, pushes[-depth:], retain_graph=True)
        )
        path.append(path[-1] - lr * gradient)
    assert system.trajectory(mode, K, updates, lr, k1=k1) == pytest.approx(
        np.array(path), rel=1e-11
    )


def test_the_smallest_K_is_exact_and_every_larger_one_is_right() -> None:
    system, G = Balancing(), exact_cumulative(Balancing(), 700)
    right = {
        "sliding": [G[K] < 0 for K in range(1, 300)],
        "chunked": [sum(G[1 : K + 1]) < 0 for K in range(1, 300)],
        "buffered": [sum(G[K : 2 * K]) < 0 for K in range(1, 300)],
    }
    for mode, signs in right.items():
        smallest = system.smallest_K(mode)
        assert signs == [smallest <= K for K in range(1, 300)]
    assert G[40] > 0 > G[41]


def test_a_longer_stride_of_sliding_windows_needs_a_longer_one() -> None:
    system = Balancing()
    assert [system.smallest_K("sliding", k1) for k1 in (1, 5, 41)] == sorted(
        system.smallest_K("sliding", k1) for k1 in (1, 5, 41)
    )
    assert system.smallest_K("sliding", 5) == next(
        K for K in range(5, 200) if system.cumulative(K)[K - 4 :].sum() < 0
    )
    assert system.smallest_K("sliding", 1) > system.n  # longer than the range of the interactions


def test_the_full_gradient_is_right_at_once() -> None:
    assert Balancing().smallest_K("full") == 1
    # the majority pushes up: short and long run agree
    assert Balancing(n=23, positive=13).smallest_K("sliding") == 1


@pytest.mark.parametrize(
    ("mode", "bad", "good"), [("sliding", 40, 41), ("chunked", 109, 110), ("buffered", 29, 30)]
)
def test_descent_diverges_below_the_smallest_K_and_converges_from_it_on(
    mode: str, bad: int, good: int
) -> None:
    assert Balancing().growth(mode, bad) > 1 > Balancing().growth(mode, good)


@pytest.mark.parametrize(
    ("mode", "K"),
    [("sliding", 10), ("sliding", 90), ("chunked", 10), ("buffered", 40), ("full", 1)],
)
def test_the_distance_to_the_optimum_grows_or_shrinks_at_the_rate_of_growth(
    mode: str, K: int
) -> None:
    system = Balancing()
    distance = system.trajectory(mode, K, updates=1200, lr=5e-5) - system.optimum
    assert (distance[-1] / distance[-101]) ** (1 / 100) == pytest.approx(
        system.growth(mode, K, lr=5e-5), abs=1e-7
    )


def test_no_gradient_is_good_enough_for_a_step_too_large() -> None:
    system = Balancing()
    assert system.growth("full", 1, lr=5e-4) > 1 > system.growth("full", 1, lr=1e-4)
    path = np.abs(system.trajectory("full", 1, updates=4000, lr=5e-4) - system.optimum)
    assert path[-500:].max() > 1e6 * path[:500].max()


def test_ten_steps_of_memory_diverge_and_all_of_it_does_not() -> None:
    system = Balancing()
    assert abs(system.trajectory("chunked", 10, updates=3000)[-1]) > 1000
    assert system.trajectory("full", 1, updates=10_000)[-1] == pytest.approx(
        system.optimum, abs=1e-6
    )


@pytest.mark.parametrize(("n", "positive"), [(4, 2), (5, 0), (5, 5)])
def test_systems_without_the_conflict_are_refused(n: int, positive: int) -> None:
    with pytest.raises(DomainError, match=f"n={n}"):
        Balancing(n, positive)


def test_a_limit_too_small_is_said() -> None:
    with pytest.raises(ConvergenceError, match="no K up to 50"):
        Balancing().smallest_K("chunked", limit=50)


@pytest.mark.parametrize("tail", [math.inf, 4.0])
def test_a_randomized_gradient_is_that_of_the_engine_with_the_same_cuts(tail: float) -> None:
    system, K, theta, steps, cuts = Balancing(n=7, positive=3), 4, 0.3, 12, [5, 6]
    ones = torch.ones(steps, 1, 1, 1, dtype=torch.float64)
    weights = {
        "W_xh": torch.from_numpy(system.b)[None, None],
        "W_hh": torch.from_numpy(system.A.T.copy())[None],
        "b_h": torch.zeros(1, system.n, dtype=torch.float64),
        "W_hy": torch.eye(system.n, 1, dtype=torch.float64)[None],
        "b_y": torch.zeros(1, 1, dtype=torch.float64),
    }
    draws = np.ones((steps, 1)) - 1e-9
    draws[cuts] = 0.0
    _, found = gradients(
        Tape(cell("identity"), Sizes(1, steps, 1, 1, system.n, 1, steps, False), torch.float64),
        weights,
        with_ones(theta * ones),
        Targets(ones, ones[..., 0]),
        "regression",
        [Window(0, 0, steps, random_factors(draws, K, tail))],
        torch.ones(1, 1, system.n, dtype=torch.float64),
    )
    engine = float(found["b_h"][0] @ weights["W_xh"][0, 0]) / 2  # its loss is the square
    since = np.concatenate([np.arange(5), [0], np.arange(6)])  # steps since the last cut
    error = system.states(theta, steps)[:, 0] - 1
    expected = float(error @ system.weighted(K, steps, tail)[since])
    assert engine == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("K", [2, 16])
def test_the_mean_of_randomized_gradients_at_rest_is_the_full_one(K: int) -> None:
    """Over segments whose lengths exceed j with probability (1 - 1 / K)^j, per K steps."""
    system, longest = Balancing(), 60 * K
    survives = (1 - 1 / K) ** np.arange(longest)
    mean = float(system.weighted(K, longest) @ survives) / K
    assert mean == pytest.approx(system.total, rel=1e-9)
    assert system.resting("randomized", K) == system.total


@pytest.mark.parametrize(("K", "tail"), [(2, 3.0), (16, 4.0), (16, 6.0)])
def test_with_a_tail_the_mean_of_gradients_at_rest_is_the_full_one(K: int, tail: float) -> None:
    system, n = Balancing(), 4000
    survives = np.concatenate([[1.0], np.cumprod(1 - cut_chance(np.arange(n), K, tail))])
    beyond = survives[n] * ((tail - 2) * K + n) / (tail - 2)  # of losses later than n
    mean = (float(system.weighted(K, n, tail) @ survives[:n]) + system.total * beyond) / K
    assert mean == pytest.approx(system.total, rel=1e-5)


def test_random_lengths_survive_as_the_chances_of_a_cut_say() -> None:
    K, tail, count = 16, 4.0, 100_000
    lengths = random_lengths(K, count, np.random.default_rng(0), tail)
    survives = np.concatenate([[1.0], np.cumprod(1 - cut_chance(np.arange(300), K, tail))])
    for n in (0, 1, 4, 16, 60, 200):
        error = (survives[n] * (1 - survives[n]) / count) ** 0.5
        assert abs((lengths > n).mean() - survives[n]) <= 4 * error, n
    geometric = np.random.default_rng(1).geometric(1 / K, 50)
    assert np.array_equal(random_lengths(K, 50, np.random.default_rng(1)), geometric)


@pytest.mark.parametrize(("K", "tail"), [(1, math.inf), (1, 4.0), (16, 2.0)])
def test_random_lengths_without_a_meaning_are_refused(K: int, tail: float) -> None:
    with pytest.raises(DomainError, match=f"K={K}, tail={tail}: a mean length"):
        Balancing().randomized(K, 10, np.random.default_rng(0), tail=tail)


@pytest.mark.slow
def test_randomized_descent_converges_where_chunks_of_the_same_length_diverge() -> None:
    system, updates = Balancing(), 3000
    tails = (math.inf, math.inf, 4.0)
    ends = [
        system.randomized(16, updates, np.random.default_rng(seed), tail=tail)[-1]
        for seed, tail in enumerate(tails)
    ]
    assert ends == pytest.approx([system.optimum] * 3, abs=0.01)
    assert abs(system.trajectory("chunked", 16, updates)[-1]) > 10


def test_randomized_has_no_fixed_strides() -> None:
    with pytest.raises(DomainError, match=r"use Balancing\.randomized"):
        Balancing().trajectory("randomized", 16, 10)
    with pytest.raises(DomainError, match=r"use Balancing\.randomized"):
        Balancing().growth("randomized", 16)
