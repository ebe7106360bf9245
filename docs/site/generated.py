"""Pages that are made at build from what the package says of itself.

``page(NAME)`` gives the Markdown that takes the place of ``<!-- generated: NAME -->``.
"""

import argparse
import inspect
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from guide_numbers import ROOT

EXPERIMENTS = ROOT / "experiments"
CAPTION = re.compile(r"<!-- caption -->\n?(.*?)<!-- /caption -->", flags=re.DOTALL)
PAGES: dict[str, Callable[[], str]] = {}
Make = Callable[[], str]


def page(name: str) -> str:
    """The Markdown of a generated page.

    Raises:
        KeyError: no such page.
    """
    return PAGES[name]()


def _page(function: Make) -> Make:
    PAGES[function.__name__.replace("_", "-")] = function
    return function


def table(frame: pd.DataFrame, code: str = "") -> str:
    """A DataFrame as a table; ``code`` names the column that is set as code."""

    def cell(column: str, value: object) -> str:
        text = " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
        return f"`{text}`" if column == code and text else text

    rows = [[cell(c, v) for c, v in zip(frame.columns, row, strict=True)] for row in frame.values]
    head = [[str(c) for c in frame.columns], ["---"] * len(frame.columns)]
    return "\n".join("| " + " | ".join(row) + " |" for row in head + rows) + "\n"


# Reference ----------------------------------------------------------------------------------------


@_page
def axes() -> str:
    """Every axis, by what it belongs to."""
    import throughtime as tt

    frame = tt.axes()
    parts = []
    for of in dict.fromkeys(frame["of"]):
        rows = frame[frame["of"] == of].drop(columns="of")
        parts.append(f"## {of[0].upper()}{of[1:]}\n\n{table(rows, 'axis')}")
    return "\n".join(parts)


@_page
def columns() -> str:
    """Every column of every table."""
    import throughtime as tt

    frame = tt.columns()
    parts = []
    for name in dict.fromkeys(frame["table"]):
        rows = frame[frame["table"] == name].drop(columns="table")
        parts.append(f"## {name}\n\n{table(rows, 'column')}")
    return "\n".join(parts)


@_page
def probes() -> str:
    """Every probe, with what its file says."""
    import ast

    import throughtime as tt

    parts = []
    for name in tt.probes()["name"]:
        path = ROOT / "src" / "throughtime" / "probes" / f"{name}.py"
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        parts.append(f"## {name}\n\n{docstring(text)}")
    return "\n".join(parts)


@_page
def tasks() -> str:
    """Tasks and cells."""
    import throughtime as tt

    return f"## Tasks\n\n{table(tt.tasks(), 'name')}\n## Cells\n\n{table(tt.cells(), 'name')}"


@_page
def command_line() -> str:
    """Every command's help, at a width that does not depend on the terminal."""
    from throughtime.cli.main import parser

    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "80"
    try:
        top = parser()
        (commands,) = (a.choices for a in top._actions if isinstance(a, argparse._SubParsersAction))
        parts = [
            f"## throughtime {name}\n\n```text\n{command.format_help().rstrip()}\n```\n"
            for name, command in commands.items()
        ]
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return "\n".join(parts)


def docstring(text: str) -> str:
    """A docstring as Markdown: examples and lists of arguments are set as they are written."""
    parts = []
    for part in inspect.cleandoc(text).split("\n\n"):
        if ">>>" in part:
            parts.append(f"```pycon\n{part}\n```")
        elif re.match(r"(Args|Returns|Raises|Attributes):", part):
            parts.append(f"```text\n{part}\n```")
        else:
            parts.append(part.replace("``", "`").replace("*", "\\*").replace("<", "&lt;"))
    return "\n\n".join(parts) + "\n"


def _public(kind: type) -> Iterator[tuple[str, object]]:
    for name, member in vars(kind).items():
        if not name.startswith("_") and (
            inspect.isfunction(member) or isinstance(member, property)
        ):
            yield name, member


@_page
def python_api() -> str:
    """The Python face: functions, and what Runs can do."""
    import throughtime as tt

    parts = []
    for name in ("train", "load", "tasks", "cells", "probes", "axes", "columns"):
        parts.append(_entry(f"tt.{name}", getattr(tt, name), "##"))
    parts.append(f"## tt.Runs\n\n{docstring(tt.Runs.__doc__ or '')}")
    for name, member in _public(tt.Runs):
        parts.append(_entry(f"runs.{name}", member, "###"))
    parts.append(f"## tt.Error\n\n{docstring(tt.Error.__doc__ or '')}")
    return "\n".join(parts)


def _entry(name: str, member: object, level: str) -> str:
    text = docstring(getattr(member, "__doc__", "") or "")
    if isinstance(member, property):
        return f"{level} {name}\n\n{text}"
    signature = str(inspect.signature(member)).replace("(self, ", "(").replace("(self)", "()")
    return f"{level} {name}\n\n```text\n{name}{signature}\n```\n\n{text}"


# Results ------------------------------------------------------------------------------------------


def experiments() -> list[str]:
    """The experiments that have a page."""
    return sorted(p.parent.name for p in EXPERIMENTS.glob("*/README.md"))


def results_folder(file: str) -> Path:
    """The folder in which a file of results lies: a run's, that of `make reproductions`, or the
    reference's.

    >>> results_folder("figures/no_such.png").name
    'reference'
    """
    folders = [ROOT / "results", ROOT / "results" / "reproductions", ROOT / "results" / "reference"]
    return next((f for f in folders if (f / file).is_file()), folders[-1])


def experiment_figures() -> list[Path]:
    """The overview figures that the pages of experiments show."""
    files = [f"figures/{name}.png" for name in experiments()]
    paths = [results_folder(file) / file for file in files]
    return [p for p in paths if p.is_file()]


def experiment_page(name: str) -> str:
    """An experiment's README, with its figure before the caption and the claims below."""
    text = (EXPERIMENTS / name / "README.md").read_text(encoding="utf-8")
    match = CAPTION.search(text)
    text_of_readme = match[1].strip() if match else ""
    figures = results_folder(f"figures/{name}.png") / "figures"
    own = figures / f"{name}.md"
    caption = own.read_text(encoding="utf-8").strip() if own.is_file() else text_of_readme
    picture = f"![Overview of {name}](../figures/{name}.png){{ .wide }}\n\n"
    picture = picture if caption and (figures / f"{name}.png").is_file() else ""
    shown = picture + caption.replace("$", "\\$")
    if match:
        text = text[: match.start()] + shown + text[match.end() :]
    return text + "\n" + claims_of(name)


def claims_of(name: str) -> str:
    """The claims of an experiment as a table; empty where it has none."""
    places = ("", "reproductions", "reference")
    paths = [ROOT / "results" / place / "claims.parquet" for place in places]
    tables = [pd.read_parquet(path) for path in paths if path.is_file()]
    of_experiment = [own for t in tables if len(own := t[t["experiment"] == name])]
    if not of_experiment:
        return ""
    rows = of_experiment[0][["sentence", "verdict", "detail"]]
    note = "Fixed before the data; how each is decided is in `claims.py`."
    return f"\n## Claims\n\n{note}\n\n{table(rows)}"


@_page
def results_index() -> str:
    """A line per experiment: its question."""
    from throughtime.planning.project import Project

    project = Project.open(ROOT)
    lines = [
        f"- [{experiment.title}]({name}.md): {experiment.question}"
        for name, experiment in project.experiments.items()
    ]
    return "\n".join(lines)


@_page
def reproductions() -> str:
    """The papers' numbers beside ours, a table per paper; or that they were not run."""
    from throughtime.analysis.reproductions import interval
    from throughtime.planning.project import Project

    groups = Project.open(ROOT).groups
    path = results_folder("reproductions.parquet") / "reproductions.parquet"
    if not path.is_file():
        pages = [f"- [{name}]({name}.md)" for name in groups.get("reproductions", [])]
        return "\n".join(["The reproductions were not run.", "", *pages])
    frame = pd.read_parquet(path)
    parts = []
    for name, own in frame.groupby("experiment", sort=False):
        pairs = [("published", ("published", "published_low", "published_high"))]
        pairs += [("ours", ("ours", "low", "high"))]
        columns = {new: [interval(*row) for row in own[list(of)].values] for new, of in pairs}
        shown = own[["described", "unit", "n", "n_diverged", "verdict", "why", "source"]]
        shown = shown.assign(**columns)[
            [
                "described",
                "published",
                "ours",
                "unit",
                "n",
                "n_diverged",
                "verdict",
                "why",
                "source",
            ]
        ]
        title = f"[{name}]({name}.md)" if name in experiments() else str(name)
        parts.append(f"## {title}\n\n{table(shown)}")
    return "\n".join(parts)


# Tutorial -----------------------------------------------------------------------------------------


@_page
def notebook() -> str:
    """The notebook of the first sweep, without its outputs."""
    path = ROOT / "docs" / "notebooks" / "first_sweep.ipynb"
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            text = f"```python\n{text}\n```"
        parts.append(re.sub(r"^# .*\n", "", text))
    return "\n\n".join(parts)


@_page
def project() -> str:
    """README.md: the question, the findings, the words."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"^# .*\n", "", text)
    text = re.sub(r"!\[([^\]]*)\]\(results/reference/figures/(\w+\.png)\)",
                  r"![\1](figures/\2){ .wide }", text)  # fmt: skip
    return _relinked(text, "")


@_page
def architecture() -> str:
    """ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    return _relinked(re.sub(r"^# .*\n", "", text), "../")


def _relinked(text: str, up: str) -> str:
    """Links of a page at the project's root, as seen from a page of the site; what the site has not
    becomes plain words.
    """
    kept = {"ARCHITECTURE.md": "explanation/architecture.md", "docs/README.md": "README.md"}

    def one(match: re.Match[str]) -> str:
        words, target = match[1], match[2]
        if "://" in target or target.startswith("#"):
            return match[0]
        name = target.partition("#")[0]
        if name in kept:
            return f"[{words}]({up}{kept[name]})"
        if name.startswith("docs/") and name.endswith(".md"):
            return f"[{words}]({up}{target.removeprefix('docs/')})"
        return words

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", one, text)
