"""What probes might have found on plausible networks: a function a probe, from the summary's rows
to quantity, index and value.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from throughtime.core.rng import stream
from throughtime.planning.plan import Plan
from throughtime.results import tables

Found = Iterator[tuple[str, int, float]]
LADDER = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 100)


def updates(row: dict[str, Any]) -> Found:
    """A falling loss with a spike every 60 updates after the hundredth, after which the loss of an
    unclipped network stays up.
    """
    rng, died = stream(3, row["run_key"]), row["diverged_at"]
    for update in range(1, int(died if pd.notna(died) else row["updates"] + 1)):
        since = update % 60 if update >= 120 else 59
        back = 1.5 * math.exp(-since / 10) if row["clip"] > 1 else 0.0
        yield "loss", update, (math.exp(-update / 300) + back) * rng.uniform(0.9, 1.1)
        yield "log_grad_norm", update, math.log((40 if since == 0 else 1) * rng.uniform(0.9, 1.1))


def context(row: dict[str, Any]) -> Found:
    """A loss that falls to its level within about 4 K^.3 characters."""
    if row["status"] == "diverged":
        return
    rng, reach = stream(4, row["run_key"]), 4 * row["K"] ** 0.3
    for n in LADDER:
        for kind, worse in {"reset": 1.0, "shuffled": 1.1, "replaced": 1.3}.items():
            if (kind, n) != ("shuffled", LADDER[-1]):
                yield (
                    f"loss_{kind}",
                    n,
                    1.7 + 1.5 * worse * math.exp(-3 * n / reach) + 0.001 * rng.normal(),
                )


def gradient_by_lag(row: dict[str, Any]) -> Found:
    """A norm that falls, or grows, by a little less than ln(gain) a step."""
    if row["status"] == "diverged":
        return
    slope = math.log(row["gain"]) - 0.2 + 0.05 * stream(5, row["run_key"]).normal()
    for lag in range(row["steps"]):
        yield "log_gradient_rms", lag, 0.5 + slope * lag


def jacobian(row: dict[str, Any]) -> Found:
    """Exponents that fall off from about ln(gain)."""
    if row["status"] == "diverged":
        return
    for rank in range(row["hidden"]):
        yield "lyapunov", rank, math.log(row["gain"]) - 0.2 - 0.1 * rank


def truncation_bias(row: dict[str, Any]) -> Found:
    """A bias that falls at the largest exponent, in mode chunked like 1 / K; a cosine that goes
    with it.
    """
    if row["status"] == "diverged":
        return
    rate = math.log(row["gain"]) - 0.2 + 0.03 * stream(6, row["run_key"]).normal()
    for K in (k for k in LADDER if k < row["steps"]):
        for mode, log in {
            "chunked": -math.log(K + 1),
            "sliding": rate * K,
            "buffered": rate * K - math.log(K),
        }.items():
            yield f"log_delta_hh_{mode}", K, log
            yield f"cosine_hh_{mode}", K, 1 - math.exp(min(log, 0.0)) / 2


def generated(row: dict[str, Any]) -> Found:
    """The same words of every network."""
    if row["status"] == "diverged":
        return
    for quantity, text in (("prompt", "We, the "), ("character", "people of $ 100 &\nall " * 13)):
        for place, character in enumerate(text):
            yield quantity, place, float(ord(character))


MADE: dict[str, Callable[[dict[str, Any]], Found]] = {
    "updates": updates,
    "context": context,
    "generated": generated,
    "gradient_by_lag": gradient_by_lag,
    "jacobian": jacobian,
    "truncation_bias": truncation_bias,
}


def table(plan: Plan, summary: pd.DataFrame) -> pd.DataFrame:
    """The probes table of all networks of ``summary``; probes that are not in MADE found
    nothing.
    """
    jobs = {key: planned.job for planned in plan.jobs for key in planned.run_keys}
    rows = [
        (row["run_key"], step, name, *found)
        for row in summary.to_dict("records")
        for step in jobs[row["run_key"]].probed
        for name in jobs[row["run_key"]].probes
        if name in MADE
        for found in MADE[name]({str(k): v for k, v in row.items()})
    ]
    return (
        tables.conform(pd.DataFrame(rows, columns=[c.name for c in tables.PROBES]), "probes")
        if rows
        else tables.empty("probes")
    )
