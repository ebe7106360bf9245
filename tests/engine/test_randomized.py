"""Randomized truncation: its mean is the full gradient, and its special cases are other modes."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from tests.support.programs import Program, assert_close, program
from throughtime.core.errors import UserError
from throughtime.core.rng import stream
from throughtime.engine.bptt import Weights, gradients
from throughtime.engine.parameters import views
from throughtime.engine.sizes import shapes
from throughtime.engine.truncation import Window, cut_chance, random_factors, windows
from throughtime.planning.axes import Job
from throughtime.planning.sweep import expand

STEPS = 5
ROWS = 2 ** (STEPS - 1)  # one for each pattern of cuts at the borders before steps 1 to 4


def one_network(cell: str, rows: int, learned: bool = False) -> Program:
    """The same network on the same data, in all rows."""
    p = program(cell, rows=1, steps=STEPS, scored=STEPS, tokens=False, learned=learned)
    many = program(cell, rows=rows, steps=STEPS, scored=STEPS, tokens=False, learned=learned)
    flat = p.flat.expand(rows, -1).contiguous()
    layout = shapes(many.tape.cell, 3, many.sizes.hidden, 2, learned)
    targets = replace(
        p.targets,
        values=p.targets.values.expand(-1, rows, -1).contiguous(),
        weight=p.targets.weight.expand(-1, rows, -1).contiguous(),
    )
    x = p.x.expand(-1, rows, -1, -1).contiguous()
    return replace(many, flat=flat, weights=views(flat, layout), x=x, targets=targets)


def gradient(p: Program, found: list[Window]) -> Weights:
    return gradients(p.tape, p.weights, p.x, p.targets, p.head, found)[1]


def flat(g: Weights) -> torch.Tensor:
    """(G, P)."""
    return torch.cat([g[name].flatten(1) for name in g], 1)


@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
@pytest.mark.parametrize("K", [2, 3, 7])
def test_its_mean_over_all_patterns_of_cuts_is_the_full_gradient(cell: str, K: int) -> None:
    p = one_network(cell, ROWS, learned=True)
    patterns = np.array(list(product([False, True], repeat=STEPS - 1))).T  # (borders, rows)
    factors = np.ones((STEPS, ROWS))
    factors[1:] = random_factors(np.where(patterns, 0.0, 1 - 1e-9), K)
    chance = torch.from_numpy(np.where(patterns, 1 / K, 1 - 1 / K).prod(0))
    assert chance.sum().item() == pytest.approx(1)
    mean = (chance[:, None] * flat(gradient(p, [Window(0, 0, STEPS, factors)]))).sum(0)
    full = flat(gradient(p, [Window(0, 0, STEPS)]))[0]
    assert torch.allclose(mean, full, rtol=0, atol=1e-12 * full.norm().item())


def test_its_mean_over_many_draws_is_the_full_gradient() -> None:
    rows, rounds = 500, 8
    p = one_network("tanh", rows)
    full = flat(gradient(p, [Window(0, 0, STEPS)]))[0]
    found = []
    for i in range(rounds):
        factors = random_factors(stream(0, "truncation", i).random((STEPS, rows)), 3)
        found.append(flat(gradient(p, [Window(0, 0, STEPS, factors)])))
    all_ = torch.cat(found)
    error = all_.std(0) / (rows * rounds) ** 0.5
    varies = error > 1e-12  # gradients of the readout do not depend on cuts
    assert varies.sum() > 20
    # two-sided, over all weights together, at a chance of 1e-4
    z = ((all_.mean(0) - full).abs() / error)[varies]
    assert z.max().item() < 5.2
    chunked = flat(gradient(p, windows(STEPS, 3, 3)))[0]
    off = ((all_.mean(0) - chunked).abs() / error)[varies]
    assert off.max().item() > 5.2, "the same draws must tell a biased gradient from the full one"


def test_factors_of_one_are_full_depth_bit_by_bit() -> None:
    p = one_network("lstm", 2, learned=True)
    ones = gradient(p, [Window(0, 0, STEPS, np.ones((STEPS, 2)))])
    full = gradient(p, [Window(0, 0, STEPS)])
    assert all(torch.equal(ones[name], full[name]) for name in full)


@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
def test_a_mean_length_of_one_is_chunked_with_one(cell: str) -> None:
    p = one_network(cell, 2, learned=True)
    factors = random_factors(stream(0, "x").random((STEPS, 2)), 1)
    assert not factors.any()
    assert_close(gradient(p, [Window(0, 0, STEPS, factors)]), gradient(p, windows(STEPS, 1, 1)))


def test_a_factor_of_zero_cuts_its_own_row_at_its_own_step() -> None:
    p = one_network("tanh", 2)
    factors = np.ones((STEPS, 2))
    factors[2, 1] = 0.0
    g = gradient(p, [Window(0, 0, STEPS, factors)])
    cut = gradient(p, [Window(0, 0, 2), Window(2, 2, STEPS)])
    full = gradient(p, [Window(0, 0, STEPS)])
    for name, expected in (("full", full), ("cut", cut)):
        row = ["full", "cut"].index(name)
        assert_close({k: v[row] for k, v in g.items()}, {k: v[row] for k, v in expected.items()})


@pytest.mark.parametrize("K", [1, 2, 16])
def test_factors_have_the_mean_one_and_lengths_the_mean_K(K: int) -> None:
    found = random_factors(stream(0, "x").random(200_000), K)
    assert (found == 0).mean() == pytest.approx(1 / K, abs=0.005)
    assert found.mean() == pytest.approx(float(K > 1), abs=0.02)


# Lengths with a tail ------------------------------------------------------------------------------
def falling(K: int, tail: float, since: int) -> float:
    """The chance of a cut, as its law was derived: a / (b + d)."""
    return (tail - 1) / ((tail - 2) * K + 1 + since)


def all_patterns(K: int, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """The factors of every pattern of cuts, (T, rows), and the pattern's chance, (rows,)."""
    patterns = np.array(list(product([False, True], repeat=STEPS - 1))).T  # (borders, rows)
    chances = np.ones(ROWS)
    for row in range(ROWS):
        since = 0
        for cut in patterns[:, row]:
            c = falling(K, tail, since)
            chances[row] *= c if cut else 1 - c
            since = 0 if cut else since + 1
    draws = np.vstack([np.full((1, ROWS), 0.5), np.where(patterns, 0.0, 1 - 1e-9)])
    return random_factors(draws, K, tail), chances


@pytest.mark.parametrize("tail", [2.1, 4.0, 6.0])
@pytest.mark.parametrize("K", [2, 3, 7])
def test_with_a_tail_every_product_of_factors_has_the_mean_one(K: int, tail: float) -> None:
    factors, chances = all_patterns(K, tail)
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    for first in range(1, STEPS):
        for last in range(first, STEPS):
            mean = chances @ factors[first : last + 1].prod(0)
            assert mean == pytest.approx(1, abs=1e-12), (first, last)


@pytest.mark.parametrize("cell", ["tanh", "lstm"])
@pytest.mark.parametrize(("K", "tail"), [(2, 2.1), (3, 4.0), (7, 6.0)])
def test_with_a_tail_the_mean_over_all_patterns_is_the_full_gradient(
    cell: str, K: int, tail: float
) -> None:
    p = one_network(cell, ROWS, learned=True)
    factors, chances = all_patterns(K, tail)
    found = flat(gradient(p, [Window(0, 0, STEPS, factors)]))
    mean = (torch.from_numpy(chances)[:, None] * found).sum(0)
    full = flat(gradient(p, [Window(0, 0, STEPS)]))[0]
    assert torch.allclose(mean, full, rtol=0, atol=1e-12 * full.norm().item())


def test_with_a_tail_products_over_many_draws_have_the_mean_one() -> None:
    rows = 40_000
    factors = random_factors(stream(0, "tail").random((20, rows)), 5, 4.0)
    for first, last in ((1, 1), (1, 8), (7, 9), (12, 19)):
        products = factors[first : last + 1].prod(0)
        z = (products.mean() - 1) / (products.std() / rows**0.5)
        assert abs(z) < 4, (first, last, z)


@pytest.mark.parametrize("tail", [2.5, 4.0, 6.0])
@pytest.mark.parametrize("K", [1, 2, 16])
def test_lengths_have_the_mean_K_and_the_stated_tail(K: int, tail: float) -> None:
    n, a, b = 20_000, tail - 1, (tail - 2) * K + 1
    chance = cut_chance(np.arange(2 * n), K, tail)
    for d in (0, 1, K, n):
        assert chance[d] == pytest.approx(falling(K, tail, d), rel=1e-12)
    assert ((chance > 0) & (chance <= 1)).all()
    if K == 1:
        assert chance[0] == 1
        return
    survival = np.concatenate([[1.0], np.cumprod(1 - chance)])
    beyond = survival[n] * (b + n - 1) / (a - 1)  # the same sum, from n on
    assert survival[:n].sum() + beyond == pytest.approx(K, rel=1e-9)
    lengths = -np.diff(survival)  # the chance of 1, 2, .. steps
    assert np.log2(survival[2 * n] / survival[n]) == pytest.approx(-a, abs=0.02)
    assert np.log2(lengths[-1] / lengths[n - 1]) == pytest.approx(-tail, abs=0.02)


def test_drawn_lengths_survive_as_their_law_says_from_the_update_on_and_from_a_cut_on() -> None:
    K, tail, steps, rows = 5, 4.0, 60, 20_000
    cuts = random_factors(stream(1, "tail").random((steps, rows)), K, tail) == 0
    survival = np.cumprod(1 - cut_chance(np.arange(steps), K, tail))
    at_3 = cuts[:, cuts[3]][3:]  # rows that are cut before step 3
    for found in (cuts, at_3):
        assert found[0].all()
        for n in (1, 2, 5, 20, 40):
            share = (~found[1 : n + 1]).all(0).mean()
            error = (survival[n - 1] * (1 - survival[n - 1]) / found.shape[1]) ** 0.5
            assert abs(share - survival[n - 1]) < 4 * error, n


def test_without_a_tail_factors_keep_their_bits() -> None:
    draws = stream(0, "x").random((50, 7))
    for K in (1, 2, 16):
        expected = np.where(draws < 1 / K, 0.0, K / max(K - 1, 1))
        assert np.array_equal(random_factors(draws, K), expected)
        assert np.array_equal(random_factors(draws, K, math.inf), expected)
    almost = random_factors(draws, 16, 1e12)
    assert almost[1:] == pytest.approx(random_factors(draws, 16)[1:], rel=1e-9)


def test_with_a_tail_a_row_is_the_same_alone() -> None:
    draws = stream(0, "x").random((50, 7))
    alone = random_factors(draws[:, 3:4], 4, 3.0)
    assert np.array_equal(alone, random_factors(draws, 4, 3.0)[:, 3:4])


def test_with_a_tail_a_mean_length_of_one_cuts_everywhere() -> None:
    assert not random_factors(stream(0, "x").random((50, 7)), 1, 3.0).any()


@pytest.mark.parametrize(("K", "tail"), [(0, 4.0), (4, 2.0), (4, math.nan), (0, math.inf)])
def test_lengths_without_a_mean_are_refused(K: int, tail: float) -> None:
    with pytest.raises(ValueError, match=f"K={K}, tail={tail}: its mean length K is at least 1"):
        random_factors(np.full((2, 1), 0.5), K, tail)


def test_a_tail_is_a_part_of_the_key_where_it_is_not_none() -> None:
    axes = {"task": "copy", "mode": "randomized", "K": 4}
    constant, named, falls = (
        expand("x", "s", {**axes, **tail}, "here").jobs[0]
        for tail in ({}, {"tail": "none"}, {"tail": 6})
    )
    own = {"mode": "randomized", "K": 4, "engine": "torch", "task": "copy"}
    assert constant.job.canonical() == own
    assert falls.job.canonical() == {**own, "tail": 6.0}
    assert constant.key == named.key != falls.key
    assert constant.run_keys == named.run_keys != falls.run_keys


def test_a_tail_has_no_meaning_in_other_modes() -> None:
    axes = {"task": "copy", "mode": ["chunked", "randomized"], "K": [4, "full"], "tail": 4}
    plan = expand("x", "s", axes, "here")
    assert [(job.job.mode, job.job.tail) for job in plan.jobs] == [("randomized", 4.0)]
    reasons = {s.reason for s in plan.skipped}
    assert reasons == {
        f"tail 4: mode {mode} has no random lengths; use none" for mode in ("chunked", "full")
    }


@pytest.mark.parametrize("tail", [2, -1, "heavy", math.nan])
def test_a_tail_out_of_range_is_refused_and_named(tail: object) -> None:
    with pytest.raises(UserError, match=r"here\.tail: input should be") as error:
        expand("x", "s", {"task": "copy", "mode": "randomized", "K": 4, "tail": tail}, "here")
    assert "\n" not in str(error.value)


# What it goes with --------------------------------------------------------------------------------
def test_it_runs_on_torch_and_its_key_says_so() -> None:
    (job,) = expand("x", "s", {"task": "copy", "mode": "randomized", "K": 4}, "here").jobs
    assert job.job.kernel == "torch"
    assert job.job.reach == job.job.steps - 1
    named = {k: job.job.canonical()[k] for k in ("mode", "K", "engine")}
    assert named == {"mode": "randomized", "K": 4, "engine": "torch"}


def test_its_mean_length_may_be_longer_than_a_sequence() -> None:
    plan = expand("x", "s", {"task": "copy", "mode": "randomized", "K": 500}, "here")
    assert [job.job.K for job in plan.jobs] == [500]


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ({"engine": "numba"}, "needs the engine torch"),
        ({"border": "reset"}, "no borders of chunks"),
        ({"align": "random"}, "has one window"),
        ({"cell": "attention"}, "attention has mode full or sliding"),
    ],
)
def test_what_has_no_meaning_with_it_is_refused_in_one_line(
    axes: dict[str, str], words: str
) -> None:
    plan = expand("x", "s", {"task": "copy", "mode": "randomized", "K": 4, **axes}, "here")
    assert not plan.jobs
    (skipped,) = plan.skipped
    assert words in skipped.reason
    assert "\n" not in skipped.reason


def test_it_is_refused_on_a_device() -> None:
    axes = {"task": "copy", "mode": ["full", "randomized"], "K": 4}
    plan = expand("x", "s", axes, "here", device="cuda")
    assert [job.job.mode for job in plan.jobs] == ["full"]
    assert [s.reason for s in plan.skipped] == ["device cuda: randomized runs on the CPU alone"]


def test_it_changes_no_key_of_other_modes() -> None:
    (job,) = expand("x", "s", {"task": "copy", "mode": "chunked", "K": 4}, "here").jobs
    assert job.job.canonical() == {"mode": "chunked", "K": 4, "task": "copy"}
    assert Job.model_fields["mode"].default == "full"
