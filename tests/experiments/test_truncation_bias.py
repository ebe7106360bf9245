"""Decay rates beside exponents, and the bias of runs, from made-up measurements."""

import math

import numpy as np
import pandas as pd
import pytest

from experiments.truncation_bias import analysis as truncation_bias
from tests.support import made
from throughtime.results.load import Results

pytestmark = pytest.mark.slow

TASKS = {
    "task": ["adding", "brackets"],
    "adding__length": 30,
    "brackets__length": 30,
    "brackets__generate": True,
    "brackets__opening": 0.6,
    "init": "gaussian",
    "gain": [0.5, 1.0],
}
LADDER = (1, 2, 3, 5, 8, 13, 21)
RATE = {0.5: -0.6, 1.0: -0.2}


def measured(summary: pd.DataFrame, factor: float = 1.0, noise: float = 0.0) -> list[pd.DataFrame]:
    """delta falls at ``factor`` times the exponent; on brackets only the losses with something to
    lose have a bias.
    """
    rng = np.random.default_rng(0)

    def delta(row):
        for K in LADDER:
            some = math.log1p(-K / row.steps) if row.task == "brackets" else 0.0
            yield (
                "log_delta_hh_sliding",
                K,
                factor * RATE[row.gain] * K + some + noise * rng.normal(),
            )
            yield (
                "log_delta_sequence_sliding",
                K,
                1.2 * factor * RATE[row.gain] * K + some + noise * rng.normal(),
            )
            yield "log_delta_hh_chunked", K, -math.log(K)

    exponents = made.probes(
        summary, "jacobian", lambda r: [("lyapunov", 0, RATE[r.gain]), ("lyapunov", 1, -9.0)]
    )
    return [made.probes(summary, "truncation_bias", delta), exponents]


def tables(factor: float = 1.0, noise: float = 0.0, seeds: int = 3) -> Results:
    initial = made.networks("initial", **TASKS, K="full", updates=0, seeds=seeds)
    full = made.networks("full", **TASKS, K="full", seeds=seeds)
    truncated = made.networks(
        "truncated", **TASKS, mode=["chunked", "sliding"], K=[2, 8], seeds=seeds
    )
    summary = pd.concat([initial, full, truncated], ignore_index=True)
    return made.results(
        summary, *measured(initial, factor, noise), *measured(full, 2 * factor, noise)
    )


def test_rates_beside_the_largest_exponent() -> None:
    table = truncation_bias.rates(tables())
    assert len(table) == 2 * 2 * 2 * 3
    rate = table["gain"].map(RATE)
    assert table["lyapunov"].tolist() == pytest.approx(rate.tolist())
    speed = table["moment"].map({"before": 1.0, "after": 2.0})
    assert table["decay"].tolist() == pytest.approx((rate * speed).tolist())


def test_too_few_points_have_no_rate() -> None:
    """At a twentieth of the rate adding's delta is above a half up to K = 21, or up to K = 13 where
    it falls fastest after training.
    """
    table = truncation_bias.rates(tables(factor=0.05))
    assert table.loc[table["task"] == "adding", "decay"].isna().all()


def test_runs_have_the_bias_of_the_untrained_network() -> None:
    runs = truncation_bias.learned(tables())
    assert (runs.loc[runs["mode"] == "full", "delta"] == 0).all()
    short = runs[(runs["mode"] == "chunked") & (runs["K"] == 8)]
    assert short["delta"].tolist() == pytest.approx([1 / 8] * len(short))
    sliding = runs[
        (runs["mode"] == "sliding")
        & (runs["K"] == 8)
        & (runs["task"] == "adding")
        & (runs["gain"] == 0.5)
    ]
    assert sliding["delta"].tolist() == pytest.approx([math.exp(-4.8)] * 3)


def test_what_was_not_measured_is_missing() -> None:
    found = tables()
    bare = made.results(found.summary)
    assert truncation_bias.rates(bare).empty
    runs = truncation_bias.learned(bare)
    assert runs.loc[runs["mode"] != "full", "delta"].isna().all()
