"""``Runs``: tables, statistics and pictures of what was trained."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib import pyplot

import throughtime as tt
from throughtime.analysis import stats
from throughtime.pipeline import stages
from throughtime.planning.sweep import expand

mpl.use("agg")


@pytest.fixture(scope="module")
def runs() -> tt.Runs:
    """Lag 2 to 4 with two gains; what is solved is written by hand."""
    made = tt.train(
        task="copy", payload=1, length=[1, 2, 3], gain=[0.5, 1.0], seeds=4, updates=4, points=2,
        hidden=4, batch=2, eval_size=10, lr=0.0, workers=1,
    )  # fmt: skip
    summary = made.summary
    solved = (summary["lag"] <= 2) | ((summary["gain"] == 1.0) & (summary["lag"] == 3))
    summary["status"] = solved.map({True: "solved", False: "unsolved"})
    return tt.Runs(made.results.__class__(**{**vars(made.results), "summary": summary}))


@pytest.fixture(autouse=True)
def _closed() -> object:
    yield
    pyplot.close("all")


def test_it_says_what_it_holds(runs: tt.Runs) -> None:
    assert repr(runs) == (
        "Runs(24 networks: 12 solved, 12 unsolved; task copy; what varies: length, lag, gain, seed)"
    )
    assert repr(runs.select(lag=99)) == "Runs(0 networks)"
    assert len(runs) == 24


def test_it_does_not_change(runs: tt.Runs) -> None:
    with pytest.raises(FrozenInstanceError):
        runs.results = None
    summary = runs.summary
    summary["status"] = "lost"
    summary.loc[0, "seed"] = 77
    assert "lost" not in set(runs.summary["status"])
    assert runs.summary["seed"].tolist()[0] == 0


def test_a_selection_has_the_tables_of_its_networks(runs: tt.Runs) -> None:
    part = runs.select(gain=0.5, lag=(2, 3))
    assert len(part) == 8
    keys = set(part.summary["run_key"])
    assert set(part.curves["run_key"]) == set(part.breakdown["run_key"]) == keys
    with pytest.raises(tt.Error, match=r"^no column 'gian' in the summary; did you mean 'gain'\?$"):
        runs.select(gian=1)


def test_a_frontier_is_the_one_of_the_package(runs: tt.Runs) -> None:
    found = runs.frontier(by="gain")
    pd.testing.assert_frame_equal(found, stats.frontier(runs.summary, ["gain"]))
    assert (found["frontier"] > 2).all()
    assert found["frontier"].between([2, 3], [3, 4]).all()
    assert len(runs.frontier()) == 1
    assert runs.success(["gain", "lag"])["rate"].tolist() == [1, 0, 0, 1, 1, 0]


def test_a_heat_map_counts_solved_networks_per_grid_point(runs: tt.Runs) -> None:
    _, mine = pyplot.subplots()
    ax = runs.heatmap("gain", "lag", ax=mine)
    assert ax is mine
    said = [t.get_text() for t in ax.texts]  # from above: lag 4, 3, 2
    assert said == ["0/4", "0/4", "0/4", "4/4", "4/4", "4/4"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["4", "3", "2"]
    assert ax.get_xlabel() == "gain"
    assert ax.get_title() == "solved / networks (over seed)"
    ax = runs.heatmap("init", "gain")  # in the suite's style: the title is at the left
    assert ax.get_title("left") == "solved / networks (over length, lag, seed)"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["orthogonal"]
    with pytest.raises(tt.Error, match="name two columns"):
        runs.heatmap("gain", "gain")


def test_curves_are_drawn_per_value(runs: tt.Runs) -> None:
    ax = runs.plot_curves(by="gain")
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["0.5", "1"]
    assert ax.get_ylabel() == "accuracy"
    curves = runs.curves.merge(runs.summary[["run_key", "gain"]], on="run_key")
    chosen = curves[(curves["metric"] == "eval_measure") & (curves["gain"] == 0.5)]
    median = chosen.groupby("step")["value"].median()
    assert ax.lines[0].get_xydata().tolist() == [[float(s), v] for s, v in median.items()]
    assert runs.plot_curves("grad_norm").get_ylabel() == "grad norm"
    with pytest.raises(tt.Error, match="no metric 'eval_los'; did you mean 'eval_loss'"):
        runs.plot_curves("eval_los")


def test_causes_are_counted_over_failed_and_over_solved_networks(runs: tt.Runs) -> None:
    found = runs.causes().set_index("label")
    assert (found["n_failed"] == 12).all()
    assert (found["n_solved"] == 12).all()
    assert found["false_alarms"].sum() == 12  # each solved network would have got one label
    assert found.loc["still learning", "false_alarms"] == 0  # lr is 0


def test_a_frontier_is_drawn_over_numbers(runs: tt.Runs) -> None:
    ax = runs.plot_frontier("gain")
    line = ax.lines[0]
    assert line.get_xdata().tolist() == [0.5, 1.0]
    assert line.get_ydata().tolist() == runs.frontier("gain")["frontier"].tolist()
    with pytest.raises(tt.Error, match="column 'init' holds no numbers"):
        runs.plot_frontier("init")


def test_the_summary_has_the_parameters_that_vary() -> None:
    runs = tt.train(
        task="copy", payload=1, length=1, cell=["tanh", "lstm"], forget_bias=[0.0, 2.0],
        hidden=4, updates=0, workers=1,
    )  # fmt: skip
    summary = runs.summary
    assert summary["forget_bias"].tolist()[1:] == [0.0, 2.0]
    assert summary["forget_bias"].isna().tolist() == [True, False, False]
    assert "payload" not in summary
    assert summary["lag"].tolist() == [2, 2, 2]
    assert len(runs.select(forget_bias=2.0)) == 1


@pytest.mark.slow
def test_what_the_pipeline_trained_is_loaded(tmp_path: Path) -> None:
    axes = {"task": "copy", "payload": [1, 2], "length": 1, "updates": 2, "hidden": 4, "batch": 2}
    plan = expand("mine", "train", axes, "test")
    for planned in plan.jobs:
        stages.train_job(planned, tmp_path, 1e9, lambda _: None)
    stages.collect(plan, tmp_path, "mine")
    old = tt.load(str(tmp_path), "mine")
    new = tt.train(**axes, experiment="mine", workers=1)
    assert type(old) is tt.Runs
    for name in ("summary", "curves", "breakdown", "probes"):
        pd.testing.assert_frame_equal(getattr(old, name), getattr(new, name), check_exact=True)
    assert old.summary["payload"].tolist() == [1, 2]
    with pytest.raises(tt.Error, match="run `snakemake clippin` first"):
        tt.load(tmp_path, "clippin")
