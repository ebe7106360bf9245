"""results/report.html: findings, claims, every grid point and its curves, theory under sliders,
figures with question and caption, methods, what made them; one file, no network.

The same results give the same bytes. What is missing is said, and the rest is shown.
"""

import hashlib
import html
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from throughtime.analysis import causes, reproductions
from throughtime.analysis.claims import LEVEL
from throughtime.core import files
from throughtime.core.text import duration
from throughtime.planning.plan import Plan
from throughtime.planning.project import Project
from throughtime.report import atlas, findings, pictures, sliders, vega_charts
from throughtime.report.pictures import Picture
from throughtime.report.words import WORDS
from throughtime.results import tables
from throughtime.results.causes import CAUSES, NOT_APPLICABLE
from throughtime.results.tables import STATUSES

# why networks failed, as columns of the page's table; a divergence is a status
FAILURES = (*CAUSES.values(), causes.NOT_SHOWN, NOT_APPLICABLE)
VERDICTS = {
    "supported": "yes",
    "not supported": "no",
    "undecided": "open",
}  # and the page's classes for them
AGREEMENTS = {
    "same": "yes",
    "differs": "no",
    "not comparable": "open",
}  # of a reproduction, and the page's classes for them
URGENCY = ("not supported", "undecided", "supported")  # in this order claims are listed
FIRST = "atlas"  # the figure above all grid points
# numbers of a claim
SHOWN = ("statistic", "low", "high", "threshold", "p", "adjusted", "power")
SERVER = "http://127.0.0.1:5000"  # where `throughtime ui` is, unless that port is taken
SIZES = {
    "hidden": "N",
    "batch": "B",
    "updates": "updates",
}  # columns of the summary that make a budget

Frames = dict[str, tuple[pd.DataFrame, pd.DataFrame]]  # experiment -> summary, curves


@dataclass(frozen=True)
class Section:
    """One experiment as the page shows it.

    Attributes:
        name, title, question: from its YAML.
        picture: the figure; None: not drawn yet.
        alt: the figure in words.
        caption: as HTML.
        table: the companion table, relative to the page; empty: there is none.
    """

    name: str
    title: str
    question: str
    picture: Picture | None
    alt: str
    caption: Markup
    table: str


@dataclass(frozen=True)
class Tally:
    """What became of one experiment's networks.

    Attributes:
        name: of the experiment.
        planned: networks that the preset asks for.
        done: those with results, trained or untrained.
        counts: how many have each status and each kind of failure.
    """

    name: str
    planned: int
    done: int
    counts: dict[str, int]

    def __add__(self, other: "Tally") -> "Tally":
        merged = Counter(self.counts) + Counter(other.counts)
        return Tally(self.name, self.planned + other.planned, self.done + other.done, dict(merged))


def write(
    results: Path, project: Project, drawn: Mapping[tuple[str, str], bytes] | None = None
) -> Path:
    """Write the page, whole or not at all, and the table ``causes`` that is in it beside it.

    Args:
        results: where tables, figures and manifests lie.
        project: what was asked for.
        drawn: (experiment, panel) -> PNG, of findings.panels; of others the whole figure is shown.

    Returns:
        Its path.

    Raises:
        UserError: a table is damaged.
    """
    path = results / "report.html"
    files.write(path, render(results, project, drawn).encode())
    summaries = [summary for summary, _ in _read_tables(results, _trained(project)).values()]
    tables.write(_specificity(summaries), "causes", results / "causes.parquet")
    return path


def render(
    results: Path, project: Project, drawn: Mapping[tuple[str, str], bytes] | None = None
) -> str:
    """The page as text; see ``write``."""
    plan = project.plan()
    sections = [
        _section(results, project, name)
        for name in sorted(project.experiments, key=lambda n: n != FIRST)
    ]
    trained = _trained(project)
    frames = _read_tables(results, trained)
    specificity = _specificity([summary for summary, _ in frames.values()])
    frames = {
        name: (summary.assign(failure=causes.shown(summary, specificity)), curves)
        for name, (summary, curves) in frames.items()
    }
    tallies = [_tally(frames, plan, name) for name in trained]
    manifests = {name: _manifest(results, name) for name in trained}
    present = {name: manifest for name, manifest in manifests.items() if manifest}
    explored = atlas.explore(frames, project.config.preset)
    judged = _judged(results)
    claims = _claims(judged)
    compared = _compared(results)
    measured = sliders.measured(results, judged)
    charts = vega_charts.specs()
    environment = Environment(
        loader=PackageLoader("throughtime.report"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["duration"] = duration
    return environment.get_template("report.html").render(
        preset=project.config.preset,
        purpose=project.config.presets[project.config.preset],
        lead=sections[0] if sections else None,
        sections=sections,
        tallies=tallies,
        total=sum(tallies, start=Tally("all", 0, 0, {})),
        statuses=STATUSES,
        failures=FAILURES,
        causes=specificity.to_dict("records"),
        limit=causes.LIMIT,
        hidden=causes.describe_hidden(specificity),
        story=findings.shown_findings(results, claims, drawn or {}),
        claims=sorted(claims, key=lambda claim: URGENCY.index(claim["verdict"])),
        verdicts=VERDICTS,
        reproductions=compared,
        agreements=AGREEMENTS,
        titles={section.name: section.title for section in sections},
        measured=measured,
        words=WORDS,
        budgets=[_budget(name, summary) for name, (summary, _) in frames.items()],
        skipped=_skipped(plan),
        manifests=present,
        sums={name: _sum(results / name / "summary.parquet") for name in present},
        machines=_alike(present, "machine"),
        packages=_alike(present, "packages"),
        configs=_alike(present, "config"),
        seeds=sorted({seed for manifest in present.values() for seed in manifest.get("seeds", [])}),
        explored={name: explored[name] for name in ("networks", "curves")},
        style=Markup(_own("report.css")),
        scripts=[
            Markup(vega_charts.javascript()),
            *(Markup(_own(f"{name}.js")) for name in ("mean_field", "sliders", "report")),
        ],
        atlas=_embedded(
            explored
            | {"specs": {name: charts[name] for name in vega_charts.OF_ATLAS}}
            | _mlflow(results)
        ),
        theory=_embedded(
            {
                "measured": measured,
                "specs": {name: charts[name] for name in vega_charts.OF_SLIDERS},
            }
        ),
    )


def _trained(project: Project) -> list[str]:
    """The experiments that train networks."""
    plan = project.plan()
    return [name for name in project.experiments if plan.select(name).jobs]


def _specificity(summaries: list[pd.DataFrame]) -> pd.DataFrame:
    """The table ``causes`` of all networks; a network that two experiments ask for counts in
    both.
    """
    rows = pd.concat(summaries, ignore_index=True) if summaries else tables.empty("summary")
    return causes.specificity(rows)


def _own(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _embedded(content: Any) -> Markup:
    """JSON that may stand inside a script element."""
    return Markup(
        json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    )


def _mlflow(results: Path) -> dict[str, Any]:
    """Where the MLflow UI is, and the numbers of its experiments by name, as the ingest left them:
    of all, and of each one that was recorded by itself; none: not ingested yet.
    """
    folder = results / "mlflow"
    paths = [folder / "experiments.json", *sorted((folder / "numbers").glob("*.json"))]
    recorded = [_json(path) for path in paths]
    servers = [own["server"] for own in recorded if own.get("server")]
    return {
        "server": servers[-1] if servers else SERVER,
        "experiments": {k: v for own in recorded for k, v in own.get("experiments", {}).items()},
    }


def _read_tables(results: Path, names: list[str]) -> Frames:
    """The collected tables that there are."""
    frames = {}
    for name in names:
        summary, curves = (results / name / f"{table}.parquet" for table in ("summary", "curves"))
        if summary.exists():
            lines = tables.read("curves", curves) if curves.exists() else tables.empty("curves")
            frames[name] = tables.read("summary", summary), lines
    return frames


def _section(results: Path, project: Project, name: str) -> Section:
    experiment = project.experiments[name]
    words, table = (results / "figures" / f"{name}.{kind}" for kind in ("md", "csv"))
    png = pictures.read(pictures.figure_file(results, name))
    picture = pictures.embed(png) if png else None
    caption = files.read(words).decode().strip() if words.exists() else ""
    first = re.split(r"(?<=[.;])\s", plain(caption), maxsplit=1)[0]
    link = table.relative_to(results).as_posix() if table.exists() else ""
    alt = f"Figure: {experiment.title}. {first}".strip()
    return Section(
        name, experiment.title, experiment.question, picture, alt, Markup(markdown(caption)), link
    )


def plain(caption: str) -> str:
    """Markdown without its marks.

    >>> plain("**K** is `chunked`, see [there](x.md).")
    'K is chunked, see there.'
    """
    return re.sub(
        r"\[([^]]*)\]\([^)]*\)", r"\1", re.sub(r"\*\*|`|(?<!\w)[*_]|[*_](?!\w)", "", caption)
    )


def markdown(caption: str) -> str:
    """The little markdown that captions use (paragraphs, bold, emphasis, code) as HTML; links keep
    their text.

    >>> markdown("**n** < 3, `K`")
    '<p><strong>n</strong> &lt; 3, <code>K</code></p>'
    """
    text = html.escape(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", caption), quote=False)
    for mark, tag in (
        (r"\*\*(.+?)\*\*", "strong"),
        (r"`(.+?)`", "code"),
        (r"(?<!\w)\*(.+?)\*(?!\w)", "em"),
    ):
        text = re.sub(mark, rf"<{tag}>\1</{tag}>", text)
    return "".join(
        f"<p>{' '.join(part.split())}</p>" for part in re.split(r"\n\s*\n", text) if part.strip()
    )


def _tally(frames: Frames, plan: Plan, name: str) -> Tally:
    planned = plan.select(name).networks
    if name not in frames:
        return Tally(name, planned, 0, {})
    summary, _ = frames[name]
    failed = summary.loc[summary["status"] == "unsolved", "failure"]
    return Tally(name, planned, len(summary), dict(Counter(summary["status"]) + Counter(failed)))


def _budget(name: str, summary: pd.DataFrame) -> dict[str, Any]:
    """What training an experiment's networks was allowed, and took: sizes as ranges, and all steps
    of all sequences that were seen.
    """
    ranges = {
        column: sorted({int(summary[column].min()), int(summary[column].max())})
        for column in SIZES
        if len(summary)
    }
    shown = {
        short: " to ".join(f"{v:,}" for v in ranges.get(column, []))
        for column, short in SIZES.items()
    }
    return {
        "name": name,
        **shown,
        "networks": f"{len(summary):,}",
        "tokens": f"{int(summary['tokens'].sum()):,}",
    }


def _sum(path: Path) -> str:
    """The first digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else "none"


def _judged(results: Path) -> pd.DataFrame:
    """The claims table; empty: no claim has been decided yet."""
    path = results / "claims.parquet"
    return tables.read("claims", path) if path.exists() else tables.empty("claims")


def _claims(judged: pd.DataFrame) -> list[dict[str, Any]]:
    """The claims with their numbers as a reader wants them."""
    shown = judged.assign(
        **{name: judged[name].map(number) for name in SHOWN},
        kept=(judged["verdict"] != "undecided") & (judged["adjusted"] <= 1 - LEVEL),
    )
    return [{str(k): v for k, v in row.items()} for row in shown.to_dict("records")]


def _compared(results: Path) -> dict[str, list[dict[str, Any]]]:
    """Experiment -> the numbers of its paper and ours, as a reader wants them; empty: there is no
    table of reproductions.
    """
    path = results / "reproductions.parquet"
    compared = tables.read("reproductions", path) if path.exists() else None
    if compared is None or compared.empty:
        return {}
    papers: dict[str, list[dict[str, Any]]] = {}
    for row in compared.to_dict("records"):
        paper = (row[name] for name in ("published", "published_low", "published_high"))
        here = (row[name] for name in ("ours", "low", "high"))
        intervals = {"paper": reproductions.interval(*paper), "here": reproductions.interval(*here)}
        papers.setdefault(str(row["experiment"]), []).append(
            {**{str(k): v for k, v in row.items()}, **intervals}
        )
    return papers


def number(value: float) -> str:
    """Three digits, a true minus sign; a dash where there is nothing.

    >>> number(0.12345), number(1234567.0), number(math.inf)
    ('0.123', '1.23e+06', '∞')
    """
    if math.isnan(value):
        return "–"
    return f"{value:.3g}".replace("-", "−").replace("inf", "∞")


def _skipped(plan: Plan) -> list[tuple[str, str, list[str]]]:
    """(experiment, reason, combinations), in the plan's order."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for item in plan.skipped:
        grouped.setdefault((item.experiment, item.reason), []).append(f"{item.sweep}: {item.axes}")
    return [(experiment, reason, axes) for (experiment, reason), axes in grouped.items()]


def _manifest(results: Path, name: str) -> dict[str, Any]:
    return _json(results / name / "manifest.json")


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(files.read(path))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _alike(manifests: dict[str, dict[str, Any]], key: str) -> list[tuple[str, dict[str, Any]]]:
    """The different values of one key, each with the experiments that have it."""
    groups: dict[str, list[str]] = {}
    for name, manifest in manifests.items():
        groups.setdefault(json.dumps(manifest.get(key, {}), sort_keys=True), []).append(name)
    return [(", ".join(names), json.loads(value)) for value, names in groups.items()]
