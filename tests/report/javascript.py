"""Cases on which the page's JavaScript is held against throughtime.theory, in Node and in a
browser.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from throughtime.report import page
from throughtime.theory import correlation, gradients, mean_field

SOURCE = Path(page.__file__).parent / "templates" / "mean_field.js"
GAINS = (0.25, 0.577, 1.0, 1.2, 1.45, 1.6, 2.0, 3.0)
DRIVES = (1e-4, 0.01 / 6, 0.015, 1 / 6, 0.5, 4 / 6)  # those of the sliders and beyond
POINTS = tuple(itertools.product(GAINS, DRIVES))
TOLERANCE = 1e-6


def split(logs: "np.ndarray[Any, Any]", K: int) -> dict[str, float]:
    """The sum of norms within K steps and beyond."""
    norms = np.exp(logs)
    return {"inside": float(norms[:K].sum()), "outside": float(norms[K:].sum())}


def cases() -> list[tuple[str, list[Any], Any]]:
    """(function of meanField, its arguments, what Python says)."""
    of_both: dict[str, Callable[[float, float], float]] = {
        "qStar": mean_field.q_star,
        "chi1": mean_field.chi_1,
        "memory": lambda g, s: correlation.xi_c(g, s, 1.0),
    }
    found: list[tuple[str, list[Any], Any]] = [
        (name, [g, s], f(g, s)) for name, f in of_both.items() for g, s in POINTS
    ]
    found += [("qStar", [g, 0.0], mean_field.q_star(g, 0.0)) for g in (0.5, 1.0, 1.001, 1.5)]
    found += [("criticalGain", [s], mean_field.critical_sigma_w(s)) for s in (0.0, *DRIVES)]
    for (g, s), steps in itertools.product(POINTS, (1, 2, 40)):
        logs = gradients.log_norm_by_lag(g, s, steps)
        found.append(("logNormByLag", [g, s, steps], logs.tolist()))
        found.append(("split", [logs.tolist(), 5], split(logs, 5)))
    return found


def assert_equal(said: list[Any], wanted: list[tuple[str, list[Any], Any]]) -> None:
    """Every number to TOLERANCE, relative."""
    assert len(said) == len(wanted)
    for value, (name, args, expected) in zip(said, wanted, strict=True):
        assert value == pytest.approx(expected, rel=TOLERANCE, abs=1e-12), (name, args)
