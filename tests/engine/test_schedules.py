"""Schedules against torch.optim.lr_scheduler, update by update."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from throughtime.engine.schedules import schedules

UPDATES = 23
PEERS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "constant": ({}, lambda o: lr_scheduler.LambdaLR(o, lambda _: 1.0)),
    "warmup": (
        {"warmup_updates": 7, "warmup_start": 0.2},
        lambda o: lr_scheduler.LinearLR(o, start_factor=0.2, total_iters=7),
    ),
    "cosine": (
        {"cosine_end": 0.1},
        lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=UPDATES, eta_min=0.1 * 0.3),
    ),
    "step": (
        {"step_updates": 5, "step_factor": 0.5},
        lambda o: lr_scheduler.StepLR(o, step_size=5, gamma=0.5),
    ),
}


def test_every_schedule_that_is_shipped_has_a_peer() -> None:
    """One that a user adds needs none: see tests/contracts."""
    assert set(PEERS) == {"constant", "warmup", "cosine", "step"}
    assert set(PEERS) <= set(schedules())


@pytest.mark.parametrize("name", PEERS)
def test_the_learning_rate_is_torchs_at_every_update(name: str) -> None:
    axes, made = PEERS[name]
    mine = schedules()[name](**axes)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = made(optimizer)
    for update in range(UPDATES):
        expected = optimizer.param_groups[0]["lr"]
        assert 0.3 * mine.factor(update, UPDATES) == pytest.approx(expected, rel=1e-12)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize("name", PEERS)
def test_a_shipped_schedule_never_exceeds_the_learning_rate(name: str) -> None:
    made = schedules()[name]()
    assert all(0 <= made.factor(update, 10) <= 1 for update in range(10))
