"""What is recorded is complete, is recorded once, and survives kills, copies of itself and
moves.
"""

import json
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support import synthetic
from throughtime.analysis import grid_points
from throughtime.analysis.grid_points import mlflow_experiment, mlflow_page
from throughtime.core.errors import UserError
from throughtime.planning.plan import Plan
from throughtime.planning.sweep import expand
from throughtime.results import tables
from throughtime.results.tables import JOB_TABLES
from throughtime.tracking import ingest, store, writer
from throughtime.tracking.records import (
    METRICS,
    PARAMS,
    TAGS,
    Provenance,
    grid_point_records,
    networks,
    text,
    varying,
)
from throughtime.tracking.saved_views import TAG, unpack

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.slow,
]  # mlflow, alembic and sqlalchemy warn of each other

ROOT = Path(__file__).parents[2]
PLAN = synthetic.toy_plan(lengths=(10, 30), depths=(None, 5), seeds=2)  # 4 jobs of 8 networks
SMALL = synthetic.toy_plan(
    lengths=(10,), depths=(None,), axes={"gain": [0.5, 1.5]}, seeds=2
)  # 1 job of 4
CELLS = 16
NETWORKS, PAGE = mlflow_experiment("clipping"), mlflow_page("clipping")

PROGRAM = """
import sys
from pathlib import Path
from tests.support import synthetic
from throughtime.tracking import ingest
plan = synthetic.toy_plan(lengths=(10, 30), depths=(None, 5), seeds=2)
print(ingest.ingest(Path(sys.argv[1]), Path(sys.argv[2]), plan, "smoke", progress=lambda n: print(n,
flush=True)), flush=True)
"""


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, made once: MLflow takes seconds to make one."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    store.connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def results(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow").mkdir()
    shutil.copy(empty_store, tmp_path / "mlflow")
    return tmp_path


def record(results: Path, plan: Plan = SMALL, preset: str = "smoke") -> writer.Counts:
    return ingest.ingest(results, results, plan, preset)


def counted(counts: writer.Counts) -> tuple[int, int, int]:
    return counts.new, counts.skipped, counts.replaced


def runs(results: Path, name: str) -> list[Any]:
    """The active runs of an MLflow experiment, by a client that has nothing to do with the
    ingest's.
    """
    client = store.connect(store.tracking_uri(results, results))
    found = client.get_experiment_by_name(name)
    return list(client.search_runs([found.experiment_id], max_results=1000)) if found else []


def keys(found: list[Any]) -> list[str]:
    return sorted(run.data.tags["run_key"] for run in found)


def expected(plan: Plan) -> list[str]:
    return sorted(key for job in plan.jobs for key in job.run_keys)


# Records ------------------------------------------------------------------------------------------


def test_every_column_of_the_schema_is_recorded() -> None:
    apart = {"diverged_at", "cell_args", "optimizer_args", "schedule_args"}  # under other names
    recorded = {*PARAMS, *METRICS, *TAGS, *apart}
    assert recorded == {column.name for column in tables.SUMMARY}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.0, "1"),
        (1e-5, "1e-05"),
        (math.inf, "none"),
        (0.1 + 0.2, "0.3"),
        (np.bool_(True), "true"),
        (3, "3"),
        (pd.NA, None),
    ],
)
def test_parameters_read_as_a_person_would_write_them(value: Any, shown: str | None) -> None:
    assert text(value) == shown


def test_grid_points_differ_in_what_the_plan_varies_and_in_nothing_else() -> None:
    assert varying(PLAN, "clipping") == ["lag_max", "mode", "K", "gain", "clip"]
    assert varying(SMALL, "clipping") == ["gain"]


def test_grid_points_are_named_by_what_differs() -> None:
    frames = synthetic.summary(PLAN)
    made = {job.key: Provenance("c", (0, 1)) for job in PLAN.jobs}
    names = [
        point.name
        for point in grid_point_records(frames.summary, varying(PLAN, "clipping"), "smoke", made)
    ]
    assert len(set(names)) == CELLS
    assert {
        "toy-tanh-lag10 full gain=0.5 clip=none",
        "toy-tanh-lag30 chunked K=5 gain=1 clip=1",
    } <= set(names)


def test_a_grid_point_summarises_its_seeds_and_counts_diverged_networks_as_failures() -> None:
    summary = (
        synthetic.summary(SMALL).summary.iloc[[0, 0, 0, 0]].reset_index(drop=True)
    )  # 4 seeds of one grid point
    summary["seed"] = range(4)
    summary["status"] = ["solved", "unsolved", "diverged", "unsolved"]
    summary["final"] = [1.0, 0.5, np.nan, 0.6]
    made = {key: Provenance("c", (0, 1)) for key in summary["job_key"]}
    (point,) = grid_point_records(summary, ["gain"], "smoke", made)
    assert point.name == "toy-tanh-lag10 gain=0.5"
    wanted = {
        "n": 4,
        "success_rate": 0.25,
        "diverged_share": 0.25,
        "final_mean": 0.7,
        "final_n": 3,
        "final_std": 0.264575131,
    }
    assert {name: point.metrics[name] for name in wanted} == pytest.approx(wanted)
    assert (point.metrics["success_low"], point.metrics["success_high"]) == pytest.approx(
        (0.0456, 0.6994), abs=1e-4
    )  # Wilson, 1 of 4
    assert "seed" not in point.params


def test_what_decides_a_record_decides_its_sha() -> None:
    frames = synthetic.summary(SMALL)
    made = {job.key: Provenance("c", (0, 1)) for job in SMALL.jobs}
    one, other = (
        list(networks(frames.summary, frames.curves, ["gain"], preset, made))
        for preset in ("smoke", "laptop")
    )
    later = list(
        networks(
            frames.summary,
            frames.curves,
            ["gain"],
            "smoke",
            {key: Provenance("c", (5, 6)) for key in made},
        )
    )
    assert len({r.sha for r in one}) == len(one)
    assert [r.sha for r in one] == [r.sha for r in later]
    assert all(a.sha != b.sha for a, b in zip(one, other, strict=True))


# Runs ---------------------------------------------------------------------------------------------


def test_a_run_holds_the_whole_row_its_curves_and_its_origin(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    (folder,) = (results / "clipping" / "jobs").iterdir()
    (folder / "timing.json").write_text(json.dumps({"seconds": 8.0, "networks": 4, "code": "c0de"}))
    counts = record(results)
    assert counted(counts) == (4 + 2 + 1, 0, 0)  # networks, grid points, overview
    assert (counts.networks, counts.sources) == (4, {"clipping": "tables of 1 of 1 jobs"})
    frames = synthetic.summary(SMALL)
    client = store.connect(store.tracking_uri(results, results))
    for run in runs(results, NETWORKS):
        row = frames.summary.set_index("run_key", drop=False).loc[run.data.tags["run_key"]]
        assert run.info.run_name == f"toy-tanh-lag10 gain={row['gain']:g} seed={row['seed']}"
        assert run.info.end_time - run.info.start_time == 2000  # its share of the job's 8 s
        shown = {name: text(row[name]) for name in PARAMS if text(row[name])} | {"K": "full"}
        assert {name: run.data.params.get(name) for name in shown} == shown
        assert {n: v for n, v in run.data.metrics.items() if n.startswith("axis/")} == {
            "axis/gain": row["gain"]
        }
        assert run.data.params["clipping"] == "norm 1"
        for name in METRICS:
            assert run.data.metrics.get(name, math.nan) == pytest.approx(
                float(row[name]) if pd.notna(row[name]) else math.nan, nan_ok=True
            )
        tags = run.data.tags
        assert {name: tags[name] for name in TAGS} == {name: row[name] for name in TAGS}
        assert (tags["preset"], tags["code_digest"], tags["git_commit"]) == (
            "smoke",
            "c0de",
            "unknown",
        )
        assert tags["user"] == tags["mlflow.user"]
        assert tags["mlflow.source.name"] == "experiments/clipping/experiment.yaml"
        assert tags["mlflow.source.git.commit"] == tags["git_commit"]
        assert len(tags["content_sha"]) == 32
        (dataset,) = run.inputs.dataset_inputs
        assert (dataset.dataset.name, json.loads(dataset.dataset.source)) == (
            "toy T=11",
            {"task": "toy", "length": 10},
        )
        curves = frames.curves[frames.curves["run_key"] == row["run_key"]]
        for metric, line in curves.groupby("metric"):
            history = client.get_metric_history(run.info.run_id, f"curves/{metric}")
            assert {(m.step, m.value) for m in history} == set(
                zip(line["step"], line["value"], strict=True)
            )


def test_a_diverged_network_says_so_without_nan(results: Path) -> None:
    synthetic.write_jobs(PLAN, results)
    record(results, PLAN)
    found = runs(results, NETWORKS)
    diverged = [run for run in found if run.data.tags["status"] == "diverged"]
    assert diverged, "the synthetic tables hold none; choose another seed"
    for run in found:
        assert all(math.isfinite(value) for value in run.data.metrics.values())
        assert run.data.metrics["diverged"] == (run in diverged)
        assert ("diverged_step" in run.data.metrics) == (run in diverged)
        assert ("final" in run.data.metrics) == (run not in diverged)


def test_a_second_ingest_changes_nothing_and_another_content_replaces(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    first = counted(record(results))
    before = {run.info.run_id for run in runs(results, NETWORKS)}
    assert counted(record(results)) == (0, sum(first), 0)
    (path,) = results.glob("clipping/jobs/*/summary.parquet")
    changed = tables.read("summary", path)
    changed.loc[0, "train_loss"] = 0.125
    tables.write(changed, "summary", path)
    assert counted(record(results)) == (
        0,
        4,
        3,
    )  # the network, its grid point, and the overview with its table
    after = runs(results, NETWORKS)
    assert keys(after) == expected(SMALL)
    assert len({run.info.run_id for run in after} - before) == 1
    assert 0.125 in [run.data.metrics["train_loss"] for run in after]


def test_a_run_that_was_left_unfinished_or_doubled_is_put_right(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    record(results)
    client = store.connect(store.tracking_uri(results, results))
    first, second, *_ = runs(results, NETWORKS)
    client.update_run(first.info.run_id, status="RUNNING")
    client.create_run(first.info.experiment_id, tags={"run_key": second.data.tags["run_key"]})
    assert counted(record(results)) == (
        0,
        6,
        1,
    )  # the double goes, the unfinished one is written anew
    found = runs(results, NETWORKS)
    assert keys(found) == expected(SMALL)
    assert {run.info.status for run in found} <= {"FINISHED", "FAILED"}


def test_some_experiments_can_be_recorded_before_the_others(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    counts = ingest.ingest(results, results, SMALL, "smoke", only=["another"])
    assert (counts.networks, runs(results, NETWORKS)) == (0, [])
    assert counted(ingest.ingest(results, results, SMALL, "smoke", only=["clipping"])) == (
        4 + 2 + 1,
        0,
        0,
    )
    assert not (results / "mlflow" / ingest.NUMBERS).exists()
    own = json.loads((results / "mlflow" / ingest.OF_ONE / "clipping.json").read_text())
    assert set(own["experiments"]) == {"clipping", "clipping summary"}
    assert not (results / "mlflow" / ingest.OF_ONE / "another.json").exists()
    assert counted(record(results)) == (0, 4 + 2 + 1, 0)
    assert (results / "mlflow" / ingest.NUMBERS).exists()


def test_a_partly_finished_sweep_is_recorded_as_far_as_it_goes(results: Path) -> None:
    synthetic.write_jobs(PLAN, results)
    gone = min((results / "clipping" / "jobs").iterdir())
    (gone / "curves.parquet").unlink()
    counts = record(results, PLAN)
    assert counts.sources == {"clipping": "tables of 3 of 4 jobs"}
    assert keys(runs(results, NETWORKS)) == sorted(
        k for j in PLAN.jobs if j.key != gone.name for k in j.run_keys
    )
    synthetic.write_jobs(PLAN, results)
    assert counted(record(results, PLAN)) == (
        8 + 4,
        24 + 12,
        1,
    )  # the missing job and its grid points; the overview is new


def test_collected_tables_do_where_the_jobs_are_gone(results: Path) -> None:
    synthetic.write_jobs(PLAN, results)
    synthetic.collect(results, "clipping")
    shutil.rmtree(results / "clipping" / "jobs")
    assert record(results, PLAN).sources == {"clipping": "collected tables"}
    assert keys(runs(results, NETWORKS)) == expected(PLAN)


def test_tables_that_the_plan_does_not_ask_for_are_passed_over(results: Path) -> None:
    synthetic.write_jobs(PLAN, results)
    part = Plan(PLAN.jobs[:1], ())
    assert record(results, part).networks == 8
    assert keys(runs(results, NETWORKS)) == expected(part)


def test_no_tables_yet_is_no_error(results: Path) -> None:
    counts = record(results)
    assert counted(counts) == (0, 0, 0)
    assert "no tables yet" in str(counts)


# Kills, copies, moves -----------------------------------------------------------------------------


def start(results: Path) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(results), str(results)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_run_whose_metrics_did_not_get_in_is_not_taken_for_whole(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag that says so goes in the same call, after them."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def fail(*given: object, **named: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    synthetic.write_jobs(SMALL, results)
    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "_log_metrics", fail)
        with pytest.raises(UserError, match="disk I/O error"):
            record(results)
    (run,) = runs(results, NETWORKS)
    assert "content_sha" not in run.data.tags
    assert counted(record(results)) == (3 + 2 + 1, 0, 1)
    assert all(run.data.metrics for run in runs(results, NETWORKS))


def test_killed_midway_and_run_again_leaves_every_network_once(results: Path) -> None:
    synthetic.write_jobs(PLAN, results)
    process = start(results)
    assert process.stdout is not None
    for line in (
        process.stdout
    ):  # kill it as it says that the 10th run is done, that is, while it writes the 11th
        if line.strip() == "10":
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    interrupted = runs(results, NETWORKS)
    assert 10 <= len(interrupted) < 32
    assert sum("content_sha" in run.data.tags for run in interrupted) >= 10
    new, skipped, replaced = counted(record(results, PLAN))
    assert skipped >= 10
    assert new + skipped + replaced == 32 + CELLS + 1
    found = runs(results, NETWORKS)
    assert keys(found) == expected(PLAN)
    assert all(
        "content_sha" in run.data.tags and run.info.status in writer.TERMINAL for run in found
    )


def test_a_kill_within_a_transaction_is_rolled_back_and_is_no_damage(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = results / "mlflow" / "mlflow.db"
    record(results)
    before = database.read_bytes()
    killed = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")  # changed pages go to the file before the end
connection.execute("BEGIN")
connection.execute("UPDATE experiments SET name = hex(randomblob(2000))")
connection.executemany("INSERT INTO experiments (name) VALUES (hex(randomblob(2000)))", [()] * 50)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert (
        subprocess.run([sys.executable, "-c", killed, str(database)]).returncode == -signal.SIGKILL
    )
    assert database.read_bytes() != before
    assert database.with_name("mlflow.db-journal").exists()
    synthetic.write_jobs(SMALL, results)
    assert counted(record(results)) == (4 + 2 + 1, 0, 0)
    assert "damaged" not in capsys.readouterr().out
    assert not list(database.parent.glob("*.damaged"))


def test_killed_while_the_database_is_made_and_run_again(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    database = results / "mlflow" / "mlflow.db"
    database.rename(
        results / "mlflow" / ".mlflow.db.part"
    )  # what such a kill leaves, and a half-written journal
    (results / "mlflow" / ".mlflow.db.part").write_bytes(b"SQLite format 3\0 and then nothing")
    record(results)
    assert keys(runs(results, NETWORKS)) == expected(SMALL)
    assert not (results / "mlflow" / ".mlflow.db.part").exists()


def test_four_copies_at_once_on_a_cold_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    synthetic.write_jobs(PLAN, tmp_path)
    processes = [start(tmp_path) for _ in range(4)]
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 0, said
    assert keys(runs(tmp_path, NETWORKS)) == expected(PLAN)
    assert len(runs(tmp_path, PAGE)) == CELLS + 1


def test_the_overview_carries_figure_and_tables_and_moves_with_the_folder(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    synthetic.collect(results, "clipping")
    figures = results / "figures"
    figures.mkdir()
    for name in ("clipping", "atlas"):
        (figures / f"{name}.png").write_bytes(b"not a picture")
        (figures / f"{name}.md").write_text(f"What {name} shows.")
    record(results)
    moved = results / "elsewhere" / "results"
    moved.mkdir(parents=True)
    shutil.move(results / "mlflow", moved / "mlflow")
    client = store.connect(store.tracking_uri(moved, moved))
    for experiment, files in {
        PAGE: {
            "clipping.png",
            "description.png",
            "clipping.md",
            "grid_points.csv",
            *(f"tables/{t}.parquet" for t in JOB_TABLES),
        },
        mlflow_page("atlas"): {"atlas.png", "description.png", "atlas.md"},
    }.items():
        (run,) = [run for run in runs(moved, experiment) if run.data.tags["kind"] == "overview"]
        assert run.data.tags["mlflow.note.content"] == f"What {run.data.tags['experiment']} shows."
        prefix, _, rest = run.info.artifact_uri.partition(":/")
        assert prefix == "mlflow-artifacts"
        folder = store.artifact_folder(moved) / rest
        assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == files
    assert {e.artifact_location for e in client.search_experiments()} == {
        f"mlflow-artifacts:/{name}" for name in ("04-clipping", "04-clipping-networks", "01-atlas")
    }


# Views --------------------------------------------------------------------------------------------


def test_saved_views_name_parameters_and_metrics_that_runs_have(results: Path) -> None:
    from mlflow.utils.validation import MAX_EXPERIMENT_TAG_VAL_LENGTH

    synthetic.write_jobs(PLAN, results)
    record(results, PLAN)
    client = store.connect(store.tracking_uri(results, results))
    names = set()
    for experiment in (NETWORKS, PAGE):
        found = runs(results, experiment)
        known = {
            f"{kind}.`{k}`"
            for run in found
            for kind in ("params", "metrics", "tags")
            for k in getattr(run.data, kind)
        }
        about = client.get_experiment(found[0].info.experiment_id)
        for key, value in about.tags.items():
            if not key.startswith(TAG):
                continue
            assert len(value) < MAX_EXPERIMENT_TAG_VAL_LENGTH
            names.add(json.loads(value)["name"])
            state = unpack(value)
            assert set(state["selectedColumns"]) | {state["orderByKey"]} <= known
            assert client.search_runs([about.experiment_id], filter_string=state["searchFilter"]), (
                "the view's filter shows nothing"
            )
            for card in state.get("compareRunCharts", []):
                shown = [f"params.`{n}`" for n in card.get("selectedParams", [])]
                shown += [f"metrics.`{n}`" for n in card.get("selectedMetrics", [])]
                shown += [f"metrics.`{card[a]['key']}`" for a in card if a.endswith("axis")]
                assert shown
                assert set(shown) <= known
    assert names == {"failures first", "mean over seeds", "toy: lag by gain", "all axes"}


def test_axes_filter_and_sort_as_numbers_and_full_depth_is_none(results: Path) -> None:
    plan = synthetic.toy_plan(
        lengths=(20, 30), depths=(None, 5, 15), axes={"clip": [1.0, math.inf]}, seeds=1
    )
    synthetic.write_jobs(plan, results)
    record(results, plan)
    client = store.connect(store.tracking_uri(results, results))
    number = client.get_experiment_by_name(NETWORKS).experiment_id

    def found(wanted: str, order: str = "") -> list[tuple[str, str, str]]:
        listed = client.search_runs([number], wanted, order_by=[order] if order else [])
        return [tuple(run.data.params[n] for n in ("lag_max", "K", "clip")) for run in listed]

    assert len(found('metrics."axis/K" < 10')) == 4
    assert {k for _, k, _ in found('metrics."axis/K" < 10')} == {"5"}
    assert len(found("params.K = 'full'")) == 4
    assert {k for _, k, _ in found('metrics."axis/K" > 0')} == {"5", "15"}
    lags = [lag for lag, _, _ in found('metrics."axis/lag" > 0', 'metrics."axis/lag" DESC')]
    assert lags == ["30"] * 6 + ["20"] * 6
    assert {clip for *_, clip in found('metrics."axis/clip" > 0')} == {"1"}


# Mistakes -----------------------------------------------------------------------------------------


def test_the_numbers_of_experiments_are_left_for_the_report(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    record(results)
    said = json.loads((results / "mlflow" / ingest.NUMBERS).read_text())
    client = store.connect(store.tracking_uri(results, results))
    assert said["server"] == ""  # the address of a database is nobody's to open
    assert {name: client.get_experiment(n).name for name, n in said["experiments"].items()} == {
        "clipping": NETWORKS,
        "clipping summary": PAGE,
    }


def test_a_companion_tables_filter_finds_the_runs_of_its_row(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    record(results)
    client = store.connect(store.tracking_uri(results, results))
    summary = synthetic.summary(SMALL).summary
    for row in grid_points.tabulate(summary, "smoke").to_dict("records"):
        number = client.get_experiment_by_name(row["mlflow_experiment"]).experiment_id
        found = client.search_runs([number], row["mlflow_filter"])
        assert keys(found) == sorted(summary.loc[summary["gain"] == row["gain"], "run_key"])
        assert len(found) == row["n"]


def test_environment_goes_before_config_before_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert (
        store.tracking_uri(tmp_path, tmp_path / "r") == f"sqlite:///{tmp_path}/r/mlflow/mlflow.db"
    )
    assert (
        store.tracking_uri(tmp_path, tmp_path / "r", "sqlite:///m.db")
        == f"sqlite:///{tmp_path}/m.db"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere:5000")
    assert store.tracking_uri(tmp_path, tmp_path / "r", "sqlite:///m.db") == "http://somewhere:5000"


def test_a_server_that_does_not_answer_is_one_line(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9"
    )  # the discard port: nobody listens
    with pytest.raises(
        UserError, match=r"^http://127.0.0.1:9: no MLflow server answers .*MLFLOW_TRACKING_URI$"
    ):
        record(results)


@pytest.mark.parametrize("content", [b"this is no database", b""])
def test_a_damaged_store_is_moved_aside_and_filled_again(
    results: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path = results / "mlflow" / "mlflow.db"
    synthetic.write_jobs(SMALL, results)
    path.write_bytes(content or path.read_bytes()[:20_000])  # no database at all, or half of one
    counts = record(results)
    assert counts.new > 0
    assert counts.skipped == counts.replaced == 0
    assert (path.parent / "mlflow.db.damaged").exists()
    assert "mlflow.db: damaged (" in capsys.readouterr().out
    assert record(results).new == 0


def test_a_damaged_store_that_the_user_named_is_left_alone(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.db"
    path.write_bytes(b"this is no database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    with pytest.raises(
        UserError, match=r"own\.db: the MLflow store cannot be used .* delete it and run again$"
    ):
        record(results)
    assert path.read_bytes() == b"this is no database"


def test_a_damaged_table_is_named(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    (path,) = results.glob("clipping/jobs/*/curves.parquet")
    path.write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"curves\.parquet: damaged"):
        record(results)


def test_run_names_tell_networks_apart_by_what_varies() -> None:
    frames = synthetic.summary(PLAN)
    made = {job.key: Provenance("c", (0, 1)) for job in PLAN.jobs}
    differing = varying(PLAN, "clipping")
    records = list(networks(frames.summary, frames.curves, differing, "smoke", made))
    names = [record.name for record in records]
    assert len(set(names)) == len(frames.summary)
    assert {
        "toy-tanh-lag10 full gain=0.5 clip=none seed=0",
        "toy-tanh-lag30 chunked K=5 gain=1 clip=1 seed=1",
    } <= set(names)


def test_a_parameter_that_varies_is_named_by_itself() -> None:
    axes = {"task": "copy", "copy.length": 5, "K": "full", "cell": ["tanh", "lstm"]}
    plan = expand("bias", "main", {**axes, "lstm.forget_bias": [0, 1], "seeds": 1}, "made")
    frames = [synthetic.frames(planned) for planned in plan.jobs]
    summary = pd.concat([frame.summary for frame in frames], ignore_index=True)
    curves = pd.concat([frame.curves for frame in frames], ignore_index=True)
    made = {job.key: Provenance("c", (0, 1)) for job in plan.jobs}
    differing = varying(plan, "bias")
    records = list(networks(summary, curves, differing, "smoke", made))
    lag = summary["lag_max"].iloc[0]
    assert sorted(record.name for record in records) == [
        f"copy-lstm-lag{lag} forget_bias=0 seed=0",
        f"copy-lstm-lag{lag} forget_bias=1 seed=0",
        f"copy-tanh-lag{lag} seed=0",
    ]
    assert {record.params.get("forget_bias") for record in records} == {"0", "1", None}
    assert not any("cell_args" in record.params for record in records)


def test_a_diverged_network_ends_as_failed_and_an_untrained_one_has_no_rate() -> None:
    frames = synthetic.summary(SMALL)
    summary = frames.summary.assign(status=["solved", "unsolved", "diverged", "untrained"])
    summary["gain"] = 0.5
    made = {job.key: Provenance("c", (0, 1)) for job in SMALL.jobs}
    records = list(networks(summary, frames.curves, [], "smoke", made))
    assert [r.status for r in records] == ["FINISHED", "FINISHED", "FAILED", "FINISHED"]
    assert ["solved" in r.metrics for r in records] == [True, True, True, False]
    (point,) = grid_point_records(summary, [], "smoke", made)
    assert {n: point.metrics[n] for n in ("n", "untrained")} == {"n": 3, "untrained": 1}
    assert point.metrics["success_rate"] == pytest.approx(1 / 3)
    (point,) = grid_point_records(summary.assign(status="untrained"), [], "smoke", made)
    assert "success_rate" not in point.metrics


def test_diverged_runs_are_shown_as_failed_and_written_once(results: Path) -> None:
    synthetic.write_jobs(SMALL, results)
    (path,) = results.glob("clipping/jobs/*/summary.parquet")
    summary = tables.read("summary", path)
    changed = summary.assign(status=["diverged", *summary["status"].iloc[1:]])
    tables.write(changed, "summary", path)
    record(results)
    found = {run.data.tags["run_key"]: run.info.status for run in runs(results, NETWORKS)}
    assert found[summary["run_key"].iloc[0]] == "FAILED"
    assert counted(record(results))[::2] == (0, 0)  # nothing new, nothing replaced
