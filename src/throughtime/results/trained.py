"""Networks that were trained before: what a grown plan need not train again.

Every finished job leaves a record beside its tables (``timing.json``): which networks it holds, by
which code they were trained, what was measured on them. A job of a changed plan takes from those
records what it needs, and trains the rest. With ``keep_weights`` a job leaves a second copy of its
tables beside its networks' weights, below ``weights/`` of the experiment, which Snakemake does not
delete before it runs a job again: from there a new or edited probe measures without training.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from throughtime.core.errors import UserError
from throughtime.planning.plan import PlannedJob
from throughtime.results import tables
from throughtime.results.paths import recorded
from throughtime.results.provenance import probe_digest, training_digest
from throughtime.results.tables import JOB_TABLES, STATUSES

NEEDS_TRAINING = ("updates",)  # probes that measure the updates themselves


@dataclass(frozen=True)
class Source:
    """A folder that holds networks which a job asks for.

    Attributes:
        folder: of the tables.
        keys: of the networks to take from it.
        measured: whether all that the job's probes ask for is there too; else they must measure the
            weights that lie in the folder.
    """

    folder: Path
    keys: frozenset[str]
    measured: bool


def record(
    planned: PlannedJob, summary: pd.DataFrame, seconds: float, cost: float, code: str
) -> dict[str, Any]:
    """What a finished job writes down beside its tables.

    Args:
        planned: the job.
        summary: its table.
        seconds, cost: of what was trained now, networks that were there left out.
        code: digest of all that decides the tables.
    """
    counts = summary["status"].value_counts()
    return {
        "seconds": round(seconds, 3),
        "networks": len(planned.grid),
        "cost": cost,
        "code": code,
        "training_code": training_digest(planned),
        "probes": {name: probe_digest(name) for name in planned.job.probes},
        "moments": planned.job.probed,
        **{status: int(counts.get(status, 0)) for status in STATUSES},
        "run_keys": planned.run_keys,
    }


def trained_at(sources: Iterable[Source], now: str | None) -> list[str]:
    """The commits at which a job's networks were trained: those that its sources name, and the one
    of what was trained now (None: nothing was).
    """
    before = (recorded(s.folder / "timing.json") or {} for s in sources)
    commits = {commit for record in before for commit in record.get("trained_at", ["unknown"])}
    return sorted(commits | ({now} if now else set()))


def weights_folder(results: Path, planned: PlannedJob) -> Path:
    """Where a job's weights lie, with a copy of its tables."""
    return results / planned.experiment / "weights" / planned.key


def find_trained(results: Path, planned: PlannedJob) -> list[Source]:
    """The folders that hold networks of ``planned``, each network once: those that are measured
    already first, then those whose weights can be measured.
    """
    wanted = set(planned.run_keys)
    sources: list[Source] = []
    for measured in (True, False):
        for folder in _folders(results, planned):
            if not wanted:
                return sources
            timing = recorded(folder / "timing.json") or {}
            if not _serves(planned, timing, folder, measured):
                continue
            here = wanted & set(timing.get("run_keys", ()))
            if here and all((folder / f"{name}.parquet").exists() for name in JOB_TABLES):
                sources.append(Source(folder, frozenset(here), measured))
                wanted -= here
    return sources


def count_trained(results: Path, planned: PlannedJob) -> int:
    """Networks of ``planned`` that need no training."""
    return sum(len(source.keys) for source in find_trained(results, planned))


def _folders(results: Path, planned: PlannedJob) -> list[Path]:
    """The folders of jobs whose keys read alike, whatever their grid."""
    place = results / planned.experiment
    folders = [*place.glob(f"jobs/{planned.stem}-*"), *place.glob(f"weights/{planned.stem}-*")]
    return sorted(folders)


def _serves(planned: PlannedJob, timing: dict[str, Any], folder: Path, measured: bool) -> bool:
    """Whether a folder's networks are what ``planned`` would train now."""
    if timing.get("training_code") != training_digest(planned):
        return False
    weights = (folder / "weights.safetensors").exists()
    if planned.job.keep_weights and not weights:
        return False
    asked = {name: probe_digest(name) for name in planned.job.probes}
    moments = set(planned.job.probed)
    there = asked.items() <= dict(timing.get("probes", {})).items()
    complete = not asked or (there and moments <= set(timing.get("moments", ())))
    if measured:
        return complete
    return (
        not complete
        and weights
        and moments <= {0, planned.job.updates}
        and not set(asked) & set(NEEDS_TRAINING)
    )


def take(planned: PlannedJob, source: Source) -> dict[str, pd.DataFrame]:
    """The tables of a source's networks, as the job would have made them.

    Raises:
        UserError: a table is damaged.
    """
    taken = {}
    for name in JOB_TABLES:
        frame = tables.read(name, source.folder / f"{name}.parquet")
        taken[name] = frame[frame["run_key"].isin(source.keys)]
    taken["summary"] = taken["summary"].assign(job_key=planned.key)
    probes = taken["probes"]
    asked = probes["probe"].isin(planned.job.probes) & probes["step"].isin(planned.job.probed)
    taken["probes"] = probes[asked] if source.measured else tables.empty("probes")
    return taken


def join(planned: PlannedJob, parts: Iterable[dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """Tables of a job's networks, one below the other, in the order of its grid: the same whichever
    networks were trained together.

    Raises:
        UserError: networks are missing or there twice.
    """
    place = {key: i for i, key in enumerate(planned.run_keys)}
    several = list(parts)
    joined = {}
    for name in JOB_TABLES:
        frame = pd.concat([part[name] for part in several], ignore_index=True)
        order = frame["run_key"].map(place).sort_values(kind="stable").index
        joined[name] = tables.conform(frame.loc[order], name)
    if joined["summary"]["run_key"].tolist() != planned.run_keys:
        raise UserError(
            f"{planned.experiment} {planned.key}: networks are missing or there twice; delete "
            f"{planned.experiment}/jobs of the results and run again"
        )
    return joined
