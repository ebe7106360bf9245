"""Reproductions: numbers that papers report, beside what this suite measures at their settings. No
torch.

``experiments/NAME/published.csv`` holds the paper's numbers, with where each was read.
``experiments/NAME/reproduction.py`` has ``measure(results)``, which gives ours.
"""

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from throughtime.core import files
from throughtime.core.errors import UserError, locate_errors, nearest
from throughtime.planning.experiment_files import load_module
from throughtime.planning.project import Project
from throughtime.results import tables
from throughtime.results.load import Results, has_tables

PUBLISHED, MEASURED = "published.csv", "reproduction.py"  # of an experiment that reproduces a paper
VERDICTS = ("same", "differs", "not comparable")
OF_A_PAPER = ("quantity", "described", "value", "low", "high", "source", "unit")
OURS = ("quantity", "value", "low", "high", "n", "n_diverged", "why")
NUMBERS = ("value", "low", "high")


def reproducing(project: Project) -> list[str]:
    """The chosen experiments that reproduce a paper: those that have one of the two files."""
    folders = {name: project.root / "experiments" / name for name in project.experiments}
    return [
        n for n, f in folders.items() if any((f / own).exists() for own in (PUBLISHED, MEASURED))
    ]


def compare(project: Project, results: Path) -> pd.DataFrame:
    """The table ``reproductions`` of all chosen experiments.

    Where an experiment has no tables yet its numbers are not comparable, and the row says so.

    Raises:
        UserError: a table is damaged; a file is missing, is not as ``read_published`` and
            ``read_measured`` want it, or raises something; a quantity is in one file only.
    """
    rows: list[dict[str, Any]] = []
    for name in reproducing(project):
        folder = project.root / "experiments" / name
        published = read_published(folder / PUBLISHED)
        module = load_module(folder / MEASURED, "measure")  # where it is wrong, it is said at once
        experiment = project.experiments[name]
        ours = None
        if has_tables(results, (name, *experiment.reads)):
            loaded = Results.load(
                results, name, experiment.reads, experiment.title, experiment.question
            )
            with locate_errors(folder):
                ours = module.measure(loaded)
            ours = read_measured(ours, folder / MEASURED)
            _same_quantities(published, ours, folder)
        rows += [
            {"experiment": name, **_row(row, (ours or {}).get(quantity), name)}
            for quantity, row in published.items()
        ]
    frame = pd.DataFrame(rows, columns=[c.name for c in tables.REPRODUCTIONS])
    return tables.conform(frame, "reproductions")


def read_published(path: Path) -> dict[str, dict[str, Any]]:
    """A paper's numbers by quantity, in the file's order; NaN where a field is empty.

    Raises:
        UserError: no such file; it is no table with the columns of ``OF_A_PAPER``; a quantity is
            there twice or has no source; a number is none, or lies outside of its interval.
    """
    try:
        text = files.read(path).decode("utf-8-sig")
        head, *lines = list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[]]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; add it beside {MEASURED}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8: {error}; mend it") from None
    _columns(head, OF_A_PAPER, str(path))
    rows: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, start=2):
        if not line:
            continue
        where = f"{path}: row {number}"
        if len(line) != len(head):
            raise UserError(
                f"{where}: {len(line)} fields instead of {len(head)}; put a text that has a comma "
                "into quotation marks"
            )
        row: dict[str, Any] = {k: v.strip() for k, v in zip(head, line, strict=True)}
        if not row["source"]:
            raise UserError(
                f"{where}: source: say where the number was read, or that it was not found"
            )
        _add(rows, row, where)
    return rows


def read_measured(frame: object, path: Path) -> dict[str, dict[str, Any]]:
    """What ``measure`` returned, by quantity; NaN where a number is missing.

    Args:
        frame: a table with the columns of ``OURS``.
        path: of the file that made it, for messages.

    Raises:
        UserError: it is no such table; a quantity is there twice; a number is none, or lies outside
            of its interval; there are fewer networks than diverged ones.
    """
    where = f"{path}: measure(results)"
    if not isinstance(frame, pd.DataFrame):
        raise UserError(f"{where} returns {type(frame).__name__}; return a DataFrame")
    _columns([str(c) for c in frame.columns], OURS, where)
    rows: dict[str, dict[str, Any]] = {}
    for row in frame.to_dict("records"):
        own: dict[str, Any] = {str(k): v for k, v in row.items()}
        own["why"] = "" if pd.isna(own["why"]) else str(own["why"])
        for name in ("n", "n_diverged"):
            try:
                own[name] = int(own[name])
            except (TypeError, ValueError):
                raise UserError(f"{where}: {name}: {own[name]!r} is no count") from None
        if not 0 <= own["n_diverged"] <= own["n"]:
            raise UserError(
                f"{where}: n_diverged: {own['n_diverged']} of {own['n']} networks; n counts all"
            )
        _add(rows, own, where)
    return rows


def _columns(columns: list[str], wanted: tuple[str, ...], where: str) -> None:
    """Raise UserError unless these are the columns, in any order."""
    for name in columns:
        if name not in wanted:
            raise UserError(f"{where}: unknown column {name!r}; {nearest(name, list(wanted))}")
    missing = [name for name in wanted if name not in columns]
    if missing or len(columns) > len(wanted):
        what = f"no column {', '.join(missing)}" if missing else "a column is there twice"
        raise UserError(f"{where}: {what}; the columns are {', '.join(wanted)}")


def _add(rows: dict[str, dict[str, Any]], row: dict[str, Any], where: str) -> None:
    """Add a row under its quantity, its numbers read."""
    quantity = row["quantity"]
    if not isinstance(quantity, str) or not quantity:
        raise UserError(
            f"{where}: quantity: {quantity!r} is no name; write a word such as solved_at_100"
        )
    where += f": {quantity}"
    if quantity in rows:
        raise UserError(f"{where}: a second row of this quantity; rename one")
    numbers = {name: _number(row[name], f"{where}: {name}") for name in NUMBERS}
    value, low, high = numbers.values()
    if math.isnan(low) != math.isnan(high):
        raise UserError(f"{where}: low and high: one is missing; give both or none")
    if low > high or value < low or value > high:
        raise UserError(
            f"{where}: {value:g} is not between {low:g} and {high:g}; mend the interval"
        )
    rows[quantity] = {**row, **numbers}


def _number(value: Any, where: str) -> float:
    if value is None or value is pd.NA or value == "":
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(
            f"{where}: {value!r} is no number; leave it empty if there is none"
        ) from None


def _same_quantities(published: Iterable[str], ours: Iterable[str], folder: Path) -> None:
    """Raise UserError where a quantity is in one of the two files only."""
    published, ours = list(published), list(ours)
    for one, own, other, others in (
        (PUBLISHED, published, MEASURED, ours),
        (MEASURED, ours, PUBLISHED, published),
    ):
        if missing := [quantity for quantity in own if quantity not in others]:
            raise UserError(
                f"{folder / other}: no quantity {missing[0]!r}, which {one} has; "
                + nearest(missing[0], others)
            )


def _row(paper: dict[str, Any], ours: dict[str, Any] | None, experiment: str) -> dict[str, Any]:
    """A row of the table without its experiment."""
    own = ours or {**dict.fromkeys(NUMBERS, math.nan), "n": 0, "n_diverged": 0, "why": ""}
    verdict, why = judge(paper, own)
    return {
        **{name: paper[name] for name in ("quantity", "described", "unit", "source")},
        "published": paper["value"],
        "published_low": paper["low"],
        "published_high": paper["high"],
        "ours": own["value"],
        **{name: own[name] for name in ("low", "high", "n", "n_diverged")},
        "verdict": verdict,
        "why": f"no tables of {experiment} yet" if ours is None else why,
    }


def judge(paper: dict[str, Any], ours: dict[str, Any]) -> tuple[str, str]:
    """The verdict on one number, and why the two are not comparable where they are not.

    Args:
        paper: ``value``, ``low``, ``high``; an interval that is missing is the number itself, and
            a range needs no value.
        ours: the same, and ``why``: empty, or why the two are not comparable.

    >>> judge(
    ...     {"value": 1.0, "low": math.nan, "high": math.nan},
    ...     {"value": 1.1, "low": 0.9, "high": 1.3, "why": ""},
    ... )
    ('same', '')
    """
    reasons = [ours["why"]] if ours["why"] else []
    if math.isnan(paper["value"]) and math.isnan(paper["low"]):
        reasons.append("the paper's number is missing")
    if math.isnan(ours["value"]):
        reasons.append("our number is missing")
    elif math.isnan(ours["low"]):
        reasons.append("our number has no interval")
    if reasons:
        return "not comparable", "; ".join(reasons)
    low, high = paper["low"], paper["high"]
    low, high = (paper["value"],) * 2 if math.isnan(low) else (low, high)
    return ("same" if low <= ours["high"] and ours["low"] <= high else "differs"), ""


def text(compared: pd.DataFrame) -> str:
    """The table for a terminal: verdict and both numbers of each quantity, and counts.

    >>> text(tables.empty("reproductions"))
    'no reproductions'
    """
    lines = []
    for row in compared.to_dict("records"):
        lines += [
            f"{row['verdict']:15} {row['experiment']}.{row['quantity']}: "
            f"{interval(row['ours'], row['low'], row['high'])} beside "
            f"{interval(row['published'], row['published_low'], row['published_high'])}"
            + (f" {row['unit']}" if row["unit"] else "")
            + f", n = {row['n']}",
            f"{'':16}{row['described']} ({row['source']})",
        ]
        lines += [f"{'':16}({row['why']})"] if row["why"] else []
    return "\n".join([*lines, counts(compared)])


def interval(value: float, low: float, high: float) -> str:
    """A number with its interval, as far as there is one, or a range.

    >>> interval(1.5, 1, 2), interval(1.5, math.nan, math.nan), interval(math.nan, 1, 2)
    ('1.5 [1, 2]', '1.5', '1 to 2')
    """
    if math.isnan(value):
        return "none" if math.isnan(low) else f"{low:.4g} to {high:.4g}"
    exact = math.isnan(low) or low == value == high
    return f"{value:.4g}" + ("" if exact else f" [{low:.4g}, {high:.4g}]")


def counts(compared: pd.DataFrame) -> str:
    """How many numbers have which verdict.

    >>> counts(pd.DataFrame({"verdict": ["same", "differs", "same"]}))
    '3 numbers: 2 same, 1 differs, 0 not comparable'
    """
    if compared.empty:
        return "no reproductions"
    each = ", ".join(f"{(compared['verdict'] == v).sum()} {v}" for v in VERDICTS)
    return f"{len(compared)} {'number' if len(compared) == 1 else 'numbers'}: {each}"
