"""Every results file held against the sum that was written with it: what is damaged, what is gone,
and how it is made again.
"""

from dataclasses import dataclass
from pathlib import Path

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.results import tables
from throughtime.tracking.store import damage

UNSUMMED = (
    ".db",
    ".log",
    ".txt",
    ".lock",
    files.DAMAGED,
)  # a database, what programs say: no results file has these endings


@dataclass(frozen=True)
class Wrong:
    """A file that is not what was written.

    Attributes:
        path: of the file.
        what: ``damaged``, or ``gone``: it was written, and is no longer there.
        mend: the command that makes it again.
    """

    path: Path
    what: str
    mend: str


@dataclass(frozen=True)
class Findings:
    """What an inspection found.

    Attributes:
        checked: files that have a sum, or are tables or a database.
        unsummed: results files without a sum, which cannot be judged.
        wrong: those that are not what was written.
    """

    checked: int
    unsummed: int
    wrong: tuple[Wrong, ...]

    def lines(self) -> list[str]:
        """For a terminal."""
        damaged = sum(w.what == "damaged" for w in self.wrong)
        gone = len(self.wrong) - damaged
        count = f"{self.checked:,} files checked, {damaged:,} damaged, {gone:,} gone"
        if self.unsummed:
            count += f"; {self.unsummed:,} have no sum and were not judged"
        each = [f"{w.what}: {w.path}\n  made again by: {w.mend}" for w in self.wrong]
        return [*each, count]


def inspect(folder: Path) -> Findings:
    """Look at all files below a results folder.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; run `make` first, or name a results folder")
    wrong, checked, unsummed = [], 0, 0
    for path in files.files_with_checksum(folder):
        checked += 1
        if not files.is_intact(path):
            wrong.append(Wrong(path, "damaged" if path.exists() else "gone", mend(path, folder)))
    for path in (p for p in files.find(folder, "[!.]*") if not files.sum_path(p).exists()):
        kind = _judged_alone(path)
        checked += kind is not None
        unsummed += kind is None and path.suffix not in UNSUMMED and "artifacts" not in path.parts
        if kind == "damaged":
            wrong.append(Wrong(path, "damaged", mend(path, folder)))
    return Findings(checked, unsummed, tuple(wrong))


def _judged_alone(path: Path) -> str | None:
    """``sound`` or ``damaged`` for what can be judged without a sum, a table or a database; None
    for the rest.
    """
    if path.name == "mlflow.db":
        return "damaged" if damage(path) else "sound"
    if path.suffix != ".parquet" or path.stem not in tables.TABLES:
        return None
    try:
        tables.read(path.stem, path)
    except UserError:
        return "damaged"
    return "sound"


def mend(path: Path, folder: Path) -> str:
    """The command that makes a file of a results folder again.

    >>> mend(Path("results/figures/atlas.pdf"), Path("results"))
    'rm -f results/figures/atlas.pdf && snakemake results/figures/atlas.pdf'
    >>> mend(Path("results/mlflow/mlflow.db"), Path("results"))
    'throughtime track'
    """
    first = path.relative_to(folder).parts[0]
    if first == "mlflow":
        return "throughtime track"
    if first == "bench":
        return "make bench"
    if first == "reference" or folder.name == "reference":
        return f"git checkout -- {path}"
    if "checkpoints" in path.parts:
        return f"rm -f {path}   (training then starts from an older one, or from the beginning)"
    return f"rm -f {path} && snakemake {path}"
