"""Every named panel of every experiment, drawn alone at the width of a column, from tables without
training: it can be read, says what it shows, and nothing runs out of the figure.
"""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from tests.experiments.test_figures import NAMES, ROOT, SMOKE, computed, drawn, part
from tests.support import plausible
from throughtime.figures import composition, draw, export
from throughtime.figures.composition import Panel
from throughtime.results.load import Results

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 3.3, 2.4  # inches: a column of a paper
LEAST = 6.0  # points


@cache
def tables(name: str) -> Results:
    """Plausible tables of an experiment and those it reads."""
    made = plausible.results(part(SMOKE.plan(), name))
    return replace(made, computed=computed(name))


def panels_of(name: str, results: Results) -> list[Panel]:
    return export.named_panels(ROOT / "experiments" / name, results)


def words_of(fig: Figure) -> list[Text]:
    """The texts that a reader sees."""
    return [
        text
        for text in fig.findobj(Text)
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip()
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_panel_can_be_read_at_the_width_of_a_column_and_names_what_it_shows(
    name: str, tmp_path: Path
) -> None:
    results = tables(name)
    with export.drawing(export.Look()):
        for panel in panels_of(name, results):
            fig = export.draw_alone(panel, results, WIDTH, HEIGHT)
            fig.savefig(tmp_path / "panel.png", dpi=50)
            ax = fig.axes[0]
            assert ax.get_title(loc="left").strip(), panel.name
            small = {t.get_text(): t.get_fontsize() for t in words_of(fig)}
            assert min(small.values()) >= LEAST, (panel.name, small)
            box = fig.get_tightbbox()  # of what is drawn: ticks beyond the limits are not
            inside = -0.02 <= box.x0 and box.x1 <= WIDTH + 0.02
            assert inside or panel.name == "samples", (panel.name, box.x0, box.x1)
            named = set(ax.get_legend_handles_labels()[1])
            legend = ax.get_legend()
            said = {t.get_text() for t in legend.get_texts()} if legend else set()
            assert named <= said, panel.name


@pytest.mark.parametrize("name", NAMES)
def test_captions_of_panels_are_sentences_with_their_counts(name: str) -> None:
    results = tables(name)
    panels = panels_of(name, results)
    assert len({panel.name for panel in panels}) == len(panels)
    for panel in panels:
        assert re.fullmatch(r"[a-z0-9]+([-.][a-z0-9]+)*", panel.name), panel.name
        short, long = panel.caption(results), panel.long_caption(results)
        assert re.search(
            r"; (n = [\d,]+ trained networks.* seeds? per grid point|computed, no networks trained"
            r"|no networks trained)\.$",
            short,
        ), short
        assert "\n" not in long
        assert "nan" not in long
        assert long.startswith(short)


@pytest.mark.parametrize("name", NAMES)
def test_an_overview_is_readable_at_the_width_of_a_page_and_has_six_panels_at_most(
    name: str,
) -> None:
    module = draw.load_figure(ROOT / "experiments" / name / "figure.py")
    with export.drawing(export.Look()):
        fig = module.figure(tables(name))
        fig.draw_without_rendering()
    assert fig.get_figwidth() <= composition.WIDTH
    titled = [ax for ax in fig.axes if ax.get_title(loc="left")]
    assert 1 <= len(titled) <= composition.MOST
    assert min(text.get_fontsize() for text in words_of(fig)) >= LEAST


@pytest.mark.parametrize("name", NAMES)
def test_an_overview_is_drawn_from_every_fifth_network(name: str) -> None:
    drawn(name, plausible.thin(plausible.results(part(SMOKE.plan(), name)), 5))


@pytest.mark.parametrize("name", NAMES)
def test_panels_are_drawn_without_networks_and_where_everything_diverged(name: str) -> None:
    diverged = plausible.results(part(SMOKE.plan(), name), everything_diverges=True)
    with export.drawing(export.Look()):
        for results in (Results.empty(), diverged):
            for panel in panels_of(name, results):
                ax = Figure().add_subplot(projection=panel.projection)
                panel.draw(results, ax)
                assert ax.get_title(loc="left") or ax.get_title() or ax.texts, panel.name
