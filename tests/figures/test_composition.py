"""Panels: their names and captions, what tables decide, and words that fit their room."""

from itertools import pairwise

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from throughtime.core.errors import UserError
from throughtime.figures import composition, draw, panels
from throughtime.figures.composition import Panel
from throughtime.results.load import Results


def nothing(results: Results, ax) -> None:
    ax.set(title=f"{len(results.summary)} networks and what they have learned of all that")


PANELS = [Panel(name, nothing, "Shows things") for name in ("copy-chunked", "copy-sliding", "b")]


def outcomes(solved: int, n: int) -> pd.DataFrame:
    """Networks of as many seeds."""
    status = ["solved"] * solved + ["unsolved"] * (n - solved)
    return pd.DataFrame({"status": status, "seed": range(n)})


def test_a_panel_is_found_by_its_name_and_a_wrong_name_says_the_nearest():
    assert composition.find(PANELS, "b") is PANELS[2]
    with pytest.raises(UserError, match="no panel 'copy-chunkd'; did you mean 'copy-chunked'"):
        composition.find(PANELS, "copy-chunkd")


def test_an_overview_takes_the_panels_that_there_are():
    chosen = composition.choose(PANELS, ("gone", "b", "copy-chunked"))
    assert [p.name for p in chosen] == ["b", "copy-chunked"]
    assert composition.choose(PANELS, ("gone",)) == PANELS
    assert len(composition.choose(PANELS * 3, ())) == composition.MOST


def test_an_overview_has_letters_and_its_caption_the_same():
    fig = composition.compose(Results.empty(), PANELS)
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert [t[:3] for t in titles] == ["(a)", "(b)", "(c)"]
    assert fig.get_figwidth() == composition.WIDTH
    assert composition.describe(PANELS) == "(a) Shows things. (b) Shows things. (c) Shows things."


def test_what_intervals_decide():
    assert composition.differ(outcomes(20, 20), outcomes(0, 20)) == 1
    assert composition.differ(outcomes(0, 20), outcomes(20, 20)) == -1
    assert composition.differ(outcomes(2, 3), outcomes(1, 3)) == 0
    assert composition.differ(outcomes(3, 3), outcomes(0, 0)) == 0


def points(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    """Values with their intervals, by name."""
    return pd.DataFrame(rows, columns=["name", "value", "low", "high"]).set_index("name")


def test_titles_compare_numbers_whose_intervals_lie_apart():
    table = points(("a", 2, 1, 3), ("b", 9, 8, 10), ("c", float("nan"), 0, 99), ("d", 5, 4, 6))
    most, least = composition.extremes(table) or (None, None)
    assert (most.name, least.name) == ("b", "a")
    first, last = composition.ends(table) or (None, None)
    assert (first.name, last.name) == ("a", "d")
    assert composition.beside(table, "d") == (["b"], ["a"])
    assert composition.beside(table, "gone") == ([], [])


def test_titles_stay_neutral_where_intervals_meet_or_are_missing():
    nan = float("nan")
    for table in (
        points(("a", 2, 1, 5), ("b", 6, 5, 9)),
        points(("a", 2, nan, nan), ("b", 6, nan, nan)),
        points(("a", 2, 1, 3)),
    ):
        assert composition.extremes(table) is None
        assert composition.ends(table) is None
        assert composition.beside(table, "a") == ([], [])


def test_a_title_is_wrapped_within_its_axes_and_keeps_its_words():
    fig = Figure(figsize=(2.5, 2), layout="constrained")
    ax = fig.subplots()
    words = "a title that is a good deal longer than the axes are wide and says so"
    with mpl.rc_context(draw.STYLE):
        ax.set_title(words)
        composition.fit(fig, [ax])
    lines = ax.get_title(loc="left").split("\n")
    assert len(lines) > 1
    assert " ".join(lines) == words
    fig.draw_without_rendering()
    (title,) = [t for t in (ax.title, ax._left_title) if t.get_text()]
    assert title.get_window_extent().x1 <= fig.bbox.x1 + 1


def test_a_title_wider_than_the_figure_takes_no_room_from_its_axes():
    with mpl.rc_context(draw.STYLE):
        fig = composition.blank(5.5, 4.0)
        axes = fig.subplots(1, 2)
        axes[0].set_title(f"(a) {'longer lags with one ' * 8}", loc="left")
        composition.fit(fig, list(axes))
    assert min(ax.bbox.width for ax in axes) > 0.35 * fig.bbox.width
    assert axes[0].get_title(loc="left").count("\n") >= 3


def test_a_legend_lies_below_the_label_of_x_within_the_figure():
    fig = Figure(figsize=(3.3, 2.4), layout="constrained")
    ax = fig.subplots()
    for place in range(7):
        ax.plot([0, 1], [place, place], label=f"a name of a line {place}")
    ax.set_xlabel("x, steps")
    composition.legend(ax)
    composition.fit(fig, [ax])
    fig.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    assert box.y1 <= ax.xaxis.get_tightbbox().y0
    assert box.y0 >= -1
    assert box.x1 <= fig.bbox.x1 + 1
    assert len(ax.get_legend().get_texts()) == 7


def table(n: int) -> pd.DataFrame:
    rows = [(float(x), float(y), 1.0, n, n, 0) for x in range(1, 9) for y in range(1, 4)]
    return pd.DataFrame(rows, columns=["x", "y", "rate", "n", "n_solved", "n_diverged"])


@pytest.mark.parametrize(("width", "shown"), [(6.0, True), (1.6, False)])
def test_numbers_of_a_heat_map_are_hidden_where_they_have_no_room(width, shown):
    fig = Figure(figsize=(width, 2.4), layout="constrained")
    ax = fig.subplots()
    with mpl.rc_context(draw.STYLE):
        panels.heatmap(ax, table(10), "x", "y")
        composition.fit(fig, [ax])
    assert {t.get_visible() for t in ax.texts} == {shown}


def test_ticks_that_would_run_into_each_other_are_thinned():
    fig = Figure(figsize=(2, 2), layout="constrained")
    ax = fig.subplots()
    ax.set_xticks(range(10), [f"{100_000 + i}" for i in range(10)])
    composition.fit(fig, [ax])
    fig.draw_without_rendering()
    shown = [t for t in ax.get_xticklabels() if t.get_text()]
    boxes = [t.get_window_extent() for t in shown]
    assert shown[0].get_text() == "100000"
    assert all(a.x1 <= b.x0 for a, b in pairwise(boxes))


def test_one_outlier_does_not_take_the_colours():
    values = pd.Series([2.26, 2.26, 2.27, 2.27, 2.3, 2.34, 2.45, 4.22])
    best, worst = panels.shades(values)
    assert best == 2.26
    assert 2.45 <= worst < 3
    assert panels.shades(pd.Series([], dtype=float)) == (0.0, 1.0)
