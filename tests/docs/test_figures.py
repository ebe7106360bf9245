"""The figures of the guide: every one that a page names is drawn, from what is there."""

import math
import re
from pathlib import Path

import guide_figures as figures
import guide_numbers as numbers
import numpy as np
import pytest
from matplotlib.text import Text

from throughtime.theory.gradients import log_norm_by_lag
from throughtime.theory.mean_field import PYTORCH_SIGMA_W

NAMED = {
    name
    for page in numbers.pages()
    for name in re.findall(r"<!-- figure: (\w+) -->", page.read_text(encoding="utf-8"))
}


def test_pages_name_the_figures_that_there_are() -> None:
    assert set(figures.PANELS) == NAMED


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(figures.PANELS))
def test_a_figure_is_one_panel_that_can_be_read(name: str, tmp_path: Path) -> None:
    tables = figures.Tables(run=tmp_path)  # no run: the reference
    drawn = figures.draw(name, tables)
    (ax,) = drawn.axes
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert ax.get_title(loc="left")
    sizes = [
        t.get_fontsize() for t in drawn.findobj(Text) if t.get_text().strip() and t.get_visible()
    ]
    assert min(sizes) >= 6
    page = figures.svg(name, tables)
    assert page == figures.svg(name, tables)
    assert b"<svg" in page


def test_tables_are_those_of_a_run_where_there_is_one(tmp_path: Path) -> None:
    tables = figures.Tables(run=tmp_path)
    assert tables.folder("clipping") == tables.reference
    (tmp_path / "clipping").mkdir()
    (tmp_path / "clipping" / "summary.parquet").touch()
    assert tables.folder("clipping") == tmp_path
    assert tables.folder("truncation") == tables.reference


@pytest.mark.slow
@pytest.mark.parametrize("gain", [PYTORCH_SIGMA_W, 2.0])
def test_the_networks_of_the_figure_follow_theory(gain: float) -> None:
    """The guide says so, and the sign of the slope is the point of it."""
    measured = np.polyfit(range(30), figures.gradient_norms(gain, steps=40)[:30], 1)[0]
    theory = np.polyfit(range(30), log_norm_by_lag(gain, 1 / numbers.COPY, 40)[:30], 1)[0]
    assert math.copysign(1, measured) == math.copysign(1, theory)
    assert abs(measured - theory) < 0.1


def test_the_drawn_distance_never_exceeds_the_bound() -> None:
    """(10.1), on one network."""
    rng = np.random.default_rng(5)
    W = 0.9 * figures.orthogonal(rng, 16)
    a, b = rng.uniform(-1, 1, (2, 16))
    for _ in range(20):
        x, before = rng.standard_normal(16), np.linalg.norm(a - b)
        a, b = np.tanh(x + a @ W), np.tanh(x + b @ W)
        assert np.linalg.norm(a - b) <= 0.9 * before * (1 + 1e-12)
