"""Keeping a run as the reference that readers see before they run anything."""

from pathlib import Path

import pandas as pd

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.figures.draw import write_caption
from throughtime.results import tables

FIGURES = (".png", ".md", ".csv")
OF_A_RUN = ("claims", "reproductions")  # tables of all experiments of a run
TABLES = ("summary.parquet", "references.parquet", "manifest.json")
LARGEST = 2 * 2**20  # bytes of a file that git shall hold: maps have more in their tables


def keep(root: Path, results: Path, experiments: list[str], out: Path) -> list[Path]:
    """Copy figures, captions, summary tables and manifests of at most LARGEST bytes, and put the
    captions into the experiments' READMEs.

    Args:
        root: the project's folder.
        results: a finished run.
        experiments: their names.
        out: the reference folder; what it held of these experiments is replaced.

    Returns:
        The files written.

    Raises:
        UserError: a figure is missing: the run is not finished.
    """
    missing = [n for n in experiments if not (results / "figures" / f"{n}.png").exists()]
    if missing:
        raise UserError(
            f"{results / 'figures'}: no figure of {', '.join(missing)}; run the pipeline first"
        )
    written = []
    for table in OF_A_RUN:
        source, target = (folder / f"{table}.parquet" for folder in (results, out))
        if source.exists():
            files.replace(target, _joined(root, table, source, target, experiments))
            written.append(target)
    for name in experiments:
        figures = [
            (results / "figures" / f"{name}{kind}", out / "figures" / f"{name}{kind}")
            for kind in FIGURES
        ]
        copied = [(results / name / table, out / name / table) for table in TABLES]
        for source, target in figures + copied:
            if source.exists() and source.stat().st_size <= LARGEST:
                files.replace(
                    target, files.read(source)
                )  # without a sum: git holds what it was given
                written.append(target)
            else:  # too large, or of an experiment that does not train any more
                target.unlink(missing_ok=True)
        caption = files.read(results / "figures" / f"{name}.md").decode()
        write_caption(root / "experiments" / name / "README.md", caption)
    return written


def _joined(root: Path, table: str, source: Path, target: Path, experiments: list[str]) -> bytes:
    """A run's table, and of the one that was kept before the rows of the project's other
    experiments: a series runs without them.
    """
    new = tables.read(table, source)
    if not target.exists():
        return tables.encode(new, table)
    there = {path.parent.name for path in root.glob("experiments/*/experiment.yaml")}
    old = tables.read(table, target)
    kept = old[old["experiment"].isin(there - set(experiments))]
    return tables.encode(pd.concat([kept, new], ignore_index=True) if len(kept) else new, table)
