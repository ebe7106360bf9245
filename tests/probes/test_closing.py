"""Mass on the right closing: strings worked by hand, predictors that are known, and a loop."""

import numpy as np
import pandas as pd
import pytest
import torch

from tests.support.blocks import block
from throughtime.core.rng import stream
from throughtime.probes import closing
from throughtime.probes.closing import judge, measure
from throughtime.tasks import Batch
from throughtime.tasks.brackets import Brackets, innermost

HEWITT = Brackets(length=11, sampler="hewitt", generate=True)


def table(found: pd.DataFrame, quantity: str) -> dict[int, float]:
    rows = found[found["quantity"] == quantity]
    return dict(zip(rows["index"], rows["value"], strict=True))


def logits(shares: list[list[float]]) -> list[torch.Tensor]:
    """Of one string: the probabilities of both closings after each step."""
    return [torch.log(torch.tensor([[0.1, 0.1, *s, 0.1]], dtype=torch.float64)) for s in shares]


def test_one_string_by_hand() -> None:
    """``( [ ] )`` and its end: asked after 1 to 3 symbols, at distances 0, 0 and 2."""
    task = Brackets(length=5, sampler="hewitt", generate=True)
    inputs, targets = np.array([[4, 0, 1, 3, 2]]).T, np.array([[0, 1, 3, 2, 4]]).T
    batch = Batch(inputs, targets, np.ones((5, 1), bool))
    # the first step and the last have no open bracket; .8 of the mass is not more than .8
    shares = [[0.5, 0.5], [0.81, 0.19], [0.2, 0.8], [0.09, 0.01], [0.5, 0.5]]
    found = judge(task, batch, logits(shares))
    assert table(found, "closing") == {0: 0.5, 2: 1.0}
    assert table(found, "positions") == {0: 2, 2: 1}
    assert table(found, "strings") == {0: 0.0}
    shares[2] = [0.19, 0.81]
    assert table(judge(task, batch, logits(shares)), "strings") == {0: 1.0}


def test_padding_is_not_asked() -> None:
    task = Brackets(length=9, sampler="hewitt", generate=True)
    batch = task.sample(np.random.default_rng(0), 200)
    assert batch.mask is not None
    wrong = [torch.zeros(200, 5)] * 9
    found = judge(task, batch, wrong)
    inside = batch.mask & (innermost(task, batch)[0] >= 0)
    assert sum(table(found, "positions").values()) == inside.sum()
    assert set(table(found, "closing").values()) == {0.0}
    assert table(found, "strings") == {0: 0.0}


def test_the_last_opener_is_right_at_distance_zero_alone() -> None:
    """Who names the bracket that was read last, opened or closed, is right just after it."""
    batch = HEWITT.sample(np.random.default_rng(1), 3000)
    last = np.where(batch.inputs < 2, batch.inputs, -1)
    for t in range(1, len(last)):
        last[t] = np.where(last[t] < 0, last[t - 1], last[t])
    named = [torch.log(torch.tensor(np.eye(5)[np.maximum(row, 0) + 2] + 1e-9)) for row in last]
    shares = table(judge(HEWITT, batch, named), "closing")
    assert shares[0] == 1
    assert shares[2] == pytest.approx(1 / 2, abs=0.03)  # after one inner pair of either type


def test_networks_against_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "STRINGS", 40)
    made = block("brackets", length=12, sampler="hewitt", generate=True)
    found = measure(made)
    batch = made.job.task.sample(stream(0, "closing", "train"), 40)
    w = {name: v[3].double() for name, v in made.weights.items()}
    h, outputs = torch.zeros(40, 5, dtype=torch.float64), []
    for symbols in batch.inputs:
        h = torch.tanh(w["W_xh"][symbols] + h @ w["W_hh"] + w["b_h"])
        outputs.append(h @ w["W_hy"] + w["b_y"])
    expected = judge(made.job.task, batch, outputs)
    own = found[(found["row"] == 3) & ~found["quantity"].str.startswith("long_")]
    for quantity in ("closing", "positions", "strings"):
        assert table(own, quantity) == table(expected, quantity)
    far = found[found["quantity"] == "long_positions"]
    assert far["index"].max() > own["index"].max()


def test_other_tasks_have_no_rows() -> None:
    assert measure(block("copy")).empty
    assert measure(block("brackets")).empty


def test_an_lstm_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "STRINGS", 10)
    made = block(
        "brackets", length=12, sampler="hewitt", generate=True, cell="lstm", dtype="float32"
    )
    found = measure(made)
    assert set(found["quantity"]) == {
        prefix + name for prefix in ("", "long_") for name in ("closing", "positions", "strings")
    }
    assert found["value"].notna().all()
