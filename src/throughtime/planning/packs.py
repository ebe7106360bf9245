"""Packs: which jobs one process trains, one after the other, so that it starts once for them all.

A pack is a function of the plan alone, and never of what is trained already: a job stays in its
pack while results grow, and a node of a cluster finds the same packs as the pipeline that sent it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from throughtime.planning import resources
from throughtime.planning.plan import Plan, PlannedJob

JOB_COST = 5e9  # Job.cost of what a job takes beside arithmetic: reading, tables, checkpoints


@dataclass(frozen=True)
class Pack:
    """Jobs of one experiment that one process trains.

    Attributes:
        experiment: its name.
        number: from 1, within the experiment.
        jobs: longest first.
    """

    experiment: str
    number: int
    jobs: tuple[PlannedJob, ...]

    @property
    def name(self) -> str:
        """What Snakemake calls it."""
        return f"train_{self.experiment}_{self.number}"

    @property
    def keys(self) -> list[str]:
        """Of its jobs."""
        return [planned.key for planned in self.jobs]

    @property
    def cost(self) -> float:
        """Arithmetic of all its jobs, in the unit of Job.cost."""
        return sum(planned.cost for planned in self.jobs)

    def only(self, jobs: Iterable[PlannedJob]) -> "Pack":
        """The same pack with those of its jobs alone."""
        chosen = set(jobs)
        return replace(self, jobs=tuple(planned for planned in self.jobs if planned in chosen))

    def megabytes(self, attempt: int = 1) -> int:
        """MiB to ask a cluster for: those of its largest job."""
        return max((resources.megabytes(planned, attempt) for planned in self.jobs), default=1)

    def minutes(self, attempt: int = 1) -> int:
        """Minutes of wall time to ask a cluster for: those of all its jobs, one after the other."""
        return resources.minutes(self.jobs, attempt)


def packs(plan: Plan, bound: float) -> list[Pack]:
    """The packs of a plan: each experiment's jobs in as few packs as have ``bound`` on average,
    of about the same cost (longest job first, always to the pack with least).

    Args:
        plan: whose jobs are packed.
        bound: Job.cost of a pack, of one job more at most.
    """
    return [
        Pack(name, number, jobs)
        for name in dict.fromkeys(planned.experiment for planned in plan.jobs)
        for number, jobs in enumerate(_shared(plan.select(name).jobs, bound), 1)
    ]


def _shared(jobs: Iterable[PlannedJob], bound: float) -> list[tuple[PlannedJob, ...]]:
    longest_first = sorted(jobs, key=lambda planned: -planned.cost)
    weights = [planned.cost + JOB_COST for planned in longest_first]
    count = max(1, min(math.ceil(sum(weights) / bound), len(weights)))
    shares: list[list[PlannedJob]] = [[] for _ in range(count)]
    sums = [0.0] * count
    for planned, weight in zip(longest_first, weights, strict=True):
        least = sums.index(min(sums))
        shares[least].append(planned)
        sums[least] += weight
    return [tuple(share) for share in shares if share]
