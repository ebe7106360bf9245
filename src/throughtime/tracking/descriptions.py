"""What MLflow shows above the runs of an experiment: finding, title, question, links and figure, as
Markdown. Imports no mlflow.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from throughtime.analysis.claims import FILE, VERDICTS
from throughtime.planning import yaml_reader
from throughtime.results import tables
from throughtime.tracking.saved_views import View, page_link
from throughtime.tracking.sources import PICTURE


@dataclass(frozen=True)
class Described:
    """What an experiment says of itself, and what came of it.

    Attributes:
        title, question, reads: from its YAML.
        finding: one sentence; empty where it claims nothing.
    """

    title: str
    question: str
    reads: list[str]
    finding: str


@dataclass
class Page:
    """The MLflow experiments of one suite experiment, as they were opened.

    Attributes:
        id: of the one with figure and grid points.
        networks_id: of the one with its networks; empty without any.
        run_id: of the run that carries the figure; empty without a figure.
        views, network_views: those of the two.
    """

    id: str
    networks_id: str = ""
    run_id: str = ""
    views: list[View] = field(default_factory=list)
    network_views: list[View] = field(default_factory=list)


def described(root: Path, results: Path, experiment: str) -> Described:
    """What an experiment's YAML and its claims say.

    Raises:
        UserError: the table of claims is damaged.
    """
    path = root / "experiments" / experiment / "experiment.yaml"
    content: dict[str, Any] = yaml_reader.read(path) if path.exists() else {}
    reads = [str(name) for name in content.get("reads", [])]
    own = (root / "experiments" / experiment / FILE).exists()
    judged = results / "claims.parquet"
    claims = tables.read("claims", judged) if judged.exists() else None
    return Described(
        str(content.get("title", experiment)),
        str(content.get("question", "")),
        reads,
        finding(claims, [experiment] if own else reads),
    )


def finding(claims: pd.DataFrame | None, experiments: list[str]) -> str:
    """The first supported claim of these experiments, in their order and in that of their claims;
    without one, what became of them all.

    >>> finding(None, ["truncation"])
    'Its claims are not judged yet.'
    """
    if not experiments:
        return ""
    if claims is None:
        return "Its claims are not judged yet."
    own = claims[claims["experiment"].isin(experiments)]
    if own.empty:
        return ""
    rows = own.assign(order=own["experiment"].map(experiments.index)).sort_values(
        "order", kind="stable"
    )
    supported = rows.loc[rows["verdict"] == "supported", "sentence"]
    counts = ", ".join(
        f"{n} {verdict}" for verdict in VERDICTS if (n := int((own["verdict"] == verdict).sum()))
    )
    if len(supported):
        return f"{supported.iloc[0]} ({counts})"
    return f"Undecided: no claim is supported ({counts})."


def markdown(experiment: Described, page: Page, related: dict[str, str]) -> str:
    """The description of the experiment that shows figure and grid points.

    Args:
        experiment: what it says of itself.
        page: its MLflow experiments.
        related: name -> address, of those that it reads.

    The finding comes first: MLflow shows one line until the description is unfolded.
    """
    views = [(view, page.id) for view in page.views]
    views += [(view, page.networks_id) for view in page.network_views]
    lines = {
        "Tables": {v.name: v.link(number) for v, number in views if not v.charts},
        "Charts": {v.name: v.link(number) for v, number in views if v.charts},
        "It reads": related,
    }
    figure = f"![{experiment.title}](get-artifact?path={PICTURE}&run_uuid={page.run_id})"
    return _paragraphs(
        f"**Finding:** {experiment.finding}" if experiment.finding else "",
        experiment.title,
        experiment.question,
        *(f"**{name}:** {_links(links)}" for name, links in lines.items() if links),
        figure if page.run_id else "",
    )


def network_markdown(experiment: Described, page: Page) -> str:
    """The description of the experiment that holds the networks."""
    links = {"figure, finding and grid points": page_link(page.id)}
    links |= {view.name: view.link(page.networks_id) for view in page.network_views}
    return _paragraphs(experiment.title, experiment.question, _links(links))


def _links(links: dict[str, str]) -> str:
    return " | ".join(f"[{name}]({address})" for name, address in links.items())


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)
