"""Statistics against closed forms, published cases, hand-worked cases and simulated coverage."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_ind

from throughtime.analysis import causes, stats
from throughtime.results import tables


def networks(counts: dict[int, tuple[int, int]], **columns: object) -> pd.DataFrame:
    """lag -> (solved, n) as summary rows."""
    rows = [
        {"lag_max": lag, "status": "solved" if i < solved else "unsolved", "run_key": f"{lag}-{i}"}
        for lag, (solved, n) in counts.items()
        for i in range(n)
    ]
    return pd.DataFrame(rows).assign(measure="accuracy", task="copy", **columns)


# Proportions --------------------------------------------------------------------------------------


@given(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.floats(0.5, 0.99),
)
def test_wilson_is_scipys(kn, level):
    low, high = stats.wilson(*kn, level)
    expected = binomtest(*kn).proportion_ci(level, method="wilson")
    assert float(low) == pytest.approx(expected.low, abs=1e-12)
    assert float(high) == pytest.approx(expected.high, abs=1e-12)


def test_wilson_of_nothing_is_everything():
    low, high = stats.wilson([0, 0], [0, 5])
    assert low.tolist() == [0, 0]
    assert high[0] == 1
    assert high[1] < 0.5


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 10), (0.6075, 1.0)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ],
)
def test_newcombe_is_the_papers_method_10(cells, expected):  # Newcombe 1998, table II
    assert [float(v) for v in stats.newcombe(*cells)] == pytest.approx(expected, abs=6e-5)


def test_newcombe_needs_both_sides():
    assert [float(v) for v in stats.newcombe(3, 3, 0, 0)] == [-1, 1]


def test_a_diverged_network_is_a_failure_and_stays_in_the_count():
    frame = pd.DataFrame(
        {"gain": [1, 1, 1, 2], "status": ["solved", "diverged", "unsolved", "diverged"]}
    )
    table = stats.success(frame, ["gain"])
    assert table[["n", "n_solved", "n_diverged", "rate"]].to_numpy().tolist() == [
        [3, 1, 1, 1 / 3],
        [1, 0, 1, 0],
    ]
    assert table.loc[0, "low"] == pytest.approx(binomtest(1, 3).proportion_ci(method="wilson").low)


def test_a_level_beyond_its_range_is_refused():
    with pytest.raises(ValueError, match="level"):
        stats.wilson(1, 2, 1.5)


# The frontier -------------------------------------------------------------------------------------


def test_separated_data_give_the_middle_of_the_gap_and_the_gap_as_interval():
    one = stats.frontier(networks({5: (3, 3), 10: (3, 3), 20: (0, 3), 40: (0, 3)}), ["task"]).iloc[
        0
    ]
    assert one["frontier"] == pytest.approx(math.sqrt(200), rel=0.01)
    assert (one["low"], one["high"]) == pytest.approx((10, 20), rel=0.06)
    assert one["censored"] == ""
    assert (one["n"], one["n_solved"], one["n_diverged"]) == (12, 6, 0)


def test_all_solved_is_at_least_the_longest_tested():
    one = stats.frontier(networks({5: (5, 5), 10: (5, 5)}), ["task"]).iloc[0]
    assert (one["frontier"], one["high"], one["censored"]) == (10, math.inf, ">=")
    assert 5 < one["low"] <= 10


def test_none_solved_is_below_the_shortest_tested():
    one = stats.frontier(networks({5: (0, 5), 10: (0, 5)}), ["task"]).iloc[0]
    assert (one["frontier"], one["low"], one["censored"]) == (5, 0, "<")
    assert 5 <= one["high"] < 10


def test_a_half_point_beyond_the_tested_lags_is_not_claimed():
    one = stats.frontier(networks({5: (20, 20), 10: (18, 20), 20: (14, 20)}), ["task"]).iloc[0]
    assert (one["frontier"], one["censored"]) == (20, ">=")


def test_one_lag_alone():
    solved, failed = (stats.frontier(networks({8: (k, 4)}), ["task"]).iloc[0] for k in (4, 0))
    assert (solved["frontier"], solved["censored"]) == (8, ">=")
    assert (failed["frontier"], failed["censored"]) == (8, "<")


def test_success_that_grows_with_lag_leaves_the_frontier_open():
    one = stats.frontier(networks({5: (0, 9), 10: (5, 9), 20: (9, 9)}), ["task"]).iloc[0]
    assert one["low"] == 0 or one["high"] == math.inf


def test_the_fit_is_the_maximum_of_the_logistic_likelihood():
    """Against a free optimizer, on data without separation."""
    from scipy.optimize import minimize

    counts = {5: (19, 20), 10: (15, 20), 20: (8, 20), 40: (1, 20)}
    x, k = np.log(list(counts)), np.array([v[0] for v in counts.values()])

    def loss(p):
        logit = np.exp(p[1]) * (p[0] - x)
        return float((k * np.logaddexp(0, -logit) + (20 - k) * np.logaddexp(0, logit)).sum())

    best = minimize(loss, [2.5, 0.5], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    one = stats.frontier(networks(counts), ["task"]).iloc[0]
    assert one["frontier"] == pytest.approx(np.exp(best.x[0]), rel=0.006)
    for bound in ("low", "high"):  # the likelihood ratio there is chi2(1) at 95 %
        m = math.log(one[bound])
        slopes = np.linspace(-1.5, 3, 2001)
        assert 2 * (min(loss((m, s)) for s in slopes) - best.fun) == pytest.approx(3.84, abs=0.2)


@pytest.mark.slow
def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, lags, truth, slope = np.random.default_rng(5), np.array([4, 7, 12, 20, 35]), 13.0, 3.0
    p = 1 / (1 + (lags / truth) ** slope)
    frames = [
        networks(
            {int(lag): (int(rng.binomial(10, q)), 10) for lag, q in zip(lags, p, strict=True)},
            world=i,
        )
        for i in range(300)
    ]
    table = stats.frontier(pd.concat(frames), ["world"])
    covered = ((table["low"] <= truth) & (truth <= table["high"])).mean()
    assert 0.92 <= covered <= 0.985
    assert np.log(table["frontier"]).mean() == pytest.approx(math.log(truth), abs=0.03)


def test_networks_of_a_seed_that_are_copies_add_nothing():
    """Each network four times, with its seed: about the interval of the networks once."""
    rng, lags = np.random.default_rng(2), np.array([4, 7, 12, 20, 35])
    p = 1 / (1 + (lags / 13.0) ** 3)
    once = pd.concat(
        networks({int(lag): (round(30 * q), 30)}).assign(seed=rng.permutation(30) + 100 * i)
        for i, (lag, q) in enumerate(zip(lags, p, strict=True))
    )
    many = pd.concat([once] * 4, ignore_index=True)
    one, four = (stats.frontier(f, ["task"]).iloc[0] for f in (once, many))
    alone = stats.frontier(many.drop(columns="seed"), ["task"]).iloc[0]
    assert four["frontier"] == one["frontier"]
    width = {
        name: math.log(r["high"] / r["low"])
        for name, r in {"one": one, "four": four, "alone": alone}.items()
    }
    assert width["four"] == pytest.approx(width["one"], rel=0.1)
    assert width["alone"] == pytest.approx(width["one"] / 2, rel=0.1)
    rates, pooled = (stats.success(f, ["task"]).iloc[0] for f in (once, many))
    assert (pooled["low"], pooled["high"]) == pytest.approx((rates["low"], rates["high"]), abs=1e-9)
    assert pooled["n"] == 4 * rates["n"]


def test_seeds_that_share_a_fate_widen_a_rate():
    """5 of 10 seeds solve all of their 8 networks: as good as 10 networks; each 4 of 8: as 80."""
    alike = pd.DataFrame({"gain": 1, "seed": np.repeat(range(10), 8), "status": "unsolved"})
    alike.loc[alike["seed"] < 5, "status"] = "solved"
    even = alike.assign(status=["solved", "unsolved"] * 40)
    for frame, size in ((alike, 10), (even, 80)):
        one = stats.success(frame, ["gain"]).iloc[0]
        assert (one["rate"], one["n"], one["n_solved"]) == (0.5, 80, 40)
        expected = [float(v) for v in stats.wilson(size / 2, size)]
        assert (one["low"], one["high"]) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_a_bootstrap_is_over_seeds(statistic):
    """Every seed's 20 networks are equal: the interval is that of one network per seed."""
    values = np.random.default_rng(0).normal(size=12)
    once = finals(list(values)).assign(seed=range(12))
    many = pd.concat([once] * 20, ignore_index=True)
    one, all_ = (stats.summarize(f, ["gain"], statistic=statistic).iloc[0] for f in (once, many))
    assert (all_["value"], all_["low"], all_["high"]) == pytest.approx(
        (one["value"], one["low"], one["high"])
    )
    narrow = stats.summarize(many.drop(columns="seed"), ["gain"], statistic=statistic).iloc[0]
    assert narrow["high"] - narrow["low"] < 0.5 * (one["high"] - one["low"])


@pytest.mark.slow
def test_the_coverage_where_seeds_differ():
    """Seeds shift the lag that their networks reach: independence would be believed too often."""
    rng, lags = np.random.default_rng(7), np.array([4, 6, 9, 13, 19, 28])
    frames = []
    for world in range(200):
        reach = 11 * np.exp(rng.normal(0, 0.6, 10))
        solved = lags < reach[:, None]
        frames.append(
            pd.DataFrame(
                {
                    "world": world,
                    "seed": np.repeat(range(10), len(lags)),
                    "lag_max": np.tile(lags, 10),
                    "status": np.where(solved.ravel(), "solved", "unsolved"),
                }
            )
        )
    rows = pd.concat(frames)
    covered = {}
    for name, frame in {"seeds": rows, "networks": rows.drop(columns="seed")}.items():
        table = stats.frontier(frame, ["world"])
        covered[name] = ((table["low"] <= 11) & (11 <= table["high"])).mean()
    assert covered["networks"] < 0.85
    assert 0.88 <= covered["seeds"] <= 0.99


def test_rows_without_a_lag_are_left_out():
    frame = pd.DataFrame(
        {"task": "text", "lag_max": pd.array([pd.NA], dtype="Int64"), "status": "solved"}
    )
    assert stats.frontier(frame, ["task"]).empty


def test_the_order_of_rows_is_no_matter():
    frame = networks({5: (3, 4), 10: (2, 4), 20: (0, 4)}).assign(
        final=np.linspace(0, 1, 12), gain=1.0
    )
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        stats.frontier(frame, ["task"]), stats.frontier(shuffled, ["task"])
    )
    pd.testing.assert_frame_equal(
        stats.summarize(frame, ["gain"]), stats.summarize(shuffled, ["gain"])
    )


def bins(passed: dict[str, list[bool]], status: str = "unsolved") -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"task": "brackets", "run_key": key, "status": status, "lag": 2**i, "passed": p}
            for key, row in passed.items()
            for i, p in enumerate(row)
        ]
    )


def test_reached_is_what_half_the_networks_reach_without_a_hole():
    table = stats.reached(
        bins(
            {
                "a": [True, True, True, False],
                "b": [True, True, False, True],
                "c": [True, False, False, False],
            }
        ),
        ["task"],
    )
    one = table.iloc[0]
    assert (one["frontier"], one["censored"], one["n"]) == (
        2,
        "",
        3,
    )  # the networks reach 4, 2 and 1
    assert one["low"] >= 1
    assert one["high"] <= 4


def test_reached_is_censored_at_both_ends():
    every = stats.reached(bins({"a": [True, True], "b": [True, True]}), ["task"]).iloc[0]
    none = stats.reached(
        bins({"a": [False, True], "b": [False, False]}, "diverged"), ["task"]
    ).iloc[0]
    assert (every["frontier"], every["high"], every["censored"]) == (2, math.inf, ">=")
    assert (none["frontier"], none["low"], none["censored"], none["n_diverged"]) == (1, 0, "<", 2)


# Means and medians --------------------------------------------------------------------------------


def finals(values: list[float], measure: str = "mse") -> pd.DataFrame:
    status = ["diverged" if math.isnan(v) else "unsolved" for v in values]
    return pd.DataFrame({"gain": 1.0, "measure": measure, "final": values, "status": status})


@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_zero_has_no_sign(statistic):
    """Where smaller is better numbers are turned round, and -0 would be printed as "-0.00"."""
    one = stats.summarize(finals([0.0, 0.0, 0.0]), ["gain"], statistic=statistic).iloc[0]
    assert [math.copysign(1, one[name]) for name in ("value", "low", "high")] == [1, 1, 1]


@pytest.mark.parametrize(("measure", "expected"), [("mse", 0.3), ("accuracy", 0.2)])
def test_a_diverged_network_ranks_worst_in_a_median(measure, expected):
    one = stats.summarize(finals([0.1, 0.2, 0.3, math.nan, math.nan], measure), ["gain"]).iloc[0]
    best_first = [0.1, 0.2, 0.3] if measure == "mse" else [0.3, 0.2, 0.1]
    assert one["value"] == best_first[2]
    assert (one["n"], one["n_diverged"]) == (5, 2)
    three = stats.summarize(finals([0.1, 0.2, 0.3, math.nan], measure), ["gain"]).iloc[0]
    assert three["value"] == pytest.approx((0.2 + expected) / 2 if measure == "mse" else 0.15)


def test_a_median_is_infinite_where_half_diverged():
    one = stats.summarize(finals([0.1, math.nan]), ["gain"]).iloc[0]
    assert one["value"] == math.inf


def test_a_mean_leaves_diverged_networks_out_and_says_so():
    one = stats.summarize(finals([1.0, 3.0, math.nan]), ["gain"], statistic="mean").iloc[0]
    assert (one["value"], one["n"], one["n_diverged"]) == (2, 3, 1)
    assert one["low"] == 1
    assert one["high"] == 3


def test_one_network_has_no_interval():
    one = stats.summarize(finals([1.0]), ["gain"]).iloc[0]
    assert one["value"] == 1
    assert math.isnan(one["low"])
    assert math.isnan(one["high"])


def test_the_bootstrap_interval_of_a_mean_is_near_the_normal_one():
    values = np.random.default_rng(0).normal(size=200)
    one = stats.summarize(finals(list(values)), ["gain"], statistic="mean", draws=4000).iloc[0]
    half = 1.96 * values.std() / math.sqrt(200)
    assert (one["low"], one["high"]) == pytest.approx(
        (values.mean() - half, values.mean() + half), abs=0.02
    )


def test_shares_sum_to_one():
    frame = pd.DataFrame({"task": ["a", "a", "a", "b"], "kind": ["x", "y", "y", "x"]}).assign(
        status="unsolved"
    )
    table = stats.shares(frame, ["task"], "kind")
    assert table["share"].tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert stats.shares(frame, [], "kind")["count"].tolist() == [2, 2]


@given(
    st.lists(st.integers(-20, 20), min_size=2, max_size=8, unique=True),
    st.lists(st.integers(-20, 20), min_size=2, max_size=8, unique=True),
)
def test_welch_is_scipys(a, b):
    expected = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert stats.welch(a, b)[1:] == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-9)


def test_welch_without_enough_networks():
    assert math.isnan(stats.welch([1.0], [2.0, 3.0])[1])
    assert math.isnan(stats.welch([math.nan], [2.0, 3.0])[0])


def test_untrained_networks_are_in_no_rate_frontier_or_share():
    some = networks({5: (3, 3), 10: (1, 2), 40: (0, 3)})
    more = networks({5: (0, 4), 80: (0, 4)}).assign(status="untrained", run_key="untrained")
    both = pd.concat([some, more], ignore_index=True)
    rates = stats.success(both, ["lag_max"])
    assert rates[["lag_max", "n", "n_solved"]].values.tolist() == [
        [5, 3, 3],
        [10, 2, 1],
        [40, 3, 0],
    ]
    assert rates["rate"].tolist() == [1, 0.5, 0]
    pd.testing.assert_frame_equal(stats.frontier(both, ["task"]), stats.frontier(some, ["task"]))
    failed = both.assign(task="copy", failure=both["status"].replace("unsolved", "clipped"))
    kinds = causes.with_kind(failed, tables.empty("causes"))
    assert set(kinds["kind"]) == {"solved", "clipped", "untrained"}
    shares = stats.shares(kinds, ["task"], "kind")
    assert shares.set_index("kind")["share"].to_dict() == {"solved": 0.5, "clipped": 0.5}
    assert set(shares["n"]) == {8}
    bins = both.assign(lag=both["lag_max"], passed=both["status"] == "solved")
    assert stats.reached(bins, ["task"])["n"].tolist() == [8]


def test_what_was_measured_before_training_is_summarized():
    frame = networks({5: (0, 3)}).assign(status="untrained", value=[1.0, 2.0, 3.0])
    assert stats.summarize(frame, ["task"], "value")[["n", "value"]].values.tolist() == [[3, 2.0]]
