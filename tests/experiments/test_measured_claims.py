"""Claims about what is measured: cost, context and cliff, on tables whose law is known."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.support.worlds import ROOT, judged, verdicts, world
from throughtime.benchmarks.cost import Size, measure
from throughtime.planning.experiment_files import load_module
from throughtime.results import tables
from throughtime.results.load import Results

pytestmark = pytest.mark.slow

YES, NO, OPEN = "supported", "not supported", "undecided"


# Cost ---------------------------------------------------------------------------------------------


def costs(time=1.0, sliding=1.0, batch=0.5):
    """A computed table whose quantities are a constant and a power of x; times differ from it by up
    to a percent.
    """
    rows = []
    sizes = {
        "full": (25, 50, 100, 200, 400, 800),
        "chunked": (5, 10, 25, 50, 100, 200),
        "sliding": (2, 4, 6, 8, 12, 16, 20),
    }
    for series, xs in {**sizes, "batch": (1, 2, 5, 10, 20, 40)}.items():
        power = {"full": time, "sliding": sliding, "batch": batch, "chunked": 0.0}[series]
        for i, x in enumerate(xs):
            shaken = 1 + 0.01 * (-1) ** (i // 2)
            values = {
                "update_ms": (10 * (series == "sliding") + 5 * x**power) * shaken,
            }
            rows += [
                (series, quantity, x, 200.0, value)
                for quantity, value in {**values, "depth": x}.items()
            ]
    computed = pd.DataFrame(rows, columns=["series", "quantity", "x", "y", "value"])
    return verdicts(
        "cost",
        Results(**{**vars(Results.empty()), "computed": tables.conform(computed, "computed")}),
    )


@pytest.mark.parametrize(
    ("powers", "changed"),
    [
        ({}, {}),
        ({"time": 2.0}, {"time_linear": NO}),
        ({"sliding": 2.0}, {"time_linear": NO}),
        ({"time": 0.5}, {"time_linear": NO, "steps_serial": NO}),
        ({"batch": 1.0}, {"sequences_parallel": NO}),
    ],
)
def test_cost(powers, changed):
    claimed = dict.fromkeys(("time_linear", "steps_serial", "sequences_parallel"), YES)
    assert costs(**powers) == claimed | changed


@pytest.mark.parametrize(
    ("y", "expected"),
    [(lambda x: 3 + 2 * x, 0.0), (lambda x: (x - 1) ** 2 + 1e-9, 2.0), (np.sqrt, None)],
)
def test_bend_is_the_change_of_slope_over_the_mean_slope(y, expected):
    x = np.linspace(1, 9, 9)
    value, low, high, n = load_module(ROOT / "experiments" / "cost" / "claims.py", "bend").bend(
        x, y(x)
    )
    assert (n, low <= value <= high) == (9, True)
    if expected is None:
        assert (
            -1.5 < value < -0.5
        )  # the slope falls from 1/2 to 1/6, the mean is 1/4: -4/3 for the function itself
    else:
        assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("series", "sizes"),
    [
        ("full", [Size("full", T, T, 8, 4, 2) for T in (4, 8, 12, 16, 24)]),
        ("chunked", [Size("chunked", 48, K, 8, 4, 2) for K in (2, 4, 8, 12, 16)]),
    ],
)
def test_memory_is_linear(series, sizes):
    """The memory kept for backward, in T at full depth and in K where chunks follow each other: on
    the engine, to the byte.
    """
    found = measure(sizes, 1)
    x = found["T" if series == "full" else "K"].to_numpy(float)
    slopes = np.diff(found["kept_bytes"]) / np.diff(x)
    assert slopes == pytest.approx(slopes[0], rel=1e-12)
    assert slopes[0] > 0


# Context ------------------------------------------------------------------------------------------

NS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 100)


def contexts(effective):
    """Results whose networks need ``effective(K)`` characters, the power of K a little more or less
    from seed to seed: the excess falls like ln n to .05 bits there.
    """

    def found(row):
        end = effective(row["K"]) * (row["K"] / 10) ** (0.01 * (row["seed"] - 4.5))
        assert end < NS[-1]  # more the probe cannot tell
        for n in NS:
            needed = NS[0] < end and n < NS[-1]
            excess = 1 - 0.95 * math.log(n) / math.log(end) if needed else 0.0
            yield row["run_key"], 1500, "context", "loss_reset", n, (2.5 + excess) * math.log(2)

    summary = world("language", lambda row: {"status": "unsolved"}).summary
    summary = summary[summary["sweep"] == "K"]
    rows = [r for row in summary.to_dict("records") for r in found(row)]
    probes = tables.conform(pd.DataFrame(rows, columns=[c.name for c in tables.PROBES]), "probes")
    return world("language", lambda row: {"status": "unsolved"}, probes=probes)


def power(exponent):
    """A power of K that is K at 10, held between the ends of the ladder."""
    return lambda K: min(85, max(1.15, 10 * (K / 10) ** exponent))


@pytest.mark.parametrize(
    ("effective", "expected"),
    [
        (lambda K: 5 * K**0.3, (YES, YES, YES, YES)),
        (power(1.1), (YES, OPEN, YES, NO)),
        (lambda K: 20 / K**0.3, (NO, YES, YES, YES)),
        (power(1.2), (YES, NO, YES, NO)),
        (lambda K: 8.0, (OPEN, YES, YES, YES)),
        (lambda K: 0.5, (OPEN, YES, OPEN, YES)),
    ],
)
def test_context(effective, expected):
    found = verdicts("context", contexts(effective))
    names = ("context_grows", "context_slower_than_K", "context_beyond_K", "context_short_of_T")
    assert found == dict(zip(names, expected, strict=True))


# Cliff --------------------------------------------------------------------------------------------


def training(throws_free, throws_clipped):
    """Results with a spike at updates 100, 150 .. 250 of every network; after it the loss is up by
    .5 where it is thrown back.
    """
    base = world("cliff", lambda row: {"status": "unsolved"})
    rows = []
    for row in base.summary.to_dict("records"):
        throws = throws_free if math.isinf(row["clip"]) else throws_clipped
        norm, loss = np.ones(300), np.full(300, 0.5)
        for i, at in enumerate(range(99, 251, 50)):
            norm[at] = 20
            loss[at + 1 : at + 21] += 0.5 * (i < throws + (row["seed"] == 0))
        for quantity, values in {"loss": loss, "log_grad_norm": np.log(norm)}.items():
            rows.append(
                pd.DataFrame({"index": np.arange(1, 301), "value": values}).assign(
                    run_key=row["run_key"], quantity=quantity
                )
            )
    frame = pd.concat(rows).assign(step=1000, probe="updates")
    return world(
        "cliff", lambda row: {"status": "unsolved"}, probes=tables.conform(frame, "probes")
    )


@pytest.mark.parametrize(("free", "clipped", "verdict"), [(3, 0, YES), (1, 1, OPEN), (0, 3, NO)])
def test_spikes_that_throw_networks_back(free, clipped, verdict):
    found = judged("cliff", training(free, clipped))["thrown_back"]
    assert found.verdict == verdict
    assert found.n == 180  # 90 unclipped and 90 clipped at 1: networks, not spikes
    assert found.statistic == pytest.approx((free - clipped) / 4)


def test_the_wall_of_the_one_unit_network():
    computed = tables.conform(
        load_module(ROOT / "experiments" / "cliff" / "compute.py", "compute").compute("smoke"),
        "computed",
    )
    empty = vars(Results.empty())
    found = judged("cliff", Results(**{**empty, "computed": computed}))
    assert found["thrown_back"].verdict == OPEN
    assert (found["wall"].verdict, found["wall"].n) == (YES, 121)
    swapped = computed.assign(
        series=computed["series"].replace({"start 0.1": "start inf", "start inf": "start 0.1"})
    )
    assert verdicts("cliff", Results(**{**empty, "computed": swapped}))["wall"] == NO
    same = computed.assign(
        series=computed["series"].replace({"start 1": "start inf", "start inf": "none"})
    )
    alike = pd.concat(
        [
            same[same["series"] != "start 0.1"],
            same[same["series"] == "start inf"].assign(series="start 0.1"),
        ]
    )
    assert verdicts("cliff", Results(**{**empty, "computed": alike}))["wall"] == OPEN
