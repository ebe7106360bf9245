"""Drives against what the tasks really draw and the engine's real input weights."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from throughtime.engine.cells import cell
from throughtime.engine.parameters import initial, views
from throughtime.engine.sizes import shapes
from throughtime.tasks import adding as adding_task
from throughtime.tasks.brackets import Brackets
from throughtime.tasks.copy import Copy
from throughtime.tasks.temporal_order import TemporalOrder
from throughtime.theory import drives
from throughtime.theory.mean_field import DomainError


def as_features(task: Any, size: int) -> np.ndarray:
    """(T, B, I) inputs of ``size`` sequences."""
    inputs = task.sample(np.random.default_rng(0), size).inputs
    return np.eye(task.inputs)[inputs] if task.tokens else inputs


@pytest.mark.parametrize("length", [3, 10, 51])
def test_adding_has_the_moments_of_its_samples(length: int) -> None:
    x = as_features(adding_task.Adding(length=length), 20_000)
    power = (x**2).sum(-1).mean()
    shared = (x[:, ::2] * x[:, 1::2]).sum(-1).mean()
    drive = drives.adding(length, input_gain=1.5)
    assert drive.s == pytest.approx(1.5**2 * power / 2, rel=0.01)
    assert drive.rho == pytest.approx(shared / power, rel=0.02)


@pytest.mark.parametrize(
    "task",
    [
        Copy(length=5, payload=3),
        TemporalOrder(length=20),
        Brackets(length=10),
        adding_task.Adding(length=20),
    ],
)
def test_s_is_the_variance_that_inputs_really_give_to_z(task: Any) -> None:
    sizes = shapes(cell("tanh"), task.inputs, 2000, task.outputs)
    row = {"seed": 3, "init": "identity", "gain": 0.0, "input_gain": 0.7, "output_gain": 1.0}
    grid = pd.DataFrame([row])
    w_xh = views(initial(cell("tanh"), grid, sizes, torch.float64), sizes)["W_xh"][0].numpy()
    z = as_features(task, 200) @ w_xh
    assert drives.of_task(task, 0.7).s == pytest.approx((z**2).mean(), rel=0.1)


def test_the_blanks_of_copy_are_shared_and_the_distractors_of_temporal_order_a_quarter() -> None:
    copy, order = Copy(length=6, payload=2), TemporalOrder(length=40)
    blanks = as_features(copy, 500)[2:8]
    assert (blanks[:, ::2] * blanks[:, 1::2]).sum(-1).mean() == drives.of_task(copy).rho == 1
    distractors = as_features(order, 20_000)[10:20]
    assert (distractors[:, ::2] * distractors[:, 1::2]).sum(-1).mean() == pytest.approx(
        drives.of_task(order).rho, abs=0.01
    )


def test_brackets_have_no_one_correlation() -> None:
    assert drives.of_task(Brackets(length=10)).rho is None


def test_adding_of_one_step_is_refused() -> None:
    with pytest.raises(DomainError, match="two marks"):
        drives.adding(1)
