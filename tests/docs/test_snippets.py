"""Every command and snippet of docs/ and README.md is run, or says why it is not."""

import ast
import doctest
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import yaml

import throughtime as tt
from throughtime.cli.main import main
from throughtime.core.registry import probe_names
from throughtime.planning.sweep import expand

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?:```(?P<language>\w*)\n(?P<fenced>.*?)^```$|(?<=\n\n)(?P<indented>(?: {4}\S[^\n]*\n)+))",
    flags=re.DOTALL | re.MULTILINE,
)
NOT_RUN = re.compile(r"<!-- not run: \S[^>]{10,} -->\s*\Z")
SHOWN = ("", "text")  # a tree, an output: nothing to run
CONTRACTS = ROOT / "tests" / "test_contracts.py"
ELSEWHERE = {  # page -> the test of test_contracts.py that runs its Python and its YAML
    **{
        f"docs/how-to/add-a{n}.md": "test_the_examples_of_the_pages_run_together"
        for n in ("-cell", "-schedule", "-task", "n-initial-scheme", "n-optimizer")
    },
    "docs/how-to/add-an-experiment.md": "test_the_experiment_of_the_page_is_planned_and_drawn",
}


@dataclass(frozen=True)
class Block:
    """A piece of code on a page."""

    page: str
    number: int
    language: str
    code: str
    not_run: bool

    def __str__(self) -> str:
        return f"{self.page.removesuffix('.md').removeprefix('docs/')}-{self.number}"


def blocks() -> Iterator[Block]:
    for path in PAGES:
        text, page = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        for number, match in enumerate(BLOCK.finditer(text), 1):
            language = "sh" if match["indented"] else match["language"]
            if language not in SHOWN:
                code = match["indented"] or match["fenced"]
                before = bool(NOT_RUN.search(text[: match.start()]))
                yield Block(page, number, language, code, before)


BLOCKS = [b for b in blocks() if not b.page.endswith(".ja.md")]
RUN = [b for b in BLOCKS if not b.not_run and b.page not in ELSEWHERE]


def of(language: str) -> list[Any]:
    """The blocks that are run here; those that train networks to the end are slow."""
    slow = pytest.mark.slow
    return [
        pytest.param(b, id=str(b), marks=[slow] if "tt.train(" in b.code else [])
        for b in RUN
        if b.language == language
    ]


def test_every_language_of_a_block_is_known() -> None:
    assert {b.language for b in RUN} <= {"python", "pycon", "sh", "yaml"}
    assert len(BLOCKS) > 25


def test_what_is_run_elsewhere_is_run_there() -> None:
    names = {
        n.name for n in ast.parse(CONTRACTS.read_text()).body if isinstance(n, ast.FunctionDef)
    }
    assert set(ELSEWHERE.values()) <= names
    assert set(ELSEWHERE) <= {b.page for b in BLOCKS}


@pytest.mark.parametrize("block", of("pycon"))
def test_an_example_answers_what_the_page_says(block: Block) -> None:
    test = doctest.DocTestParser().get_doctest(block.code, {}, str(block), block.page, 0)
    assert test.examples
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert said == []


@pytest.mark.slow
@pytest.mark.parametrize("block", of("sh"))
def test_a_command_runs(
    block: Block, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for line in block.code.splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "throughtime", f"{block}: {words[0]} is not run here; say why"
            assert main(words[1:]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("block", of("python"))
def test_python_runs_with_a_small_budget(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every training of it is cut to two updates."""
    if block.page == "docs/how-to/add-a-probe.md":
        pytest.skip("run by test_the_examples_of_the_pages_run_together")
    train = tt.train

    def briefly(**axes: Any) -> tt.Runs:
        return train(**{**axes, "updates": 2, "points": 1, "eval_size": 20, "workers": 1})

    monkeypatch.setattr(tt, "train", briefly)
    with mpl.rc_context({"backend": "agg"}):
        exec(compile(block.code, str(block), "exec"), {})


@pytest.mark.parametrize("block", of("yaml"))
def test_a_sweep_is_planned(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "my-text.txt").write_text("to be or not to be, that is here. " * 2000)
    own = {"weight_norm"}  # the probe of the page itself
    for name, axes in yaml.safe_load(block.code)["sweeps"].items():
        if "probes" in axes:
            assert set(axes["probes"]) - own <= set(probe_names())
            axes["probes"] = [p for p in axes["probes"] if p not in own]
        assert expand("mine", name, axes, "here").jobs


def test_a_reason_is_needed_where_nothing_is_run() -> None:
    for block in BLOCKS:
        if not block.not_run and block.page not in ELSEWHERE:
            assert block in RUN
    assert NOT_RUN.search("<!-- not run: it trains for a quarter of an hour -->\n\n")
    assert not NOT_RUN.search("<!-- not run: -->\n")
