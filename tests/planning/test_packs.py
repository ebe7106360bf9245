"""Which jobs one process trains."""

import math
from pathlib import Path

import pytest

from tests.support import synthetic
from throughtime.planning import packs as module
from throughtime.planning import resources
from throughtime.planning.packs import JOB_COST, Pack, packs
from throughtime.planning.plan import Plan
from throughtime.planning.project import Project

ROOT = Path(__file__).parents[2]
PLAN = synthetic.toy_plan()
LARGEST = max(planned.cost for planned in PLAN.jobs)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
def test_every_job_is_in_one_pack_of_its_own_experiment_near_the_bound(preset: str) -> None:
    project = Project.open(ROOT, preset)
    plan, bound = project.plan(), project.config.max_job_cost
    made = packs(plan, bound)
    assert sorted(j.key for pack in made for j in pack.jobs) == sorted(j.key for j in plan.jobs)
    assert all(j.experiment == pack.experiment for pack in made for j in pack.jobs)
    assert len({pack.name for pack in made}) == len(made)
    for name in dict.fromkeys(j.experiment for j in plan.jobs):
        jobs, own = plan.select(name).jobs, [p for p in made if p.experiment == name]
        weights = [sum(j.cost + JOB_COST for j in pack.jobs) for pack in own]
        assert len(own) == min(math.ceil(sum(weights) / bound), len(jobs))
        assert max(weights) <= sum(weights) / len(own) + max(j.cost + JOB_COST for j in jobs)


@pytest.mark.slow
def test_laptop_is_trained_by_at_most_forty_processes() -> None:
    project = Project.open(ROOT, "laptop")
    assert len(packs(project.plan(), project.config.max_job_cost)) <= 40


def test_packs_do_not_depend_on_the_order_of_the_plan() -> None:
    turned = Plan(PLAN.jobs[::-1], ())
    first, second = (packs(p, 1.5 * (LARGEST + JOB_COST)) for p in (PLAN, turned))
    costs = [sorted(pack.cost for pack in made) for made in (first, second)]
    assert costs[0] == pytest.approx(costs[1])


def test_the_longest_go_first_and_to_the_pack_with_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JOB_COST", 0.0)
    jobs = sorted(PLAN.jobs, key=lambda j: -j.cost)
    two = packs(PLAN, sum(j.cost for j in jobs) / 2)
    assert [j.cost for j in two[0].jobs] == sorted((j.cost for j in two[0].jobs), reverse=True)
    assert two[0].jobs[0] is jobs[0]
    assert two[1].jobs[0] is jobs[1]


def test_a_cluster_is_asked_for_the_largest_memory_and_the_time_of_all() -> None:
    pack = Pack("clipping", 1, PLAN.jobs)
    for attempt in (1, 2):
        each = [resources.megabytes(planned, attempt) for planned in PLAN.jobs]
        assert pack.megabytes(attempt) == max(each)
    each = [resources.job_seconds(planned.cost, resources.SPEED) for planned in PLAN.jobs]
    seconds = resources.START + sum(each)
    assert pack.minutes() == math.ceil(resources.ARRIVAL + resources.SAFETY * seconds / 60)
    assert pack.minutes(2) == 2 * pack.minutes()


def test_a_part_of_a_pack_keeps_its_name_and_order() -> None:
    (pack,) = packs(PLAN, math.inf)
    part = pack.only(pack.jobs[1:3])
    assert (part.name, part.jobs) == (pack.name, pack.jobs[1:3])


def test_an_empty_pack_asks_for_next_to_nothing() -> None:
    (pack,) = packs(PLAN, math.inf)
    assert pack.only([]).megabytes() == 1
    assert pack.only([]).minutes() <= math.ceil(resources.ARRIVAL + resources.SAFETY)
