"""The claims of gradient_flow, phase and truncation_bias on made-up tables: decided rightly where
they hold, fail, and cannot be told.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from experiments.phase import analysis
from tests.experiments.test_phase import LENGTHS
from tests.experiments.test_truncation_bias import tables as bias_tables
from tests.support import made
from throughtime.analysis import predictions
from throughtime.planning.experiment_files import load_module
from throughtime.results.load import Results
from throughtime.theory.influence import Balancing

pytestmark = pytest.mark.slow

FLOW = {
    "task": ["copy", "adding"],
    "copy__length": 16,
    "copy__payload": 2,
    "copy__alphabet": 4,
    "adding__length": 20,
    "K": "full",
    "init": ["gaussian", "orthogonal"],
    "gain": [0.5, 0.8, 1.25, 2.0, 3.0],
    "seeds": 6,
}
COMPUTE = load_module(made.ROOT / "experiments" / "truncation_bias" / "compute.py", "compute")


def flow(offset: float = 0.0, noise: float = 0.005, without_inputs: bool = False) -> Results:
    """Networks whose log norm has theory's slope plus ``offset`` a step, or ln(gain): theory
    without inputs.
    """
    rng = np.random.default_rng(0)

    def found(row):
        theory = predictions.curve(row.task, row.task_args, row.input_gain, row.gain, row.steps)
        curve = (
            np.arange(row.steps) * math.log(row.gain)
            if without_inputs
            else theory + offset * np.arange(row.steps)
        )
        tilt = noise * rng.normal()
        return [("log_gradient_rms", k, v + tilt * k) for k, v in enumerate(curve)]

    summary = pd.concat(
        [made.networks(sweep, **FLOW) for sweep in ("initial", "trained")], ignore_index=True
    )
    return made.results(summary, made.probes(summary, "gradient_by_lag", found))


@pytest.mark.parametrize(
    ("claim", "tables", "verdict"),
    [
        ("below_one_vanishes", {}, "supported"),
        ("below_one_vanishes", {"offset": 0.6}, "not supported"),
        ("below_one_vanishes", {"noise": 1.0}, "undecided"),
        ("slope_is_theory", {}, "supported"),
        ("slope_is_theory", {"offset": 0.03, "noise": 0.001}, "supported"),
        ("slope_is_theory", {"offset": 0.1}, "not supported"),
        ("slope_is_theory", {"noise": 0.1}, "undecided"),
        ("slope_is_theory_after_training", {}, "supported"),
        ("slope_is_theory_after_training", {"offset": -0.1}, "not supported"),
        ("above_one_explodes", {}, "not supported"),  # at 1.25 inputs make gradients vanish
        ("above_one_explodes", {"without_inputs": True}, "supported"),
        ("border_is_critical_gain", {}, "supported"),
        ("border_is_critical_gain", {"without_inputs": True}, "not supported"),
        ("border_is_critical_gain", {"noise": 0.3}, "undecided"),
    ],
)
def test_gradient_flow(claim, tables, verdict) -> None:
    assert made.decide("gradient_flow", claim, flow(**tables)).verdict == verdict


@pytest.mark.parametrize(
    ("small", "large", "verdict"),
    [(0, 12, "supported"), (0, 0, "undecided"), (12, 0, "not supported")],
)
def test_the_share_of_diverged_runs(small, large, verdict) -> None:
    summary = made.networks(
        "unclipped", task="adding", adding__length=10, K="full", gain=[0.5, 2.0], seeds=20
    )
    bad = summary["seed"] < summary["gain"].map({0.5: small, 2.0: large})
    found = made.results(summary.assign(status=np.where(bad, "diverged", "unsolved")))
    evidence = made.decide("gradient_flow", "diverged_share_grows", found)
    assert (evidence.verdict, evidence.statistic) == (verdict, pytest.approx((large - small) / 20))


def phase(m: float, b: float, weaker: float = 1.0, seeds: int = 6) -> Results:
    """Copy and adding, solved up to m xi^b steps; copy's reach with the weaker drive times
    ``weaker``.
    """
    rows = made.networks(
        "map",
        task=["copy", "adding"],
        copy__length=LENGTHS,
        copy__payload=2,
        copy__alphabet=4,
        copy__input_gain=[1.0, 0.3],
        adding__length=[4, 5, 7, 9, 13, 17, 25, 33, 49],
        K="full",
        init="gaussian",
        gain=[0.25, 0.5, 0.8, 1.0, 1.25],
        seeds=seeds,
    )
    rows = analysis.with_ratio(rows)
    reach = m * rows["xi"] ** b * np.where(rows["input_gain"] < 1, weaker, 1.0)
    luck = np.random.default_rng(0).logistic(0, 1 / 6, len(rows))
    solved = np.log(rows["lag_max"].astype(float) / reach) < luck
    return made.results(
        rows.drop(columns=["xi", "ratio", "critical"]).assign(
            status=np.where(solved, "solved", "unsolved")
        )
    )


@pytest.mark.parametrize(
    ("claim", "law", "verdict"),
    [
        ("copy_follows_xi", (8.0, 1.0), "supported"),
        ("copy_follows_xi", (9.0, 0.3), "not supported"),
        ("copy_follows_xi", (9.0, 0.0), "not supported"),
        ("copy_follows_xi", (0.01, 1.0), "undecided"),  # nothing is solved
        ("adding_follows_xi", (8.0, 1.0), "supported"),
        ("adding_follows_xi", (9.0, 0.0), "not supported"),
        ("six_xi", (6.0, 1.0), "supported"),
        ("six_xi", (15.0, 1.0), "not supported"),
        ("weaker_drive_reaches_farther", (6.0, 1.0), "supported"),
        ("weaker_drive_reaches_farther", (6.0, 1.0, 0.1), "not supported"),
        ("exponent_falls_with_budget", (6.0, 1.0), "undecided"),  # no budget but one
        ("multiple_settles", (6.0, 1.0), "undecided"),
    ],
)
def test_phase(claim, law, verdict) -> None:
    assert made.decide("phase", claim, phase(*law)).verdict == verdict


def budgets(laws: dict[int, tuple[float, float]], seeds: int = 10) -> Results:
    """Copy, solved up to m xi^b steps, (m, b) by updates."""
    rows = made.networks(
        "budget",
        task="copy",
        length=LENGTHS,
        payload=2,
        alphabet=4,
        K="full",
        init="gaussian",
        gain=[0.25, 0.5, 0.8, 1.0, 1.25],
        updates=list(laws),
        seeds=seeds,
    )
    rows = analysis.with_ratio(rows)
    m, b = (rows["updates"].map({u: law[i] for u, law in laws.items()}) for i in (0, 1))
    luck = np.random.default_rng(0).logistic(0, 1 / 6, len(rows))
    solved = np.log(rows["lag_max"].astype(float) / (m * rows["xi"] ** b)) < luck
    return made.results(
        rows.drop(columns=["xi", "ratio", "critical"]).assign(
            status=np.where(solved, "solved", "unsolved")
        )
    )


@pytest.mark.parametrize(
    ("laws", "falls", "settles"),
    [
        (
            {500: (6.0, 1.0), 1000: (8.0, 0.6), 2000: (8.0, 0.6)},
            "supported",
            "supported",
        ),
        ({500: (6.0, 0.3), 1000: (6.0, 1.0), 2000: (12.0, 1.0)}, "not supported", "not supported"),
        ({500: (6.0, 1.0), 2000: (6.0, 1.0)}, "undecided", "undecided"),
    ],
)
def test_budgets(laws, falls, settles) -> None:
    found = budgets(laws)
    for claim, verdict in (("exponent_falls_with_budget", falls), ("multiple_settles", settles)):
        assert made.decide("phase", claim, found).verdict == verdict


@pytest.mark.parametrize(
    ("claim", "tables", "verdict"),
    [
        ("mean_decays_at_lyapunov_rate", {"noise": 0.01}, "supported"),
        ("sequence_decays_at_lyapunov_rate", {"noise": 0.01}, "not supported"),  # 1.2 times
        ("sequence_decays_at_lyapunov_rate", {"factor": 1 / 1.2, "noise": 0.01}, "supported"),
        (
            "sequence_decays_at_lyapunov_rate_after_training",
            {"factor": 1 / 2.4, "noise": 0.01},
            "supported",
        ),
        ("mean_decays_at_lyapunov_rate", {"factor": 1.5, "noise": 0.01}, "not supported"),
        ("mean_decays_at_lyapunov_rate", {"noise": 1.0}, "undecided"),
        (
            "mean_decays_at_lyapunov_rate",
            {"factor": 0.05},
            "undecided",
        ),  # nothing decays far enough to have a rate
        (
            "mean_decays_at_lyapunov_rate_after_training",
            {"noise": 0.01},
            "not supported",
        ),  # twice the exponent
        (
            "mean_decays_at_lyapunov_rate_after_training",
            {"factor": 0.5, "noise": 0.01},
            "supported",
        ),
    ],
)
def test_truncation_bias(claim, tables, verdict) -> None:
    assert made.decide("truncation_bias", claim, bias_tables(**tables, seeds=5)).verdict == verdict


@pytest.mark.parametrize(("share", "verdict"), [(1.0, "supported"), (0.5, "not supported")])
def test_what_runs_with_little_bias_learn(share, verdict) -> None:
    found = bias_tables(seeds=5)
    summary = found.summary
    best = np.where(summary["task"] == "adding", 0.0, 1.0)
    way = np.where(summary["sweep"] == "full", 0.8, 0.8 * share + 0.01 * np.sin(summary.index))
    final = summary["chance"] + way * (best - summary["chance"])
    evidence = made.decide(
        "truncation_bias", "small_bias_learns", replace(found, summary=summary.assign(final=final))
    )
    assert evidence.verdict == verdict
    assert evidence.statistic == pytest.approx(share, abs=0.01)
    # sliding, K = 8, gain 0.5 alone has a bias below a tenth, in both tasks
    assert (evidence.n, "10 networks" in evidence.detail) == (2 * 5, True)


def test_a_diverged_run_has_learned_nothing() -> None:
    found = bias_tables(seeds=5)
    final = np.where(found.summary["sweep"] == "full", 0.5, math.nan)
    evidence = made.decide(
        "truncation_bias",
        "small_bias_learns",
        replace(found, summary=found.summary.assign(final=final)),
    )
    assert (evidence.verdict, evidence.statistic) == ("not supported", 0.0)


@pytest.mark.parametrize("scored", ["mean", "end"])
@pytest.mark.parametrize("mode", ["chunked", "sliding", "buffered"])
def test_the_smallest_K_with_the_right_sign_is_theorys(mode, scored) -> None:
    """On the engine the derivative's sign turns where theory says, in each mode."""
    exact = Balancing().smallest_K(mode, end=scored == "end")
    before, at = (COMPUTE.derivative(mode, K, scored) for K in (exact - 1, exact))
    assert before > 0 > at


def test_the_engine_computes_what_theory_says() -> None:
    table = COMPUTE.compute("smoke")
    for quantity in ("theta", "derivative"):
        both = [
            table[table["quantity"] == q].set_index(["series", "x", "y"])["value"]
            for q in (quantity, f"{quantity} exact")
        ]
        assert len(both[0]) > 30
        assert both[0].to_numpy() == pytest.approx(
            both[1].reindex(both[0].index).to_numpy(), rel=1e-9
        )


@pytest.mark.parametrize(
    ("values", "smallest"), [([1, -1, 1, -1, -1], 4), ([-1, -2], 1), ([-1, 1], 0), ([0, -1], 2)]
)
def test_the_smallest_K_is_that_from_which_on_the_sign_stays_right(values, smallest) -> None:
    assert COMPUTE.smallest(np.array(values, float)) == smallest
