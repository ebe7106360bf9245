"""How fast a GPU trains, in one run of under 10 minutes: `python -m tests.gpu.measure`.

Networks per second in blocks of 32, 1,024 and 16,384; the time of laptop's trainings, as far as
they fit the minutes; and what paper would take, by two numbers that laptop's times give: seconds
per step of a block, which count where a GPU has little to do, and seconds per unit of Job.cost,
which count where it has much.

It has not been run on a GPU yet.
"""

import argparse
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls

from throughtime.planning.plan import PlannedJob
from throughtime.planning.project import Project
from throughtime.planning.sweep import expand
from throughtime.probes import probe
from throughtime.training.device_updates import DeviceTrainer
from throughtime.training.devices import check_device, prepare_device, rows_of_a_block
from throughtime.training.evaluation import Evaluators
from throughtime.training.train import train

ROOT = Path(__file__).parents[2]
ROWS = (32, 1_024, 16_384)
UPDATES = 500  # of a network in "networks per second"
WARM = 3  # updates before the clock starts: libraries set themselves up, a graph is recorded
FEWEST = 10  # updates that are timed, at least
SEEDS = 16  # of a grid, whose networks share their data


@dataclass(frozen=True)
class Time:
    """What a job took.

    Attributes:
        steps: updates x time steps x blocks.
        cost: in the unit of Job.cost.
        seconds: of wall time.
    """

    steps: float
    cost: float
    seconds: float


def grid(rows: int, **axes: object) -> PlannedJob:
    """A job of so many rows, N = 32, B = 20, T = 100 unless ``axes`` say otherwise."""
    seeds = math.gcd(rows, SEEDS)
    gains = np.linspace(0.5, 1.5, rows // seeds).tolist()
    own = {"task": "copy", "length": 90, "payload": 5, "hidden": 32, "batch": 20, "gain": gains}
    more = {"updates": 10**6, "seeds": seeds, "engine": "torch", **axes}
    return expand("gpu", "measure", {**own, **more}, "here").jobs[0]


def update_seconds(planned: PlannedJob, device: str, seconds: float) -> tuple[float, int]:
    """Seconds of an update of the whole job as one block, and how many were timed.

    Args:
        planned: the job.
        device: where it is trained.
        seconds: to spend, about.
    """
    block = DeviceTrainer(planned.job, planned.grid, Evaluators(planned.job), device)
    for number in range(1, WARM + 1):
        block.update(number)
    block.settle()
    number, started, spent = WARM, time.perf_counter(), 0.0
    while spent < seconds or number < WARM + FEWEST:
        for _ in range(FEWEST):
            number += 1
            block.update(number)
        block.settle()  # waits for the device
        spent = time.perf_counter() - started
    return spent / (number - WARM), number - WARM


def steps(planned: PlannedJob, block: int) -> float:
    """Updates x time steps of all blocks of a job, ``block`` rows each."""
    return planned.job.updates * planned.job.steps * math.ceil(len(planned.grid) / block)


def timed(jobs: Iterable[PlannedJob], device: str, seconds: float) -> Iterator[Time]:
    """The times of jobs, one after the other, until ``seconds`` have passed."""
    started = time.perf_counter()
    for planned in jobs:
        if time.perf_counter() - started > seconds:
            return
        own = replace(planned, device=device)
        begun, rows = time.perf_counter(), rows_of_a_block(own)
        train(own, probe=probe)
        yield Time(steps(own, rows), own.cost, time.perf_counter() - begun)


def fit(times: list[Time]) -> tuple[float, float, float]:
    """Seconds per job, per step and per unit of cost: least squares of relative errors, none of
    them negative.

    >>> made = [Time(s, c, 2 + 1e-3 * s + 1e-9 * c) for s, c in [(1, 1), (9e3, 1e9), (1e3, 9e10)]]
    >>> [round(x, 12) for x in fit(made)]
    [2.0, 0.001, 1e-09]
    """
    table = np.array([(1.0, t.steps, t.cost) for t in times])
    seconds = np.array([t.seconds for t in times])
    scale = table.max(0)
    found, _ = nnls(table / scale / seconds[:, None], np.ones(len(times)))
    per_job, per_step, per_cost = (found / scale).tolist()
    return per_job, per_step, per_cost


def main() -> None:
    """Print it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=480, help="of all, about")
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    arguments = parser.parse_args()
    device, started = arguments.device, time.perf_counter()
    check_device(device)
    prepare_device(device)
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "the CPU"
    print(
        f"{name}, torch {torch.__version__}; N = 32, B = 20, T = 100, {UPDATES} updates", flush=True
    )
    for rows in arguments.rows:
        each, count = update_seconds(grid(rows), device, arguments.seconds / 40)
        rate = rows / (each * UPDATES)
        print(f"{rows:>6} rows: {1e3 * each:9.2f} ms per update ({count} timed), "
              f"{rate:10.1f} networks per second", flush=True)  # fmt: skip
    laptop = sorted(Project.open(ROOT, "laptop").plan().jobs, key=lambda job: -job.cost)
    spread = laptop[::2] + laptop[1::2]  # if time runs out, what was timed stands for the rest
    left = 0.9 * (arguments.seconds - (time.perf_counter() - started))
    times = list(timed(spread, device, left))
    whole = f"{len(times)} of {len(laptop)} trainings of laptop"
    print(f"{whole}: {sum(t.seconds for t in times):.1f} s, one after the other", flush=True)
    numbers = fit(times)
    print("per job {:.3f} s, per step {:.3e} s, per unit of cost {:.3e} s".format(*numbers))
    for preset in ("laptop", "evening", "paper"):
        jobs = [replace(j, device=device) for j in Project.open(ROOT, preset).plan().jobs]
        rows = [(1.0, steps(j, rows_of_a_block(j)), j.cost) for j in jobs]
        print(f"{preset}, reckoned: {sum(np.array(rows) @ numbers) / 60:.1f} minutes", flush=True)
    print(f"this took {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
