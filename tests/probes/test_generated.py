"""Text that networks write: from their distributions, each after its own characters."""

import numpy as np
import pandas as pd
import pytest
import torch

from tests.support.blocks import block
from throughtime.engine.bptt import forward
from throughtime.probes._base import Subject
from throughtime.probes._reader import RecurrentReader
from throughtime.probes.generated import LENGTH, PROMPT, measure, write


@pytest.fixture(scope="module")
def made():
    trained = block("text", updates=3)
    trained.train()
    return trained


def text(found: pd.DataFrame, row: int, quantity: str) -> str:
    rows = found[(found["row"] == row) & (found["quantity"] == quantity)].sort_values("index")
    return "".join(chr(int(value)) for value in rows["value"])


def test_the_prompt_is_of_the_validation_text_and_what_follows_of_its_symbols(made):
    data, found = made.job.task.data, measure(made)
    middle = len(data.valid) // 2
    read = "".join(data.symbols[i] for i in data.valid[middle - PROMPT : middle])
    for row in set(found["row"]):
        assert text(found, row, "prompt") == read
        assert len(text(found, row, "character")) == LENGTH
        assert set(text(found, row, "character")) <= set(data.symbols)


@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
def test_a_step_of_each_networks_own_symbol_is_the_engines_forward(cell):
    made = block("text", cell=cell)
    subject = Subject(made)
    reader = RecurrentReader(subject.cell, subject.weights)
    batch = made.judges.check.batches[0]
    x, _ = made.judges.check.inputs(batch, subject.tape)
    forward(subject.tape, subject.weights, x)
    state = reader.start(batch.inputs.shape[1])
    for symbols in batch.inputs:
        state = reader.step(state, torch.from_numpy(np.tile(symbols, (len(state), 1))))
    assert torch.allclose(state, subject.tape.states[-1], rtol=1e-12)


def test_symbols_are_drawn_as_often_as_they_are_predicted(made):
    """Without weights to the state all distributions are that of the bias."""
    plain = block("text")
    plain.weights["W_hy"].zero_()
    p = torch.zeros(plain.job.task.outputs)
    p[:3] = torch.tensor([0.5, 0.3, 0.2])
    plain.weights["b_y"].copy_(torch.log(p))
    reader = RecurrentReader(*(lambda s: (s.cell, s.weights))(Subject(plain)))
    grid = torch.linspace(0, 1, 1001, dtype=torch.float64)[:-1]
    written = write(reader, reader.start(1), grid)
    for row in written.numpy():
        assert np.bincount(row, minlength=3)[:3] == pytest.approx([500, 300, 200], abs=1)


def test_networks_that_are_alike_write_alike(made):
    twins = block("text")
    twins.flat.copy_(made.flat[:1].expand_as(made.flat))
    found = measure(twins)
    assert len({text(found, row, "character") for row in range(len(twins.flat))}) == 1
    different = measure(made)
    assert len({text(different, row, "character") for row in set(different["row"])}) > 1
