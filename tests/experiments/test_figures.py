"""Every experiment's figure, drawn from tables without training: plausible ones, diverged ones,
partial ones, none.
"""

import io
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.support import pictures, plausible
from throughtime.analysis import grid_points
from throughtime.figures import composition, draw, export
from throughtime.planning.axes import Job
from throughtime.planning.experiment_files import load_module
from throughtime.planning.plan import Plan
from throughtime.planning.project import Project
from throughtime.results import load, tables
from throughtime.results.load import Results

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SMOKE = Project.open(ROOT, "smoke")
NAMES = sorted(SMOKE.experiments)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return SMOKE.plan()


def part(plan: Plan, name: str) -> Plan:
    """The jobs of an experiment and of those it reads."""
    names = [name, *SMOKE.experiments[name].reads]
    return Plan(tuple(j for j in plan.jobs if j.experiment in names), ())


def outside(fig: Figure) -> list[str]:
    """Titles and labels of axes that reach out of the figure on the left or on the right."""
    axes: list[Any] = fig.axes
    named = [(ax.title, ax._left_title, ax.yaxis.label, ax.xaxis.label) for ax in axes]
    parts = [part for four in named for part in four if part.get_text() and part.get_visible()]
    boxes = [(part.get_text(), part.get_window_extent()) for part in parts]
    edge = fig.bbox.width
    return [
        f"{text}: {box.x0:.0f} to {box.x1:.0f} of {edge:.0f}"
        for text, box in boxes
        if box.x0 < -1 or box.x1 > edge + 1
    ]


def drawn(name: str, results: Results) -> tuple[str, Figure]:
    """Draws the figure, and checks what every figure and caption says: its counts."""
    module = draw.load_figure(ROOT / "experiments" / name / "figure.py")
    with mpl.rc_context(draw.STYLE):
        fig = module.figure(results)
        assert outside(fig) == []
    caption, printed = module.caption(results), fig.texts[1].get_text()
    assert re.fullmatch(
        r"n = ([\d,]+) trained networks(, of which n_diverged = ([\d,]+) \(×; counted as "
        r"failures\))?"
        r"(; ([\d,]+) untrained networks \(.*\))?; .* seeds? per grid point|"
        "Computed, no networks trained|No networks trained",
        printed,
    ), printed
    assert printed in caption  # the same numbers in both
    assert ("Truncation mode: " in caption) == ("etworks trained" not in printed)
    assert "N = 0" not in caption
    assert "\n" not in caption.strip()
    assert "nan" not in caption
    return printed, fig


def rendered(fig: Figure) -> bytes:
    """A small PNG."""
    file = io.BytesIO()
    with mpl.rc_context(draw.STYLE):
        fig.savefig(file, format="png", dpi=40)
    assert len(file.getvalue()) > 2500
    return file.getvalue()


def test_none_is_lost():
    assert set(NAMES) >= {
        "atlas",
        "brackets",
        "clipping",
        "initialization",
        "language",
        "truncation",
        "cliff",
        "context",
        "cost",
    }


@cache
def computed(name: str) -> pd.DataFrame:
    """What the experiment's compute.py, if it has one, computes in the smoke preset."""
    path = ROOT / "experiments" / name / "compute.py"
    return (
        tables.conform(load_module(path, "compute").compute("smoke"), "computed")
        if path.exists()
        else tables.empty("computed")
    )


@pytest.mark.parametrize("name", NAMES)
def test_drawn_from_plausible_tables(name, plan, tmp_path):
    results = replace(plausible.results(part(plan, name)), computed=computed(name))
    printed, fig = drawn(name, results)
    picture = rendered(fig)
    if not SMOKE.experiments[name].alone:  # which measures times
        pictures.compare(picture, name, tmp_path)
    if not SMOKE.experiments[name].reads:  # which draws a part of what it reads
        trained = int((results.summary["status"] != "untrained").sum())
        assert printed.startswith(
            f"n = {trained:,} trained networks" if len(results.summary) else "C"
        )
    behind = draw.behind(draw.load_figure(ROOT / "experiments" / name / "figure.py"), results)
    beside = grid_points.tabulate(behind, "smoke")
    if n := beside["n"].sum():
        assert printed.startswith(
            f"n = {n:,} trained networks, of which n_diverged = {beside['diverged'].sum():,} "
        )
    assert f"{beside['untrained'].sum():,} untrained" in printed or not beside["untrained"].sum()


@pytest.mark.parametrize(
    "name",
    [name for name in NAMES if SMOKE.experiments[name].sweeps or SMOKE.experiments[name].reads],
)
def test_drawn_where_everything_diverged(name, plan):
    results = plausible.results(part(plan, name), everything_diverges=True)
    n, diverged = re.findall(r"= ([\d,]+)", drawn(name, results)[0])
    assert n == diverged != "0"


def test_a_diverged_network_lowers_the_atlas_frontier_of_brackets(plan):
    """It has no accuracy by distance, and must not drop out for that."""
    results = plausible.results(part(plan, "brackets"))
    atlas = draw.load_figure(ROOT / "experiments" / "atlas" / "figure.py")
    bins = results.breakdown.assign(value=1.0)
    half = results.summary["run_key"][results.summary["seed"] == 0]  # one of two seeds, then both
    for gone, censored in ((half, ">="), (results.summary["run_key"], "<")):
        diverged = results.summary["run_key"].isin(gone)
        summary = results.summary.assign(
            status=results.summary["status"].mask(diverged, "diverged")
        )
        table = atlas.frontiers(
            replace(results, summary=summary, breakdown=bins[~bins["run_key"].isin(gone)]), "depth"
        )
        assert set(table["censored"]) == {censored}
        assert set(table["n_diverged"]) == {int(diverged.sum()) // 2}  # two depths
    assert set(table["frontier"]) == {1.0}


@pytest.mark.parametrize("name", NAMES)
def test_drawn_from_partial_tables(name, plan):
    """Every second network; every fifth in tests/system/figures."""
    drawn(name, plausible.thin(plausible.results(part(plan, name)), 2))


@pytest.mark.parametrize("name", NAMES)
def test_drawn_from_no_network_at_all(name):
    assert drawn(name, Results.empty())[0] == "No networks trained"


@pytest.mark.parametrize("name", NAMES)
def test_readme_holds_a_caption_that_states_n(name):
    text = (ROOT / "experiments" / name / "README.md").read_text(encoding="utf-8")
    for heading in ("Question", "Sources", "Expectation", "Protocol", "Figure"):
        assert f"## {heading}" in text
    caption = text.partition(draw.MARKS[0])[2].partition(draw.MARKS[1])[0]
    counted = r"n = [\d,]+ (trained )?networks, of which n_diverged = [\d,]+"
    assert re.search(rf"{counted}|Computed, no networks trained", caption)


def test_drawing_imports_neither_torch_nor_mlflow(tmp_path, plan):
    results = plausible.results(part(plan, "brackets"))
    for name in load.READ:
        tables.write(
            getattr(results, name), name, tmp_path / "results" / "brackets" / f"{name}.parquet"
        )
    code = (
        "import sys; from pathlib import Path; from throughtime.figures import draw; from "
        "throughtime.analysis import compare; "
        f"draw.draw(Path({str(ROOT)!r}), 'brackets', Path({str(tmp_path / 'results')!r}), "
        f"Path({str(tmp_path / 'out')!r}), 'laptop'); "
        "print([m for m in ('torch', 'mlflow', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['matplotlib']"
    assert (tmp_path / "out" / "brackets.pdf").stat().st_size > 10_000


@pytest.mark.parametrize(("preset", "least_seeds"), [("laptop", 3), ("evening", 10), ("paper", 10)])
def test_seeds_and_size_of_the_presets(preset, least_seeds):
    whole = Project.open(ROOT, preset).plan()
    assert whole.networks >= 2000
    seeds: dict[tuple[str, str, Job], set[int]] = {}
    for job in whole.jobs:  # a costly job is split by rows
        seeds.setdefault((job.experiment, job.sweep, job.job), set()).update(job.grid["seed"])
    # a language model costs as much as a hundred others, and attention, which torch computes, as
    # much as ten: these have seeds of their own; on those of the rates nothing is reported
    fewer = {"language": 3, "successors": 5, "capacity": 5}
    least = {key: min(least_seeds, fewer.get(key[0], least_seeds)) for key in seeds}
    least |= {key: 2 for key in seeds if key[1].startswith("rates_")}
    assert [key for key, found in seeds.items() if len(found) < least[key]] == []
    for skipped in whole.skipped:
        assert "the same as full" in skipped.reason  # nothing else is asked for in vain


def test_evening_holds_all_networks_of_laptop():
    laptop, evening = (
        {key for job in Project.open(ROOT, preset).plan().jobs for key in job.run_keys}
        for preset in ("laptop", "evening")
    )
    assert laptop < evening


@pytest.mark.parametrize("preset", ["laptop", "evening", "paper"])
def test_temporal_order_is_judged_on_10_000_sequences(preset):
    jobs = [j.job for j in Project.open(ROOT, preset).plan().jobs]
    assert {j.eval_size for j in jobs if j.task.name == "temporal_order"} == {10_000}


def test_a_task_of_a_users_is_in_the_figure_atlas(plan):
    results = plausible.results(part(plan, "initialization"))
    own = results.summary[results.summary["task"] == results.summary["task"].iloc[0]]
    renamed = own.assign(task="delay", run_key="own-" + own["run_key"])
    summary = pd.concat([results.summary, renamed], ignore_index=True)
    atlas = draw.load_figure(ROOT / "experiments" / "atlas" / "figure.py")
    both = replace(results, summary=summary)
    table = atlas.frontiers(both, "gain").set_index(["task", "gain"])
    pd.testing.assert_frame_equal(table.loc["delay"], table.loc[own["task"].iloc[0]])
    panels = atlas.named_panels(both)
    assert {"delay-k", "delay-clip", "delay-gain"} <= {panel.name for panel in panels}
    with export.drawing(export.Look()):
        frontiers, ends = (
            export.draw_alone(composition.find(panels, name), both, 4, 3).axes[0]
            for name in ("frontier-gain", "ends-gain")
        )
    assert "delay" in [text.get_text() for text in frontiers.get_legend().get_texts()]
    assert "delay" in [label.get_text() for label in ends.get_yticklabels()]
