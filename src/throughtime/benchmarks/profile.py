"""``python -m throughtime.benchmarks.profile``: where the time of a training goes, per sweep.

The costliest job of every sweep is trained whole, in this process, on one thread, and the time
spent in each part of it is added up. Nothing is kept of what was trained.

The engine numba looks up symbols and computes the output layer with its softmax in the same
compiled call as the recurrence, so that these are in ``forward + backward``.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pandas as pd

from throughtime.core import files
from throughtime.planning.plan import Plan, PlannedJob
from throughtime.planning.project import Project
from throughtime.probes import probe
from throughtime.training import train as training
from throughtime.training.batches import Feed
from throughtime.training.trainer import Trainer

ENGINE = "forward + backward"
# part -> methods of a Trainer, and of what it holds, whose time it is
PARTS = {
    ENGINE: ("program.gradients",),
    "data": ("feed.__next__",),
    "clipping": ("clipper.clip_",),
    "update": ("updater.step_",),
    "log": ("record", "clipper.finite"),
    "evaluation": ("check", "scores"),
    "probes": ("measure",),
}
REST = "rest"  # tables, first weights, radii, the last judgement's tables


class Stopwatch:
    """Seconds per part. A part inside another one is not counted twice: the outer one has it."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.inside = False

    def timed(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, whose time is added to ``part``."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            if self.inside:
                return call(*args, **kwargs)
            self.inside, start = True, time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds[part] += time.perf_counter() - start
                self.inside = False

        return measured


class Source:
    """An iterator whose ``next`` is timed; all else is the iterator's own."""

    def __init__(self, feed: Any, take: Callable[[], Any]) -> None:
        self.feed, self.take = feed, take

    def __next__(self) -> Any:
        return self.take()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.feed, name)


@contextmanager
def watched(stopwatch: Stopwatch) -> Iterator[None]:
    """Within it, every Trainer that ``train`` makes is timed."""

    class Watched(Trainer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            for part, methods in PARTS.items():
                for method in methods:
                    *path, name = method.split(".")
                    owner = getattr(self, path[0]) if path else self
                    call = stopwatch.timed(part, getattr(owner, name))
                    if name == "__next__":  # Python looks it up in the class
                        self.feed = cast(Feed, Source(owner, call))
                    else:
                        setattr(owner, name, call)

    with patch.object(training, "Trainer", Watched):
        yield


def profile(planned: PlannedJob) -> dict[str, Any]:
    """Train a job and say where its time went.

    Returns:
        experiment, sweep, task, cell, hidden, batch, steps, networks, updates, seconds, and the
        share of every part of PARTS and of REST, which add up to 1.
    """
    stopwatch, start = Stopwatch(), time.perf_counter()
    with watched(stopwatch):
        training.train(planned, probe=probe)
    seconds = time.perf_counter() - start
    job = planned.job
    shares = {part: spent / seconds for part, spent in stopwatch.seconds.items()}
    return {
        "experiment": planned.experiment,
        "sweep": planned.sweep,
        "task": job.task.name,
        "cell": job.cell.name,
        "hidden": job.hidden,
        "batch": job.batch,
        "steps": job.steps,
        "networks": len(planned.grid),
        "updates": job.updates,
        "seconds": seconds,
        **shares,
        REST: 1 - sum(shares.values()),
    }


def costliest(plan: Plan) -> list[PlannedJob]:
    """The costliest job of every sweep that trains, in the plan's order."""
    best: dict[tuple[str, str], PlannedJob] = {}
    for planned in plan.jobs:
        name = (planned.experiment, planned.sweep)
        if planned.job.updates and (name not in best or planned.cost > best[name].cost):
            best[name] = planned
    return list(best.values())


def markdown(table: pd.DataFrame) -> str:
    """The table of ``profile``'s rows as Markdown, shares in percent."""
    parts = [*PARTS, REST]
    lines = [
        f"| experiment | sweep | task | N | T | networks | seconds | {' | '.join(parts)} |",
        "|---" * (7 + len(parts)) + "|",
    ]
    for _, row in table.iterrows():
        shares = " | ".join(f"{100 * row[part]:.0f} %" for part in parts)
        lines.append(
            f"| {row['experiment']} | {row['sweep']} | {row['task']} | {row['hidden']} | "
            f"{row['steps']} | {row['networks']} | {row['seconds']:.1f} | {shares} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Profile the preset of config.yaml, or the one that is named; print the table and write
    results/bench/profile.csv.
    """
    project = Project.open(Path.cwd(), sys.argv[1] if len(sys.argv) > 1 else None)
    rows = []
    for planned in costliest(project.plan()):
        print(f"training {planned.key}", file=sys.stderr, flush=True)
        rows.append(profile(planned))
    table = pd.DataFrame(rows)
    path = project.root / "results" / "bench" / "profile.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, table.to_csv(index=False).encode())
    print(markdown(table))


if __name__ == "__main__":
    main()
