"""Brackets: balanced, bounded, scored where a bracket closes, long distances as often as short
ones.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import chisquare

from tests.support.measured import best_constant, scored, uniform
from throughtime.tasks import Batch
from throughtime.tasks.brackets import Brackets, innermost

SHAPES = {
    "length": st.integers(1, 15).map(lambda n: 2 * n),
    "types": st.integers(2, 4),
    "depth": st.integers(1, 5),
}

HEWITT: dict[str, Any] = {"sampler": "hewitt", "generate": True}


def whole(task: Brackets, batch: Batch, b: int) -> list[int]:
    """A sequence with its last symbol, which no network reads: it closes the one bracket that is
    open.
    """
    symbols: list[int] = batch.inputs[1:, b].tolist()
    stack: list[int] = []
    for s in symbols:
        if s < task.types:
            stack.append(s)
        else:
            stack.pop()
    return [*symbols, stack[-1] + task.types]


def slow(task: Brackets, symbols: list[int]) -> list[tuple[int, int, int, int] | None]:
    """Per symbol: None, or of a closing its type, match's type, distance and depth; by a stack."""
    result: list[tuple[int, int, int, int] | None] = []
    stack: list[tuple[int, int]] = []
    for t, s in enumerate(symbols):
        if s < task.types:
            stack.append((t, s))
            assert len(stack) <= task.depth
            result.append(None)
        else:
            depth = len(stack)
            start, kind = stack.pop()
            result.append((s - task.types, kind, t - start, depth))
    assert not stack
    return result


@given(**SHAPES, seed=st.integers(0, 99), opening=st.floats(0.05, 0.95))
def test_balanced_bounded_and_annotated_as_a_stack_says(
    length: int, types: int, depth: int, seed: int, opening: float
) -> None:
    task = Brackets(length=length, types=types, depth=depth, opening=opening, score="all")
    batch = task.sample(np.random.default_rng(seed), 3)
    assert batch.mask is not None
    assert (batch.inputs[0] == 2 * types).all()
    for b in range(3):
        for t, closing in enumerate(slow(task, whole(task, batch, b))):
            assert batch.mask[t, b] == (closing is not None)
            if closing is None:
                assert batch.groups["distance"][t, b] == batch.groups["depth"][t, b] == -1
                continue
            kind, opened, distance, level = closing
            assert kind == opened == batch.targets[t, b]
            octave: int = batch.groups["distance"][t, b]
            assert octave <= distance < 2 * octave
            assert batch.groups["depth"][t, b] == level
            assert task.lags[0] <= distance - 1 <= task.lags[1]


@given(**SHAPES, seed=st.integers(0, 99))
def test_octaves_score_one_closing_of_each(length: int, types: int, depth: int, seed: int) -> None:
    task = Brackets(length=length, types=types, depth=depth)
    batch = task.sample(np.random.default_rng(seed), 3)
    assert batch.mask is not None
    for b in range(3):
        bins = batch.groups["distance"][:, b]
        assert sorted(bins[batch.mask[:, b]]) == sorted({x for x in bins.tolist() if x > 0})


@given(**SHAPES, seed=st.integers(0, 99))
def test_generation_predicts_every_next_symbol(
    length: int, types: int, depth: int, seed: int
) -> None:
    task = Brackets(length=length, types=types, depth=depth, generate=True, opening=0.5)
    batch = task.sample(np.random.default_rng(seed), 2)
    assert batch.mask is None
    for b in range(2):
        assert batch.targets[:, b].tolist() == whole(task, batch, b)


def test_the_scored_closing_of_an_octave_is_drawn_evenly() -> None:
    """Depth 1 leaves one sequence shape, ``()()()``: its three closings are scored equally
    often.
    """
    mask = Brackets(length=6, depth=1).sample(np.random.default_rng(0), 6000).mask
    assert mask is not None
    assert uniform(mask.argmax(0) // 2, 0, 3)


def test_plain_scoring_is_mostly_distance_one_and_octaves_are_not() -> None:
    def shares(score: str, opening: float) -> dict[int, float]:
        task = Brackets(score=score, opening=opening)
        batch = task.sample(np.random.default_rng(0), 4000)
        bins, counts = np.unique(batch.groups["distance"][batch.mask], return_counts=True)
        return dict(zip(bins.tolist(), (counts / counts.sum()).tolist(), strict=True))

    plain, even = shares("all", 0.5), shares("octaves", 0.75)
    assert plain[1] == pytest.approx(2 / 3, abs=0.02)
    assert sum(v for k, v in plain.items() if k >= 16) < 0.02
    assert list(even) == [1, 2, 4, 8, 16, 32]
    assert even[1] < 0.25
    assert min(even.values()) > 0.08


@pytest.mark.parametrize("p", [0.3, 0.75])
def test_the_walk_opens_with_the_stated_probability(p: float) -> None:
    """The second symbol of a long sequence is free: depth is 1, the deepest 2."""
    batch = Brackets(length=20, depth=2, opening=p).sample(np.random.default_rng(1), 20_000)
    assert (batch.inputs[2] < 2).mean() == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize(
    "options", [{"types": 3}, {"score": "all"}, {"generate": True, "opening": 0.5}]
)
def test_chance_is_measured(options: dict[str, Any]) -> None:
    task = Brackets(length=20, **options)
    batch = task.sample(np.random.default_rng(2), 20_000)
    loss, accuracy = best_constant(task, batch)
    assert loss == pytest.approx(task.chance_loss, abs=1e-3)
    assert accuracy == pytest.approx(task.chance, abs=5e-3)


@pytest.mark.parametrize("options", [{"types": 3}, {"generate": True, "opening": 0.5}])
def test_last_opener_line_is_measured(options: dict[str, Any]) -> None:
    task = Brackets(length=30, **options)
    batch = task.sample(np.random.default_rng(3), 20_000)
    opener = np.where(batch.inputs < task.types, np.arange(30)[:, None], 0)
    guess = np.take_along_axis(batch.inputs, np.maximum.accumulate(opener, axis=0), axis=0)
    right = guess + (task.types if task.generate else 0) == batch.targets
    lines = {r.bin: r.value for r in task.references() if r.name == "last opener"}
    mask = np.ones(right.shape, bool) if batch.mask is None else batch.mask
    for bin_ in np.unique(batch.groups["distance"][mask]):
        if bin_ > 0:
            assert right[mask & (batch.groups["distance"] == bin_)].mean() == pytest.approx(
                lines[int(bin_)], abs=0.02
            )


def test_ceiling_of_generation_is_that_of_a_predictor_that_knows_the_generator() -> None:
    task = Brackets(length=12, depth=2, generate=True, opening=0.4)
    batch = task.sample(np.random.default_rng(4), 20_000)
    closes = batch.targets >= task.types
    # before the symbol
    depth = np.cumsum(np.where(closes, -1, 1), axis=0) + np.where(closes, 1, -1)
    # at depth 0 some opening, else the right closing
    guessed = np.where(depth == 0, batch.targets == 0, closes)
    assert guessed.mean() == pytest.approx(task.ceiling, abs=3e-3)
    assert task.solved(task.ceiling)
    assert not task.solved(0.98 * task.ceiling)


def test_types_are_uniform() -> None:
    batch = Brackets(length=10, types=4, depth=1).sample(np.random.default_rng(5), 3000)
    assert uniform(scored(batch), 0, 4)


def test_judged_also_at_twice_the_length() -> None:
    task = Brackets(length=12)
    (longer,) = task.evaluation_sets.values()
    assert (longer.steps, longer.inputs, longer.outputs) == (24, task.inputs, task.outputs)
    furthest = longer.sample(np.random.default_rng(0), 500).groups["distance"].max()
    assert furthest == 16  # distances 17 to 23, up to the whole sequence
    assert max(r.bin for r in task.references()) == furthest


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"length": 9}, "length=9 is odd.*use 10"),
        ({"generate": True}, r"opening < 0\.667"),
        ({"types": 1}, "types"),
        ({"sampler": "hewitt"}, "hewitt needs generate: true"),
        ({**HEWITT, "length": 4, "shortest": 3}, "no room for the shortest string.*use 5"),
        ({"depth": 0}, "depth"),
    ],
)
def test_refused_with_a_reason(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Brackets(**wrong)


def theirs(task: Brackets, rng: np.random.Generator) -> str:
    """A shape as the paper's sampler draws it, by rejection, one symbol after another."""
    while True:
        shape, height = "", 0
        while len(shape) <= task.length:
            coin = rng.random() < 0.5
            if height == 0 and coin:
                if len(shape) >= task.shortest:
                    break
            elif height == task.depth or (height and coin):
                shape, height = shape + ")", height - 1
            else:
                shape, height = shape + "(", height + 1
        if task.shortest <= len(shape) + 1 <= task.length:
            return shape


def shapes(task: Brackets, batch: Batch) -> list[str]:
    """Of every string: its openings and closings."""
    assert batch.mask is not None
    kept = np.where(batch.mask, batch.targets // task.types, 2)
    return ["".join("()"[i] for i in column if i < 2) for column in kept.T]


def enumerated(task: Brackets) -> dict[str, float]:
    """The probability of every string that their sampler draws, by enumeration of all walks."""
    found: dict[str, float] = {}

    def grow(shape: str, height: int, p: float) -> None:
        if len(shape) >= task.length:
            return
        if height == 0:
            end = 0.5 if len(shape) >= task.shortest else 0
            if end:
                found[shape] = p * end
            grow(shape + "(", 1, p * (1 - end))
        else:
            close = 1 if height == task.depth else 0.5
            grow(shape + ")", height - 1, p * close)
            if close < 1:
                grow(shape + "(", height + 1, p * (1 - close))

    grow("", 0, 1)
    total = sum(found.values())
    return {shape: p / total for shape, p in found.items()}


@pytest.mark.parametrize(("length", "shortest", "depth"), [(5, 1, 2), (9, 1, 3), (14, 8, 2)])
def test_hewitts_strings_have_the_enumerated_probabilities(
    length: int, shortest: int, depth: int
) -> None:
    task = Brackets(length=length, shortest=shortest, depth=depth, **HEWITT)
    law = enumerated(task)
    batch = task.sample(np.random.default_rng(6), 20_000)
    drawn = shapes(task, batch)
    assert set(drawn) <= set(law)
    counts = [drawn.count(shape) for shape in law]
    assert chisquare(counts, [p * len(drawn) for p in law.values()]).pvalue > 1e-3
    rejected = [theirs(task, np.random.default_rng(i)) for i in range(2000)]
    counts = [rejected.count(shape) for shape in law]
    assert chisquare(counts, [p * len(rejected) for p in law.values()]).pvalue > 1e-3


def test_hewitts_strings_by_hand() -> None:
    """Depth 1 leaves ``()`` and ``()()``, with 1/2 and 1/4 before and 2/3 and 1/3 after the
    rejection: 11/3 symbols on average, of which one ends.
    """
    task = Brackets(length=5, depth=1, **HEWITT)
    batch = task.sample(np.random.default_rng(7), 500)
    for b in range(batch.size):
        n = len(shapes(task, batch)[b])
        assert batch.targets[n, b] == batch.inputs[0, b] == 4
        assert batch.mask[:, b].tolist() == [t <= n for t in range(5)]
        assert (batch.inputs[1 : n + 1, b] == batch.targets[:n, b]).all()
        assert batch.groups["distance"][:n, b].tolist() == [-1, 1] * (n // 2)
        assert (batch.groups["distance"][n:, b] == -1).all()
    end, bracket = 3 / 11, 8 / 11 / 4
    assert task.chance == pytest.approx(end)
    assert task.chance_loss == pytest.approx(-end * np.log(end) - 4 * bracket * np.log(bracket))
    # the first symbol: one of two types; then the closing; after ``()`` the end is likeliest
    assert task.ceiling == pytest.approx((1 / 2 + 1 + 2 / 3 + (1 + 1) / 3) / (11 / 3))


@pytest.mark.parametrize("shortest", [1, 20])
def test_chance_and_ceiling_of_hewitts_strings_are_measured(shortest: int) -> None:
    task = Brackets(length=30, types=3, shortest=shortest, **HEWITT)
    batch = task.sample(np.random.default_rng(8), 20_000)
    loss, accuracy = best_constant(task, batch)
    assert loss == pytest.approx(task.chance_loss, rel=3e-3)
    assert accuracy == pytest.approx(task.chance, rel=0.03)
    kind, _ = innermost(task, batch)
    law = task._law
    height = np.cumsum(np.where(batch.targets < 3, 1, np.where(batch.targets < 6, -1, 0)), 0)
    height = np.clip(np.concatenate([np.zeros_like(height[:1]), height[:-1]]), 0, task.depth)
    step = np.arange(30)[:, None]
    opens, ends = law.opens[step, height] / 3, law.ends[step, height]
    closes = 1 - 3 * opens - ends
    guess = np.where(closes >= np.maximum(opens, ends), kind + 3, np.where(ends > opens, 6, 0))
    right = (guess == batch.targets)[batch.mask].mean()
    assert right == pytest.approx(task.ceiling, abs=5e-3)
    assert task.solved(task.ceiling)


def test_hewitts_long_strings_are_all_longer_than_those_of_training() -> None:
    task = Brackets(length=12, **HEWITT)
    (longer,) = task.evaluation_sets.values()
    assert (longer.inputs, longer.outputs) == (task.inputs, task.outputs) == (5, 5)
    sizes = [len(s) + 1 for s in shapes(longer, longer.sample(np.random.default_rng(0), 2000))]
    assert (min(sizes), max(sizes)) == (15, 23)  # 13 symbols are odd
    trained = [len(s) + 1 for s in shapes(task, task.sample(np.random.default_rng(0), 2000))]
    assert (min(trained), max(trained)) == (3, 11)


@given(seed=st.integers(0, 99), depth=st.integers(1, 4), length=st.integers(3, 25))
def test_hewitts_annotation_is_as_a_stack_says(seed: int, depth: int, length: int) -> None:
    task = Brackets(length=length, depth=depth, **HEWITT)
    batch = task.sample(np.random.default_rng(seed), 3)
    kind, since = innermost(task, batch)
    for b in range(3):
        symbols = [s for s in batch.targets[batch.mask[:, b], b].tolist() if s < 4]
        for t, closing in enumerate(slow(task, symbols)):
            if closing is None:
                assert batch.groups["distance"][t, b] == -1
                continue
            matched, opened, distance, level = closing
            assert matched == opened == kind[t, b]  # before step t's target: after its input
            assert since[t, b] == distance - 1 <= task.lags[1]
            assert batch.groups["distance"][t, b] == 1 << (distance.bit_length() - 1)
            assert batch.groups["depth"][t, b] == level


def test_the_sampler_changes_no_key_by_default() -> None:
    assert Brackets(length=8).changed() == {"length": 8}
