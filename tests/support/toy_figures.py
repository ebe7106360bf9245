"""Fixtures: a project with one experiment and its toy tables, with a figure or with panels."""

from pathlib import Path

import pytest

from tests.support import synthetic
from throughtime.results import tables

FIGURE = """
from matplotlib.figure import Figure
from throughtime.figures.draw import add_header
from throughtime.figures.captions import counts
from throughtime.results.load import Results


def figure(results: Results) -> Figure:
    fig = Figure(layout="constrained")
    ax = fig.subplots()
    ax.hist(results.summary["grad_norm"], hatch="//")
    return add_header(fig, results)


def caption(results: Results) -> str:
    return f"{results.title}: {counts(results.summary)}"
"""

PANELS = """
from throughtime.figures import composition
from throughtime.figures.composition import Panel


def draw(results, ax):
    ax.hist(results.summary["grad_norm"], label="norms")
    ax.set(title="Norms of gradients", xlabel="norm")
    composition.legend(ax)


def named_panels(results):
    return [Panel("norms", draw, "Norms of gradients"), Panel("again", draw, "Norms once more")]


def figure(results):
    return composition.compose(results, named_panels(results))


def caption(results):
    return composition.describe(named_panels(results))
"""


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A project with one experiment, and its collected toy tables."""
    folder = tmp_path / "experiments" / "clipping"
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text("name: clipping\ntitle: A title\nquestion: Why?\n")
    (folder / "figure.py").write_text(FIGURE)
    made = synthetic.summary(synthetic.toy_plan())
    for name in ("summary", "curves", "breakdown"):
        tables.write(
            getattr(made, name), name, tmp_path / "results" / "clipping" / f"{name}.parquet"
        )
    return tmp_path


@pytest.fixture
def panels(drawn: Path) -> Path:
    """The same project, with two panels."""
    (drawn / "experiments" / "clipping" / "figure.py").write_text(PANELS)
    return drawn
