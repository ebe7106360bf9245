"""The notebook runs, and what its text says is what comes out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "first_sweep.ipynb"
CHECKS = """
assert len(runs) == 64, runs
assert frontier["gain"].tolist() == [0.6, 0.8, 1.0, 1.2]
low, high = frontier["frontier"].iloc[[0, 2]]
assert 6 <= low <= 10, frontier
assert high >= 2 * low and frontier["frontier"].iloc[3] >= 2 * low, frontier
assert (runs.select(lag=4).summary["status"] == "solved").all()
solved = cut.success(by=["mode", "lag"]).set_index(["mode", "lag"])["n_solved"]
assert solved["chunked", 16] == 0 and solved["chunked", 4] >= 3 and solved["full", 16] >= 3, solved
assert set(cut.select(mode="chunked", lag=16).summary["failure"]) == {"truncated"}
from matplotlib import pyplot
assert len(pyplot.get_fignums()) == 2
print("ran to the end")
"""


def test_the_notebook_runs_and_says_what_comes_out(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5
    script = "\n".join(
        f"exec(compile({text!r}, 'cell {i}', 'exec'))" for i, text in enumerate(code)
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script + CHECKS],
        env={**os.environ, "MPLBACKEND": "agg"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran to the end\n", "")
    assert not list(tmp_path.iterdir())
