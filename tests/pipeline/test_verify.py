"""What `throughtime verify` finds in a folder whose damage is known, and whether its mends are
commands that exist.
"""

import sqlite3
from pathlib import Path

import pytest

from throughtime.cli import main
from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.pipeline.verify import inspect
from throughtime.results import tables


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder in which everything is sound."""
    folder = tmp_path / "results"
    tables.write(tables.empty("curves"), "curves", folder / "clipping" / "curves.parquet")
    files.write(folder / "figures" / "clipping.png", b"picture")
    files.write(folder / "report.html", b"page")
    tables.write(tables.empty("summary"), "summary", folder / "old" / "summary.parquet")
    files.sum_path(folder / "old" / "summary.parquet").unlink()  # made before sums were
    (folder / "mlflow").mkdir()
    with sqlite3.connect(folder / "mlflow" / "mlflow.db") as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [("y" * 1000,)] * 50)
    connection.close()
    (folder / "logs").mkdir()
    (folder / "logs" / "report.log").write_text("")
    return folder


def test_a_sound_folder(results: Path) -> None:
    found = inspect(results)
    assert found.wrong == ()
    assert (found.checked, found.unsummed) == (5, 0)
    assert main.main(["verify", str(results)]) == 0


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("clipping/curves.parquet", "rm -f {path} && snakemake {path}"),
        ("figures/clipping.png", "rm -f {path} && snakemake {path}"),
        ("old/summary.parquet", "rm -f {path} && snakemake {path}"),
        ("report.html", "rm -f {path} && snakemake {path}"),
        ("mlflow/mlflow.db", "throughtime track"),
    ],
)
def test_each_damaged_file_is_named_with_its_mend(
    results: Path, name: str, mend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert [(w.path, w.what, w.mend) for w in inspect(results).wrong] == [
        (path, "damaged", mend.format(path=path))
    ]
    assert main.main(["verify", str(results)]) == 2
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"damaged: {path}",
        f"  made again by: {mend.format(path=path)}",
        "5 files checked, 1 damaged, 0 gone",
    ]
    assert len(said.err.splitlines()) == 1


def test_a_lost_file_is_named(results: Path) -> None:
    (results / "report.html").unlink()
    assert [(w.path.name, w.what) for w in inspect(results).wrong] == [("report.html", "gone")]


def test_a_file_of_unknown_origin_is_counted(results: Path) -> None:
    (results / "figures" / "mine.png").write_bytes(b"x")
    found = inspect(results)
    assert (found.wrong, found.unsummed) == ((), 1)
    assert found.lines()[-1].endswith("1 have no sum and were not judged")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere: no such folder; run `make` first"):
        inspect(tmp_path / "nowhere")
