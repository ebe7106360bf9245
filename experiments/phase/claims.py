"""Does the frontier move with sigma_w as mean field says, is its multiple of xi that of
feed-forward networks, and does either settle with the budget?
"""

import math
from functools import lru_cache

import pandas as pd

from throughtime.analysis import stats, verdicts
from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.power import Power
from throughtime.results.load import Results

from . import analysis

FEED_FORWARD = 6.0  # Schoenholz et al. 2017
FACTOR = 1.5
HALF = 0.5
SETTLED = 1.25  # a factor; the lags of the budgets differ by two
SAME = ["task", "length", "gain", "updates", "seed"]

BASIS = "of the laptop run: 3 seeds, hence the spread half as large again"


def drive(results: Results, task: str, input_gain: float) -> pd.DataFrame:
    """Networks of the map of one task and input gain, with xi."""
    own = results.summary[results.summary["sweep"] == "map"]
    return analysis.with_ratio(own[(own["task"] == task) & (own["input_gain"] == input_gain)])


def ordered(results: Results, task: str, input_gain: float = 1.0) -> pd.DataFrame:
    """Those up to the critical gain, where xi grows with the gain."""
    return next(iter(analysis.sides(drive(results, task, input_gain)).values()))


@lru_cache(maxsize=4)
def fits(results: Results, task: str) -> tuple[analysis.Estimate, analysis.Estimate]:
    """The multiple and the exponent of a task up to the critical gain."""
    rows = ordered(results, task)
    return analysis.fit_multiple(rows), analysis.fit_exponent(rows)


def follows(results: Results, task: str, level: float = LEVEL) -> Evidence:
    """The exponent b of frontier ~ xi^b below the critical gain."""
    fit = fits(results, task)[1]
    low, high = fit.interval(level)
    if math.isnan(fit.value):
        return verdicts.unknown("success, or xi, does not vary", 1.0)
    verdict = (
        "not supported" if not low <= 1 <= high else "supported" if low > HALF else "undecided"
    )
    lags = ", ".join(
        f"{r.gain:g}: {r.censored}{r.frontier:.0f}"
        for r in stats.frontier(ordered(results, task), ["gain"]).itertuples()
    )
    return Evidence(
        verdict,
        fit.value,
        low,
        high,
        1.0,
        fit.n,
        f"frontier ~ xi^b; lag that half the seeds solve by gain: {lags}",
    )


def six(results: Results, level: float = LEVEL) -> Evidence:
    """Ln of copy's multiple over 6, below the critical gain."""
    fit = fits(results, "copy")[0]
    if math.isnan(fit.value):
        return verdicts.unknown("no network of copy below the critical gain", math.log(FACTOR))
    off = math.log(FEED_FORWARD)
    low, high = (end - off for end in fit.interval(level))
    return verdicts.within(
        fit.value - off, low, high, math.log(FACTOR), fit.n, f"m = {math.exp(fit.value):.1f}"
    )


def weaker_drive(results: Results, level: float = LEVEL) -> Evidence:
    """Copy: networks that only the weaker drive solves less those that only the usual one does, at
    gains where both are ordered.
    """
    strong, weak = ordered(results, "copy", 1.0), ordered(results, "copy", 0.3)
    both = verdicts.pairs(weak, strong, SAME)
    difference, low, high, n, words = verdicts.more_solved(both, level)
    if not n:
        return verdicts.unknown("both input gains are needed below the critical gain", 0.0)
    gains = ", ".join(f"{g:g}" for g in sorted(both["gain"].unique()))
    return verdicts.above(
        difference, low, high, 0.0, n, f"{words} with input gain 0.3, at gains {gains}"
    )


@lru_cache(maxsize=2)
def budgets(results: Results) -> list[analysis.Budget]:
    """See analysis.by_budget."""
    return analysis.by_budget(results)


def words(found: list[analysis.Budget]) -> str:
    """The fits of all budgets."""
    return "; ".join(
        f"{b.updates:,} updates: m = {math.exp(b.multiple.value):.1f}, b = {b.exponent.value:.2f}"
        for b in found
    )


def exponent_falls(results: Results, level: float = LEVEL) -> Evidence:
    """The exponent at the longest budget less that at the shortest."""
    found = budgets(results)
    if len(found) < 2:
        return verdicts.unknown("fewer than two budgets", 0.0)
    difference = analysis.difference(found[-1].exponent, found[0].exponent, level)
    return verdicts.below(*difference, 0.0, found[0].n + found[-1].n, words(found))


def multiple_settles(results: Results, level: float = LEVEL) -> Evidence:
    """Ln of the multiple at the longest budget over that at half of it."""
    found = budgets(results)
    half = next((b for b in found if b.updates * 2 == found[-1].updates), None)
    if half is None:
        return verdicts.unknown("no budget of half the longest", math.log(SETTLED))
    difference = analysis.difference(found[-1].multiple, half.multiple, level)
    return verdicts.within(*difference, math.log(SETTLED), found[-1].n + half.n, words(found))


INTERVAL = (
    "95 % interval: the wider of the profile likelihood's and of a bootstrap's over seeds "
    f"({analysis.DRAWS:,} samples). "
)
FOLLOWS = (
    "Exponent b of frontier ~ xi^b, fitted by logistic regression of success on ln lag and ln xi "
    "over all grid points up to the critical gain. " + INTERVAL + "Mean field says 1, no influence "
    "0. Supported: the interval holds 1 and "
    f"lies above {HALF:g}, nearer to 1 than to 0; not supported: it does not hold 1."
)
BUDGET = (
    "Copy, input gain 1, gains below the critical one, networks that differ in their updates "
    "alone, fitted as above at each budget; difference by the same samples of seeds. "
)
CLAIMS = [
    Claim(
        "copy_follows_xi",
        "Below the critical gain, copy's frontier moves with sigma_w as mean field's xi does.",
        FOLLOWS,
        lambda results, level=LEVEL: follows(results, "copy", level),
        power=Power(0.28, 0.19, 10, basis="b = .72 told from 1; laptop's interval"),
    ),
    Claim(
        "adding_follows_xi",
        "Below the critical gain, adding's frontier moves with sigma_w as mean field's xi does.",
        FOLLOWS
        + " xi is averaged over the distribution of adding's drive; the lag is its largest, "
        "of which the mean realised one is three quarters at every length, so that b is the same.",
        lambda results, level=LEVEL: follows(results, "adding", level),
        power=Power(0.5, 0.19, 10, basis="b = .5 told from 1"),
    ),
    Claim(
        "six_xi",
        "Copy is bounded by 6 xi within a factor of 1.5, as feed-forward networks are.",
        "Ln of the fitted multiple m over 6, gains up to the critical one. "
        + INTERVAL
        + f"Within a factor {FACTOR:g} either way: neighbouring tested lags differ by a factor 2, "
        "so that less could not be told.",
        six,
        power=Power(1.19, 0.17, 10, basis="m = 29.5; laptop's interval"),
    ),
    Claim(
        "weaker_drive_reaches_farther",
        "Where both are below their critical gains, more networks solve copy with input gain 0.3, "
        "where xi is longer, than with input gain 1.",
        "Pairs of networks (seed, gain, lag): share that only input gain 0.3 solves less share "
        "that only 1 does; 95 % interval of the sign-flip test over seeds, nowhere shorter than "
        "Newcombe's, above 0. A direction only: mean field says how xi changes, not how many of "
        "the tested lags that covers. Smaller inputs are harder to read out, which works against "
        "the claim.",
        weaker_drive,
        power=Power(0.057, 0.045, 10, "flips", basis=BASIS),
    ),
    Claim(
        "exponent_falls_with_budget",
        "The longer copy is trained, the less its frontier follows xi: the exponent is smaller at "
        "the longest budget than at the shortest.",
        BUDGET + "95 % interval of b at the longest budget less b at the shortest, below 0.",
        exponent_falls,
        power=Power(0.4, 0.3, 10, basis="an audit's .84 and .44; spread supposed"),
    ),
    Claim(
        "multiple_settles",
        "Copy's multiple of xi changes by less than a factor of 1.25 when the budget is doubled to "
        "the longest.",
        BUDGET
        + "95 % interval of ln(m at the longest budget / m at half of it) within ±ln "
        + f"{SETTLED:g}: without that no multiple can be named, only one of a budget.",
        multiple_settles,
        power=Power(0.22, 0.3, 10, basis="no change at all; spread supposed"),
    ),
]
