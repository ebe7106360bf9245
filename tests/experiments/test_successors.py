"""Matched parameters, the choice of a learning rate, and the claims of successors on made-up
tables.
"""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from experiments.successors import analysis
from experiments.successors.compute import scan
from tests.support import made
from throughtime.engine.sizes import size
from throughtime.figures.draw import load_figure
from throughtime.planning.axes import Job
from throughtime.planning.plan import Plan
from throughtime.planning.project import Project
from throughtime.planning.resources import weight_shapes
from throughtime.results.load import Results

pytestmark = pytest.mark.slow

TOLERANCE = 0.05
TANH = {"cell": "tanh", "hidden": 34, "init": ["gaussian", "orthogonal"]}
LSTM = {"cell": "lstm", "hidden": 16, "init": "gaussian"}
COPY = {"task": "copy", "payload": 3, "length": [7, 17], "K": "full", "optimizer": "adam"}


@cache
def plan(preset: str) -> Plan:
    return Project.open(made.ROOT, preset, {"experiments": ["successors"]}).plan()


def jobs(preset: str) -> list[Job]:
    return list(dict.fromkeys(j.job for j in plan(preset).jobs))


@pytest.mark.parametrize("preset", ["evening", "paper"])
def test_models_of_a_task_have_as_many_parameters_within_5_percent(preset: str) -> None:
    counts: dict[str, dict[str, set[int]]] = {}
    for job in jobs(preset):
        own = counts.setdefault(job.task.name, {}).setdefault(job.cell.name, set())
        own.add(size(weight_shapes(job)))
    assert set(counts) == {"copy", "adding", "temporal_order", "brackets", "text"}
    for task, cells in counts.items():
        assert all(len(found) == 1 for found in cells.values()), task
        (base,) = cells["tanh"]
        for cell, (found,) in cells.items():
            assert abs(found / base - 1) <= TOLERANCE, (task, cell, found, base)
        assert "attention" in cells


def test_matched_updates_and_batches() -> None:
    by_task: dict[str, set[tuple[int, int]]] = {}
    for job in jobs("evening"):
        by_task.setdefault(job.task.name, set()).add((job.updates, job.batch))
    assert all(len(found) == 1 for found in by_task.values())


def test_rates_are_chosen_on_seeds_that_are_not_reported() -> None:
    seeds: dict[bool, set[int]] = {True: set(), False: set()}
    for planned in plan("evening").jobs:
        seeds[planned.sweep in analysis.RATES] |= set(planned.grid["seed"])
    assert seeds[True]
    assert not seeds[True] & seeds[False]


def test_the_rates_in_the_file_are_those_that_the_kept_networks_chose() -> None:
    """For every model of every task that the rates were tried for."""
    chosen = analysis.chosen(Results.load(made.ROOT / "results" / "reference", "successors"))
    trained: dict[tuple[str, str], set[float]] = {}
    for planned in plan("evening").jobs:
        if planned.sweep in analysis.FRONTIER + analysis.TEXT:
            grid = planned.grid.assign(cell=planned.job.cell.name)
            for model, rows in analysis.with_model(grid).groupby("model"):
                trained.setdefault((str(model), planned.job.task.name), set()).update(rows["lr"])
    assert set(trained) == set(zip(chosen["model"], chosen["task"], strict=True))
    for row in chosen.itertuples():
        assert row.lr in trained[str(row.model), str(row.task)], row


def test_laptop_leaves_it_out() -> None:
    assert not {"successors", "capacity"} & set(Project.open(made.ROOT, "laptop").experiments)


def tables(rates: dict[float, float], solved: dict[str, bool]) -> pd.DataFrame:
    """Networks of copy: final accuracy by learning rate on the seeds of the choice, and who is
    solved of those that are reported, at every rate.
    """
    parts = []
    for cell in (TANH, LSTM):
        rate = {"lr": list(rates), **COPY, **cell}
        choice = made.networks("rates_copy", **{**rate, "length": 17}, seed=[100, 101])
        parts.append(choice.assign(final=choice["lr"].map(rates)))
        parts.append(made.networks("copy", **rate, seeds=10))
    summary = analysis.with_model(pd.concat(parts, ignore_index=True))
    yes = summary["model"].map(solved) & (summary["sweep"] == "copy")
    return summary.assign(status=summary["status"].mask(yes, "solved")).drop(columns="model")


def test_the_better_rate_is_chosen_and_alone_reported() -> None:
    summary = tables({0.003: 0.5, 0.01: 0.9}, {})
    found = made.results(summary)
    assert set(analysis.chosen(found)["lr"]) == {0.01}
    rows = analysis.reported(found, "copy")
    assert set(rows["lr"]) == {0.01}
    assert set(rows["seed"]) == set(range(10))
    assert len(rows) == 3 * 2 * 10  # models, lengths, seeds


def test_of_equal_rates_the_smaller_and_a_diverged_network_is_at_chance() -> None:
    equal = made.results(tables({0.01: 0.7, 0.003: 0.7}, {}))
    assert set(analysis.chosen(equal)["lr"]) == {0.003}
    died = tables({0.003: 0.3, 0.01: np.nan}, {})
    assert set(analysis.chosen(made.results(died))["lr"]) == {0.003}


def test_a_model_whose_chosen_rate_was_not_trained_is_named() -> None:
    summary = tables({0.003: 0.5, 0.01: 0.9}, {})
    assert analysis.absent(made.results(summary)) == []
    other = (summary["cell"] == "lstm") & (summary["sweep"] == "copy") & (summary["lr"] == 0.01)
    found = made.results(summary[~other])
    assert analysis.absent(found) == ["LSTM on copy"]
    figure = load_figure(made.ROOT / "experiments" / "successors" / "figure.py")
    assert "Without a network at that rate: LSTM on copy." in figure.caption(found)


def test_without_a_choice_networks_of_one_rate_are_reported_and_of_several_none() -> None:
    """Else a pair would stand there twice, and a claim could not be decided."""
    summary = tables({0.003: 0.5, 0.01: 0.9}, {})
    bare = summary[summary["sweep"] == "copy"]
    one = made.results(bare[(bare["lr"] == 0.01) | (bare["cell"] == "tanh")])
    rows = analysis.reported(one, "copy")
    assert (set(rows["model"]), len(rows)) == ({"LSTM"}, 2 * 10)
    assert made.decide("successors", "lstm_reaches_farther", one).verdict == "undecided"


@pytest.mark.parametrize(
    ("solved", "gates", "gap"),
    [
        ({"LSTM": True, "orthogonal start": True}, "supported", "supported"),
        ({"LSTM": True}, "supported", "undecided"),
        ({"tanh": True, "orthogonal start": True}, "not supported", "undecided"),
        ({"LSTM": True, "tanh": True, "orthogonal start": True}, "undecided", "undecided"),
    ],
)
def test_gates_and_the_gap(solved: dict[str, bool], gates: str, gap: str) -> None:
    models = ("tanh", "orthogonal start", "LSTM")
    summary = tables({0.003: 0.9, 0.01: 0.5}, {m: solved.get(m, False) for m in models})
    found = made.results(summary)
    assert made.decide("successors", "lstm_reaches_farther", found).verdict == gates
    evidence = made.decide("successors", "orthogonal_closes_gap", found)
    assert evidence.verdict == gap
    if gap == "supported":
        assert "100% of the gap" in evidence.detail


@pytest.mark.parametrize(("task", "verdict"), [("adding", "supported"), ("copy", "undecided")])
def test_the_claim_about_the_lru_leaves_copy_out(task: str, verdict: str) -> None:
    """The LRU alone solves one of two tasks."""
    parts = []
    for name, payload in (("copy", {"payload": 3}), ("adding", {})):
        for cell in ({"cell": "tanh", "init": "gaussian"}, {"cell": "lru", "hidden": 8}):
            axes = {"task": name, "length": [7, 17], "K": "full", "optimizer": "adam", **payload}
            rows = made.networks(name, **axes, **cell, seeds=10)
            yes = name == task and cell["cell"] == "lru"
            parts.append(rows.assign(status="solved" if yes else "unsolved"))
    found = made.results(pd.concat(parts, ignore_index=True))
    evidence = made.decide("successors", "lru_reaches_farther", found)
    assert (evidence.verdict, evidence.n) == (verdict, 20)


@pytest.mark.parametrize(
    ("lost", "verdict"), [(0.0, "supported"), (0.3, "not supported"), (0.05, "undecided")]
)
def test_attention_at_two_lags(lost: float, verdict: str) -> None:
    axes = {**COPY, "length": [7, 77], "cell": "attention", "heads": 1, "hidden": 8}
    summary = made.networks("copy_attention", **axes, seeds=10)
    noise = 0.01 * np.random.default_rng(0).normal(size=len(summary))
    far = summary["lag_max"] == summary["lag_max"].max()
    found = made.results(summary.assign(final=0.95 + noise - lost * 7 / 8 * far))
    assert made.decide("successors", "attention_ignores_lag", found).verdict == verdict


@pytest.mark.parametrize(("better", "verdict"), [(1.0, "supported"), (0.0, "not supported")])
def test_forget_bias_at_the_longest_lag_alone(better: float, verdict: str) -> None:
    axes = {"task": "adding", "length": [20, 40], "K": "full", "cell": "lstm", "hidden": 4}
    summary = made.networks("forget", **axes, forget_bias=[0, 1, 2], seeds=10)
    far = summary["length"] == 40
    right = analysis.parameter(summary, "forget_bias") == (better if verdict else 0)
    noise = 0.001 * np.random.default_rng(0).normal(size=len(summary))
    final = np.where(right == far, 0.02, 0.16) + noise  # the other way round at the short lag
    found = made.results(summary.assign(final=final))
    assert made.decide("successors", "forget_bias_helps", found).verdict == verdict


def test_a_diverged_network_of_text_keeps_the_others_in_sight() -> None:
    """Its interval has no upper end; it is drawn as far as the others go, and counted."""
    figure = load_figure(made.ROOT / "experiments" / "successors" / "figure.py")
    axes = {"task": "text", "window": 8, "limit": 50_000, "validation": 4000, "K": "full"}
    rows = made.networks("text", **axes, cell=["tanh", "irnn"], init="gaussian", seeds=5)
    final = 2.8 + 0.01 * rows["seed"].astype(float)
    died = (rows["cell"] == "irnn") & (rows["seed"] == 4)
    rows = rows.assign(final=final.mask(died), status=rows["status"].mask(died, "diverged"))
    ax = Figure().subplots()
    figure.text(made.results(rows), ax)
    assert 2.7 < ax.get_xlim()[0] < 2.8 < 2.84 < ax.get_xlim()[1] < 2.9
    assert [label.get_text() for label in ax.get_yticklabels()] == ["tanh", "IRNN (1×)"]


def measured(**powers: float) -> pd.DataFrame:
    rows = [
        (name, "update_ms", float(T), 1.0, 3 * T**power * (1.01 if T == 64 else 1.0))
        for name, power in powers.items()
        for T in (32, 64, 128, 256)
    ]
    return pd.DataFrame(rows, columns=["series", "quantity", "x", "y", "value"])


@pytest.mark.parametrize(("power", "verdict"), [(0.4, "supported"), (1.2, "not supported")])
def test_time_per_step(power: float, verdict: str) -> None:
    found = made.results(computed=measured(recurrence=1.0, scan=power, attention=power))
    for claim in ("scan_is_parallel", "attention_is_parallel"):
        evidence = made.decide("successors", claim, found)
        assert evidence.verdict == verdict
        assert evidence.statistic == pytest.approx(power, abs=0.02)


@pytest.mark.parametrize("steps", [1, 2, 7, 16])
def test_the_scan_is_the_loop_forward_and_backward(steps: int) -> None:
    torch.manual_seed(0)
    drive = torch.randn(steps, 2, 3, dtype=torch.complex128, requires_grad=True)
    decay = (0.9 * torch.randn(3, dtype=torch.complex128)).requires_grad_()
    c, states = torch.zeros(2, 3, dtype=torch.complex128), []
    for x in drive:
        c = decay * c + x
        states.append(c)
    loop, fast = torch.stack(states), scan(decay, drive)
    torch.testing.assert_close(fast, loop)
    weight = torch.randn_like(loop)
    grads = [
        torch.autograd.grad((y * weight).real.sum(), (drive, decay), allow_unused=steps == 1)
        for y in (loop, fast)
    ]
    torch.testing.assert_close(grads[1][0], grads[0][0])
    if steps > 1:
        torch.testing.assert_close(grads[1][1], grads[0][1])


def grid(*parts: tuple[str, dict[str, object], bool]) -> Results:
    """Networks of some sweeps, of ten seeds, with whether they are solved."""
    made_up = [
        made.networks(sweep, **axes, seeds=10).assign(status="solved" if yes else "unsolved")
        for sweep, axes, yes in parts
    ]
    return made.results(pd.concat(made_up, ignore_index=True))


def test_the_frontier_over_k_names_the_models_that_need_full_depth() -> None:
    """tanh solves both lags at full depth and none with K = 8; the LRU needs no depth."""
    figure = load_figure(made.ROOT / "experiments" / "successors" / "figure.py")
    copy = {"task": "copy", "payload": 3, "length": [7, 37], "optimizer": "adam"}
    tanh = {**copy, "cell": "tanh", "init": "gaussian"}
    lru = {**copy, "cell": "lru", "hidden": 8}
    short = {"mode": "sliding", "K": [8, 15]}  # 15 holds all of the shorter sequence
    found = grid(
        ("copy", {**tanh, "K": "full"}, True), ("copy", {**lru, "K": "full"}, True),
        ("window", {**tanh, **short}, False), ("window", {**lru, **short}, True),
    )  # fmt: skip
    ax = Figure().subplots()
    figure.frontier_over_window(found, ax)
    assert ax.get_title() == "Copy: K = 8 reaches shorter lags than full depth with tanh"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "15", "full"]
    assert sorted(t.get_text() for t in ax.texts) == ["<", "≥", "≥", "≥", "≥"]
    rows = figure.windowed(found)
    lags = rows[rows["model"] == "tanh"].groupby("place")["lag_max"].unique()
    assert [sorted(own) for own in lags] == [[10, 40]] * 3


def test_the_frontier_over_gain_and_clip_has_the_usual_ones_beside_it() -> None:
    """Solved at gain 1 and threshold 1, where sweep adding trains, and nowhere else."""
    figure = load_figure(made.ROOT / "experiments" / "successors" / "figure.py")
    axes = {"task": "adding", "length": [20, 80], "K": "full", "cell": "tanh", "init": "gaussian"}
    corners = {**axes, "gain": [0.5, 2], "clip": [0.1, "none"]}
    found = grid(("adding", axes, True), ("plane", corners, False))
    ax = Figure().subplots()
    figure.frontier_over_plane(found, ax)
    assert ax.get_title() == "Adding: gain or clip threshold moves the frontier of tanh"
    names = [label.get_text().split("\n") for label in ax.get_xticklabels()]
    assert names == [["0.5", "0.1"], ["0.5", "none"], ["1", "1"], ["2", "0.1"], ["2", "none"]]
    assert sorted(t.get_text() for t in ax.texts) == ["<"] * 4 + ["≥"]


def test_the_rates_of_text_are_chosen_too_and_no_other_is_reported() -> None:
    axes = {"task": "text", "window": 8, "limit": 50_000, "validation": 4000, "K": "full"}
    rates = made.networks("rates_text", **axes, cell="tanh", lr=[0.001, 0.01], seed=[100, 101])
    rates = rates.assign(final=rates["lr"].map({0.001: 3.0, 0.01: 2.5}))
    rows = made.networks("text", **axes, cell="tanh", lr=[0.001, 0.01], seeds=5)
    found = made.results(pd.concat([rates, rows], ignore_index=True))
    assert set(analysis.reported(found, *analysis.TEXT)["lr"]) == {0.01}
    assert analysis.absent(made.results(pd.concat([rates, rows[rows["lr"] < 0.01]]))) == [
        "orthogonal start on text"
    ]
