"""The bench's tables: turns, shares, ratios and goals on made-up times, and a tiny real run."""

import math
import re

import pandas as pd
import pytest

from throughtime.benchmarks import roofline, scaling, speed, ways
from throughtime.benchmarks.cost import Size
from throughtime.benchmarks.peers import COMMIT, EARLIER, OURS, TORCH, missing
from throughtime.benchmarks.speed import Goal, measure, ratios, summarize
from throughtime.benchmarks.ways import Shape, Unavailable, Way

pytestmark = pytest.mark.slow

TINY = Shape("tanh", 5, 3, 24, 4)
sgemm = roofline.sgemm


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A small matrix for sgemm, a small array for memory."""
    monkeypatch.setattr(speed.roofline, "sgemm", lambda seconds: sgemm(0.0, side=16))
    monkeypatch.setattr(speed.roofline, "bandwidth", lambda seconds: 1.0)


def made(times, cell="tanh", N=64, B=32):
    """A table of turns: way -> ms per turn, sgemm at 100 and 50 GFLOP/s."""
    return pd.DataFrame(
        [
            {
                "cell": cell,
                "N": N,
                "B": B,
                "T": 100,
                "part": part,
                "way": way,
                "turn": turn,
                "ms": value,
                "sgemm_gflops": (100.0, 50.0, 100.0)[turn],
            }
            for part in ("step", "gradients")
            for way, values in times.items()
            for turn, value in enumerate(values)
        ]
    )


def test_shares_and_ratios_are_taken_inside_a_turn():
    """In the second turn the machine is half as fast: what is taken inside a turn does not see
    it.
    """
    flops = Shape("tanh", 64, 32).flops
    turns = made({OURS: [1, 2, 1], EARLIER: [3, 6, 3]})
    table = summarize(turns).set_index(["way", "part"]).loc[(OURS, "step")]
    assert table["ms"] == 1
    assert table["gflops"] == pytest.approx(flops / 1e6)
    assert (table["ratio_low"], table["ratio"], table["ratio_high"]) == (3, 3, 3)
    assert table["share_low"] == pytest.approx(table["share_high"])
    assert table["share"] == pytest.approx(flops / 1e6 / 100)
    assert (table["baseline"], table["turns"], table["sgemm_gflops"]) == (EARLIER, 3, 100)


def test_one_disturbed_turn_moves_no_median():
    turns = made({OURS: [1, 50, 1.1], EARLIER: [3, 6, 3.3]})
    table = summarize(turns).set_index(["way", "part"]).loc[(OURS, "gradients")]
    assert table["ratio"] == pytest.approx(3)
    assert table["ratio_low"] == pytest.approx(6 / 50)


def test_where_the_commit_is_missing_the_engine_torch_stands_in():
    nothing = [math.nan] * 3
    turns = made({OURS: [1, 1, 1], TORCH: [2, 2, 2], EARLIER: nothing})
    table = summarize(turns).set_index(["way", "part"])
    assert table.loc[(OURS, "step"), "ratio"] == 2
    assert set(table["baseline"]) == {TORCH}
    assert math.isnan(table.loc[(EARLIER, "step"), "ms"])
    assert math.isnan(table.loc[(EARLIER, "step"), "ratio"])


def test_a_baseline_is_a_cell_s_own():
    parts = [made({OURS: [1], TORCH: [2], EARLIER: [3]}), made({OURS: [1], TORCH: [2]}, "gru")]
    found = ratios(pd.concat(parts))
    ours = found[found["way"] == OURS].groupby("cell")["ratio"].first()
    assert ours.to_dict() == {"tanh": 3, "gru": 2}


@pytest.mark.parametrize(("least", "word"), [(2.5, "met"), (3.0, "met"), (3.1, "not met")])
def test_a_goal_of_speed(least, word):
    table = summarize(made({OURS: [1, 2, 1], EARLIER: [3, 6, 3]}))
    line = Goal(64, 32, "step", "ratio", least).line(table)
    assert line == (
        f"{word}: whole training step, N=64 B=32: 3.00 times as fast as {EARLIER} "
        f"(goal {least:g}; turns 3.00 to 3.00)"
    )


def test_a_goal_of_the_share_of_sgemm():
    rate = Shape("tanh", 64, 32).flops / 1e6  # GFLOP/s in a millisecond
    ms = [rate / 85, 2 * rate / 85, rate / 90]
    line = Goal(64, 32, "gradients", "share", 0.8).line(summarize(made({OURS: ms})))
    assert line == (
        "met: forward + backward, N=64 B=32: 85 % of sgemm's rate (goal 80 %; turns 85 to 90)"
    )


def test_a_goal_without_figures_is_not_met_silently():
    line = Goal(128, 32, "step", "ratio", 1.3).line(summarize(made({OURS: [1]})))
    assert line.startswith("not measured: whole training step, N=128 B=32")
    line = Goal(64, 32, "step", "ratio", 1.3).line(summarize(made({OURS: [1]})))  # no baseline
    assert line.startswith("not measured")


def test_the_goals_are_the_issue_s():
    assert [(g.N, g.B, g.part, g.quantity, g.least) for g in speed.GOALS] == [
        (32, 20, "step", "ratio", 2.2),
        (64, 32, "step", "ratio", 1.5),
        (128, 32, "step", "ratio", 1.3),
        (64, 32, "gradients", "share", 0.8),
        (128, 32, "gradients", "share", 0.8),
    ]
    assert COMMIT in EARLIER


def spoken(name, order, fails=math.inf, cells=("tanh",)):
    """A way whose every call is written down, and which fails from one of them on."""

    def prepare(shape, part):
        def timed(seconds):
            order.append((name, part))
            if order.count((name, part)) >= fails:
                raise Unavailable("gone")
            return 0.004

        return timed

    return Way(name, cells, prepare)


def test_ways_take_turns_in_alternating_order():
    order = []
    found, absent = measure([spoken("a", order), spoken("b", order)], [TINY], 2, 0.0)
    forward = [("a", "step"), ("a", "gradients"), ("b", "step"), ("b", "gradients")]
    assert order == [*forward, *forward[::-1]]
    assert absent == []
    assert found["ms"].tolist() == pytest.approx([4.0] * 8)
    assert (found["sgemm_gflops"] > 0).all()


def test_what_fails_is_left_empty_with_one_reason():
    order = []
    given = [spoken("a", order, fails=2), Way("b", ("tanh",), missing("not here"))]
    given.append(spoken("c", order, cells=("gru",)))
    found, absent = measure(given, [TINY], 3, 0.0)
    assert absent == ["b: not here", "a: gone"]
    assert found.groupby("way")["ms"].count().to_dict() == {"a": 2, "b": 0}
    assert len(found) == 3 * 2 * 2


def test_the_whole_bench_on_tiny_sizes(tmp_path, monkeypatch, capsys):
    """No commit and no JAX: the rest is measured, printed and kept."""
    monkeypatch.setattr(speed, "SHAPES", (TINY, Shape("gru", 5, 3, 24, 4)))
    monkeypatch.setattr(
        speed, "measure", lambda found: measure(found, speed.SHAPES, turns=2, seconds=0.0)
    )
    series = {"T": ("T", [Size("full", T, T, 4, 2, 2) for T in (3, 6, 9)])}
    table = scaling.measure_series(series, turns=1, repeats=1)
    monkeypatch.setattr(speed.scaling, "measure_series", lambda: table)
    monkeypatch.setattr(
        "throughtime.benchmarks.peers.install_jax", lambda folder: missing("no network")(0, "")
    )
    monkeypatch.setattr(ways.shutil, "which", lambda name: None)
    speed.main(tmp_path)
    printed = capsys.readouterr().out
    assert re.search(r"not measured: jax .*: no network", printed)
    assert "not measured: torch.compile of torch.nn: no C++ compiler" in printed
    assert f"{TORCH} stands in for {EARLIER}" in printed
    assert f"gru, forward + backward, T = 24; ratio to {TORCH}" in printed
    assert printed.count("not measured: whole training step") == 3
    folder = tmp_path / "results" / "bench"
    names = {"bench.csv", "turns.csv", "scaling.csv", "exponents.csv", "bench.txt", "roofline.png"}
    assert {p.name for p in folder.iterdir() if not p.name.startswith(".")} == names
    assert printed.startswith((folder / "bench.txt").read_text())
    kept = pd.read_csv(folder / "bench.csv")
    assert len(kept) == 2 * 7 + 2 * 3  # parts x ways of tanh, and of gru
    assert kept.loc[kept["way"].isin([OURS, TORCH]), "ms"].notna().all()
