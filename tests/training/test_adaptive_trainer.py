"""K that changes during training: what is trained with it, and whose bits depend on what."""

import math
from typing import Any

import pandas as pd
import pytest
import torch

from throughtime.engine.truncation import windows
from throughtime.planning.plan import PlannedJob
from throughtime.planning.resources import rows_at_once
from throughtime.planning.sweep import expand
from throughtime.training import adaptive_trainer
from throughtime.training.adaptive_trainer import AdaptiveTrainer
from throughtime.training.evaluation import Evaluators
from throughtime.training.train import train

SMALL: dict[str, Any] = {
    "task": "streaming_copy",
    "window": 12,
    "payload": 2,
    "cell": "lstm",
    "hidden": 6,
    "batch": 3,
    "updates": 8,
    "points": 2,
    "eval_size": 6,
    "mode": "buffered",
    "K": 3,
    "momentum": 0.9,
    "lr": 0.5,
}
ADAPTIVE: dict[str, Any] = {**SMALL, "adapt": 0.5, "adapt_every": 2}


def planned(axes: dict[str, Any]) -> PlannedJob:
    (job,) = expand("x", "s", axes, "here").jobs
    return job


def trainer(axes: dict[str, Any]) -> AdaptiveTrainer:
    job = planned(axes)
    return AdaptiveTrainer(job.job, job.grid, Evaluators(job.job))


def always(K: int) -> Any:
    return lambda *_args, **_names: K


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Of the curves, without what names a network and without K."""
    return table[table["metric"] != "K"].drop(columns="run_key").reset_index(drop=True)


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("rates", [False, True])
def test_where_K_stays_the_bits_are_those_of_a_fixed_K(
    monkeypatch: pytest.MonkeyPatch, engine: str, rates: bool
) -> None:
    monkeypatch.setattr(adaptive_trainer, "choose_K", always(3))
    adaptive = train(planned({**ADAPTIVE, "engine": engine, "adapt_rates": rates}))
    fixed = train(planned({**SMALL, "engine": engine}))
    exact = engine == "numba"  # torch rounds otherwise where a row is alone
    pd.testing.assert_frame_equal(
        numbers(adaptive.curves), numbers(fixed.curves), check_exact=exact, rtol=1e-4
    )


def test_a_new_K_is_used_from_the_next_update_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive_trainer, "choose_K", always(5))
    t = trainer({**ADAPTIVE, "adapt_rates": True, "clip": 0.6})
    lr, clip = t.updater.lr.item(), t.clipper.by_norm.item()
    t.update(1)
    assert t.windows() == windows(12, 3, 5, 0)
    assert (t.updater.lr.item(), t.clipper.by_norm.item()) == (lr, clip)
    t.update(2)
    assert t.windows() == windows(12, 5, 9, 12 % 5)
    assert t.updater.lr.item() == pytest.approx(0.5 * math.sqrt(5 / 3))
    assert t.clipper.by_norm.item() == pytest.approx(0.6 * 3 / 5)
    assert t.updater.lr.item() == pytest.approx(lr * math.sqrt(5 / 3))


def test_without_adapt_rates_only_K_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive_trainer, "choose_K", always(5))
    t = trainer(ADAPTIVE)
    for update in (1, 2):
        t.update(update)
    assert t.now.K == 5
    assert (t.updater.lr.item(), t.clipper.by_norm.item()) == (0.5, 1.0)


def test_a_diverged_network_keeps_its_K_and_a_rate_of_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive_trainer, "choose_K", always(5))
    t = trainer({**ADAPTIVE, "adapt_rates": True, "lr": 1e38, "clip": "none"})
    for update in range(1, 5):
        t.update(update)
    assert t.diverged_at[0] > 0
    t.use(6)
    assert t.updater.lr.item() == 0


def test_the_curves_have_K_at_every_estimate() -> None:
    made = train(planned({**ADAPTIVE, "K": 3, "seeds": 2}))
    for _, own in made.curves[made.curves["metric"] == "K"].groupby("run_key"):
        assert own["step"].tolist() == [0, 2, 4, 6]
        assert own["value"].iloc[0] == 3
        assert own["value"].between(2, 6).all()  # windows of 2K - 1 fit 12 steps
    assert made.summary["K"].tolist() == [3, 3]
    assert made.summary["adapt"].tolist() == [0.5, 0.5]


def test_a_gradient_that_vanishes_takes_a_smaller_K_than_one_that_does_not() -> None:
    found = []
    for scale in (0.1, 1.0):
        t = trainer({**ADAPTIVE, "cell": "identity", "window": 40})
        t.weights["W_hh"].copy_(scale * torch.eye(6))
        found.append(t.estimate(1))
        assert found[-1] == t.estimate(1)  # its data are a function of seed and update
    assert found == [2, 20]


def test_rows_are_alone_and_their_bits_depend_on_no_other() -> None:
    axes = {**ADAPTIVE, "gain": [0.5, 1.5], "lr": [0.5, 1e38], "clip": "none", "seeds": 2}
    job = planned(axes)
    assert rows_at_once(job.job) == 1
    together = train(job, block=5)
    assert (together.summary["status"] == "diverged").any()
    for i, key in enumerate(job.run_keys):
        own = job.grid.iloc[[i]].drop(columns=["clip", "clip_kind"]).to_dict("records")[0]
        alone = train(planned({**ADAPTIVE, **own, "clip": "none"}))
        for name in ("curves", "breakdown"):
            whole = getattr(together, name)
            pd.testing.assert_frame_equal(
                whole[whole["run_key"] == key].reset_index(drop=True),
                getattr(alone, name),
                check_exact=True,
            )


def test_keys_of_networks_whose_K_stays_have_nothing_of_it() -> None:
    fixed, asked = planned(SMALL), planned({**SMALL, "adapt_every": 7, "adapt_rates": True})
    assert fixed.run_keys == asked.run_keys
    assert not [name for name in fixed.job.canonical() if name.startswith("adapt")]
    assert planned(ADAPTIVE).run_keys != fixed.run_keys


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"mode": "full", "K": "full"}, "mode full has no K to adapt"),
        ({"mode": "randomized"}, "mode randomized has no K to adapt"),
        ({"mode": "sliding"}, "mode sliding has no K to adapt"),
        ({"mode": "sliding", "cell": "attention"}, "mode sliding has no K to adapt"),
        ({"mode": "chunked", "border": "reset"}, "border reset: where K adapts"),
        ({"align": "start"}, "align start: where K adapts"),
        ({"K": 7}, "use at most 6"),
    ],
)
def test_what_cannot_adapt_is_refused_in_a_line(axes: dict[str, Any], reason: str) -> None:
    plan = expand("x", "s", {**ADAPTIVE, **axes}, "here")
    assert not plan.jobs
    (skipped,) = plan.skipped
    assert reason in skipped.reason
    assert "\n" not in skipped.reason


def test_it_is_of_the_cpu_alone() -> None:
    plan = expand("x", "s", ADAPTIVE, "here", device="cuda")
    assert not plan.jobs
    assert plan.skipped[0].axes == "adapt=0.5"
    assert plan.skipped[0].reason == "device cuda: a K that adapts runs on the CPU alone"
