"""Batches that are shorter than their program: the numbers of a program of their own length, to the
bit, and those of a longer sequence whose state is set to zero where theirs begins.
"""

from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.test_kernels import batch, close, units, weights
from throughtime.engine.cells import cell
from throughtime.engine.compiled import CELLS
from throughtime.engine.program import Examples, Program, TorchProgram, program
from throughtime.engine.sizes import Sizes, shapes
from throughtime.engine.truncation import MODES, strides, windows

T, ROWS = 11, 3
ENGINES = ("numba", "torch")
each_engine = pytest.mark.parametrize("engine", ENGINES)


def made(engine: str, name: str, steps: int, scored: int, **more: Any) -> tuple[Program, Any]:
    """A program of ``steps`` steps in float64, and random weights for it."""
    s = Sizes(ROWS, steps, 5, 4, units(name, 9), 3, scored, more.get("tokens", True))
    layout = shapes(cell(name), s.inputs, s.hidden, s.outputs, more.get("learned", False))
    built = program(engine, cell(name), "softmax", s, layout, torch.float64)
    return built, weights(np.random.default_rng(0), layout, ROWS, "float64")


def given(built: Program, seed: int = 1) -> Examples:
    return batch(np.random.default_rng(seed), built.sizes, "softmax", "float64")


def last(examples: Examples, steps: int) -> Examples:
    """The last steps of a batch."""
    return Examples(examples.x[:, -steps:], examples.values, examples.weight, examples.rows)


@each_engine
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("learned", [False, True])
def test_a_short_batch_has_the_bits_of_a_program_of_its_length(
    engine: str, name: str, learned: bool
) -> None:
    for tokens in (True, False):
        long, flat = made(engine, name, T, 2, learned=learned, tokens=tokens)
        examples = given(long)
        for steps in (2, 3, 7, 10):
            short, _ = made(engine, name, steps, 2, learned=learned, tokens=tokens)
            for mode in MODES[:-1]:
                k1, k2 = strides(mode, T, 4)
                # what came before leaves no trace
                long.gradients(flat, examples, windows(T, k1, k2, T % k1))
                own, found = last(examples, steps), windows(steps, k1, k2, steps % k1)
                loss, gradient = long.gradients(flat, own, found)
                expected_loss, expected = short.gradients(flat, own, found)
                assert torch.equal(loss, expected_loss)
                assert torch.equal(gradient, expected)
                assert torch.equal(long.final, short.final)
                assert torch.equal(long.outputs(flat, own), short.outputs(flat, own))


@each_engine
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("steps", [1, 4, 10])
def test_it_is_the_end_of_a_longer_sequence_whose_state_was_set_to_zero(
    engine: str, name: str, steps: int
) -> None:
    built, flat = made(engine, name, T, 1)
    examples, begin = given(built), T - steps
    padded = built.outputs(flat, examples, None, frozenset({begin})).clone()
    loss, gradient = (
        part.clone()
        for part in built.gradients(flat, examples, windows(T, T, T), None, frozenset({begin}))
    )
    own = last(examples, steps)
    assert close(built.outputs(flat, own), padded, 1e-12)
    found = built.gradients(flat, own, windows(steps, T, T, steps % T))
    assert close(found[0], loss, 1e-12)
    assert close(found[1], gradient, 1e-12)


@pytest.mark.parametrize("steps", [2, 6])
def test_omega_counts_the_steps_of_the_batch_alone(steps: int) -> None:
    long, flat = made("torch", "tanh", T, 1)
    short, _ = made("torch", "tanh", steps, 1)
    examples = given(long)
    for built in (long, short):
        assert isinstance(built, TorchProgram)
        built.penalize(torch.tensor([0.0, 1.0, 4.0], dtype=torch.float64))
    long.gradients(flat, examples, windows(T, T, T))
    own = last(examples, steps)
    _, gradient = long.gradients(flat, own, windows(steps, T, T, steps % T))
    _, expected = short.gradients(flat, own, windows(steps, T, T, steps % T))
    assert torch.equal(gradient, expected)


@each_engine
@pytest.mark.parametrize("steps", [1, 5])
def test_what_does_not_fit_is_refused(engine: str, steps: int) -> None:
    built, flat = made(engine, "tanh", 4, 2)
    longer, _ = made(engine, "tanh", 5, 2)
    examples = last(given(longer), steps)
    with pytest.raises(ValueError, match=f"a batch has {steps} steps.* takes 2 to 4"):
        built.outputs(flat, examples)
    with pytest.raises(ValueError, match=f"a batch has {steps} steps.* takes 2 to 4"):
        built.gradients(flat, examples, windows(4, 4, 4))
