"""Loss against context: what is read, in which order, and what that must give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.support.blocks import block
from throughtime.core.rng import stream
from throughtime.engine.bptt import forward
from throughtime.probes import context
from throughtime.probes._base import Subject, ladder
from throughtime.probes._reader import Reader, RecurrentReader, reader_of
from throughtime.probes.context import losses, measure, positions
from throughtime.training.batches import examples

pytestmark = pytest.mark.slow

LONGEST, B = 9, 6


@pytest.fixture(scope="module")
def made():
    trained = block("text", updates=3)
    trained.train()
    return trained


class Record(Reader):
    """A reader that remembers what it was given; its state counts the characters."""

    def __init__(self):
        self.seen = {}

    def start(self, batch):
        return ()

    def read(self, state, symbols):
        return (*state, np.array(symbols))

    def step(self, state, symbol):
        raise NotImplementedError

    logits = step

    def loss(self, state, target):
        return np.concatenate(state)


def test_what_is_read():
    rng = np.random.default_rng(0)
    true, foreign = rng.integers(0, 50, (LONGEST, B)), rng.integers(50, 99, (LONGEST, B))
    read = losses(Record(), true, true[0], foreign, np.random.default_rng(1))
    whole = {key: symbols.copy() for key, symbols in read.items() if key[0] == "loss_reset"}
    assert {n for _, n in whole} == {LONGEST}
    read |= context.reset_losses(Record(), true, true[0])
    assert {n for q, n in read if q == "loss_reset"} == {1, 2, 3, 5, 8, 9}
    assert (whole["loss_reset", LONGEST] == read["loss_reset", LONGEST]).all()
    moved = []
    for (quantity, n), symbols in read.items():
        assert (symbols[-n:] == true[-n:]).all()
        if quantity == "loss_reset":
            assert len(symbols) == n
        elif quantity == "loss_replaced":
            assert (symbols[:-n] == foreign).all()
        else:
            assert len(symbols) == LONGEST
            assert (np.sort(symbols[:-n], 0) == np.sort(true[:-n], 0)).all()
            moved.append((symbols[:-n] != true[:-n]).mean())
    assert max(moved) > 0.5


def test_a_reader_is_the_engines_forward(made):
    subject = Subject(made)
    (run,) = subject.runs(1)
    batch = made.judges.check.batches[0]
    reader = RecurrentReader(subject.cell, subject.weights)
    state = reader.read(reader.start(4), batch.inputs)
    assert torch.allclose(state, subject.tape.states[-1], rtol=1e-12)
    nats = -torch.log_softmax(run.y[-1], -1).gather(-1, run.targets.values[-1][..., None])[..., 0]
    assert np.allclose(reader.loss(state, batch.targets[-1]), nats, rtol=1e-12)


def test_a_learned_start_is_where_a_reader_starts():
    made = block("text", h0="learned")
    made.weights["h_0"].copy_(torch.randn(4, 5))
    subject = Subject(made)
    reader = RecurrentReader(subject.cell, subject.weights)
    (_,) = subject.runs(1)
    assert torch.equal(reader.start(4), subject.tape.states[0])
    forward(
        subject.tape,
        subject.weights,
        made.judges.check.inputs(made.judges.check.batches[0], subject.tape)[0],
        reader.start(4),
    )
    assert torch.allclose(
        reader.read(reader.start(4), made.judges.check.batches[0].inputs), subject.tape.states[-1]
    )


def drawn(text, longest, seed=0):
    return positions(text, longest, stream(seed, "context", "positions"))


def test_positions_and_what_follows_them():
    text = np.arange(20_000)
    true, target = drawn(text, 20)
    assert len(np.unique(target)) == len(target) == context.POSITIONS
    assert 20 <= target.min() < 100 < 19_900 < target.max() <= 19_999
    assert (true == target - np.arange(20, 0, -1)[:, None]).all()
    every = drawn(text[:500], 20)[1]
    assert every.tolist() == list(range(20, 500))


def test_seeds_draw_other_positions(made, monkeypatch):
    monkeypatch.setattr(context, "POSITIONS", 500)
    text = made.job.task.data.valid
    assert (drawn(text, 100, 0)[1] != drawn(text, 100, 1)[1]).any()
    seeds = made.rows["seed"]
    same = block("text")
    same.flat.copy_(made.flat[:1].expand(len(seeds), -1))
    losses = (
        measure(same).query("quantity == 'loss_reset' and index == 5").set_index("row")["value"]
    )
    by_seed = losses.groupby(seeds)
    assert (by_seed.nunique() == 1).all()  # paired: what differs is the network alone
    assert losses.nunique() == seeds.nunique() > 1


def test_a_network_alone_has_the_same_bits(made, monkeypatch):
    monkeypatch.setattr(context, "POSITIONS", 1100)  # two pieces and a part
    expected = measure(made)
    alone = block("text", gain=1.3, seeds=1)
    row = int(np.flatnonzero((made.rows["gain"] == 1.3) & (made.rows["seed"] == 0))[0])
    alone.flat.copy_(made.flat[row])
    found = measure(alone).assign(row=row)
    pd.testing.assert_frame_equal(found, expected[expected["row"] == row].reset_index(drop=True))


def test_the_table_against_a_loop(made):
    found = measure(made).query("row == 3").set_index(["quantity", "index"])["value"]
    assert sorted(found["loss_reset"].index) == [*ladder(99), 100]
    assert sorted(found["loss_shuffled"].index) == ladder(99)
    w, text = {name: v[3] for name, v in made.weights.items()}, made.job.task.data.valid
    rng = stream(int(made.rows["seed"][3]), "context", "positions")
    places = 100 + np.sort(rng.choice(len(text) - 100, context.POSITIONS, replace=False))
    target = text[places].astype(int)
    h = torch.zeros(len(target), 5, dtype=torch.float64)
    for back in (3, 2, 1):
        h = torch.tanh(
            w["W_xh"][torch.from_numpy(text[places - back].astype(int))] + h @ w["W_hh"] + w["b_h"]
        )
    nats = torch.nn.functional.cross_entropy(h @ w["W_hy"] + w["b_y"], torch.from_numpy(target))
    assert found["loss_reset", 3] == pytest.approx(nats.item(), rel=1e-12)


def test_a_network_without_memory_sees_one_character(made, monkeypatch):
    monkeypatch.setattr(context, "POSITIONS", 500)
    forgetful = block("text")
    forgetful.flat.copy_(made.flat)
    forgetful.weights["W_hh"].zero_()
    spread = measure(forgetful).groupby("row")["value"].agg(np.ptp)
    assert (spread < 1e-12).all()
    assert (measure(made).groupby("row")["value"].agg(np.ptp) > 1e-6).all()


def test_a_short_text_gives_what_it_can(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("own.txt")
    path.write_text("".join(map(chr, np.random.default_rng(0).integers(97, 105, 1000))))
    short = block("text", corpus=str(path), limit=0, validation=0, window=4, batch=2)
    longest = len(short.job.task.data.valid) - 1
    assert longest < 100
    assert measure(short)["index"].max() == longest


def test_fewer_positions_are_held_against_the_same_ones(made, monkeypatch):
    """With replaced text before, all but the character at hand: what FEW positions add to the loss
    with all context is added to that of all positions.
    """
    monkeypatch.setattr(context, "POSITIONS", 60)
    monkeypatch.setattr(context, "FEW", 60)
    every = measure(made).set_index(["row", "quantity", "index"])["value"]
    monkeypatch.setattr(context, "FEW", 20)
    few = measure(made).set_index(["row", "quantity", "index"])["value"]
    pd.testing.assert_series_equal(few.loc[:, "loss_reset"], every.loc[:, "loss_reset"])
    monkeypatch.setattr(context, "POSITIONS", 20)
    only = measure(made).set_index(["row", "quantity", "index"])["value"]
    assert len(few) == len(every) == len(only)
    assert few[1, "loss_replaced", 5] != every[1, "loss_replaced", 5]


# Attention ----------------------------------------------------------------------------------------

ATTENTION = {"cell": "attention", "hidden": 8, "layers": 2, "heads": 2}


def test_attention_reads_as_its_program_does() -> None:
    """Symbol by symbol, or all at once, of each network its own; and no more than T of them."""
    made = block("text", **ATTENTION)
    batch = made.judges.check.batches[0]
    alike = np.zeros(len(made.flat), np.int64)
    read = examples([batch], alike, replace(made.sizes, batch=batch.size), "float64")
    expected = made.program.outputs(made.flat, read)  # (T, G, B, O)
    subject = reader_of(made, made.flat)
    state = subject.start(batch.size)
    for t, symbols in enumerate(batch.inputs):
        state = subject.step(state, torch.from_numpy(np.tile(symbols, (len(made.flat), 1))))
        assert torch.allclose(subject.logits(state), expected[t], rtol=1e-12)
    again = subject.read(subject.start(batch.size), batch.inputs)
    assert torch.equal(again, state)
    longer = np.concatenate([np.zeros((3, batch.size), np.int64), batch.inputs])
    assert torch.equal(subject.read(subject.start(batch.size), longer), state)


def test_attention_uses_no_more_context_than_its_layers_see(monkeypatch) -> None:
    """Two layers with a window of 3 see 4 steps back: 5 characters, the last one included."""
    monkeypatch.setattr(context, "POSITIONS", 60)
    made = block("text", **ATTENTION, mode="sliding", K=3, seeds=1, window=12)
    made.train()
    found = measure(made)
    assert set(found["quantity"]) == {"loss_reset", "loss_shuffled", "loss_replaced"}
    for quantity, rows in found.groupby("quantity"):
        by_length = rows[rows["row"] == 0].set_index("index")["value"]
        assert by_length[[n for n in by_length.index if n >= 5]].round(9).nunique() == 1, quantity
        assert by_length[3] != pytest.approx(by_length[5], rel=1e-6)
