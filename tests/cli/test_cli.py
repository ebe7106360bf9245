"""The command line: what it says, and how it says no."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import throughtime
from throughtime.cli import main
from throughtime.engine.cells import cells
from throughtime.planning import json_schema
from throughtime.planning.axes import JOB_AXES, ROW_AXES
from throughtime.planning.project import Project
from throughtime.results import paths, tables
from throughtime.tasks import tasks

ROOT = Path(__file__).parents[2]
MAIN = "import sys; from throughtime.cli.main import main; sys.exit(main(sys.argv[1:]))"
CONFIG: dict[str, Any] = {"preset": "laptop", "presets": {"laptop": "small"}}
SWEEP: dict[str, Any] = {
    "task": "adding",
    "length": 4,
    "mode": "chunked",
    "K": [2, 9],
    "gain": [0.5, 1],
    "updates": 2,
    "hidden": 3,
    "batch": 2,
    "eval_size": 4,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one job of two networks, and one impossible combination."""
    folder = tmp_path / "experiments" / "tiny"
    folder.mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    tiny = {
        "name": "tiny",
        "title": "A tiny one",
        "question": "Does it run?",
        "sweeps": {"main": SWEEP},
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump(tiny))
    return tmp_path


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that succeeds prints."""
    assert main.main(arguments) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of a command that is refused."""
    assert main.main(arguments) == 2
    line = capsys.readouterr().err
    assert line.startswith("throughtime: ")
    assert line.count("\n") == 1
    return line


# Looking ------------------------------------------------------------------------------------------


def test_list_names_everything_that_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    words = output_of(capsys, "list", "--root", str(ROOT)).split()
    assert {*tasks(), *cells(), *Project.open(ROOT).experiments} <= set(words)


@pytest.mark.parametrize("task", sorted(tasks()))
def test_show_prints_an_example_of_every_task_and_the_same_one_again(
    task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = output_of(capsys, "show", task)
    assert len(first.splitlines()) > 1
    assert output_of(capsys, "show", task) == first
    assert output_of(capsys, "show", task, "--seed", "1") != first


def test_list_says_of_every_task_one_plain_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    text = output_of(capsys, "list", "--root", str(ROOT))
    assert (
        "  copy             Copy: remember a payload of symbols over a gap of blanks, then" in text
    )
    assert "`" not in text


@pytest.mark.parametrize("task", sorted(tasks()))
def test_the_help_of_show_is_plain_text_with_every_parameter(
    task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["show", task, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert "`" not in text
    assert ">>>" not in text
    assert "Source:" not in text  # the first paragraph alone
    assert {f"--{name}" for name in tasks()[task].model_fields} <= set(text.split())


def test_axes_lists_every_axis_with_kind_default_and_description(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [line.split(maxsplit=3) for line in output_of(capsys, "axes").splitlines()]
    table = {line[0]: tuple(line[1:]) for line in lines if len(line) == 4}
    assert {*JOB_AXES, *ROW_AXES} <= set(table)
    assert table["hidden"] == ("job", "32", "N, hidden units")
    assert table["lr"] == ("grid", "0.001", "learning rate")
    assert table["clip"][:2] == ("grid", "1.0")
    assert table["K"][:2] == ("job", "full")
    assert table["optimizer"][:2] == ("job", "sgd")
    assert table["copy.payload"] == ("task", "10", "symbols to remember")
    assert table["lstm.forget_bias"][:2] == ("cell", "1.0")
    assert table["adam.beta1"][:2] == ("optimizer", "0.9")
    assert table["step.step_updates"][:2] == ("schedule", "1000")
    assert all(description for *_, description in table.values())


@pytest.mark.parametrize("start", [["-m", "throughtime"], ["-c", MAIN]])
def test_the_version_is_that_of_the_package(start: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *start, "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"throughtime {throughtime.__version__}\n")


def test_show_takes_the_fields_of_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        len(
            output_of(capsys, "show", "copy", "--length", "3", "--payload", "2")
            .splitlines()[0]
            .split()
        )
        == 1 + 3 + 2 * 2
    )
    assert output_of(capsys, "show", "copy", "--count", "2").count("input") == 2


def test_show_reads_a_text_of_ones_own_and_says_what_it_is(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = "\u543e\u8f29\u306f\u732b\u3067\u3042\u308b\u3002\r\n\x00" * 200
    Path("neko.txt").write_bytes(lines.encode("shift_jis").replace(b"\x00", b"", 198))
    shown = output_of(
        capsys, "show", "text", "--corpus", "neko.txt", "--encoding", "shift_jis", "--limit", "0"
    )
    about, _, sequence = shown.partition("\n\n")
    assert "neko.txt: 1," in about
    assert "10 symbols" in about
    assert "control characters: U+0000 2 times" in about
    assert "\u732b\u3067\u3042\u308b\u3002\xb6" in sequence  # a pilcrow for the line's end


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["copi"], "unknown task 'copi'; did you mean 'copy'?"),
        (["copy", "--lenght", "3"], "show copy: unknown option --lenght; did you mean '--length'?"),
        (["copy", "--length", "long"], "show copy.length: input should be a valid integer"),
        (["copy", "--length", "-4"], "show copy.length: input should be greater than or equal to"),
        (["copy", "--seed", "-1"], "--seed must be at least 0"),
        (["copy", "--seed", "x"], "show copy: argument --seed: invalid int value: 'x'"),
        (["copy", "--length"], "show copy: argument --length: expected one argument"),
    ],
)
def test_show_refuses_in_one_line(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(capsys, "show", *arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["lst"], "invalid choice: 'lst'"),
        ([], "the following arguments are required: COMMAND"),
        (["plan", "--preset", "labtop"], "preset: unknown name 'labtop'; did you mean 'laptop'?"),
        (["plan", "tinny"], "unknown experiment 'tinny'; did you mean 'tiny'?"),
        (["plan", "--config", "preset"], "--config preset: write KEY=VALUE"),
        (["plan", "--config", "preset=[a"], "not YAML"),
        (["train", "tiny", "nope"], "no job 'nope' in this plan"),
        (["collect"], "tiny: none of its 1 jobs has finished under"),
        (["figure", "tiny"], "tiny/figure.py: no such file; add it, with figure and caption"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    expected: str,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project)
    assert expected in refused(capsys, *arguments)


def test_the_project_is_found_from_a_folder_inside_it(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project / "experiments" / "tiny")
    assert "A tiny one" in output_of(capsys, "list")


def test_plan_says_what_runs_what_is_skipped_and_why(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = output_of(capsys, "plan", "--root", str(project))
    assert text.startswith(
        "preset laptop: 2 networks in 1 jobs; 2 networks left to train, in 1 jobs: about "
    )
    assert "tiny: 2 networks, 1 jobs, 1 combinations skipped" in text
    assert "K=9 is longer than the 4 steps of a sequence: the same as full" in text
    assert "memory: at most " in text
    assert len(output_of(capsys, "plan", "--total", "--root", str(project)).splitlines()) == 1


@pytest.mark.slow
def test_the_plan_of_every_preset_is_valid() -> None:
    for preset in Project.open(ROOT).config.presets:
        plan = Project.open(ROOT, preset).plan()
        assert len({j.key for j in plan.jobs}) == len(plan.jobs) > 0


def test_looking_starts_without_torch_mlflow_and_pyplot() -> None:
    code = (
        "import sys; from throughtime.cli.main import main; main(['list']); main(['show', 'copy']);"
        "sys.exit(', '.join({'torch', 'mlflow', 'matplotlib', 'scipy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -m throughtime plan --preset paper | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("preset paper: ")


def test_plan_counts_the_networks_that_are_left_to_train(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (job,) = Project.open(project).plan().jobs
    output_of(capsys, "train", "tiny", job.key, "--root", str(project))
    grown = ["plan", "--total", "--root", str(project), "--config", "seeds=3"]
    text = output_of(capsys, *grown)
    assert text.startswith(
        "preset laptop: 6 networks in 1 jobs; 4 networks left to train, in 1 jobs: about "
    )


# Running ------------------------------------------------------------------------------------------


def test_train_collect_references_manifest_status(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--root", str(project)]
    plan = Project.open(project).plan()
    (job,) = plan.jobs
    assert (
        output_of(capsys, "train", "tiny", job.key, *root) == ""
    )  # what it says of its networks is for its log
    assert {p.name for p in paths.job_folder(project / "results", job).glob("[!.]*")} == {
        "summary.parquet",
        "curves.parquet",
        "breakdown.parquet",
        "probes.parquet",
        "timing.json",
    }
    assert output_of(capsys, "collect", *root) == "tiny: 2 networks of 1 jobs collected\n"
    output_of(capsys, "references", *root)
    output_of(capsys, "manifest", *root)
    results = project / "results" / "tiny"
    summary = tables.read("summary", results / "summary.parquet")
    assert summary["run_key"].tolist() == job.run_keys
    references = tables.read("references", results / "references.parquet")
    assert references["task_args"].unique().tolist() == summary["task_args"].unique().tolist()
    assert (
        references.loc[references["name"] == "chance", "value"].item() == summary["chance"].iloc[0]
    )
    manifest = json.loads((results / "manifest.json").read_text())
    assert (manifest["networks"], manifest["seeds"], len(manifest["skipped"])) == (2, [0], 1)
    assert manifest["jobs"][job.key]["seconds"] > 0
    assert manifest["sweeps"] == {"main": SWEEP}
    lines = output_of(capsys, "status", *root).splitlines()
    assert lines[0].startswith("2/2 networks · all trained · ")
    assert lines[4].split()[:3] == ["tiny", "2", "2"]
    assert lines[5].split()[:3] == ["all", "2", "2"]


def test_tables_of_another_job_are_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (job,) = Project.open(project).plan().jobs
    output_of(capsys, "train", "tiny", job.key, "--root", str(project))
    path = paths.job_folder(project / "results", job) / "summary.parquet"
    tables.write(tables.read("summary", path).assign(run_key=["a", "b"]), "summary", path)
    assert "holds other networks than its job; delete" in refused(
        capsys, "collect", "--root", str(project)
    )


BROKEN = {
    "figure": (
        "figure.py",
        "\n\ndef figure(results):\n    return 1 / 0\n\n\ndef caption(results):\n    return ''\n",
        "figure.py:4: ZeroDivisionError: division by zero; mend it and run again",
    ),
    "caption": (
        "figure.py",
        "def figure(results):\n    return None\n\n\ndef caption(results):\n"
        "    return results.summary['gian']\n",
        "figure.py:6: KeyError: 'gian'; mend it and run again",
    ),
    "syntax": ("figure.py", "def figure(results):\n    return (\n", "figure.py:2: SyntaxError: "),
    "imported": (
        "analysis.py",
        "raise ValueError\n",
        "analysis.py:1: ValueError; mend it and run again",
    ),
    "compute": (
        "compute.py",
        "def compute(preset):\n    return [][1]\n",
        "compute.py:2: IndexError: list index out of range; mend it and run again",
    ),
    "claims": (
        "claims.py",
        "from throughtime.analysis.claims import Claim\n\n\ndef decide(results):\n"
        "    return results.nothing\n\n\nCLAIMS = [Claim('a', 'A.', 'b', decide)]\n",
        "claims.py:5: AttributeError: 'Results' object has no attribute 'nothing'; mend it",
    ),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_an_error_in_an_experiments_file_is_one_line_with_its_place(
    case: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, code, expected = BROKEN[case]
    folder = project / "experiments" / "tiny"
    (folder / file).write_text(code)
    if case == "imported":
        (folder / "figure.py").write_text(
            "from .analysis import x\n\n\ndef figure(results): ...\n\n\ndef caption(results): ...\n"
        )
    monkeypatch.chdir(project)
    (job,) = Project.open(project).plan().jobs
    main.main(["train", "tiny", job.key])
    for step in ("collect", "references"):
        assert main.main([step]) == 0
    capsys.readouterr()
    command = {"compute": "compute", "claims": "claims"}.get(case, "figure")
    assert f"throughtime: experiments/tiny/{expected}" in refused(capsys, command)


# Schemas ------------------------------------------------------------------------------------------


def test_the_schemas_are_in_sync_with_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert output_of(capsys, "schema", "--check", "--root", str(ROOT)) == ""


def test_a_stale_schema_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output_of(capsys, "schema", "--root", str(project))
    (project / "config.schema.json").write_text("{}")
    assert "config.schema.json: not in sync with the models; run `throughtime schema`" in refused(
        capsys, "schema", "--check", "--root", str(project)
    )


@pytest.mark.slow
def test_every_config_and_experiment_fits_its_schema() -> None:
    schemas = json_schema.schemas()
    jsonschema.validate(
        yaml.safe_load((ROOT / "config.yaml").read_text()), schemas["config.schema.json"]
    )
    for path in ROOT.glob("experiments/*/experiment.yaml"):
        jsonschema.validate(yaml.safe_load(path.read_text()), schemas["experiments/schema.json"])


@pytest.mark.parametrize(
    "axes",
    [
        {"gian": 1},
        {"K": 0},
        {"K": "ful"},
        {"clip": "nil"},
        {"gain": []},
        {"mode": ["chunky"]},
        {"copy.lenght": 3},
        {"seeds": 0},
        {"cell": "tahn"},
    ],
)
def test_an_editor_sees_the_mistakes_that_we_refuse(axes: dict[str, Any]) -> None:
    content = {
        "name": "a",
        "title": "A",
        "question": "?",
        "sweeps": {"main": {"task": "copy", "length": 3, **axes}},
    }
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, json_schema.schemas()["experiments/schema.json"])
