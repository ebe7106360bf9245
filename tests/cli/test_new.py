"""``throughtime new``: every template works at once, in a copy of the package."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.projects import copy_project
from throughtime.cli import main, new

ROOT = Path(__file__).parents[2]
NAMES = {kind: f"my_{kind}" for kind in [*new.KINDS, new.EXPERIMENT]}
# Trains one sweep with everything that was made, and measures with the probe.
TRAIN = """
import json, math
from throughtime.planning.sweep import expand
from throughtime.probes import probe
from throughtime.training.train import train
axes = {
    "task": "my_task", "length": 3, "cell": "my_cell", "update_bias": -1.0,
    "optimizer": "my_optimizer", "sign_decay": 0.5, "schedule": "my_schedule", "decay_end": 0.1,
    "init": "my_init", "gain": [0.5, 1.0], "probes": ["my_probe"], "lr": 0.01, "updates": 30,
    "hidden": 5, "batch": 8, "eval_size": 20, "points": 2,
}
(planned,) = expand("tests", "tests", axes, "tests").jobs
made = train(planned, probe=probe)
measured = made.probes.query("quantity == 'mean_abs_h'")
print(json.dumps({
    "status": sorted(set(made.summary["status"])),
    "named": made.summary[["task", "cell", "optimizer", "schedule", "init"]].iloc[0].tolist(),
    "finite": bool(made.summary["final_loss"].map(math.isfinite).all()),
    "steps": sorted(set(measured["index"])),
    "positive": bool((measured["value"] > 0).any()),
}))
"""
# Draws the experiment from no table, then trains its smoke preset, and draws and judges that.
DRAW = """
import json
from dataclasses import replace
from pathlib import Path
import pandas as pd
from throughtime.analysis.claims import load_claims
from throughtime.figures import draw
from throughtime.planning.project import Project
from throughtime.results import tables
from throughtime.results.load import Results
from throughtime.training.train import train
root = Path(".")
project = Project.open(root, "smoke")
jobs = [job for job in project.plan().jobs if job.experiment == "my_experiment"]
module = draw.load_figure(root / "experiments/my_experiment/figure.py")
(claim,) = load_claims(root, "my_experiment")
captions, verdicts = [], []
summary = pd.concat([train(job).summary for job in jobs], ignore_index=True)
for results in (Results.empty(), replace(Results.empty(), summary=summary)):
    figure = module.figure(results)
    figure.savefig("figure.png", dpi=40)
    captions.append(module.caption(results))
    verdicts.append(claim.judge(results).verdict)
draw.write_caption(root / "experiments/my_experiment/README.md", captions[-1])
print(json.dumps({"captions": captions, "verdicts": verdicts, "networks": len(summary)}))
"""


class Copy(SimpleNamespace):
    """A copy of the project, with what was printed when each file was made."""

    root: Path
    printed: dict[str, str]

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs Python in the copy, on the copy's package."""
        environment = os.environ | {"PYTHONPATH": str(self.root / "src")}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, *arguments: str) -> str:
        """What a run that succeeds prints."""
        done = self.python(*arguments)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The package with one file more of every kind, and a project with one experiment more."""
    root = tmp_path_factory.mktemp("copy")
    folders = ("src", "tests", "experiments/clipping")  # to plan all would take long
    copy_project(root, folders, ("config.yaml", "Snakefile", "pyproject.toml"))
    made = Copy(root=root, printed={})
    code = "import sys; from throughtime.cli.main import main; " + "; ".join(
        f"print('== {kind}'); assert main(['new', {kind!r}, {name!r}]) == 0"
        for kind, name in NAMES.items()
    )
    for part in made.output("-c", code).split("== ")[1:]:
        kind, _, text = part.partition("\n")
        made.printed[kind] = text
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
def test_it_prints_the_path_and_what_to_try_next(copy: Copy, kind: str) -> None:
    path, *_, following = copy.printed[kind].splitlines()
    assert Path(path).exists()
    assert Path(path).is_relative_to(copy.root)
    assert following.startswith("next: ")
    assert NAMES[kind] in following
    assert ("throughtime schema" in copy.printed[kind]) == (kind in new.KINDS)


@pytest.mark.slow
def test_what_was_made_is_listed(copy: Copy) -> None:
    listed = [
        line.split()[0] for line in copy.output("-m", "throughtime", "list").splitlines() if line
    ]
    assert set(NAMES.values()) <= set(listed)


@pytest.mark.slow
def test_a_sweep_with_all_of_it_trains(copy: Copy) -> None:
    found = json.loads(copy.output("-c", TRAIN))
    assert set(found["status"]) <= {"solved", "unsolved"}
    assert found["named"] == ["my_task", "my_cell", "my_optimizer", "my_schedule", "my_init"]
    assert found["finite"]
    assert found["steps"] == [0, 1, 2, 3]
    assert found["positive"]


@pytest.mark.slow
def test_it_keeps_the_contracts_and_breaks_no_test_of_what_is_shipped(copy: Copy) -> None:
    """``src`` stands for the examples in the documentation of the places that were added to."""
    engine = ("cells", "optimizers", "schedules", "initialization")
    done = copy.python(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "my_ or peer or ships or src"),
        *("tests/contracts", "tests/engine/test_cells.py", "tests/engine/test_optimizers.py"),
        *("tests/engine/test_schedules.py", "tests/tasks/test_contract.py"),
        "tests/probes/test_base.py",
        *(f"src/throughtime/engine/{folder}" for folder in engine),
        *("src/throughtime/core/registry.py", "src/throughtime/tasks/my_task.py"),
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = int(done.stdout.split(" passed")[0].split()[-1])
    assert passed > 60


@pytest.mark.slow
def test_the_new_task_can_be_shown(copy: Copy) -> None:
    shown = copy.output("-m", "throughtime", "show", "my_task", "--length", "3").splitlines()
    read = shown[0].split()[1:]
    assert len(read) == 4
    assert read[-1] == "?"
    assert shown[1].split() == ["target", read[0]]


@pytest.mark.slow
def test_the_new_experiment_is_planned_drawn_and_judged(copy: Copy) -> None:
    planned = copy.output("-m", "throughtime", "plan", "my_experiment", "--preset", "laptop")
    assert "18" in planned  # 2 lengths x 3 gains x 3 seeds
    found = json.loads(copy.output("-c", DRAW))
    assert found["networks"] == 8
    none, some = found["captions"]
    assert "No networks trained" in none
    assert "n = 8 trained networks" in some
    assert found["verdicts"][0] == "undecided"
    readme = (copy.root / "experiments/my_experiment/README.md").read_text(encoding="utf-8")
    assert some in readme
    assert "Not drawn yet" not in readme


@pytest.mark.slow
def test_a_second_one_of_that_name_is_refused(copy: Copy) -> None:
    for kind in ("cell", "experiment"):
        before = sorted(copy.root.rglob("*my_*"))
        done = copy.python("-m", "throughtime", "new", kind, NAMES[kind])
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "exists" in line
        assert str(copy.root) in line
        assert sorted(copy.root.rglob("*my_*")) == before


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("cell", "tanh", "exists"),
        ("cell", "Mine", "lower-case"),
        ("cell", "a-b", "lower-case"),
        ("cell", "2nd", "lower-case"),
        ("cell", "../x", "lower-case"),
        ("cell", "_mine", "passed over"),
        ("optimizer", "lambda", "word of Python"),
        ("schedule", "off", "YAML reads it as False"),
        ("task", "batch", "class Batch would hide"),
        ("probe", "spectrum", "exists"),
        ("experiment", "clipping", "exists"),
        ("experiment", "../x", "no name"),
        ("experiment", "-x", "--help"),
        ("celll", "mine", "cell"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_in_one_line(
    kind: str, name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["new", kind, name, "--root", str(ROOT)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("throughtime: ")
    assert why in line


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "engine").write_text("a file where the folder should be")
    monkeypatch.setattr(new, "PACKAGE", tmp_path)
    assert main.main(["new", "cell", "mine"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "engine") in line
    assert "cannot be written" in line
