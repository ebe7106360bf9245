"""``throughtime figure``: what panels there are, how they are written, and how it says no."""

from pathlib import Path

import pytest

from tests.cli.test_cli import output_of, refused
from throughtime.planning.project import Project

pytestmark = pytest.mark.slow

WRITE = ("figure", "clipping", "--panel", "norms")


@pytest.fixture
def at(panels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Within the project."""
    (panels / "config.yaml").write_text("preset: laptop\npresets: {laptop: small}\n")
    monkeypatch.chdir(panels)
    return panels


def test_a_list_names_each_panel_with_what_it_shows(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert output_of(capsys, "figure", "clipping", "--list").splitlines() == [
        "clipping: panels for --panel",
        "  norms  Norms of gradients",
        "  again  Norms once more",
    ]


def test_a_panel_is_written_as_the_options_ask_for(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--width", "84mm", "--height", "2in", "--format", "svg", "--font", "serif")
    lines = output_of(capsys, *WRITE, *options, "--style", "notebook", "--out", "drawn")
    assert lines.splitlines() == ["drawn/clipping-norms.svg", "drawn/clipping-norms.md"]
    svg = (at / "drawn" / "clipping-norms.svg").read_text()
    assert f'width="{84 / 25.4 * 72:.6f}'.rstrip("0")[:12] in svg
    assert not (at / "results" / "figures").exists()


def test_panels_are_drawn_from_another_folder_of_tables(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (at / "results").rename(at / "kept")
    assert output_of(capsys, *WRITE, "--from", "kept").splitlines()[0] == "clipping-norms.pdf"


def test_another_folder_may_hold_what_this_preset_leaves_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.chdir(root)
    assert "successors" not in Project.open(root, "laptop").experiments
    said = output_of(capsys, "figure", "successors", "--list", "--from", "results/reference")
    assert "successors: panels for --panel\n  copy-frontier" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*WRITE[:3], "norm"), "no panel 'norm'; did you mean 'norms'?"),
        ((*WRITE, "--width", "wide"), "--width wide: not a length; write e.g. 3.3in"),
        ((*WRITE, "--format", "gif"), "no format 'gif'; "),
        ((*WRITE, "--style", "papr"), "did you mean 'paper'?"),
        (("figure", "clipping", "--width", "3in"), "--width is of a panel; name one with --panel"),
        (("figure", "clipping", "--from", "results"), "--from is of panels"),
        ((*WRITE, "--from", "gone"), "--from gone: no such folder"),
        (("figure", "--panel", "norms"), "--panel: name one experiment"),
        ((*WRITE, "--out", "config.yaml"), "--out config.yaml: File exists; name another folder"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    arguments: tuple[str, ...], words: str, at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, *arguments)
    assert words in said
    assert not list(at.glob("*.pdf"))
