"""Axes, files and what every figure says."""

import math
from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from tests.support import synthetic, toy_figures
from throughtime.analysis import causes, columns, stats
from throughtime.core.errors import UserError
from throughtime.figures import captions, draw, panels
from throughtime.results import tables
from throughtime.results.load import Results


def networks(n: int, diverged: int, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"status": ["diverged"] * diverged + ["solved"] * (n - diverged)}).assign(
        **columns
    )


def texts(ax) -> list[str]:
    return [t.get_text() for t in ax.texts]


# Files --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_equal_tables_give_equal_bytes(drawn):
    first, second = (
        draw.draw(drawn, "clipping", drawn / "results", drawn / out, "laptop")
        for out in ("one", "two")
    )
    assert [p.name for p in first] == [
        "clipping.png",
        "clipping.pdf",
        "clipping.svg",
        "clipping.md",
        "clipping.csv",
    ]
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()
    assert first[0].read_bytes()[:4] == b"\x89PNG"
    assert b"/CreationDate" not in first[1].read_bytes()
    assert b"<dc:date>" not in first[2].read_bytes()


@pytest.mark.slow
def test_a_users_own_style_changes_nothing(drawn):
    (before,) = draw.draw(drawn, "clipping", drawn / "results", drawn / "one", "laptop")[:1]
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 30}):
        (after,) = draw.draw(drawn, "clipping", drawn / "results", drawn / "two", "laptop")[:1]
    assert before.read_bytes() == after.read_bytes()
    assert mpl.rcParams["font.size"] == mpl.rcParamsDefault["font.size"]


def test_figure_and_caption_state_n_and_n_diverged(drawn):
    results = Results.load(drawn / "results", "clipping", title="A title")
    n, diverged = len(results.summary), int((results.summary["status"] == "diverged").sum())
    assert diverged > 0
    said = (
        f"n = {n} trained networks, of which n_diverged = {diverged} (×; counted as failures); "
        "3 seeds per grid point"
    )
    fig = draw.load_figure(drawn / "experiments" / "clipping" / "figure.py").figure(results)
    assert [t.get_text() for t in fig.texts] == ["A title", said]
    draw.draw(drawn, "clipping", drawn / "results", drawn / "out", "laptop")
    assert (drawn / "out" / "clipping.md").read_text() == f"A title: {said}\n"


@pytest.mark.parametrize(
    ("old", "new"), [("def caption", "def other"), ("def figure", "def other")]
)
def test_a_figure_without_its_two_functions_is_refused(drawn, old, new):
    path = drawn / "experiments" / "clipping" / "figure.py"
    path.write_text(toy_figures.FIGURE.replace(old, new))
    with pytest.raises(UserError, match=f"figure.py: it has no '{old[4:]}'; add it"):
        draw.draw(drawn, "clipping", drawn / "results", drawn / "out", "laptop")


def test_a_missing_figure_or_table_is_a_users_error(drawn, tmp_path):
    with pytest.raises(UserError, match="run `snakemake clipping`"):
        draw.draw(drawn, "clipping", tmp_path / "nowhere", drawn / "out", "laptop")
    (drawn / "experiments" / "clipping" / "figure.py").unlink()
    with pytest.raises(UserError, match="no such file; add it, with figure and caption"):
        draw.draw(drawn, "clipping", drawn / "results", drawn / "out", "laptop")


def probed(results: Results, steps: dict[str, list[int]]) -> Results:
    """With values of a probe, one a network and step: the place of the network, plus the step."""
    keys = results.summary["run_key"].tolist()
    rows = [
        {
            "run_key": key,
            "step": step,
            "probe": "spectrum",
            "quantity": "spectral_radius",
            "index": 0,
            "value": keys.index(key) + step,
        }
        for key in keys
        for step in steps.get(key, [])
    ]
    other = {
        "run_key": keys[0],
        "step": 1000,
        "probe": "updates",
        "quantity": "loss",
        "index": 3,
        "value": 1.0,
    }
    return replace(results, probes=tables.conform(pd.DataFrame([*rows, other]), "probes"))


def test_a_probe_is_read_beside_the_summary_at_the_moment_asked_for(drawn):
    results = Results.load(drawn / "results", "clipping")
    keys = results.summary["run_key"].tolist()
    results = probed(
        results, {keys[0]: [0, 500, 1000], keys[1]: [0], keys[2]: [0, 500, 1000]}
    )  # the second has diverged
    every = results.probe("spectrum", "spectral_radius")
    assert list(zip(every["run_key"], every["step"], strict=True)) == [
        (keys[0], 0),
        (keys[0], 500),
        (keys[0], 1000),
        (keys[1], 0),
        (keys[2], 0),
        (keys[2], 500),
        (keys[2], 1000),
    ]
    assert {"value", "index", *results.summary.columns} <= set(every.columns)
    assert results.probe("spectrum", "spectral_radius", "first")["value"].tolist() == [0, 1, 2]
    assert results.probe("spectrum", "spectral_radius", "last")["value"].tolist() == [1000, 1002]
    assert results.probe("spectrum", "singular_value").empty
    assert results.select(run_key=keys[2]).probe("spectrum", "spectral_radius", "last")[
        "value"
    ].tolist() == [1002]


def test_the_last_moment_is_a_sweep_s_own(drawn):
    results = Results.load(drawn / "results", "clipping")
    keys = results.summary["run_key"].tolist()
    summary = results.summary.assign(
        updates=results.summary["updates"].where(results.summary["run_key"] != keys[1], 500)
    )
    results = probed(replace(results, summary=summary), {keys[0]: [0, 1000], keys[1]: [0, 500]})
    assert results.probe("spectrum", "spectral_radius", "last")["value"].tolist() == [1000, 501]


def test_results_load_without_probes_and_with_nothing_but_what_was_computed(drawn):
    results = Results.load(drawn / "results", "clipping")
    assert results.probes.equals(tables.empty("probes"))
    assert results.computed.equals(tables.empty("computed"))
    row = {"series": "clipped", "quantity": "loss", "x": 0.5, "y": 0.0, "value": math.inf}
    tables.write(pd.DataFrame([row]), "computed", drawn / "results" / "cliff" / "computed.parquet")
    alone = Results.load(drawn / "results", "cliff")
    assert alone.computed.to_dict("records") == [row]
    assert alone.summary.empty
    assert len(Results.load(drawn / "results", "clipping", ["cliff"]).computed) == 1


def test_a_caption_goes_between_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("# One\n<!-- caption -->\nold\n<!-- /caption -->\nend\n")
    for _ in range(2):
        draw.write_caption(readme, "new\n")
        assert readme.read_text() == "# One\n<!-- caption -->\nnew\n<!-- /caption -->\nend\n"
    readme.write_text("# One\n")
    with pytest.raises(UserError, match="marks"):
        draw.write_caption(readme, "new")


# Results ------------------------------------------------------------------------------------------


def test_results_of_what_they_read_lie_one_below_the_other(drawn):
    made = synthetic.summary(synthetic.toy_plan("other", lengths=[10]))
    tables.write(made.summary, "summary", drawn / "results" / "other" / "summary.parquet")
    both = Results.load(drawn / "results", "atlas", ["clipping", "other", "not run yet"])
    assert both.summary["experiment"].value_counts().to_dict() == {"clipping": 48, "other": 24}
    assert (
        both.curves["run_key"].isin(both.select(experiment="clipping").summary["run_key"]).all()
    )  # other's are not there yet


def test_a_part_of_the_results_keeps_its_own_curves(drawn):
    part = Results.load(drawn / "results", "clipping").select(gain=1.0, seed=[0, 2])
    assert set(part.summary["gain"]) == {1.0}
    assert set(part.summary["seed"]) == {0, 2}
    assert set(part.curves["run_key"]) == set(part.summary["run_key"])
    assert set(part.bins["run_key"]) == set(
        part.summary.loc[part.summary["status"] != "diverged", "run_key"]
    )


def test_protocol_is_read_from_the_tables(drawn):
    said = captions.protocol(Results.load(drawn / "results", "clipping").summary)
    assert "chunked, full" in said
    assert "N = 32, B = 20; 1,000 updates of sgd, learning rate 0.001" in said


# Axes ---------------------------------------------------------------------------------------------


def test_a_heat_map_says_solved_n_and_diverged():
    frame = pd.concat(
        [
            networks(3, 0, x=1.0, y=1.0),
            networks(3, 2, x=math.inf, y=1.0),
            networks(2, 0, x=1.0, y=2.0),
        ]
    )
    ax = Figure().subplots()
    panels.heatmap(ax, stats.success(frame, ["x", "y"]), "x", "y")
    assert sorted(texts(ax)) == ["1/3\n2×", "2/2", "3/3"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "none"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["2", "1"]  # smallest below
    hatched = [p for p in ax.patches if p.get_hatch()]
    assert [p.get_xy() for p in hatched] == [(1, 1)]


def test_a_graded_heat_map_says_values_and_marks_what_has_none():
    frame = pd.concat(
        [
            networks(2, 0, x=1.0, y=1.0, final=2.345, measure="bpc"),
            networks(2, 2, x=2.0, y=1.0, final=math.nan, measure="bpc"),
        ]
    )
    ax = Figure().subplots()
    panels.heatmap_lower_is_better(ax, stats.summarize(frame, ["x", "y"]), "x", "y")
    assert sorted(texts(ax)) == ["2.35" if round(2.345, 2) == 2.35 else "2.34", "–\n2×"]


def test_the_border_separates_rows_beyond_a_lag_from_the_others():
    ax = Figure().subplots()
    panels.staircase(ax, [4, 10, 30], [5, 10, 20], {4: 4, 10: 10, 30: 30})
    (line,) = ax.lines
    # y runs downward from 0: above lag 4 lie all three rows, above lag 10 only K = 20 (K = 10
    # reaches lag 9), above lag 30 none
    assert line.get_ydata().tolist() == [3, 3, 1, 1, 0, 0]
    assert line.get_xdata().tolist() == [0, 1, 1, 2, 2, 3]


def test_the_mark_lies_between_categories_in_proportion_to_the_logarithm():
    ax = Figure().subplots()
    panels.mark_column(ax, [0.25, 0.5, 1.0], math.sqrt(0.5))
    assert ax.lines[0].get_xdata()[0] == pytest.approx(2.0)


def test_a_censored_frontier_carries_its_sign_and_stays_on_the_axes():
    table = pd.DataFrame(
        {
            "x": [1.0, 2.0, 3.0],
            "frontier": [5.0, 9.0, 40.0],
            "low": [0, 6, 30],
            "high": [8, 12, math.inf],
            "censored": ["<", "", ">="],
            "lag_low": 5.0,
            "lag_high": 40.0,
        }
    )
    ax = Figure().subplots()
    panels.lag_axis(ax, pd.concat([table["lag_low"], table["lag_high"]]))
    bottom, top = ax.get_ylim()
    panels.frontiers(ax, table, "x", 0, "a")
    assert texts(ax) == ["<", "≥"]
    ends = np.concatenate([c.get_segments() for c in ax.collections])[..., 1]
    assert ends.min() == pytest.approx(5 / panels.BEYOND)
    assert ends.max() == pytest.approx(40 * panels.BEYOND)
    assert bottom < ends.min()
    assert ends.max() < top


def test_infinite_values_and_bounds_leave_the_axes_finite():
    table = pd.DataFrame(
        {
            "x": [1.0, 2.0, 3.0],
            "value": [1.0, 2.0, math.inf],
            "low": [0.5, 1, 1],
            "high": [2.0, math.inf, math.inf],
        }
    )
    ax = Figure().subplots()
    panels.points(ax, table, "x", "value", 0, "a")
    panels.band(ax, table, "x", "value", 1, "b")
    assert ax.get_ylim()[1] < 3
    assert len(ax.lines[-1].get_xdata()) == 2


def test_names_of_close_reference_lines_do_not_overlap():
    lines = pd.DataFrame({"name": ["c", "a", "b"], "value": [1.02, 1.0, 1.01]})
    ax = Figure().subplots()
    ax.set_ylim(0, 10)
    panels.reference_lines(ax, lines, gap=0.05)
    assert texts(ax) == ["a", "b", "c"]
    assert np.diff([t.xy[1] for t in ax.texts]).tolist() == pytest.approx([0.05, 0.05])
    assert [float(line.get_ydata()[0]) for line in ax.lines] == [1.0, 1.01, 1.02]


def test_failure_bars_are_the_shares_and_say_n():
    kinds = [kind for kind in causes.KINDS if kind not in ("solved", causes.NOT_SHOWN)]
    rows = [{"task": "copy", "status": "unsolved", "failure": kind} for kind in kinds]
    solved = {"task": "copy", "status": "solved", "failure": "none"}
    hidden = pd.DataFrame([{"task": "copy", "label": "plateau", "shown": False}])
    frame = causes.with_kind(pd.DataFrame([solved, *rows]), hidden)
    assert frame["kind"].tolist() == ["solved", "cause not shown", *kinds[1:]]
    assert set(panels.KIND_STYLES) == set(causes.KINDS)
    ax = Figure().subplots()
    panels.failure_bars(ax, stats.shares(frame, ["task"], "kind"), str, "task")
    assert sorted(p.get_width() for p in ax.patches) == pytest.approx([0.0] + [1 / 8] * 8)
    assert texts(ax) == ["n=8"]


def test_full_depth_is_one_category_whatever_the_length():
    frame = columns.with_depth(
        pd.DataFrame({"K": [5, 12, 22], "mode": ["chunked", "full", "full"]})
    )
    assert frame["depth"].tolist() == [5, math.inf, math.inf]


def test_a_depth_beyond_the_sequence_repeats_full():
    frame = columns.with_depth(
        pd.DataFrame(
            {
                "K": [8, 20, 6, 30],
                "mode": ["chunked", "chunked", "full", "full"],
                "steps": [30, 30, 6, 30],
            }
        )
    )
    filled = columns.with_full(frame)
    assert filled[["depth", "steps"]].to_numpy().tolist() == [
        [8, 30],
        [20, 30],
        [math.inf, 6],
        [math.inf, 30],
        [8, 6],
        [20, 6],
    ]


# Without colour -----------------------------------------------------------------------------------


def grey(color: str) -> float:
    return float(np.dot(to_rgb(color), [0.299, 0.587, 0.114]))


def test_series_differ_without_colour():
    looks = [(str(s["linestyle"]), s["marker"]) for s in panels.SERIES]
    assert (
        len({line for line, _ in looks}) == len({marker for _, marker in looks}) == len(looks) == 7
    )


def test_neighbouring_kinds_of_failure_differ_without_colour():
    kinds = list(panels.KIND_STYLES.values())
    for a, b in pairwise(kinds):
        assert abs(grey(a["color"]) - grey(b["color"])) > 0.1 or a["hatch"] != b["hatch"]


def test_the_colours_of_heat_maps_grow_lighter_all_the_way():
    greys = [grey(mpl.colors.to_hex(c)) for c in mpl.colormaps["cividis"](np.linspace(0, 1, 20))]
    assert np.all(np.diff(greys) > 0)


def test_counts_say_how_many_were_not_trained():
    frame = synthetic.summary(synthetic.toy_plan(depths=(None,), seeds=2)).summary.iloc[:4]
    some = frame.assign(status=["solved", "diverged", "untrained", "untrained"])
    assert captions.counts(some) == (
        "n = 2 trained networks, of which n_diverged = 1 (×; counted as failures); "
        "2 untrained networks (0 updates; in no rate); 1 seed per grid point"
    )
    assert captions.counts(some.assign(status="untrained")) == (
        "n = 0 trained networks; 4 untrained networks (0 updates; in no rate); "
        "1 seed per grid point"
    )
    computed = pd.DataFrame({"value": [1.0]})
    assert captions.counts(frame.iloc[:0], computed) == "Computed, no networks trained"


def test_a_caption_names_the_parameters_that_vary():
    frame = synthetic.summary(synthetic.toy_plan(depths=(None,), seeds=1)).summary.iloc[:2]
    two = frame.assign(cell="lstm", cell_args=['{"forget_bias":0.0}', '{"forget_bias":1.0}'])
    assert captions.protocol(two).endswith("; forget_bias 0, 1.")
    assert captions.protocol(two.iloc[:0]) == ""
    many = pd.concat([two.iloc[:1]] * 9).assign(lr=[0.01 * k for k in range(1, 10)])
    assert "learning rate 0.01 to 0.09 (9 values)" in captions.protocol(many)
    assert "learning rate 0.01, 0.02, 0.03." in captions.protocol(many.iloc[:3])
