"""The power of a test whose unit is the seed, before there are data. No torch."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import special

from throughtime.analysis import stats
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
            from scipy.stats import nct  # half a second; special.nctdtr is NaN at large shifts

            freedom = self.seeds - 1
            shift = self.effect / self.spread * math.sqrt(self.seeds)
            reach = float(special.stdtrit(freedom, 1 - alpha / 2))
            return float(nct.sf(reach, freedom, shift)) ** self.points
        x = stream(0, "power").normal(self.effect, self.spread, size=(DRAWS, self.seeds))
        signs = _signs(self.seeds)
        # one-sided: how often a flip has a sum at least as large
        tail = (x @ signs.T >= x.sum(1)[:, None] - 1e-12).mean(1)
        return float((2 * tail <= alpha + 1e-12).mean()) ** self.points


@dataclass(frozen=True)
class RatePower:
    """The chance that Wilson's two-sided 95 % interval of a share of seeds lies above the
    threshold, where each seed succeeds by itself.

    Attributes:
        rate: share of seeds that succeed that is supposed.
        threshold: that the interval is to lie above.
        seeds: planned.
        points: grid points among which the best is chosen, so that the interval has the level 1 -
            .05 / points (Bonferroni); one of them has the supposed rate.
        basis: where the rate comes from.

    >>> RatePower(1.0, 0.2, 3).value, RatePower(1.0, 0.2, 1).value
    (1.0, 1.0)
    >>> RatePower(1.0, 0.2, 1, points=10).value  # one seed of one: the interval begins at .11
    0.0
    """

    rate: float
    threshold: float
    seeds: int
    points: int = 1
    basis: str = ""

    def __str__(self) -> str:
        best = f" at the best of {self.points} grid points" if self.points > 1 else ""
        return (
            f"{self.rate:g} of the seeds{best}, {self.seeds} seeds"
            f"{'; ' + self.basis if self.basis else ''}"
        )

    @cached_property
    def value(self) -> float:
        """Between 0 and 1."""
        solved = np.arange(self.seeds + 1)
        low, _ = stats.wilson(solved, self.seeds, 1 - 0.05 / self.points)
        chance = special.binom(self.seeds, solved) * (
            self.rate**solved * (1 - self.rate) ** (self.seeds - solved)
        )
        return min(1.0, float(chance[low > self.threshold].sum()))


def _signs(seeds: int) -> np.ndarray:
    if seeds <= FLIPS:
        return 1 - 2 * ((np.arange(2**seeds)[:, None] >> np.arange(seeds)) & 1)
    drawn = stream(0, "signs", seeds).integers(2, size=(2**FLIPS, seeds))
    drawn[0] = 0
    return 1 - 2 * drawn
