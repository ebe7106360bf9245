"""A sweep that looks for a frontier: mistakes said in one line, and the networks of its rounds."""

from pathlib import Path
from typing import Any

import pytest

from tests.planning.test_project import EXPERIMENT, project
from throughtime.cli.main import main
from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.planning.project import Project
from throughtime.results.paths import write_json

SWEEP: dict[str, Any] = {
    "task": ["copy", "adding"],
    "length": [4, 6, 9],
    "K": "full",
    "gain": [0.5, 1],
    "seeds": 3,
    "updates": 2,
}
WHERE = "experiments/reach/experiment.yaml: sweeps.main.frontier"


def opened(root: Path, **axes: Any) -> Project:
    sweep = {**SWEEP, "frontier": "lag", **axes}
    sweep = {axis: value for axis, value in sweep.items() if value != "left out"}
    return Project.open(project(root, reach={**EXPERIMENT, "sweeps": {"main": sweep}}))


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"frontier": "gain"}, f"{WHERE}.axis: input should be 'lag', got 'gain'"),
        ({"frontier": {"width": 1}}, f"{WHERE}.width: input should be greater than 1, got 1"),
        ({"frontier": {"wide": 2}}, f"{WHERE}.wide: extra inputs are not permitted, got 2"),
        ({"length": 4}, f"{WHERE}: a search needs two values of length or more; add `length: "),
        ({"seeds": 1}, f"{WHERE}: a search needs two values of seeds or more; add `seeds: 5`"),
        ({"task": "text"}, f"{WHERE}: task 'text' has no lag; remove it"),
    ],
)
def test_a_search_without_meaning_is_refused_in_one_line(
    tmp_path: Path, axes: dict[str, Any], said: str
) -> None:
    if axes.get("task") == "text":
        axes["length"] = "left out"
    with pytest.raises(UserError) as error:
        opened(tmp_path, **axes).plan()
    assert str(error.value).startswith(said)


def test_every_combination_but_lag_and_seed_is_a_curve(tmp_path: Path) -> None:
    (search,) = opened(tmp_path).searches()
    grid = search.grid
    assert len(grid) == 2 * 3 * 2 * 3
    assert grid.groupby("curve").size().tolist() == [9] * 4  # task x gain
    assert grid.groupby("curve")["lag_max"].nunique().eq(3).all()
    assert not grid["run_key"].duplicated().any()
    assert search.width == 1.5


def test_the_plan_holds_the_networks_of_the_rounds_so_far(tmp_path: Path) -> None:
    found = opened(tmp_path)
    (search,) = found.searches()
    results = tmp_path / "results"
    assert found.plan().networks == 0
    full = found.full_plan()
    assert full.networks == len(search.grid)
    keys = search.grid["run_key"].tolist()
    rounds = [keys[:2] + keys[9:11], keys[2:3]]
    for number, chosen in enumerate(rounds, 1):
        write_json({"networks": chosen}, search.file(results, number))
    planned = found.plan()
    assert sorted(k for j in planned.jobs for k in j.run_keys) == sorted(rounds[0] + rounds[1])
    assert all(len(set(rounds[0]) & set(j.run_keys)) in (0, len(j.grid)) for j in planned.jobs)
    assert search.chosen(results, 2) == rounds[:1]
    # a damaged round is chosen again, and what follows it waits for that
    search.file(results, 1).write_text("half")
    assert found.plan().networks == 0
    files.set_aside(search.file(results, 1))
    assert found.plan().networks == 0
    # another width or grid has rounds of its own
    assert {search.name} & {s.name for s in wider(tmp_path).searches()} == set()


def wider(root: Path) -> Project:
    path = root / "experiments" / "reach" / "experiment.yaml"
    path.write_text(path.read_text().replace("frontier: lag", "frontier: {width: 2}"))
    return Project.open(root)


def test_without_the_key_a_preset_trains_the_full_grid(tmp_path: Path) -> None:
    found = opened(tmp_path, frontier=None)
    assert found.searches() == []
    assert found.plan().networks == found.full_plan().networks == 36


def test_plan_says_at_most_how_many_and_about_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(tmp_path)
    assert main(["plan", "--root", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "reach main looks for 4 frontiers: 0 networks chosen in 0 rounds so far, " in said
    assert "at most 36, about " in said
