"""English and Japanese say the same: outlines, equations, figures, code and numbers."""

import re
from collections import Counter
from pathlib import Path

import equations
import guide_numbers as numbers
import pytest

ENGLISH = [p for p in numbers.pages() if not p.name.endswith(".ja.md")]
each_page = pytest.mark.parametrize("path", ENGLISH, ids=lambda p: p.name)
SECTIONS = {
    "What holds": "要点",
    "Equation": "式",
    "Figure": "図",
    "Try it": "試してみる",
    "Exercise": "演習",
}
TERMS = ["隠れ状態", "時間展開", "勾配消失", "勾配爆発", "打ち切りBPTT", "勾配クリッピング"]
STEPS = [p for p in ENGLISH if p.name[0].isdigit()]


def japanese(path: Path) -> Path:
    return path.with_name(path.name.replace(".md", ".ja.md"))


def both(path: Path) -> tuple[str, str]:
    return path.read_text(encoding="utf-8"), japanese(path).read_text(encoding="utf-8")


def headings(text: str) -> list[tuple[str, str]]:
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^(#+) (.*)$", text, flags=re.MULTILINE)


def sections(text: str) -> list[str]:
    return re.split(r"^#+ .*$", text, flags=re.MULTILINE)


@each_page
def test_the_outlines_are_the_same(path: Path) -> None:
    english, other = map(headings, both(path))
    assert [level for level, _ in english] == [level for level, _ in other]
    if path in STEPS:
        assert [name for _, name in english[1:]] == list(SECTIONS)
        assert [name for _, name in other[1:]] == list(SECTIONS.values())
        number = str(int(path.name[:2]))
        assert english[0][1].startswith(f"{number} ")
        assert other[0][1].startswith(f"{number} ")


@each_page
def test_the_equations_are_the_same(path: Path) -> None:
    english, other = both(path)
    alone = [[tex for tex, display in equations.found(t) if display] for t in (english, other)]
    assert alone[0] == alone[1]
    assert equations.labels(english) == equations.labels(other)
    for mine, theirs in zip(sections(english), sections(other), strict=True):
        inline = [Counter(x for x, d in equations.found(t) if not d) for t in (mine, theirs)]
        assert set(inline[0]) == set(inline[1])


@pytest.mark.parametrize("path", STEPS, ids=lambda p: p.name)
def test_a_step_numbers_its_equations(path: Path) -> None:
    labels = equations.labels(path.read_text(encoding="utf-8"))
    assert labels == [f"{int(path.name[:2])}.{i}" for i in range(1, len(labels) + 1)]
    assert labels


@each_page
def test_figures_and_code_are_the_same(path: Path) -> None:
    english, other = both(path)
    for pattern in (r"<!-- (figure|slider): (\w+) -->", r"^```(.*?)^```", r"^(<details)", r"^(\|)"):
        found = [re.findall(pattern, t, flags=re.DOTALL | re.MULTILINE) for t in (english, other)]
        assert found[0] == found[1], pattern


@each_page
def test_the_numbers_are_the_same(path: Path) -> None:
    def counted(text: str) -> Counter[tuple[str, str]]:
        return Counter((m["name"], m["value"]) for m in numbers.marked(text))

    english, other = both(path)
    for mine, theirs in zip(sections(english), sections(other), strict=True):
        assert counted(mine) == counted(theirs)


@each_page
def test_sentences_rest_on_the_same_verdicts(path: Path) -> None:
    found = [
        [(m["experiment"], m["claim"], m["verdict"]) for m in numbers.VERDICT.finditer(text)]
        for text in both(path)
    ]
    assert found[0] == found[1]


@each_page
def test_links_and_references_to_equations_are_the_same(path: Path) -> None:
    english, other = both(path)
    links = [re.findall(r"\]\(([^)]+)\)", t) for t in (english, other)]
    assert links[0] == [link.replace(".ja.md", ".md") for link in links[1]]
    for mine, theirs in zip(sections(english), sections(other), strict=True):
        named = [sorted(re.findall(r"\((\d+\.\d+)\)", t)) for t in (mine, theirs)]
        assert set(named[0]) == set(named[1])


@pytest.mark.parametrize("path", STEPS, ids=lambda p: p.name)
def test_a_step_says_one_thing_first(path: Path) -> None:
    for text in both(path):
        said = sections(text)[2].strip().splitlines()[0]
        assert re.fullmatch(r"\*\*.+\*\*", said)
        assert text.count("<details") == 1
        assert re.search(r"<!-- figure: \w+ -->\n\*[^*\n]", text)


def test_japanese_pages_use_the_usual_words() -> None:
    pages = "".join(japanese(p).read_text(encoding="utf-8") for p in ENGLISH)
    assert [term for term in TERMS if term not in pages] == []


@pytest.mark.parametrize("path", STEPS, ids=lambda p: p.name)
def test_a_japanese_page_says_that_its_figures_have_english_labels(path: Path) -> None:
    assert "図の軸と凡例は英語です" in japanese(path).read_text(encoding="utf-8")
