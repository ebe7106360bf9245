"""Every number of the guide is computed, or read from results/reference, or marked as given."""

import re
from pathlib import Path

import guide_numbers as numbers
import pytest
from guide_numbers import GIVEN, MARKER, NUMBERS, Reference

REFERENCE = Reference()
PAGES = numbers.pages()
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
DROPPED = re.compile(
    r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|^#.*?$|^\d+\. |\]\([^)]*\)|<!--.*?-->|</?[a-z][^>]*>",
    flags=re.DOTALL | re.MULTILINE,
)
INLINE = re.compile(r"\$[^$\n]+\$")
LABEL = re.compile(r"\(\d+\.\d+\)|[Ss]tep \d+|第\d+章")  # of an equation, of a step
NUMBER = re.compile(r"(?<![A-Za-z0-9_.,])[-−]?\d+(?:,\d{3})*(?:\.\d+)?")
FREE = {"1", "2"}  # they count as words


def test_there_are_twelve_steps_in_two_languages() -> None:
    steps = [p.name for p in PAGES if p.name[0].isdigit()]
    assert [n[:2] for n in steps if ".ja." not in n] == [f"{i:02}" for i in range(1, 13)]
    assert len(steps) == 24


@each_page
def test_a_number_is_what_its_marker_computes(path: Path) -> None:
    wrong = []
    for match in numbers.marked(path.read_text(encoding="utf-8")):
        if match["name"] != GIVEN:
            value = float(NUMBERS[match["name"]](REFERENCE))
            expected = numbers.printed(value, match["value"])
            if expected != match["value"]:
                wrong.append((match["name"], match["value"], expected))
    assert wrong == []


@each_page
def test_a_sentence_rests_on_the_verdict_that_there_is(path: Path) -> None:
    assert numbers.wrong_verdicts(path.read_text(encoding="utf-8"), REFERENCE) == []


def test_another_verdict_is_noticed_and_written() -> None:
    """Holds whatever the verdict of the claim is."""
    real = str(REFERENCE.claim("cliff", "wall")["verdict"])
    false = next(v for v in numbers.VERDICTS if v != real)
    assert numbers.wrong_verdicts(f"so<!--?cliff.wall {real}-->", REFERENCE) == []
    assert numbers.wrong_verdicts(f"so<!--?cliff.wall {false}-->", REFERENCE) == ["cliff.wall"]
    for words in ({v: v for v in numbers.VERDICTS}, numbers.VERDICTS):
        said = f"is {words[false]}<!--?cliff.wall--> here"
        assert numbers.wrong_verdicts(said, REFERENCE) == ["cliff.wall"]
        assert numbers.rewritten(said, REFERENCE) == f"is {words[real]}<!--?cliff.wall--> here"


def unmarked(text: str) -> list[str]:
    """Numbers of the prose that no marker follows; of equations within a line, decimals alone."""
    plain = LABEL.sub("", DROPPED.sub("", MARKER.sub("", text)))
    found = [m for math in INLINE.findall(plain) for m in re.findall(r"\d+\.\d+", math)]
    rest = NUMBER.findall(INLINE.sub("", plain))
    years = [n for n in rest if re.fullmatch(r"(19|20)\d\d", n)]
    return found + [n for n in rest if n not in FREE and n not in years]


@each_page
def test_no_number_is_without_a_marker(path: Path) -> None:
    assert unmarked(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("35 of 42<!--=cut.in.n--> networks", 1),
        ("約35個", 1),
        ("see (3.1), $k = 5$, one of 2, in 1990, `x[7]`", 0),
        ("$w = 0.5$", 1),
        ("−0.25<!--=given--> nats", 0),
    ],
)
def test_a_number_without_a_marker_is_noticed(text: str, count: int) -> None:
    assert len(unmarked(text)) == count


def test_every_number_is_on_a_page() -> None:
    used = {m["name"] for p in PAGES for m in numbers.marked(p.read_text(encoding="utf-8"))}
    assert set(NUMBERS) - used == set()
    assert used - set(NUMBERS) == {GIVEN}


def test_pages_are_written_with_as_many_digits_as_they_had() -> None:
    text = "about 41.00<!--=balance.sliding--> steps, −1<!--=balance.total-->, 7<!--=given-->"
    after = "about 41.00<!--=balance.sliding--> steps, −6<!--=balance.total-->, 7<!--=given-->"
    assert numbers.rewritten(text, REFERENCE) == after
    assert numbers.rewritten("1,706<!--=state.weights-->", REFERENCE).startswith("1,706<")
