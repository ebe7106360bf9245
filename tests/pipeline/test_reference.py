"""Keeping a run as the reference."""

from pathlib import Path

import pandas as pd
import pytest

from throughtime.core.errors import UserError
from throughtime.figures.draw import MARKS
from throughtime.pipeline.reference import LARGEST, keep
from throughtime.results import tables


def run(root: Path) -> Path:
    for folder in ("results/figures", "results/a", "experiments/a"):
        (root / folder).mkdir(parents=True)
    (root / "results/figures/a.png").write_bytes(b"picture")
    (root / "results/figures/a.md").write_text("n = 3 networks\n")
    (root / "results/figures/a.csv").write_text("n\n3\n")
    (root / "results/a/summary.parquet").write_bytes(b"table")
    (root / "experiments/a/README.md").write_text(f"# A\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    return root / "results"


def test_figures_tables_and_captions_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "reference"
    written = keep(tmp_path, run(tmp_path), ["a"], out)
    assert {p.relative_to(out).as_posix() for p in written} == {
        "figures/a.png",
        "figures/a.md",
        "figures/a.csv",
        "a/summary.parquet",
    }
    assert (out / "a/summary.parquet").read_bytes() == b"table"
    assert (
        tmp_path / "experiments/a/README.md"
    ).read_text() == f"# A\n{MARKS[0]}\nn = 3 networks\n{MARKS[1]}\nafter\n"


def test_a_series_leaves_the_claims_of_other_experiments(tmp_path: Path) -> None:
    results, out = run(tmp_path), tmp_path / "reference"
    for name in ("a", "b"):
        (tmp_path / "experiments" / name).mkdir(exist_ok=True)
        (tmp_path / "experiments" / name / "experiment.yaml").touch()
    values = {"str": "old", "int64": 1, "float64": 0.5, "bool": True}
    row = {c.name: values[c.dtype] for c in tables.CLAIMS}
    before = pd.DataFrame([{**row, "experiment": name} for name in ("a", "b", "deleted")])
    out.mkdir()
    (out / "claims.parquet").write_bytes(tables.encode(before, "claims"))
    now = pd.DataFrame([{**row, "experiment": "a", "name": "new"}])
    tables.write(now, "claims", results / "claims.parquet")
    keep(tmp_path, results, ["a"], out)
    kept = tables.read("claims", out / "claims.parquet")
    assert kept[["experiment", "name"]].values.tolist() == [["b", "old"], ["a", "new"]]
    keep(tmp_path, results, ["a"], out)
    assert tables.read("claims", out / "claims.parquet").equals(kept)


def test_what_an_experiment_has_no_more_is_not_kept(tmp_path: Path) -> None:
    results, out = run(tmp_path), tmp_path / "reference"
    keep(tmp_path, results, ["a"], out)
    (results / "a/summary.parquet").unlink()
    keep(tmp_path, results, ["a"], out)
    assert sorted(p.name for p in out.rglob("a*")) == ["a", "a.csv", "a.md", "a.png"]
    assert list((out / "a").iterdir()) == []


def test_an_unfinished_run_changes_nothing(tmp_path: Path) -> None:
    results = run(tmp_path)
    with pytest.raises(UserError, match=r"no figure of b; run the pipeline first"):
        keep(tmp_path, results, ["a", "b"], tmp_path / "reference")
    assert not (tmp_path / "reference").exists()


def test_a_table_that_is_too_large_for_git_is_not_kept(tmp_path: Path) -> None:
    results, out = run(tmp_path), tmp_path / "reference"
    keep(tmp_path, results, ["a"], out)
    with (results / "a/summary.parquet").open("ab") as file:
        file.truncate(LARGEST + 1)
    written = keep(tmp_path, results, ["a"], out)
    assert out / "a/summary.parquet" not in written
    assert not (out / "a/summary.parquet").exists()
