"""Influence balancing in online descent, by the exact gradients of throughtime.theory.influence.

Columns of the table: series is ``full``, ``chunked`` (truncated BPTT), ``randomized`` (ARTBP with a
constant chance of a cut) or ``tail 6`` and ``tail 4`` (ARTBP with a chance that falls); quantity
``theta``, after x updates; y is K of chunked, and the number of the run of ARTBP.
"""

import math

import numpy as np
import pandas as pd

from throughtime.core.rng import stream
from throughtime.theory.influence import Balancing

SYSTEM = Balancing()
LR, MEAN_LENGTH = 1e-4, 16
LENGTHS = (10, 100, 200)  # of truncated BPTT
LAWS = {"randomized": math.inf, "tail 6": 6.0, "tail 4": 4.0}  # exponents of ARTBP's lengths
UPDATES = {"smoke": 30, "laptop": 3000, "evening": 3000, "paper": 5000}
RUNS = {"smoke": 2, "laptop": 20, "evening": 20, "paper": 100}
SHOWN = 60  # points of a trajectory


def draws(series: str, run: int) -> np.random.Generator:
    """The stream of a run's lengths; runs of different laws are independent."""
    return stream(run, "artbp" if series == "randomized" else f"artbp {series}")


def compute(preset: str) -> pd.DataFrame:
    """The trajectories of all methods, at SHOWN points each."""
    updates = UPDATES[preset]
    paths = [("full", 0, SYSTEM.trajectory("full", 1, updates, LR))]
    paths += [("chunked", K, SYSTEM.trajectory("chunked", K, updates, LR)) for K in LENGTHS]
    paths += [
        (name, run, SYSTEM.randomized(MEAN_LENGTH, updates, draws(name, run), LR, tail=tail))
        for name, tail in LAWS.items()
        for run in range(RUNS[preset])
    ]
    x = np.unique(np.linspace(0, updates, SHOWN + 1).round().astype(int))
    parts = [
        pd.DataFrame({"series": name, "quantity": "theta", "x": x, "y": y, "value": path[x]})
        for name, y, path in paths
    ]
    return pd.concat(parts, ignore_index=True).astype({"x": "float64", "y": "float64"})
