"""The effective context of networks whose loss is known."""

import math

import numpy as np
import pandas as pd
import pytest

from experiments.context.analysis import effective, losses

NS = (1, 2, 4, 8, 16)


def tables_of(excess, key="a", K=8, mode="chunked", shuffled=None):
    """The summary and probes of one network."""
    summary = pd.DataFrame([{"run_key": key, "seed": 0, "K": K, "steps": 64, "mode": mode}])
    found = {"loss_reset": excess, **({"loss_shuffled": shuffled} if shuffled else {})}
    rows = [
        (key, 10, "context", q, n, (2 + e) * math.log(2))
        for q, es in found.items()
        for n, e in zip(NS, es, strict=False)
    ]
    return summary, pd.DataFrame(
        rows, columns=["run_key", "step", "probe", "quantity", "index", "value"]
    )


def of(excess, **more):
    summary, probes = tables_of(excess, **more)
    return losses(probes, summary)


def test_losses_are_in_bits_above_that_with_all_context():
    table = of([1.0, 0.5, 0.2, 0.1, 0.0])
    assert table["bits"].tolist() == pytest.approx([3.0, 2.5, 2.2, 2.1, 2.0])
    assert table["excess"].tolist() == pytest.approx([1.0, 0.5, 0.2, 0.1, 0.0])


def test_only_the_last_moment_and_this_probe_count():
    summary, probes = tables_of([1.0, 0.0, 0.0, 0.0, 0.0])
    before = probes.assign(step=0, value=9.0)
    other = probes.assign(probe="spectrum", quantity="loss_reset", value=9.0)
    assert losses(pd.concat([before, probes, other]), summary)["bits"].max() == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("excess", "expected"),
    [
        ([1.0, 0.05, 0.0, 0.0, 0.0], 2.0),  # on the tolerance is inside
        ([1.0, 0.10, 0.0, 0.0, 0.0], 2 * 2**0.5),  # half way in ln n
        ([1.0, 0.0, 0.0, 0.10, 0.0], 8 * 2**0.5),  # it must stay inside
        ([0.01, 0.0, 0.0, 0.0, 0.0], 1.0),
        (
            [1.0, -0.5, -0.9, -0.1, 0.0],
            2 ** (0.95 / 1.5),
        ),  # less loss than with all context is no reason against it
    ],
)
def test_effective_context_by_hand(excess, expected):
    assert effective(of(excess))["effective"].tolist() == pytest.approx([expected])


def test_more_tolerance_needs_less_context():
    table = of([1.0, 0.5, 0.2, 0.1, 0.0])
    found = [
        float(effective(table, tolerance=t)["effective"].iloc[0]) for t in (0.05, 0.1, 0.2, 0.5)
    ]
    assert found == sorted(found, reverse=True)
    assert found[1:] == pytest.approx([8, 4, 2])


def test_what_stays_above_has_no_effective_context():
    table = of([1.0, 0.5, 0.2, 0.1, 0.0], shuffled=[1.2, 1.0, 0.9, 0.7])
    assert np.isnan(effective(table, "shuffled")["effective"]).all()


def test_full_depth_has_an_infinite_depth_and_K_of_T():
    found = effective(of([1.0, 0.0, 0.0, 0.0, 0.0], mode="full", K=64)).iloc[0]
    assert (found["depth"], found["K"]) == (math.inf, 64)


def test_of_no_network_there_is_none():
    summary, probes = tables_of([0.0] * 5)
    table = losses(probes.iloc[:0], summary)
    assert table.empty
    assert effective(table).empty
