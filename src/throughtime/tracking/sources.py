"""What there is to record of an experiment: its tables as far as they exist, its figure, how they
came to be. Imports no mlflow.
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from throughtime.core.files import read
from throughtime.core.hashing import digest
from throughtime.planning.plan import Plan
from throughtime.results import tables
from throughtime.results.tables import JOB_TABLES
from throughtime.tracking.records import Provenance, Record

PICTURE = "description.png"  # the figure as an experiment's description shows it
PICTURE_WIDTH = 1100  # pixels; MLflow shows a picture at its full width, whatever there is
READ = JOB_TABLES[:2]  # the breakdown is for figures


@dataclass(frozen=True, eq=False)
class ExperimentTables:
    """One experiment's tables, as far as they exist."""

    summary: pd.DataFrame
    curves: pd.DataFrame
    provenance: dict[str, Provenance]
    source: str


def find(results: Path, plan: Plan, experiment: str) -> ExperimentTables | None:
    """The tables of the plan's jobs: the jobs' own where there are any, else the collected ones;
    None without either.

    Raises:
        UserError: a table is damaged.
    """
    folder, wanted = results / experiment, [j.key for j in plan.select(experiment).jobs]
    jobs = {key: folder / "jobs" / key for key in wanted}
    done = [
        key
        for key, job in jobs.items()
        if all((job / f"{name}.parquet").exists() for name in JOB_TABLES)
    ]
    if done:
        summary, curves = (
            pd.concat(
                [tables.read(name, jobs[key] / f"{name}.parquet") for key in done],
                ignore_index=True,
            )
            for name in READ
        )
        return ExperimentTables(
            summary,
            curves,
            {key: _provenance(jobs[key]) for key in done},
            f"tables of {len(done)} of {len(wanted)} jobs",
        )
    if not all((folder / f"{name}.parquet").exists() for name in READ):
        return None
    summary, curves = (
        tables.read("summary", folder / "summary.parquet"),
        tables.read("curves", folder / "curves.parquet"),
    )
    summary = summary[summary["job_key"].isin(wanted)]
    curves = curves[curves["run_key"].isin(summary["run_key"])]
    end = int(1000 * (folder / "summary.parquet").stat().st_mtime)
    recorded = _json(folder / "manifest.json").get("jobs", {})
    provenance = {
        key: Provenance(str(recorded.get(key, {}).get("code", "unknown")), (end, end))
        for key in wanted
    }
    return ExperimentTables(summary, curves, provenance, "collected tables")


def _provenance(job: Path) -> Provenance:
    """A network's training ended with the table's writing, and took its share of the job's wall
    time.
    """
    end = (job / "summary.parquet").stat().st_mtime
    timing = _json(job / "timing.json")
    share = float(timing.get("seconds", 0)) / max(int(timing.get("networks", 1)), 1)
    return Provenance(
        str(timing.get("code", "unknown")), (int(1000 * (end - share)), int(1000 * end))
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read(path))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def overview(
    experiment_tables: ExperimentTables | None,
    records: list[Record],
    results: Path,
    experiment: str,
    preset: str,
) -> Record:
    """The run that carries an experiment's figure and tables."""
    figures = {
        p.name: p
        for p in sorted((results / "figures").glob(f"{experiment}.*"))
        if p.suffix in (".png", ".pdf", ".svg", ".md", ".csv")
    }
    files = {name: read(path) for name, path in figures.items()}
    if picture := files.get(f"{experiment}.png"):
        files[PICTURE] = narrowed(picture)
    files |= {f"tables/{p.name}": read(p) for p in sorted((results / experiment).glob("*.parquet"))}
    metrics: dict[str, float] = {}
    if experiment_tables is not None:
        status = experiment_tables.summary["status"]
        metrics = {"networks": float(len(status))} | {
            name: float((status == name).sum()) for name in tables.STATUSES
        }
        rows = [{"name": r.name, **r.metrics, **r.params} for r in records]
        files["grid_points.csv"] = (
            pd.DataFrame(rows).to_csv(index=False, lineterminator="\n").encode()
        )
    caption = files.get(f"{experiment}.md", b"").decode()
    tags = {"experiment": experiment, "preset": preset, "kind": "overview"} | (
        {"mlflow.note.content": caption} if caption else {}
    )
    return Record(
        key=digest([experiment, preset], 16),
        name="overview",
        metrics=metrics,
        tags=tags,
        files=files,
    )


def narrowed(png: bytes) -> bytes:
    """A picture that is at most PICTURE_WIDTH wide; as it is where that is so, or where it is no
    PNG.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(png)) as picture:
            if picture.width <= PICTURE_WIDTH:
                return png
            height = round(picture.height * PICTURE_WIDTH / picture.width)
            small = picture.convert("RGB").resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
    except UnidentifiedImageError:
        return png
    packed = io.BytesIO()
    small.save(packed, "PNG")
    return packed.getvalue()
