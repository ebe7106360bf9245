"""Panels as files: lengths, formats, fonts, styles."""

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest

from throughtime.core.errors import UserError
from throughtime.figures import export
from throughtime.figures.export import Look

pytestmark = pytest.mark.slow


def write(root: Path, panel: str = "norms", **look: object) -> list[Path]:
    asked = replace(Look(), **look)
    return export.export(root, "clipping", root / "results", panel, root / "out", asked)


@pytest.mark.parametrize(
    ("text", "inches"),
    [
        ("3.3in", 3.3),
        ("3", 3.0),
        ("8.4cm", 8.4 / 2.54),
        ("84 mm", 84 / 25.4),
        ("240pt", 240 / 72.27),
    ],
)
def test_lengths(text, inches):
    assert export.parse_length(text, "--width") == pytest.approx(inches)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3.3xx", "--width 3.3xx: not a length; write e.g. 3.3in"),
        ("wide", "not a length"),
        ("-2in", "not a length"),
        ("0.2in", "give 1 to 40 inches"),
        ("400", "give 1 to 40 inches"),
    ],
)
def test_a_bad_length_is_refused(text, words):
    with pytest.raises(UserError, match=words):
        export.parse_length(text, "--width")


def test_an_unknown_format_names_the_nearest():
    assert export.parse_formats(".PDF,svg,pdf") == ("pdf", "svg")
    with pytest.raises(UserError, match="no format 'sgv'; did you mean 'svg'"):
        export.parse_formats("pdf,sgv")


def test_a_panel_is_written_in_every_format_with_its_captions(panels):
    paths = write(panels, formats=("pdf", "svg", "png"), width=3.3, height=2.4)
    assert [p.name for p in paths] == [f"clipping-norms.{k}" for k in ("pdf", "svg", "png", "md")]
    assert b"<dc:date>" not in paths[1].read_bytes()
    assert b"/CreationDate" not in paths[0].read_bytes()
    width, height = (int.from_bytes(paths[2].read_bytes()[a : a + 4]) for a in (16, 20))
    assert (width, height) == (990, 720)
    short, long = paths[3].read_text().strip().split("\n\n")
    assert short.startswith("Norms of gradients; n = 48 trained networks")
    assert long.startswith(short)
    assert "Truncation mode" in long


def test_all_panels_at_once_and_equal_tables_give_equal_bytes(panels):
    first = {p.name: p.read_bytes() for p in write(panels, "all", formats=("svg",))}
    assert list(first) == [f"clipping-{n}.{k}" for n in ("norms", "again") for k in ("svg", "md")]
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9}):
        again = {p.name: p.read_bytes() for p in write(panels, "norms,again", formats=("svg",))}
    assert first == again


def test_a_users_style_file_is_respected_and_a_bad_one_refused(panels, tmp_path):
    style = tmp_path / "own.mplstyle"
    style.write_text("font.size: 17\naxes.facecolor: red\n")
    with export.drawing(Look(style=str(style))):
        assert mpl.rcParams["font.size"] == 17
        assert mpl.rcParams["axes.facecolor"] == "red"
        assert mpl.rcParams["pdf.fonttype"] == 42  # of `paper`, under it
    with export.drawing(Look(style="ggplot")):
        assert mpl.rcParams["axes.facecolor"] == "#E5E5E5"
    with pytest.raises(UserError, match="did you mean 'slide'"):
        write(panels, style="slid")


def test_slides_have_larger_words_than_papers():
    sizes = {}
    for style in export.STYLES:
        with export.drawing(Look(style=style)):
            sizes[style] = mpl.rcParams["font.size"]
    assert sizes["slide"] > 1.8 * sizes["paper"]
    assert sizes["notebook"] > sizes["paper"]


def test_fonts(panels):
    with export.drawing(Look(font="serif")):
        assert mpl.rcParams["font.family"] == ["DejaVu Serif"]
        assert mpl.rcParams["mathtext.fontset"] == "dejavuserif"
    with pytest.raises(UserError, match="--font Serrif: no such font here"):
        write(panels, font="Serrif")


def test_pgf_without_tex_says_what_to_do(panels, monkeypatch):
    monkeypatch.setattr(export.shutil, "which", lambda _: None)
    with pytest.raises(UserError, match="needs TeX, and none of pdflatex"):
        write(panels, formats=("pgf",))
    assert not (panels / "out").exists()


def test_an_experiment_without_panels_of_their_own(drawn):
    with pytest.raises(UserError, match=r"has no panels of their own; write named_panels"):
        write(drawn)


def test_pictures_of_panels_are_those_that_there_are(panels: Path) -> None:
    asked = [("clipping", "norms"), ("clipping", "none"), ("cliff", "wall")]
    (panels / "experiments" / "cliff").mkdir()
    text = (panels / "experiments" / "clipping" / "experiment.yaml").read_text()
    (panels / "experiments" / "cliff" / "experiment.yaml").write_text(text)
    look = Look(width=2, height=1)
    drawn = export.draw_pictures(panels, panels / "results", asked, look)
    assert list(drawn) == [("clipping", "norms")]  # no panel of that name, and no tables
    alone = write(panels, width=2, height=1, formats=("png",))
    assert drawn["clipping", "norms"] == alone[0].read_bytes()
