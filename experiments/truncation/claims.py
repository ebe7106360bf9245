"""Does learning fail where K is shorter than the lag, and what rescues the networks that learn all
the same?
"""

import pandas as pd

from throughtime.analysis import stats
from throughtime.analysis.claims import LEVEL, Claim, Evidence
from throughtime.analysis.power import Power, RatePower
from throughtime.analysis.verdicts import above, more_solved, pairs, unknown
from throughtime.results.load import Results

POINT = ["task", "task_args", "mode", "K"]
SAME = ["task", "task_args", "seed"]
# of the seeds: with ten, the simultaneous interval of a grid point lies above it from 6 or 7 on
CERTAIN = 0.2

BASIS = "of the laptop run: 3 seeds, hence the spread half as large again"


def out_of_reach(summary: pd.DataFrame) -> pd.DataFrame:
    """Chunked networks none of whose losses reaches any input it depends on, with ``kind``:
    trained, frozen or reset.
    """
    rows = summary[
        (summary["mode"] == "chunked") & (summary["reach"] < summary["lag_min"].fillna(0))
    ]
    rows = stats.trained(rows)
    kind = rows["border"].map({"reset": "reset", "carry": "trained"}).mask(rows["frozen"], "frozen")
    return rows.assign(kind=kind, solved=rows["status"] == "solved")


def by_kind(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per grid point, one column per kind: how many of its networks are solved; missing
    where the grid point has none of that kind.
    """
    counts = out_of_reach(summary).groupby([*POINT, "kind"], observed=True)["solved"].sum()
    return counts.unstack("kind").reindex(columns=["trained", "frozen", "reset"])


def fails(results: Results, level: float = LEVEL) -> Evidence:
    """The same networks at full depth and out of reach, at the grid points where both controls
    solve nothing.
    """
    counts = by_kind(results.summary)
    points = counts[(counts["frozen"] == 0) & (counts["reset"] == 0) & counts["trained"].notna()]
    rows = out_of_reach(results.summary)
    rows = rows[rows["kind"] == "trained"].merge(points.reset_index()[POINT], on=POINT)
    full = results.summary[(results.summary["mode"] == "full") & ~results.summary["frozen"]]
    both = pd.concat(
        [pairs(full, own, SAME) for _, own in rows.groupby("K")] or [rows.assign(status_a="")]
    )
    if both.empty:
        return unknown(
            "no grid point with K below the lag at which both controls were run and fail", 0.0
        )
    difference, low, high, n, words = more_solved(both, level)
    solved = (both["status_b"] == "solved").sum()
    return above(
        difference,
        low,
        high,
        0.0,
        n,
        f"at {len(points)} grid points where both controls solve nothing, K below the lag solves "
        f"{solved} of {n}; full depth against it: {words}",
    )


def rescued(results: Results, kind: str, level: float = LEVEL) -> Evidence:
    """The grid point out of reach that the most networks of a kind with a carried state solve;
    trained ones where the frozen control solves nothing.
    """
    rows = out_of_reach(results.summary)
    if kind == "trained":
        counts = by_kind(results.summary)
        rows = rows.merge(counts[counts["frozen"] == 0].reset_index()[POINT], on=POINT)
    rows = rows[rows["kind"] == kind]
    by = [*POINT, "kind", "lag_max"]
    places = int((rows.groupby(by).size() > 1).sum())
    if not places:
        return unknown("no grid point with K below the lag at which two networks were run", CERTAIN)
    points = stats.success(rows, by, 1 - (1 - level) / places)
    points = points[points["n"] > 1].sort_values("low", ascending=False, kind="stable")
    best, n, solved = points.iloc[0], int(points["n"].sum()), int(points["n_solved"].sum())
    if solved:
        return above(
            best["rate"],
            best["low"],
            best["high"],
            CERTAIN,
            int(best["n"]),
            f"{solved} of {n} networks solved at {places} grid points: {where(points)}",
        )
    # of all together: each grid point alone has too few seeds
    _, high = stats.wilson(0, n, level)
    return above(0.0, 0.0, float(high), CERTAIN, n, f"none of {n} networks of {places} grid points")


def where(points: pd.DataFrame) -> str:
    """The grid points with a solved network, how many of how many.

    >>> point = {"task": "copy", "lag_max": 10, "K": 5, "n_solved": 1, "n": 3}
    >>> where(pd.DataFrame([point]))
    'copy lag 10 K=5 1/3'
    """
    solved = points[points["n_solved"] > 0].sort_values(["task", "lag_max", "K"])
    return ", ".join(
        f"{r.task} lag {r.lag_max} K={r.K} {r.n_solved}/{r.n}" for r in solved.itertuples()
    )


BEST = (
    "Success rate of the best grid point (task, length, K) out of reach; Wilson's interval over "
    "its seeds, of all grid points at once at 95 % (Bonferroni: the best of many is chosen), above "
    f"{CERTAIN:g}. If none is solved in any, the interval is that of all together. With the "
    "state reset no information crosses a border, so that control cannot be "
    "rescued at all. "
)
CLAIMS = [
    Claim(
        "below_lag_costs",
        "Where neither the frozen control nor the reset one solves anything, fewer networks learn "
        "with K below the lag than at full depth.",
        "Trained chunked networks, state carried, that reach no input they depend on, beside the "
        "same networks (seed, task, length) at full depth, at grid points (task, length, K) where "
        "no frozen and no reset network is solved: share that only full depth solves less share "
        "that only the short K does; 95 % interval of the sign-flip test over seeds, nowhere "
        "shorter than Newcombe's, above 0. Where a control succeeds, the grid point says nothing "
        "about K.",
        fails,
        power=Power(0.36, 0.13, 10, "flips", basis=BASIS),
    ),
    Claim(
        "random_state_rescues",
        "With K below the lag a random network whose recurrent weights are never trained solves "
        "some grid point in more than a fifth of its seeds: a carried state is enough.",
        BEST + "Frozen networks.",
        lambda results, level=LEVEL: rescued(results, "frozen", level),
        power=RatePower(0.8, CERTAIN, 10, points=24, basis="laptop: all of three seeds"),
    ),
    Claim(
        "training_rescues",
        "With K below the lag trained networks solve, in more than a fifth of their seeds, some "
        "grid point at which no frozen one is solved.",
        BEST + "Trained networks, at grid points of which the frozen control solves none.",
        lambda results, level=LEVEL: rescued(results, "trained", level),
        power=RatePower(0.8, CERTAIN, 10, points=13, basis="laptop: all of three seeds"),
    ),
]
