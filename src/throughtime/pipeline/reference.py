"""Keeping a run as the reference that readers see before they run anything."""

from pathlib import Path

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.figures.draw import write_caption

FIGURES = (".png", ".md", ".csv")
TABLES = ("summary.parquet", "references.parquet", "manifest.json")


def keep(root: Path, results: Path, experiments: list[str], out: Path) -> list[Path]:
    """Copy figures, captions, summary tables and manifests, and put the captions into the
    experiments' READMEs.

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
    for name in experiments:
        figures = [
            (results / "figures" / f"{name}{kind}", out / "figures" / f"{name}{kind}")
            for kind in FIGURES
        ]
        tables = [(results / name / table, out / name / table) for table in TABLES]
        tables.append((results / "claims.parquet", out / "claims.parquet"))
        for source, target in figures + tables:
            if source.exists():
                files.replace(
                    target, files.read(source)
                )  # without a sum: git holds what it was given
                written.append(target)
            else:  # an experiment that does not train any more
                target.unlink(missing_ok=True)
        caption = files.read(results / "figures" / f"{name}.md").decode()
        write_caption(root / "experiments" / name / "README.md", caption)
    return written
