"""Training as a whole: what a row's numbers depend on, how runs end, and what the tables say of
them.
"""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from throughtime.core.errors import UserError
from throughtime.planning.plan import PlannedJob
from throughtime.planning.resources import MOST, bytes_per_row, rows_at_once
from throughtime.planning.sweep import expand
from throughtime.results import tables
from throughtime.training.outcome import CLIPPED, VANISHING
from throughtime.training.reproducibility import same_bits_anywhere
from throughtime.training.train import train

COPY = {
    "task": "copy",
    "length": 2,
    "payload": 2,
    "alphabet": 2,
    "hidden": 9,
    "batch": 5,
    "updates": 12,
    "points": 3,
    "eval_size": 30,
}


def planned(**axes) -> PlannedJob:
    (job,) = expand("x", "s", {**COPY, **axes}, "here").jobs
    return job


def rows_of(job: PlannedJob, index) -> PlannedJob:
    return PlannedJob(
        job.experiment, job.sweep, job.job, job.grid.iloc[index].reset_index(drop=True)
    )


def same(a: pd.DataFrame, b: pd.DataFrame) -> None:
    """Equal to the last bit, NaN equal to NaN."""
    assert tables.content_hash(a) == tables.content_hash(b)


def by_key(frame: pd.DataFrame, keys) -> pd.DataFrame:
    order = [c for c in ("run_key", "data", "by", "bin", "metric", "step") if c in frame]
    kept = frame[frame["run_key"].isin(list(keys))].sort_values(order).reset_index(drop=True)
    return kept.drop(columns=[c for c in ("job_key",) if c in kept])


def check_rows_equal(one, other, keys):
    for name in ("summary", "curves", "breakdown"):
        same(by_key(getattr(one, name), keys), by_key(getattr(other, name), keys))


WILD = {
    "gain": [0.5, 1.3, 1e25],
    "clip": [0.1, "none"],
    "lr": [0.01, 1e20],
    "seed": [0, 1],
}  # 24 rows, many of which diverge
JOBS = {
    "copy": {**WILD, "optimizer": "adam"},
    "adding": {"task": "adding", "length": 7, "mode": "sliding", "K": 3, "cell": "relu", **WILD},
    "odd": {**WILD, "hidden": 7, "batch": 3, "mode": "chunked", "K": 2, "border": "reset"},
    "text": {
        "task": "text",
        "window": 6,
        "hidden": 8,
        "batch": 2,
        "updates": 4,
        "eval_size": 4,
        **WILD,
        "gain": [0.5, 1e25],
    },
    "brackets": {
        "task": "brackets",
        "length": 8,
        "mode": "buffered",
        "K": 2,
        "optimizer": "rmsprop",
        **WILD,
    },
    "lengths": {"task": "temporal_order", "length": 14, "shortest": 6, **WILD},
}
JOBS |= {
    "lstm": {**WILD, "cell": "lstm", "mode": "chunked", "K": 3},
    "gru": {**WILD, "cell": "gru", "h0": "learned"},
    "randomized": {**WILD, "mode": "randomized", "K": 3},
    **{
        f"{name} by torch": {**JOBS[name], "engine": "torch"}
        for name in ("copy", "odd", "text", "lengths")
    },
}
FOREIGN = {
    "text": ("length", "payload", "alphabet"),
    "adding": ("payload", "alphabet"),
    "brackets": ("payload", "alphabet"),
    "lengths": ("payload", "alphabet"),
}


def wild(name: str) -> PlannedJob:
    base = {k: v for k, v in COPY.items() if k not in FOREIGN.get(name.split()[0], ())}
    (job,) = expand("x", "s", {**base, **JOBS[name]}, "here").jobs
    return job


def test_a_tail_decides_what_is_trained_where_lengths_are_random() -> None:
    runs = {
        (K, tail): train(planned(mode="randomized", K=K, tail=tail)).summary
        for K in (1, 3)
        for tail in ("none", 3)
    }
    assert runs[3, "none"]["tail"].tolist() == [math.inf]
    assert runs[3, 3]["tail"].tolist() == [3.0]
    assert runs[3, 3]["final_loss"].item() != runs[3, "none"]["final_loss"].item()
    own = ["run_key", "job_key", "tail"]  # K = 1 cuts everywhere with any tail
    same(*(runs[1, tail].drop(columns=own) for tail in ("none", 3)))


@pytest.fixture(scope="module")
def whole():
    return {name: train(wild(name)) for name in JOBS}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(JOBS))
def test_a_row_alone_in_any_order_and_block_beside_any_neighbour_has_the_same_bits(whole, name):
    job, full = wild(name), whole[name]
    assert {"diverged"} < set(full.summary["status"]), "the test needs both kinds of neighbour"

    @given(st.data())
    @settings(max_examples=8, deadline=None)
    def property_(data):
        index = data.draw(
            st.lists(st.integers(0, len(job.grid) - 1), min_size=1, max_size=6, unique=True)
        )
        part = rows_of(job, index)
        check_rows_equal(
            full, train(part, block=data.draw(st.integers(1, len(index)))), part.run_keys
        )

    property_()


@pytest.mark.slow
@pytest.mark.parametrize("height", [1, 2, 7, 23])
def test_the_size_of_a_block_changes_no_bit(whole, height):
    check_rows_equal(whole["copy"], train(wild("copy"), block=height), wild("copy").run_keys)


SIZED: dict[str, dict[str, object]] = {
    "copy": {"length": 20},
    "adding": {"length": 20},
    "temporal_order": {"length": 20},
    "brackets": {"length": 20},
    "text": {"window": 20},
}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("hidden", [1, 32, 64])
@pytest.mark.parametrize("task", SIZED)
def test_a_network_trained_alone_has_the_bits_it_has_in_a_grid(task, hidden, engine):
    axes = {
        "task": task,
        **SIZED[task],
        "hidden": hidden,
        "engine": engine,
        "batch": 20,
        "updates": 2,
        "points": 1,
        "eval_size": 20,
        "lr": 0.1,
    }
    (job,) = expand("x", "s", {**axes, "gain": [0.5, 1.5], "clip": [0.1, "none"]}, "here").jobs
    full, part = train(job), rows_of(job, [2])
    check_rows_equal(full, train(part), part.run_keys)
    check_rows_equal(full, train(job, block=1), job.run_keys)


def test_no_global_random_state_is_read_or_moved():
    def run():
        torch.manual_seed(1)
        np.random.seed(1)
        before = torch.get_rng_state(), np.random.get_state()[1].copy()
        result = train(planned())
        assert torch.equal(before[0], torch.get_rng_state())
        assert (before[1] == np.random.get_state()[1]).all()
        return result

    first = run()
    torch.manual_seed(2)
    same(first.summary, train(planned()).summary)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    train(planned(updates=1))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_data_depend_on_the_seed_alone():
    """The first training loss is the same for every grid setting that has not yet acted: same data,
    same first weights.
    """
    job = planned(updates=1, points=1, lr=[0.1, 0.2], clip=[1e-3, 5.0], seed=[0, 1])
    loss = train(job).summary.groupby("seed")["train_loss"]
    assert (loss.nunique() == 1).all()
    assert loss.first().nunique() == 2


def test_a_network_learns_and_an_untrained_one_does_not():
    easy = {
        "length": 1,
        "payload": 1,
        "updates": 300,
        "optimizer": "adam",
        "lr": [0.02, 0.0],
        "eval_size": 200,
    }
    summary = train(planned(**easy)).summary.set_index("lr")
    assert summary.loc[0.02, "status"] == "solved"
    assert summary.loc[0.02, "final"] == 1
    assert 0 < summary.loc[0.02, "first_solved_at"] < 300
    assert summary.loc[0.0, "status"] == "unsolved"
    assert summary.loc[0.0, "final"] < 0.8
    assert pd.isna(summary.loc[0.0, "first_solved_at"])


def test_frozen_recurrent_weights_stay_and_are_not_counted_in_the_norm():
    job = planned(frozen=[True, False], clip="none", updates=30, lr=0.1)
    result = train(job)
    summary = result.summary.set_index("frozen")
    assert summary.loc[True, "radius_start"] == summary.loc[True, "radius_end"]
    assert summary.loc[False, "radius_start"] != summary.loc[False, "radius_end"]
    first = train(planned(frozen=[True, False], clip="none", updates=1)).summary.set_index(
        "frozen"
    )["grad_norm"]
    assert first[True] < first[False]


# How runs end -------------------------------------------------------------------------------------


def test_divergence_is_data():
    summary = train(planned(lr=1e25, clip="none", optimizer="sgd")).summary.iloc[0]
    assert summary["status"] == "diverged"
    assert summary["failure"] == "diverged"
    assert 1 <= summary["diverged_at"] <= 3
    assert math.isnan(summary["final"])
    assert math.isfinite(summary["train_loss"]) or summary["diverged_at"] == 1
    assert summary["tokens"] == (summary["diverged_at"] - 1) * 5 * 6


def test_a_diverged_run_has_no_points_after_its_end():
    job = planned(lr=[1e25, 0.0], clip="none", updates=12, points=12)
    result = train(job)
    last = result.curves.groupby("run_key")["step"].max()
    dead, alive = result.summary.set_index("lr").loc[1e25], result.summary.set_index("lr").loc[0.0]
    assert last[dead["run_key"]] < dead["diverged_at"]
    assert last[alive["run_key"]] == 12
    assert np.isfinite(result.curves["value"]).all()
    assert dead["run_key"] not in set(result.breakdown["run_key"])


def test_a_loss_beyond_the_bound_is_divergence_though_finite():
    base = {k: v for k, v in COPY.items() if k not in FOREIGN["adding"]} | {
        "task": "adding",
        "length": 6,
        "updates": 1,
    }
    (job,) = expand(
        "x",
        "s",
        {**base, "cell": "identity", "gain": [1.0, 10.0], "lr": 0.0, "clip": "none"},
        "here",
    ).jobs
    near, far = train(job).summary["status"]
    # 10^5 squared is far from infinite: the bound alone stopped it
    assert (near, far) == (
        "unsolved",
        "diverged",
    )


def test_norms_are_logged_before_clipping():
    summary = train(planned(clip=[1e-4, "none"], updates=1)).summary
    assert summary["grad_norm"].nunique() == 1
    assert summary["grad_norm"].iloc[0] > 1e-4
    assert summary.set_index("clip")["clipped_share"].to_dict() == {1e-4: 1.0, math.inf: 0.0}


def test_labels_say_what_was_measured():
    far = {"length": 20, "payload": 1, "updates": 2}
    vanishing = train(planned(**far, gain=0.1, clip="none")).summary.iloc[0]
    assert max(vanishing["signal_start"], vanishing["signal_max"]) < VANISHING
    assert (vanishing["vanishing"], vanishing["truncated"], vanishing["failure"]) == (
        True,
        False,
        "vanishing",
    )
    short = train(planned(**far, gain=1.0, clip="none", mode="chunked", K=4)).summary.iloc[0]
    assert (short["reach"], short["lag_min"], short["truncated"], short["failure"]) == (
        3,
        21,
        True,
        "truncated",
    )
    clipped = train(planned(**far, gain=1.0, input_gain=0.1, clip=1e-9)).summary.iloc[0]
    assert clipped["clipped_share"] > CLIPPED
    assert (clipped["clipped"], clipped["failure"]) == (True, "clipped")


def test_signal_of_a_linear_orthogonal_network_is_the_power_of_its_gain():
    job = planned(cell="identity", gain=[0.5, 1.0, 2.0], length=8, payload=1, updates=0)
    summary = train(job).summary
    lag = summary["lag_max"].iloc[0]
    assert lag == 9
    # orthogonal to float32
    assert summary["signal_start"].to_numpy() == pytest.approx(
        summary["gain"].to_numpy() ** (lag - 1.0), rel=1e-6
    )


def test_no_updates_is_a_judgement_of_the_first_weights():
    result = train(planned(updates=0))
    assert result.summary["status"].tolist() == ["untrained"]
    assert result.summary["clipped_share"].tolist() == [0.0]
    assert math.isnan(result.summary["grad_norm"].iloc[0])
    assert set(result.curves["metric"]) == {"eval_loss", "eval_measure", "radius"}


@pytest.mark.parametrize(
    "axes",
    [
        {"hidden": 1, "batch": 1},
        {"length": 1, "payload": 1},
        {"mode": "chunked", "K": 1},
        {"mode": "sliding", "K": 6, "k1": 6},
        {"h0": "learned"},
        {"dtype": "float64"},
        {"mode": "chunked", "K": 4, "align": "random"},
        {"gain": 1e-30, "input_gain": 1e-30},
    ],
)
def test_corners_are_defined(axes):
    result = train(planned(**axes))
    assert result.summary["status"].tolist() == ["unsolved"]
    assert np.isfinite(result.summary["train_loss"]).all()


def test_full_depth_is_the_same_in_every_mode():
    runs = [
        planned(mode="full"),
        planned(mode="chunked", K=6),
        planned(mode="sliding", K=6, k1=6),
        planned(mode="buffered", K=6),
    ]
    results = [
        train(r).summary.drop(columns=["run_key", "job_key", "mode", "K", "k1"]) for r in runs
    ]
    for other in results[1:]:
        same(results[0], other)


def test_truncation_changes_learning():
    final = [
        train(planned(mode="sliding", K=k, updates=30, lr=0.1)).summary["train_loss"].iloc[0]
        for k in (1, 6)
    ]
    assert final[0] != final[1]


# Tables -------------------------------------------------------------------------------------------


def test_tables_conform_and_keep_the_grids_columns(whole):
    for name, result in whole.items():
        for table in ("summary", "curves", "breakdown"):
            frame = getattr(result, table)
            pd.testing.assert_frame_equal(frame, tables.conform(frame, table))
        job = wild(name)
        assert result.summary["run_key"].tolist() == job.run_keys
        for column in job.grid:
            assert result.summary[column].tolist() == job.grid[column].tolist(), column
        assert set(result.summary["job_key"]) == {job.key}


def test_breakdown_of_all_is_the_summary(whole):
    result = whole["brackets"]
    every = result.breakdown.query("by == 'all' and data == 'train'").set_index("run_key")["value"]
    final = result.summary.query("status != 'diverged'").set_index("run_key")["final"]
    pd.testing.assert_series_equal(every.sort_index(), final.sort_index(), check_names=False)
    parts = result.breakdown.query("by == 'distance' and data == 'train'")
    mean = parts.assign(w=parts["n"] * parts["value"]).groupby("run_key")[["w", "n"]].sum()
    pd.testing.assert_series_equal(
        (mean["w"] / mean["n"]).sort_index(), final.sort_index(), check_names=False
    )


def test_longer_sequences_are_judged_beside(whole):
    assert {"train", "long"} <= set(whole["brackets"].breakdown["data"])


def test_text_carries_its_state_from_batch_to_batch():
    text = {k: v for k, v in COPY.items() if k not in FOREIGN["text"]} | {
        "task": "text",
        "window": 6,
        "updates": 6,
        "lr": 0.1,
        "eval_size": 10,
    }
    carried, reset = (
        train(expand("x", "s", {**text, "border": b}, "here").jobs[0]).summary.iloc[0]
        for b in ("carry", "reset")
    )
    assert carried["train_loss"] != reset["train_loss"]
    assert carried["final"] != reset["final"]


# Memory -------------------------------------------------------------------------------------------


def test_a_block_fits_the_memory_it_was_given():
    job = planned(engine="torch").job
    need = bytes_per_row(job)
    assert rows_at_once(job, memory=3 * need) == 3
    assert rows_at_once(job, memory=10**6 * need) == MOST
    with pytest.raises(UserError, match="copy with 6 steps, batch 5 and 9 units"):
        rows_at_once(job, memory=need - 1)


def test_progress_counts_networks():
    seen = []
    train(planned(gain=[0.5, 1.0, 1.5], updates=1), progress=seen.append, block=2)
    assert seen == [2, 3]


def test_this_process_gives_a_matrix_product_the_same_bits_at_every_alignment():
    assert same_bits_anywhere()
