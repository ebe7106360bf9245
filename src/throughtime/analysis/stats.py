"""Small DataFrame -> DataFrame functions: success rates, frontiers, means and medians, each with
its interval.

A diverged network stays in every count and is a failure. A network that was not trained (no
updates) is neither success nor failure: rates, frontiers and shares leave it out. Intervals are
two-sided, 95 % unless ``level`` says otherwise.

Seeds are the unit: networks of one seed share data and first weights. Where a grid point holds
several networks per seed, its interval is as wide as the seeds' own spread makes it. Tables without
a column ``seed`` are taken to have one network per seed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats takes half a second to import

from throughtime.core.rng import stream

LEVEL = 0.95
LARGER_IS_BETTER = {"accuracy": True, "mse": False, "bpc": False, "loss": False}
SLOPES = np.geomspace(
    0.25, 64, 49
)  # of the logistic, per factor e of lag; the cap keeps a separated fit finite
FRONTIER = (
    "n",
    "n_solved",
    "n_diverged",
    "lag_low",
    "lag_high",
    "frontier",
    "low",
    "high",
    "censored",
)
SUBSETS = 12  # seeds of which all subsets are looked at: 4,095
STEP = 0.005  # of the frontier's grid, in ln(lag): half a percent of a lag


def wilson(solved: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[NDArray, NDArray]:
    """Wilson's score interval for a proportion (Wilson 1927), elementwise; (0, 1) where ``n`` is 0.

    >>> low, high = wilson(3, 3)
    >>> round(float(low), 4), float(high)
    (0.4385, 1.0)
    """
    k, m = np.broadcast_arrays(np.asarray(solved, float), np.asarray(n, float))
    z = _z(level)
    safe = np.where(m > 0, m, 1.0)
    p = k / safe
    summarize = (p + z**2 / (2 * safe)) / (1 + z**2 / safe)
    half = z / (1 + z**2 / safe) * np.sqrt(p * (1 - p) / safe + z**2 / (4 * safe**2))
    low = np.where(
        (m > 0) & (k > 0), np.clip(summarize - half, 0, 1), 0.0
    )  # exact at the ends, where rounding would show
    high = np.where((m > 0) & (k < m), np.clip(summarize + half, 0, 1), 1.0)
    return low, high


def newcombe(
    solved_a: ArrayLike, n_a: ArrayLike, solved_b: ArrayLike, n_b: ArrayLike, level: float = LEVEL
) -> tuple[NDArray, NDArray]:
    """Interval for the difference of two proportions, a - b: Newcombe 1998, method 10, made of two
    Wilson intervals.

    (-1, 1) where either n is 0.

    >>> low, high = newcombe(56, 70, 48, 80)  # the paper's case (a)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3339)
    """
    (ka, na), (kb, nb) = (
        (np.asarray(solved_a, float), np.asarray(n_a, float)),
        (np.asarray(solved_b, float), np.asarray(n_b, float)),
    )
    (low_a, high_a), (low_b, high_b) = wilson(ka, na, level), wilson(kb, nb, level)
    pa, pb = ka / np.where(na > 0, na, 1), kb / np.where(nb > 0, nb, 1)
    low = pa - pb - np.hypot(pa - low_a, high_b - pb)
    high = pa - pb + np.hypot(high_a - pa, pb - low_b)
    both_tested = (na > 0) & (nb > 0)
    return np.where(both_tested, low, -1.0), np.where(both_tested, high, 1.0)


def trained(summary: pd.DataFrame) -> pd.DataFrame:
    """The networks that were trained: those whose status is not ``untrained``."""
    return summary[summary["status"] != "untrained"]


def success(summary: pd.DataFrame, by: Sequence[str], level: float = LEVEL) -> pd.DataFrame:
    """Success rates at the points of a grid.

    Args:
        summary: rows of the summary table; networks that were not trained are left out.
        by: the columns that name a grid point; its rows are its seeds (and whatever else ``by``
            does not hold apart).
        level: of the interval.

    Returns:
        ``by`` and n, n_solved, n_diverged, rate, low, high, sorted by ``by``. The interval is
        Wilson's for as many independent networks as the n are worth (``_effective_size``).
    """
    rows = trained(summary)
    counts = _counts(rows, by)
    sizes = np.array([_effective_size(group) for _, group in _groups(rows, by)])
    rate = counts["n_solved"] / counts["n"]
    low, high = wilson(rate * sizes, sizes, level)
    return counts.assign(rate=rate, low=low, high=high)


def frontier(
    summary: pd.DataFrame, by: Sequence[str], lag: str = "lag_max", level: float = LEVEL
) -> pd.DataFrame:
    """The longest dependency that half the seeds solve.

    A network at a lag of x steps is solved with probability 1 / (1 + (x / m)^s), s > 0: a logistic
    curve in ln x, falling, whose half point m is the frontier. m is the maximum of the likelihood,
    its interval that of the profile likelihood (s maximised at each m, SLOPES bounds it, so that
    data that separate perfectly have a finite fit: m lies between the last solved and the first
    unsolved lag). Nothing is claimed outside the tested lags: a half point beyond them is censored,
    a bound beyond them is 0 or infinity. The likelihood takes networks as independent; the ratio
    that bounds the interval is multiplied by the design effect of the seeds where that exceeds 1
    (``design_effect``).

    Args:
        summary: rows of the summary table; rows without a lag, or with none to speak of (0), are
            left out.
        by: the columns that name a curve.
        lag: the column of the dependency's length, steps.
        level: of the interval.

    Returns:
        ``by`` and n, n_solved, n_diverged, lag_low, lag_high (tested, steps), frontier, low, high
        (steps), censored: ``>=`` (frontier is the largest lag tested), ``<`` (the smallest) or
        empty.
    """
    lagged = trained(summary[summary[lag].fillna(0) > 0])
    rows = [{**key, **_frontier(group, lag, level)} for key, group in _groups(lagged, by)]
    return pd.DataFrame(rows, columns=[*by, *FRONTIER])


def reached(
    bins: pd.DataFrame, by: Sequence[str], level: float = LEVEL, draws: int = 1000
) -> pd.DataFrame:
    """The frontier where every network has been judged at many dependency lengths at once, e.g.
    brackets by distance.

    A network reaches the longest length that it solves together with every shorter one; the
    frontier is the longest length reached by half the networks, its interval a bootstrap over
    seeds (bins of one network are not independent, so no logistic fit is made over them).

    Args:
        bins: a row per network and length: ``by``, run_key, status (of the network), lag (steps),
            passed (bool).
        by: the columns that name a curve.
        level, draws: of the bootstrap.

    Returns:
        The columns of ``frontier``; frontier is the smallest length tested, censored ``<``, where
        half the networks do not reach even that.
    """
    rows = []
    for key, group in _groups(trained(bins), by):
        networks = group.sort_values("lag").groupby("run_key", observed=True)
        heads = networks.first()
        furthest = (
            networks[["lag", "passed"]]
            .apply(lambda g: g["lag"].where(g["passed"].cummin(), 0).max())
            .reindex(heads.index)
        )
        least, most = float(group["lag"].min()), float(group["lag"].max())
        point, low, high = _bootstrap(furthest.to_numpy(float), _seeds(heads), "half", level, draws)
        rows.append(
            {
                **key,
                **_tally(heads),
                "lag_low": least,
                "lag_high": most,
                "frontier": max(point, least),
                "low": low,
                "high": np.inf if high >= most else max(high, least),
                "censored": ">=" if point >= most else "<" if point < least else "",
            }
        )
    return pd.DataFrame(rows, columns=[*by, *FRONTIER])


def summarize(
    summary: pd.DataFrame,
    by: Sequence[str],
    value: str = "final",
    statistic: Literal["median", "mean"] = "median",
    level: float = LEVEL,
    draws: int = 1000,
) -> pd.DataFrame:
    """Median or mean of a measure over the networks of a grid point, with a percentile bootstrap
    interval over their seeds.

    In a median a diverged network ranks worst (infinitely bad), so that it stands while less than
    half diverged; a mean is over the networks that did not diverge, and n_diverged says how many
    are missing from it. Networks that were not trained count like the others: what is taken may
    have been measured before training. The bootstrap has a stream of its own, fixed by the number
    of seeds.

    Args:
        summary: rows of the summary table.
        by: the columns that name a grid point.
        value: the column; in the median a missing one ranks worst: by ``measure``'s direction in
            ``final`` and ``value``, else upward.
        statistic: what is taken.
        level: of the interval.
        draws: bootstrap resamples.

    Returns:
        ``by`` and n, n_solved, n_diverged, value, low, high. The interval of fewer than two
        seeds is missing; an infinite bound says that diverged networks reach it.
    """
    rows = []
    for key, group in _groups(summary, by):
        sign = (
            1.0
            if LARGER_IS_BETTER.get(str(group["measure"].iloc[0]), False)
            and value in ("final", "value")
            else -1.0
        )
        numbers = sign * group[value].to_numpy(float)  # in the sense that larger is better
        seeds = _seeds(group)
        if statistic == "median":
            numbers = np.where(np.isnan(numbers), -np.inf, numbers)
        else:
            seeds, numbers = seeds[np.isfinite(numbers)], numbers[np.isfinite(numbers)]
        point, low, high = _bootstrap(numbers, seeds, statistic, level, draws)
        low, high = (low, high) if sign > 0 else (-high, -low)
        point, low, high = (number + 0.0 for number in (sign * point, low, high))  # no -0
        rows.append({**key, **_tally(group), "value": point, "low": low, "high": high})
    return pd.DataFrame(rows, columns=[*by, "n", "n_solved", "n_diverged", "value", "low", "high"])


def shares(summary: pd.DataFrame, by: Sequence[str], kind: str) -> pd.DataFrame:
    """The share of each value of ``kind`` at a grid point: ``by``, kind, n (of the grid point),
    count, share. Networks that were not trained are left out.
    """
    counts = (
        trained(summary)
        .groupby([*by, kind], dropna=False, observed=True)
        .size()
        .rename("count")
        .reset_index()
    )
    n = (
        counts.groupby(list(by), dropna=False, observed=True)["count"].transform("sum")
        if by
        else counts["count"].sum()
    )
    return counts.assign(n=n, share=counts["count"] / n)


# Parts --------------------------------------------------------------------------------------------


def _z(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    return float(special.ndtri(0.5 + level / 2))


def _groups(
    frame: pd.DataFrame, by: Sequence[str]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    if not by:
        yield from [({}, frame)] if len(frame) else []
        return
    for key, group in frame.groupby(list(by), dropna=False, observed=True):
        yield dict(zip(by, key, strict=True)), group


def _tally(group: pd.DataFrame) -> dict[str, int]:
    status = group["status"]
    return {
        "n": len(group),
        "n_solved": int((status == "solved").sum()),
        "n_diverged": int((status == "diverged").sum()),
    }


def _counts(summary: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    flags = summary[list(by)].assign(
        n=1, n_solved=summary["status"].eq("solved"), n_diverged=summary["status"].eq("diverged")
    )
    sums = flags.astype({"n_solved": "int64", "n_diverged": "int64"})
    return (
        sums.groupby(list(by), dropna=False, observed=True)[["n", "n_solved", "n_diverged"]]
        .sum()
        .reset_index()
    )


def _seeds(rows: pd.DataFrame) -> NDArray:
    """The seed of each row; where there is no such column, one per row."""
    return rows["seed"].to_numpy() if "seed" in rows else np.arange(len(rows))


def _effective_size(rows: pd.DataFrame) -> float:
    """Independent networks that the networks of a grid point are worth: p (1 - p) over the variance
    of the rate p between seeds (a ratio estimator's, Cochran 1977, section 9A), at least the number
    of seeds and at most that of networks.

    Where all or none are solved nothing is known of how alike the networks of a seed are: the
    number of seeds.

    >>> twice = pd.DataFrame(
    ...     {"seed": [0, 0, 1, 1, 2, 2], "status": ["solved"] * 2 + ["unsolved"] * 4}
    ... )
    >>> _effective_size(twice), _effective_size(twice.drop(columns="seed"))
    (3.0, 6.0)
    """
    networks, solved = len(rows), rows["status"].eq("solved").to_numpy(float)
    _, place = np.unique(_seeds(rows), return_inverse=True)
    seeds = int(place.max(initial=-1)) + 1
    if seeds in (networks, 1):
        return float(seeds)
    p = solved.mean()
    if p in (0, 1):
        return float(seeds)
    # The factors are 1 over the expectation of the sums of squares of independent networks.
    between = (np.bincount(place, solved - p) ** 2).sum() * seeds / (seeds - 1) / networks
    independent = p * (1 - p) * networks / (networks - 1)
    size = networks * independent / between if between > 0 else networks
    return float(np.clip(size, seeds, networks))


def design_effect(solved: NDArray, chance: NDArray, seeds: NDArray) -> float:
    """How many times as much the number of solved networks varies as it would were the networks of
    a seed independent; at least 1.

    Args:
        solved: (n) 1 or 0.
        chance: (n) of being solved, as fitted.
        seeds: (n) of the networks.
    """
    _, place = np.unique(seeds, return_inverse=True)
    count = int(place.max()) + 1
    independent = (chance * (1 - chance)).sum()
    if count in (1, len(solved)) or independent <= 0:
        return 1.0
    between = (np.bincount(place, solved - chance) ** 2).sum() * count / (count - 1)
    return max(1.0, float(between / independent))


def _frontier(rows: pd.DataFrame, lag: str, level: float) -> dict[str, Any]:
    each, solved = rows[lag].to_numpy(float), rows["status"].eq("solved").to_numpy(float)
    lags, place = np.unique(each, return_inverse=True)
    x, n, k = np.log(lags), np.bincount(place).astype(float), np.bincount(place, solved)
    least, most = float(lags[0]), float(lags[-1])
    m, profile, slopes = _profile(x, k, n)
    middle = _middle_of_maximum(profile)
    best = float(m[middle])
    chance = special.expit(slopes[middle] * (best - np.log(each)))
    effect = design_effect(solved, chance, _seeds(rows))
    within = m[profile >= profile.max() - effect * special.chdtri(1, 1 - level) / 2]
    censored = ">=" if best >= x.max() else "<" if best < x.min() else ""
    return {
        **_tally(rows),
        "lag_low": least,
        "lag_high": most,
        "frontier": float(np.clip(np.exp(best), least, most)),
        "low": 0.0 if within[0] < x.min() else min(float(np.exp(within[0])), most),
        "high": np.inf if within[-1] >= x.max() else max(float(np.exp(within[-1])), least),
        "censored": censored,
    }


def _profile(x: NDArray, k: NDArray, n: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """(m, log-likelihood of m with the best slope, that slope) for half points m from an e-th below
    to e times beyond the tested lags.
    """
    m = np.arange(x.min() - 1, x.max() + 1 + STEP, STEP)
    logit = SLOPES[None, :, None] * (m[:, None, None] - x[None, None, :])
    likelihood = -(n * np.logaddexp(0, -logit) + (n - k) * logit).sum(axis=-1)
    return m, likelihood.max(axis=1), SLOPES[likelihood.argmax(axis=1)]


def _middle_of_maximum(profile: NDArray) -> int:
    """The middle of the plateau at the top: where data separate, all of a gap is equally likely."""
    top = np.flatnonzero(profile >= profile.max() - 1e-6)
    return int(top[len(top) // 2])


def _bootstrap(
    numbers: NDArray, seeds: NDArray, statistic: str, level: float, draws: int
) -> tuple[float, float, float]:
    """A statistic of the numbers, and its percentile interval over resampled seeds."""
    if len(numbers) == 0:
        return np.nan, np.nan, np.nan
    order = np.lexsort((numbers, seeds))  # the order of rows is no matter
    numbers, seeds = numbers[order], seeds[order]
    takes = {"mean": _mean, "median": _median, "half": _half}
    take = takes[statistic]
    point = float(take(numbers, np.ones((1, len(numbers))))[0])
    if len(np.unique(seeds)) < 2:
        return point, np.nan, np.nan
    tails = [(1 - level) / 2, (1 + level) / 2]
    drawn = take(numbers, resamples(seeds, draws))
    low, high = np.quantile(drawn, tails, method="inverted_cdf")
    return point, float(low), float(high)


def _mean(numbers: NDArray, often: NDArray) -> NDArray:
    """(draws) means of numbers (n) of which a draw holds each as ``often`` (draws, n) as told."""
    return (often @ numbers) / often.sum(1)


def _ranked(numbers: NDArray, often: NDArray) -> Callable[[NDArray], NDArray]:
    """The number at a place (draws) of each draw's ordered numbers; arguments as of ``_mean``."""
    order = np.argsort(numbers)
    ordered, reached = numbers[order], often[:, order].cumsum(1)
    return lambda place: ordered[(reached <= place[:, None]).sum(1)]


def _median(numbers: NDArray, often: NDArray) -> NDArray:
    """The lower middle value where -inf is one of the two, so that no mean of a number and an
    infinity is taken.
    """
    at, size = _ranked(numbers, often), often.sum(1)
    low, high = at((size - 1) // 2), at(size // 2)
    return np.where(np.isinf(low), low, (low + np.where(np.isinf(low), 0, high)) / 2)


def _half(numbers: NDArray, often: NDArray) -> NDArray:
    """The largest value that at least half of the numbers reach."""
    return _ranked(numbers, often)(often.sum(1) // 2)


def welch(
    a: Iterable[float], b: Iterable[float], level: float = LEVEL
) -> tuple[float, float, float]:
    """Difference of means a - b and its interval (Welch 1947), over the finite values; missing
    bounds with fewer than two on a side.

    >>> welch([1.0, 1.0], [1.0, 1.0])
    (0.0, 0.0, 0.0)
    """
    x, y = (np.asarray(list(v), float) for v in (a, b))
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    if not len(x) or not len(y):
        return np.nan, np.nan, np.nan
    difference = float(x.mean() - y.mean())
    if min(len(x), len(y)) < 2:
        return difference, np.nan, np.nan
    u, v = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    if u + v == 0:
        return difference, difference, difference
    freedom = (u + v) ** 2 / (u**2 / (len(x) - 1) + v**2 / (len(y) - 1))
    half = float(special.stdtrit(freedom, 0.5 + level / 2) * np.sqrt(u + v))
    return difference, difference - half, difference + half


def by_seed(
    values: ArrayLike, seeds: ArrayLike, level: float = LEVEL
) -> tuple[float, float, float]:
    """Mean of the values and its interval, with seeds as the unit: those of one seed share data and
    first weights, and are not independent.

    The interval is that of the exact sign-flip test on the seeds' sums. Its ends are order
    statistics of the means of all subsets of seeds (typical values, Hartigan 1969): it holds for
    any distribution of a seed's sum that is symmetric about the truth, seeds may have different
    numbers of values, and no variance is estimated. S seeds cannot reject anything below a p of
    2^(1 - S): fewer than 6 have an interval without ends at 95 %. Of more than SUBSETS seeds as
    many random subsets are taken, from a stream of their own.

    Args:
        values: finite ones count.
        seeds: beside each value, the seed of its network.
        level: of the interval.

    >>> by_seed([1.0, 2.0, 3.0], [0, 1, 2])
    (2.0, -inf, inf)
    >>> by_seed([1.0] * 9, range(9))
    (1.0, 1.0, 1.0)
    """
    frame = pd.DataFrame({"value": np.asarray(values, float), "seed": np.asarray(seeds)})
    groups = frame[np.isfinite(frame["value"])].groupby("seed")["value"].agg(["sum", "size"])
    S, sums, counts = len(groups), groups["sum"].to_numpy(float), groups["size"].to_numpy(float)
    if not S:
        return np.nan, np.nan, np.nan
    if S <= SUBSETS:
        chosen = (np.arange(1, 2**S)[:, None] >> np.arange(S)) & 1
    else:
        chosen = stream(0, "subsets", S).integers(2, size=(2**SUBSETS - 1, S))
        chosen[~chosen.any(1), 0] = 1
    means = np.sort((chosen @ sums) / (chosen @ counts))
    # the smallest place whose tail, the empty subset included, is not rejected
    place = int((1 - level) / 2 * (len(means) + 1) + 1e-9) - 1
    low, high = (means[place], means[-1 - place]) if place >= 0 else (-np.inf, np.inf)
    return float(sums.sum() / counts.sum()), float(low), float(high)


def resamples(seeds: ArrayLike, draws: int) -> NDArray:
    """(draws, networks): how often each network is in each bootstrap sample of whole seeds.

    >>> resamples([0, 0, 1, 1], 3).shape
    (3, 4)
    """
    names, place = np.unique(np.asarray(seeds), return_inverse=True)
    index = stream(0, "seeds", len(names)).integers(len(names), size=(draws, len(names)))
    counts = np.zeros((draws, len(names)))
    np.add.at(counts, (np.arange(draws)[:, None], index), 1)
    return counts[:, place]
