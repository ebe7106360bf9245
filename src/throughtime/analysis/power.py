"""The power of a test whose unit is the seed: by simulation, before there are data. No torch."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import stats as distributions

from throughtime.core.rng import stream

DRAWS = 2000
FLIPS = 12  # seeds up to which sign-flips are enumerated


@dataclass(frozen=True)
class Power:
    """The chance that a two-sided 95 % interval of the mean over seeds lies on one side of the
    threshold, where each seed's value is Gaussian.

    Attributes:
        effect: the mean's distance from the threshold that is supposed, in the claim's unit.
        spread: standard deviation between seeds that is supposed.
        seeds: planned.
        test: ``t`` (Student's) or ``flips`` (exact sign-flips, what ``stats.by_seed`` inverts).
        points: grid points that must all be decided, each with an interval of level 1 - .05 /
            points (Bonferroni); independent.
        basis: where effect and spread come from.

    >>> Power(0.1, 0.1, 10).value > Power(0.1, 0.1, 5).value > Power(0.05, 0.1, 5).value
    True
    >>> Power(9.0, 0.1, 5, "flips").value  # five seeds cannot reject anything: p is 1/16 at least
    0.0
    """

    effect: float
    spread: float
    seeds: int
    test: Literal["t", "flips"] = "t"
    points: int = 1
    basis: str = ""

    def __str__(self) -> str:
        each = f" at each of {self.points} grid points" if self.points > 1 else ""
        return (
            f"an effect of {self.effect:g}{each}, a standard deviation of {self.spread:g} between "
            f"seeds, {self.seeds} seeds{'; ' + self.basis if self.basis else ''}"
        )

    @cached_property
    def value(self) -> float:
        """Between 0 and 1, to within about .01."""
        alpha = 0.05 / self.points
        if self.test == "t":
            if self.seeds < 2:
                return 0.0
            freedom = self.seeds - 1
            shift = self.effect / self.spread * math.sqrt(self.seeds)
            reach = float(distributions.t.ppf(1 - alpha / 2, freedom))
            return float(distributions.nct.sf(reach, freedom, shift)) ** self.points
        x = stream(0, "power").normal(self.effect, self.spread, size=(DRAWS, self.seeds))
        signs = _signs(self.seeds)
        # one-sided: how often a flip has a sum at least as large
        tail = (x @ signs.T >= x.sum(1)[:, None] - 1e-12).mean(1)
        return float((2 * tail <= alpha + 1e-12).mean()) ** self.points


def _signs(seeds: int) -> np.ndarray:
    if seeds <= FLIPS:
        return 1 - 2 * ((np.arange(2**seeds)[:, None] >> np.arange(seeds)) & 1)
    drawn = stream(0, "signs", seeds).integers(2, size=(2**FLIPS, seeds))
    drawn[0] = 0
    return 1 - 2 * drawn
