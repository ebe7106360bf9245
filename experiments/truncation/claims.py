"""Does learning fail where K is shorter than the lag, and what rescues the networks that learn all
the same?
"""

import pandas as pd

from throughtime.analysis import stats
from throughtime.analysis.claims import Claim, Evidence
from throughtime.analysis.verdicts import above, below, unknown
from throughtime.results.load import Results

POINT = ["task", "task_args", "mode", "K"]
# of networks solved by luck: Wilson's upper end is below it from 35 networks on, if none is solved
MOST = 0.1
CERTAIN = 0.2  # Wilson's lower end is above it from two of three seeds on, and not for one of two


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


def fails(results: Results) -> Evidence:
    """Trained networks out of reach, at the grid points where both controls solve nothing."""
    counts = by_kind(results.summary)
    points = counts[(counts["frozen"] == 0) & (counts["reset"] == 0) & counts["trained"].notna()]
    rows = out_of_reach(results.summary)
    rows = rows[rows["kind"] == "trained"].merge(points.reset_index()[POINT], on=POINT)
    n, solved = len(rows), int(rows["solved"].sum())
    if not n:
        return unknown(
            "no grid point with K below the lag at which both controls were run and fail", MOST
        )
    low, high = (float(v) for v in stats.wilson(solved, n))
    return below(
        solved / n,
        low,
        high,
        MOST,
        n,
        f"{solved} of {n} networks solved at {len(points)} grid points where both controls solve "
        "nothing",
    )


def rescued(results: Results) -> Evidence:
    """The grid point out of reach that the most networks with a carried state solve."""
    rows = out_of_reach(results.summary)
    points = stats.success(rows[rows["kind"] != "reset"], [*POINT, "kind", "lag_max"])
    points = points[points["n"] > 1].sort_values("low", ascending=False, kind="stable")
    if points.empty:
        return unknown("no grid point with K below the lag at which two networks were run", CERTAIN)
    best, n, solved = points.iloc[0], int(points["n"].sum()), int(points["n_solved"].sum())
    if solved:
        return above(
            best["rate"],
            best["low"],
            best["high"],
            CERTAIN,
            n,
            f"{solved} of {n} solved: {where(points)}",
        )
    _, high = stats.wilson(
        0, n
    )  # of all grid points together: one of three seeds says little alone
    return above(0.0, 0.0, float(high), CERTAIN, n, f"none of {n} networks out of reach is solved")


def where(points: pd.DataFrame) -> str:
    """The grid points with a solved network, by who solved them: frozen networks on a carried
    random state, trained ones on more.
    """
    solved = points[points["n_solved"] > 0].sort_values(["kind", "task", "lag_max", "K"])
    names = {
        "frozen": "by a carried random state (frozen)",
        "trained": "by a trained carried state",
    }
    parts = []
    for kind, group in solved.groupby("kind"):
        places = (
            f"{r.task} lag {r.lag_max} K={r.K} {r.n_solved}/{r.n}" for r in group.itertuples()
        )
        parts.append(f"{names[str(kind)]}: {', '.join(places)}")
    return "; ".join(parts)


CLAIMS = [
    Claim(
        "below_lag_fails",
        "With K below the lag a network learns nothing where neither the frozen control nor the "
        "reset one does.",
        "Share of networks solved among trained chunked ones, state carried, that reach no input "
        "they depend on, at grid points "
        "(task, length, K) where no frozen and no reset network is solved; Wilson's 95 % interval "
        f"below {MOST:g}. Chance "
        "solves none of them (the criteria are 99 % right or a tenth of the variance), so that the "
        "threshold stands for "
        "exceptions; one network in ten would be a rule with exceptions no more.",
        fails,
    ),
    Claim(
        "rescued",
        "A carried state, or weights shared with shorter lags, rescues some networks with K below "
        "the lag.",
        "Success rate of the best grid point out of reach with a carried state, trained or frozen; "
        "Wilson's 95 % interval above "
        f"{CERTAIN:g}: at least two of three seeds. A best of many grid points is no bias here, "
        "because "
        "without a rescue nothing is "
        "solved in any. If none is solved in any, the interval is that of all together. With the "
        "state reset no information "
        "crosses a border, so that control cannot be rescued at all.",
        rescued,
    ),
]
