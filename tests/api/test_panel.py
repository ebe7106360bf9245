"""``Runs.panel``: a named panel of an experiment's figure, in a notebook."""

from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

import throughtime as tt

pytestmark = pytest.mark.slow

mpl.use("agg")


def test_a_panel_is_drawn_on_a_new_figure_or_on_axes_of_the_users(panels: Path) -> None:
    runs = tt.load(panels / "results", "clipping")
    own = Figure().subplots()
    assert runs.select(gain=1.0).panel("norms", ax=own) is own
    new = runs.panel("norms")
    for ax in (own, new):
        assert ax.get_title(loc="left") == "Norms of gradients"
        assert [t.get_text() for t in ax.get_legend().get_texts()] == ["norms"]
    heights = [sum(p.get_height() for p in ax.patches) for ax in (own, new)]
    assert heights[0] < heights[1]  # the selection has fewer networks
    pyplot.close("all")


def test_an_unknown_panel_names_the_nearest(panels: Path) -> None:
    with pytest.raises(tt.Error, match="no panel 'norm'; did you mean 'norms'"):
        tt.load(panels / "results", "clipping").panel("norm")


def test_networks_of_no_experiment_have_no_panels() -> None:
    runs = tt.train(task="copy", payload=1, length=1, updates=0, workers=1)
    with pytest.raises(tt.Error, match="panels belong to an experiment; load one of a project"):
        runs.panel("copy-chunked")
