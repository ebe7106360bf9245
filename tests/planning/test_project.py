"""From YAML to jobs: mistakes said in one line, impossible combinations skipped, keys that stay."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from throughtime.cli import main
from throughtime.core.errors import UserError
from throughtime.engine.cells.tanh import Tanh
from throughtime.planning.axes import CALLS, Job, Row, grid
from throughtime.planning.plan import Plan
from throughtime.planning.project import Experiment, Project
from throughtime.planning.resources import SPEED
from throughtime.planning.sweep import expand
from throughtime.tasks.copy import Copy

CONFIG: dict[str, Any] = {"preset": "laptop", "presets": {"smoke": "tiny", "laptop": "small"}}
SWEEP: dict[str, Any] = {
    "task": "copy",
    "length": [3, 5],
    "mode": "chunked",
    "K": [2, "full"],
    "gain": [0.5, 1],
    "seeds": 2,
    "updates": 2,
}
EXPERIMENT: dict[str, Any] = {
    "name": "reach",
    "title": "Reach",
    "question": "How far?",
    "sweeps": {"main": SWEEP},
}


def project(root: Path, config: object = None, **experiments: object) -> Path:
    """A project's folder with these files."""
    (root / "config.yaml").write_text(yaml.safe_dump(config or CONFIG))
    for folder, content in (experiments or {"reach": EXPERIMENT}).items():
        path = root / "experiments" / folder
        path.mkdir(parents=True)
        (path / "experiment.yaml").write_text(
            content if isinstance(content, str) else yaml.safe_dump(content)
        )
    return root


def sweep(**axes: object) -> dict[str, Any]:
    return {**EXPERIMENT, "sweeps": {"main": {**SWEEP, **axes}}}


def plan(**axes: object) -> Plan:
    return expand("reach", "main", {**SWEEP, **axes}, "somewhere")


# Mistakes -----------------------------------------------------------------------------------------

REACH = "experiments/reach/experiment.yaml: "
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "unknown axis": (
        {"reach": sweep(gian=1)},
        REACH + "sweeps.main.gian: unknown axis for task 'copy'; did you mean 'gain'?",
    ),
    "unknown key": (
        {"reach": {**EXPERIMENT, "tittle": "x"}},
        REACH + "tittle: unknown key; did you mean 'title'?",
    ),
    "missing key": (
        {"reach": {k: v for k, v in EXPERIMENT.items() if k != "question"}},
        REACH + "question: field required",
    ),
    "wrong type of an axis": (
        {"reach": sweep(hidden="many")},
        REACH + "sweeps.main.hidden: input should be a valid integer",
    ),
    "wrong type of a grid axis": (
        {"reach": sweep(gain="big")},
        REACH + "sweeps.main.gain: input should be a valid number",
    ),
    "wrong type of a task's field": (
        {"reach": sweep(length=2.5)},
        REACH + "sweeps.main.length: input should be a valid integer",
    ),
    "unknown probe": (
        {"reach": sweep(probes=["spectrum", "jacobean"])},
        REACH + "sweeps.main.probes: unknown name 'jacobean'; did you mean 'jacobian'?",
    ),
    "moment after the end": (
        {"reach": sweep(moments=[0, 2])},
        REACH + "sweeps.main.moments.1: input should be less than or equal to 1",
    ),
    "moment that is no number": (
        {"reach": sweep(moments="end")},
        REACH + "sweeps.main.moments.0: input should be a valid number",
    ),
    "no moment": (
        {"reach": sweep(moments=[])},
        REACH + "sweeps.main.moments: tuple should have at least 1 item",
    ),
    "a misspelt key beside the axes": (
        {"reach": sweep(prob="updates")},
        REACH + "sweeps.main.prob: unknown axis for task 'copy'; did you mean 'probes'?",
    ),
    "empty axis": (
        {"reach": sweep(gain=[])},
        REACH + "sweeps.main.gain: the axis is empty; give it a value or remove it",
    ),
    "K below 1": (
        {"reach": sweep(K=[0, 2])},
        REACH + "sweeps.main.K: input should be greater than or equal to 1, got 0",
    ),
    "a task without a length": (
        {"reach": sweep(task=["copy", "text"])},
        REACH + "sweeps.main.length: task 'text' has no length axis",
    ),
    "unknown task": (
        {"reach": sweep(task="copi")},
        REACH + "sweeps.main.task: unknown name 'copi'; did you mean 'copy'?",
    ),
    "no task": (
        {"reach": {**EXPERIMENT, "sweeps": {"main": {"gain": 1}}}},
        REACH + "sweeps.main: no task; add `task:`",
    ),
    "unknown cell": (
        {"reach": sweep(cell="tahn")},
        REACH + "sweeps.main.cell: unknown name 'tahn'; did you mean 'tanh'?",
    ),
    "unknown mode": (
        {"reach": sweep(mode="chuncked")},
        REACH + "sweeps.main.mode: input should be",
    ),
    "mode without K": (
        {
            "reach": {
                **EXPERIMENT,
                "sweeps": {"main": {"task": "copy", "length": 3, "mode": "chunked"}},
            }
        },
        REACH + "sweeps.main: K needs a mode and a mode needs K",
    ),
    "spaced by ratios from nothing": (
        {"reach": sweep(gain={"from": 0, "to": 4, "count": 3})},
        REACH + "sweeps.main.gain: value error, scale log needs ends above 0; write scale: linear",
    ),
    "a misspelt key of spaced values": (
        {"reach": sweep(gain={"from": 1, "to": 4, "number": 3})},
        REACH + "sweeps.main.gain.count: field required",
    ),
    "no seeds": (
        {"reach": sweep(seeds=0)},
        REACH + "sweeps.main.seeds: 0 is not a number of seeds",
    ),
    "seeds as a list": (
        {"reach": sweep(seeds=[0, 1, 2])},
        REACH + "sweeps.main.seeds: [0, 1, 2] is a list, and seeds is how many there are; write "
        "`seed: [0, 1, 2]`",
    ),
    "unknown preset": (
        {"reach": {**EXPERIMENT, "presets": {"labtop": {}}}},
        REACH + "presets: unknown name 'labtop'; did you mean 'laptop'?",
    ),
    "unknown sweep of a preset": (
        {"reach": {**EXPERIMENT, "presets": {"smoke": {"mian": {}}}}},
        REACH + "presets.smoke: unknown name 'mian'; did you mean 'main'?",
    ),
    "two experiments with one name": (
        {"other": EXPERIMENT, "reach": EXPERIMENT},
        REACH + "name: a second experiment is called 'reach'",
    ),
    "a name that is not the folder's": (
        {"other": EXPERIMENT},
        "experiments/other/experiment.yaml: name: 'reach' is not the folder's name",
    ),
    "reads what is not there": (
        {"reach": {**EXPERIMENT, "reads": ["raech"]}},
        REACH + "reads: unknown name 'raech'; did you mean 'reach'?",
    ),
    "not YAML": ({"reach": "name: [unclosed"}, "experiments/reach/experiment.yaml:1: not YAML"),
    "not a mapping": ({"reach": "- a\n- b\n"}, REACH + "a mapping of keys is needed"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_file_key_and_mend(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments, expected = MISTAKES[name]
    assert main.main(["plan", "--root", str(project(tmp_path, **experiments))]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.startswith("throughtime: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {**CONFIG, "pre-set": "smoke"},
            "config.yaml: pre-set: unknown key; did you mean 'preset'?",
        ),
        (
            {**CONFIG, "preset": "smok"},
            "config.yaml: preset: unknown name 'smok'; did you mean 'smoke'?",
        ),
        ({"preset": "smoke"}, "config.yaml: presets: field required"),
        (
            {**CONFIG, "max_job_cost": "much"},
            "config.yaml: max_job_cost: input should be a valid number",
        ),
        (
            {**CONFIG, "experiments": ["raech"]},
            "config.yaml: experiments: unknown name 'raech'; did you mean 'reach'?",
        ),
    ],
)
def test_a_mistake_in_the_config_is_one_line(
    config: dict[str, Any], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["plan", "--root", str(project(tmp_path, config))]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1


def test_no_config_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.yaml: no such file"):
        Project.open(tmp_path)


# Plans --------------------------------------------------------------------------------------------


def test_a_sweep_is_jobs_times_grid() -> None:
    made = plan()
    assert [(j.job.steps, j.job.mode, j.job.K) for j in made.jobs] == [
        (23, "chunked", 2),
        (23, "full", 23),
        (25, "chunked", 2),
        (25, "full", 25),
    ]
    assert [len(j.grid) for j in made.jobs] == [4, 4, 4, 4]
    assert made.networks == 16


def test_full_is_one_job_whatever_stands_beside_it() -> None:
    jobs = plan(mode=["full", "chunked", "sliding"], K=["full", 5], length=3).jobs
    assert [(j.job.mode, j.job.K, j.job.k1) for j in jobs] == [
        ("full", 23, 1),
        ("chunked", 5, 1),
        ("sliding", 5, 1),
    ]


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"K": 99}, "K=99 is longer than the 23 steps of a sequence: the same as full"),
        ({"mode": "sliding", "K": 2, "k1": 3}, "k1=3 > K=2 leaves losses without gradient"),
        (
            {"mode": "sliding", "K": 2, "border": "reset"},
            "border=reset needs disjoint windows; in mode sliding they overlap",
        ),
        (
            {"mode": "chunked", "K": 2, "align": "start"},
            "align=start needs a stride that divides the sequence: 23 % 2 = 1",
        ),
    ],
)
def test_an_impossible_combination_is_skipped_with_its_reason(
    axes: dict[str, Any], reason: str
) -> None:
    made = plan(length=3, **axes)
    assert made.jobs == ()
    assert [s.reason for s in made.skipped] == [reason]
    assert made.skipped[0].axes.startswith("task=copy")


def test_what_is_possible_is_kept_beside_what_is_skipped() -> None:
    made = plan(K=[2, 24], length=[3, 5])
    assert [(j.job.steps, j.job.K) for j in made.jobs] == [(23, 2), (25, 2), (25, 24)]
    assert len(made.skipped) == 1


def test_spaced_values_are_those_of_the_list_that_they_stand_for() -> None:
    spaced = plan(gain={"from": 0.25, "to": 4, "count": 5}, lr={"from": 0, "to": 1, "count": 3,
                  "scale": "linear"})  # fmt: skip
    written = plan(gain=[0.25, 0.5, 1.0, 2.0, 4.0], lr=[0.0, 0.5, 1.0])
    assert [j.run_keys for j in spaced.jobs] == [j.run_keys for j in written.jobs]
    tenth = plan(length=3, gain={"from": 0.1, "to": 10, "count": 129}).jobs[0].grid["gain"]
    assert sorted(set(tenth))[64] == 1.0  # rounded: the middle is exact, on every machine


def test_presets_change_some_axes_and_drop_whole_sweeps(tmp_path: Path) -> None:
    changed = {
        **EXPERIMENT,
        "sweeps": {"main": SWEEP, "side": SWEEP},
        "presets": {"smoke": {"*": {"seeds": 1}, "side": None}},
    }
    root = project(tmp_path, reach=changed)
    assert Project.open(root).plan().networks == 32
    smoke = Project.open(root, "smoke").plan()
    assert smoke.networks == 8
    assert {j.sweep for j in smoke.jobs} == {"main"}


def test_what_an_experiment_reads_is_planned_with_it(tmp_path: Path) -> None:
    atlas = {"name": "atlas", "title": "Atlas", "question": "Where?", "reads": ["reach"]}
    root = project(
        tmp_path,
        {**CONFIG, "experiments": ["atlas"]},
        atlas=atlas,
        reach=EXPERIMENT,
        other={**EXPERIMENT, "name": "other"},
    )
    opened = Project.open(root)
    assert list(opened.experiments) == ["atlas", "reach"]
    assert {j.experiment for j in opened.plan().jobs} == {"reach"}


def series_project(root: Path, **config: object) -> Path:
    """reach is of no series; near and far are of the series papers."""
    paper = {**EXPERIMENT, "series": "papers"}
    return project(
        root,
        {**CONFIG, **config},
        reach=EXPERIMENT,
        near={**paper, "name": "near"},
        far={**paper, "name": "far"},
    )


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("all", {"reach"}),
        ("papers", {"near", "far"}),
        ("near", {"near"}),
        (["all", "far"], {"reach", "far"}),
        (["papers", "near"], {"near", "far"}),
        ([], set()),
    ],
)
def test_experiments_of_a_series_run_only_when_they_are_asked_for(
    tmp_path: Path, asked: object, chosen: set[str]
) -> None:
    opened = Project.open(series_project(tmp_path), overrides={"experiments": asked})
    assert set(opened.experiments) == chosen == {j.experiment for j in opened.plan().jobs}


@pytest.mark.parametrize("asked", ["paper", ["papr"]])
def test_an_unknown_name_is_told_the_nearest_series(tmp_path: Path, asked: object) -> None:
    with pytest.raises(UserError, match=r"experiments: unknown name 'pap.*mean 'papers'"):
        Project.open(series_project(tmp_path), overrides={"experiments": asked})


@pytest.mark.parametrize("series", ["reach", "all"])
def test_a_series_has_a_name_of_its_own(tmp_path: Path, series: str) -> None:
    root = project(tmp_path, reach={**EXPERIMENT, "series": series})
    with pytest.raises(UserError, match=f"reach.*series: '{series}' already names experiments"):
        Project.open(root)


def test_commands_take_experiments_of_a_series(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--root", str(series_project(tmp_path))]
    assert main.main(["plan", *root]) == main.main(["plan", "papers", *root]) == 0
    assert main.main(["plan", "far", *root]) == 0
    lines = [
        line for line in capsys.readouterr().out.splitlines() if "combinations skipped" in line
    ]
    assert [line.partition(":")[0] for line in lines] == ["reach", "far", "near", "far"]
    assert main.main(["plan", "paprs", *root]) == 2
    assert "did you mean 'papers'?" in capsys.readouterr().err
    assert main.main(["new", "experiment", "near", *root]) == 2
    assert "exists" in capsys.readouterr().err


def test_a_preset_may_leave_out_a_whole_experiment(tmp_path: Path) -> None:
    absent = {"laptop": {"*": None}}
    two = {**EXPERIMENT, "sweeps": {"main": SWEEP, "side": SWEEP}}
    root = project(
        tmp_path,
        reach={**EXPERIMENT, "presets": absent},
        computes={**EXPERIMENT, "name": "computes", "presets": absent},
        half={**two, "name": "half", "presets": {"laptop": {"*": None, "side": {"seeds": 1}}}},
        reader={"name": "reader", "title": "R", "question": "?", "reads": ["reach"]},
        both={"name": "both", "title": "B", "question": "?", "reads": ["reach", "half"]},
    )
    (root / "experiments" / "computes" / "compute.py").write_text("")
    opened = Project.open(root)
    assert set(opened.experiments) == {"half", "both"}
    assert {j.sweep for j in opened.plan().jobs} == {"side"}
    assert set(Project.open(root, "smoke").experiments) == {p.name for p in root.glob("exp*/*")}
    with pytest.raises(UserError, match="reach: nothing of it is in preset laptop"):
        Project.open(root, overrides={"experiments": "reach"})


def test_overrides_take_the_place_of_the_config(tmp_path: Path) -> None:
    opened = Project.open(project(tmp_path), overrides={"preset": "smoke", "results": "elsewhere"})
    assert (opened.config.preset, opened.config.results) == ("smoke", "elsewhere")
    with pytest.raises(UserError, match="prest: unknown key; did you mean 'preset'"):
        Project.open(tmp_path, overrides={"prest": "smoke"})


# Keys ---------------------------------------------------------------------------------------------


def keys(made: Plan) -> set[str]:
    return {key for job in made.jobs for key in job.run_keys}


def test_keys_are_pinned() -> None:
    """A change here renames every result and reruns every job: it must be meant."""
    job = plan(length=3, K=2).jobs[0]
    assert job.key == "main-copy-T23-tanh-chunked2-5cb6b6eb9a"
    assert job.run_keys[0] == "9da2db875a9cd9b4"


def test_probes_rename_files_and_no_network() -> None:
    plain, probed, later = (
        plan(),
        plan(probes=["spectrum"]),
        plan(probes=["spectrum"], moments=[0, 0.5, 1]),
    )
    assert keys(plain) == keys(probed) == keys(later)
    names = [{j.key for j in made.jobs} for made in (plain, probed, later)]
    assert len(set.union(*names)) == 3 * len(plain.jobs)
    assert {j.key for j in plan(moments=[0.5]).jobs} == names[
        0
    ]  # without probes there are no moments


def test_probes_and_moments_are_of_every_job_and_multiply_none() -> None:
    made = plan(probes=["updates", "spectrum", "updates"], moments=[1, 0, 0.5, 0.6])
    assert len(made.jobs) == len(plan().jobs)
    assert {j.job.probes for j in made.jobs} == {("updates", "spectrum")}
    assert [j.job.probed for j in made.jobs] == [
        [0, 1, 2]
    ] * 4  # of two updates, whole ones, each once
    assert {j.job.probes for j in plan(probes="updates").jobs} == {("updates",)}


@pytest.mark.slow
@given(st.floats(1, 1e12))
def test_splitting_a_job_changes_no_run(cost: float) -> None:
    split = expand("reach", "main", SWEEP, "somewhere", max_cost=cost)
    assert [k for j in split.jobs for k in j.run_keys] == [
        k for j in plan().jobs for k in j.run_keys
    ]
    assert all(j.cost <= max(cost, j.job.cost) for j in split.jobs)
    assert len({j.key for j in split.jobs}) == len(split.jobs)


@pytest.mark.slow
@given(st.permutations([0.25, 0.5, 1.0, 2.0]), st.integers(1, 3))
def test_a_run_keeps_its_key_in_every_grid(gains: list[float], seeds: int) -> None:
    assert keys(plan(gain=gains[:2], seeds=seeds)) <= keys(
        plan(gain=[0.25, 0.5, 1.0, 2.0, 4.0], seeds=3)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": 16},
        {"updates": 3},
        {"payload": 3},
        {"lr": 0.5},
        {"clip": "none"},
        {"border": "reset"},
        {"optimizer": "adam"},
    ],
)
def test_whatever_changes_a_number_changes_the_key(change: dict[str, Any]) -> None:
    assert not keys(plan(**change)) & keys(plan())


def test_what_decides_numbers_and_is_no_code_is_part_of_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The device, and the engine in use, whether it was asked for or nothing else is there."""
    plain, by_torch = plan(), plan(engine="torch")
    assert {planned.job.kernel for planned in plain.jobs} == {"numba"}
    assert keys(plan(engine="numba")) == keys(plain)
    assert not keys(by_torch) & keys(plain)
    assert not keys(expand("reach", "main", SWEEP, "somewhere", device="cuda")) & keys(plain)
    monkeypatch.setattr("throughtime.planning.axes.numba_is_installed", lambda: False)
    assert keys(plan()) == keys(by_torch)


def test_a_new_axis_with_a_default_changes_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """An axis more of the job, of the grid and of a cell; another value is another network."""

    class WiderCell(Tanh):
        name = "tanh"
        slope: float = 1.0

    class WiderJob(Job):
        noise: float = 0.0

    class WiderRow(Row):
        dropout: float = 0.5

    planned = plan().jobs[0]
    own = {name: getattr(planned.job, name) for name in Job.model_fields}
    monkeypatch.setattr("throughtime.planning.plan.Row", WiderRow)

    def wider(slope: float = 1.0, noise: float = 0.0, dropout: float = 0.5) -> set[str]:
        job = WiderJob(**{**own, "cell": WiderCell(slope=slope), "noise": noise})
        return set(replace(planned, job=job, grid=planned.grid.assign(dropout=dropout)).run_keys)

    assert wider() == set(planned.run_keys)
    for changed in ({"slope": 2.0}, {"noise": 0.1}, {"dropout": 0.1}):
        assert not wider(**changed) & set(planned.run_keys)


def test_an_axis_at_its_default_is_the_same_run_written_or_not() -> None:
    assert keys(plan(batch=20, clip_kind="norm", align="end")) == keys(plan())


def test_all_keys_of_a_plan_differ() -> None:
    made = plan(clip=[0.1, 1, "none"], mode=["chunked", "sliding"])
    assert len(keys(made)) == made.networks


# Jobs ---------------------------------------------------------------------------------------------


def job(**fields: Any) -> Job:
    return Job(task=Copy(length=3), **{"mode": "chunked", "K": 5, **fields})


def test_the_first_stride_is_what_is_left_over_at_the_end() -> None:
    assert job().offset() == 23 % 5
    assert job(align="start").offset() == 0
    assert [job(align="random").offset(phase) for phase in (0.0, 0.39, 0.99)] == [0, 1, 4]


def test_the_cost_grows_with_size_depth_and_budget() -> None:
    assert math.isclose(job(updates=20).cost, 20 * job(updates=1).cost)
    assert job(mode="sliding", K=20).cost > job(mode="sliding", K=5).cost
    assert job(hidden=64).cost > 2 * job(hidden=32).cost
    assert math.isclose(job(batch=40).cost, 2 * job(batch=20).cost)


@pytest.mark.parametrize(("engine", "split"), [("numba", [1, 1, 1, 1]), ("torch", [4])])
def test_what_a_block_costs_whatever_its_rows_is_shared(engine: str, split: list[int]) -> None:
    """Of the engine torch four networks of ten units cost less than the calls for one of them."""
    sweep = {"task": "copy", "hidden": 10, "K": "full", "engine": engine, "seeds": 4}
    (whole,) = expand("reach", "main", sweep, "somewhere").jobs
    calls = {"numba": 0, "torch": CALLS * whole.job.updates * whole.job.steps}[engine]
    assert math.isclose(whole.cost, 4 * whole.job.cost + calls)
    parts = expand("reach", "main", sweep, "somewhere", max_cost=whole.job.cost).jobs
    assert [len(part.grid) for part in parts] == split
    assert whole.without(whole.run_keys).cost == 0


def test_the_calls_of_torch_grow_with_gates_and_attention_has_none() -> None:
    def calls(cell: str) -> float:
        sweep = {"task": "copy", "hidden": 8, "K": "full", "engine": "torch", "cell": cell}
        (planned,) = expand("reach", "main", sweep, "somewhere").jobs
        return planned.job.calls

    assert calls("lstm") == 4 * calls("tanh") > calls("attention") == 0


def test_task_arguments_are_canonical() -> None:
    assert (
        Copy(length=3).args
        == Copy(payload=10, length=3).args
        == '{"alphabet":8,"length":3,"payload":10}'
    )
    # a parameter that came later is named where it is not its default
    assert Copy(length=3, score="whole").args == (
        '{"alphabet":8,"length":3,"payload":10,"score":"whole"}'
    )


def test_a_plan_without_that_job_says_so() -> None:
    with pytest.raises(UserError, match=r"no job 'nope' in this plan"):
        plan().job("nope")


def test_the_seeds_come_first_so_that_a_block_shares_its_data() -> None:
    assert grid({"seed": [0, 1], "gain": [1, 2]})["seed"].tolist() == [0, 0, 1, 1]
    assert plan().jobs[0].grid["seed"].tolist() == [0, 0, 1, 1]


# Hostile values -----------------------------------------------------------------------------------


def test_a_grid_of_a_billion_is_refused_before_it_is_made() -> None:
    axes = {
        "task": "copy",
        "gain": [i / 1000 for i in range(1, 1001)],
        "lr": [i / 1e6 for i in range(1, 1001)],
        "seeds": 1000,
    }
    with pytest.raises(
        UserError,
        match=r"1e\+09 networks; a sweep has at most 1,000,000: shorten an axis, such as gain",
    ):
        expand("x", "s", axes, "here")


def test_axes_of_different_tasks_do_not_multiply() -> None:
    axes = {"task": ["copy", "adding"], "gain": [1, 2], "seeds": 10_000}
    lengths = {"copy.length": list(range(10, 30)), "adding.length": list(range(10, 40))}
    assert expand("x", "s", {**axes, **lengths}, "here").networks == 2 * 10_000 * (20 + 30)
    with pytest.raises(UserError, match=r"1.02e\+06 networks; .* shorten an axis, such as seed$"):
        expand("x", "s", {**axes, **lengths, "copy.length": list(range(10, 31))}, "here")


@pytest.mark.parametrize(
    "folder",
    [
        "/etc",
        "../up",
        "results/../..",
        ".",
        "",
        "src/x",
        ".git",
        "results/reference",
        "results/reference/x",
    ],
)
def test_results_lie_below_the_project_and_beside_its_code(folder: str) -> None:
    with pytest.raises(UserError, match="must be a folder of its own below the project"):
        Project.open(Path(__file__).parents[2], overrides={"results": folder})


@pytest.mark.parametrize(
    "name", ["../x", "a b", "", "x" * 42, "$(ls)", "{wildcards}", "-x"], ids=repr
)
def test_a_sweeps_name_is_part_of_file_names_and_must_be_plain(name: str) -> None:
    with pytest.raises(ValidationError, match="is no name: letters, digits"):
        Experiment(name="x", title="t", question="q", sweeps={name: {}})


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -1, 10**400, "x" * 10**5, [[1]], None, {"a": 1}],
    ids=lambda v: str(v)[:9],
)
@pytest.mark.parametrize("axis", ["gain", "lr", "hidden", "K", "length"])
def test_a_hostile_value_is_one_short_line_with_its_key(axis: str, value: object) -> None:
    with pytest.raises(UserError, match=axis) as error:
        expand("x", "s", {"task": "copy", "mode": "chunked", "K": 3, axis: [value]}, "here")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:////etc/x.db",
        "sqlite:///../x.db",
        "sqlite+pysqlite:////x.db",
        "file:///etc",
        "mlruns",
        "/etc",
    ],
)
def test_a_configured_store_outside_of_the_project_is_refused(uri: str) -> None:
    with pytest.raises(
        UserError,
        match=r"mlflow\.uri: .*must be a server, or sqlite:/// and a path below the project",
    ):
        Project.open(Path(__file__).parents[2], overrides={"mlflow": {"uri": uri}})


@pytest.mark.parametrize(
    "uri",
    ["sqlite:///data/x.db", "http://127.0.0.1:5000", "postgresql+psycopg2://me@127.0.0.1/mlflow"],
)
def test_a_server_or_a_file_below_the_project_is_a_store(uri: str) -> None:
    assert (
        Project.open(
            Path(__file__).parents[2], overrides={"mlflow": {"uri": uri}}
        ).config.mlflow.uri
        == uri
    )


def test_an_unknown_key_of_mlflow_is_refused() -> None:
    with pytest.raises(UserError, match=r"mlflow\.url"):
        Project.open(Path(__file__).parents[2], overrides={"mlflow": {"url": "http://x"}})


@pytest.mark.parametrize(
    ("hidden", "axes", "milliseconds"),
    [
        (32, {"task": "copy", "length": 16, "payload": 3}, 13.3),
        (32, {"task": "adding", "length": 30}, 18.7),
        (8, {"task": "copy", "length": 17, "payload": 3}, 6.7),
        (8, {"task": "adding", "length": 40}, 9.1),
        (8, {"task": "brackets", "length": 48}, 13.2),
        (8, {"task": "temporal_order", "length": 50}, 14.6),
    ],
)
def test_attention_costs_what_was_measured_within_a_factor_of_1_5(
    hidden: int, axes: dict[str, Any], milliseconds: float
) -> None:
    """Of an update of two layers, batch 20; LOGBOOK.md, 2026-11-30."""
    attention = {"cell": "attention", "layers": 2, "heads": 1, "hidden": hidden, "updates": 1000}
    (planned,) = expand("x", "s", {**axes, **attention}, "h").jobs
    assert planned.job.cost / SPEED == pytest.approx(milliseconds, rel=0.5)


@pytest.mark.parametrize(
    ("hidden", "steps", "networks", "milliseconds"),
    [(50, 100, 2, 17.3), (50, 100, 5, 24.0), (32, 40, 5, 9.1), (32, 100, 15, 42.4)],
)
def test_omega_costs_what_was_measured_within_a_factor_of_1_5(
    hidden: int, steps: int, networks: int, milliseconds: float
) -> None:
    """Of an update of temporal order, batch 20; LOGBOOK.md, 2026-11-30."""
    axes = {"task": "temporal_order", "length": steps, "K": "full", "engine": "torch"}
    axes |= {"hidden": hidden, "updates": 1000, "seeds": networks}
    (with_it,) = expand("x", "s", {**axes, "omega": 4}, "h").jobs
    (without,) = expand("x", "s", axes, "h").jobs
    assert with_it.cost / SPEED == pytest.approx(milliseconds, rel=0.5)
    assert with_it.cost > 1.4 * without.cost
