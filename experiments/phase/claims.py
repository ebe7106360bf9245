"""Does the frontier move with sigma_w as mean field says, and is its multiple of xi that of
feed-forward networks?
"""

import math

import pandas as pd

from throughtime.analysis import stats, verdicts
from throughtime.analysis.claims import Claim, Evidence
from throughtime.results.load import Results

from . import analysis

FEED_FORWARD = 6.0  # Schoenholz et al. 2017
FACTOR = 1.5
HALF = 0.5


def drive(results: Results, task: str, input_gain: float) -> pd.DataFrame:
    """Networks of one task and input gain, with xi."""
    return analysis.with_ratio(results.select(task=task, input_gain=input_gain).summary)


def ordered(results: Results, task: str, input_gain: float = 1.0) -> pd.DataFrame:
    """Those up to the critical gain, where xi grows with the gain."""
    return next(iter(analysis.sides(drive(results, task, input_gain)).values()))


def follows(results: Results, task: str) -> Evidence:
    """The exponent b of frontier ~ xi^b below the critical gain."""
    rows = ordered(results, task)
    b, low, high = analysis.exponent(rows) if len(rows) else (math.nan,) * 3
    if math.isnan(b):
        return verdicts.unknown("success, or xi, does not vary", 1.0)
    verdict = (
        "not supported" if not low <= 1 <= high else "supported" if low > HALF else "undecided"
    )
    fit = stats.frontier(rows, ["gain"])
    lags = ", ".join(f"{r.gain:g}: {r.censored}{r.frontier:.0f}" for r in fit.itertuples())
    return Evidence(
        verdict,
        b,
        low,
        high,
        1.0,
        len(rows),
        f"frontier ~ xi^b; lag that half the seeds solve by gain: {lags}",
    )


def six(results: Results) -> Evidence:
    """Ln of copy's multiple over 6, below the critical gain."""
    rows = ordered(results, "copy")
    fit = analysis.multiple(rows)
    if math.isnan(fit["frontier"]) or fit["n"] == 0:
        return verdicts.unknown("no network of copy below the critical gain", math.log(FACTOR))
    off, low, high = (
        math.log(v / FEED_FORWARD) if v > 0 else -math.inf
        for v in (fit["frontier"], fit["low"], fit["high"])
    )
    return verdicts.within(
        off, low, high, math.log(FACTOR), int(fit["n"]), analysis.format_frontier(fit)
    )


def weaker_drive(results: Results) -> Evidence:
    """Copy: share solved with the weaker drive less that with the usual one, at gains where both
    are ordered.
    """
    strong, weak = ordered(results, "copy", 1.0), ordered(results, "copy", 0.3)
    gains = sorted(set(strong["gain"]) & set(weak["gain"]))
    (a, m), (b, n) = (
        (int((r["status"] == "solved").sum()), len(r))
        for r in (stats.trained(rows[rows["gain"].isin(gains)]) for rows in (weak, strong))
    )
    if not m or not n:
        return verdicts.unknown("both input gains are needed below the critical gain", 0.0)
    low, high = (float(v) for v in stats.newcombe(a, m, b, n))
    detail = f"solved: {a} of {m} with input gain 0.3, {b} of {n} with 1, at gains "
    detail += ", ".join(f"{g:g}" for g in gains)
    return verdicts.above(a / m - b / n, low, high, 0.0, m + n, detail)


FOLLOWS = (
    "Exponent b of frontier ~ xi^b, fitted by logistic regression of success on ln lag and ln xi "
    "over all grid points up to the "
    "critical gain, 95 % profile-likelihood interval. Mean field says 1, no influence 0. "
    "Supported: the interval holds 1 and "
    f"lies above {HALF:g}, nearer to 1 than to 0; not supported: it does not hold 1."
)
CLAIMS = [
    Claim(
        "copy_follows_xi",
        "Below the critical gain, copy's frontier moves with sigma_w as mean field's xi does.",
        FOLLOWS,
        lambda r: follows(r, "copy"),
    ),
    Claim(
        "adding_follows_xi",
        "Below the critical gain, adding's frontier moves with sigma_w as mean field's xi does.",
        FOLLOWS,
        lambda r: follows(r, "adding"),
    ),
    Claim(
        "six_xi",
        "Copy is bounded by 6 xi, as feed-forward networks are.",
        "Ln of the fitted multiple m over 6, gains up to the critical one, 95 % profile-likelihood "
        "interval within a factor "
        f"{FACTOR:g} either way: neighbouring tested lags differ by a factor 2, so that less could "
        "not be told.",
        six,
    ),
    Claim(
        "weaker_drive_reaches_farther",
        "A weaker drive moves the frontier: where both are below their critical gains, xi is "
        "longer with input gain 0.3, and "
        "more networks solve copy.",
        "Difference of the shares of solved networks, input gain 0.3 less 1, same gains and lags; "
        "Newcombe's 95 % interval "
        "above 0. A direction only: mean field says how xi changes, not how many of the tested "
        "lags that covers. Smaller "
        "inputs are harder to read out, which works against the claim.",
        weaker_drive,
    ),
]
