"""Bits that are recalled, and the claims of capacity on made-up tables."""

import math

import numpy as np
import pandas as pd
import pytest

from experiments.capacity import analysis
from tests.support import made
from throughtime.results.load import Results

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("alphabet", [2, 8])
def test_information_is_that_of_the_channel(alphabet: int) -> None:
    """Beside the mutual information of the joint distribution, summed."""
    for p in (0.3, 0.6, 0.9) if alphabet == 8 else (0.6, 0.9):
        joint = np.full((alphabet, alphabet), (1 - p) / (alphabet - 1) / alphabet)
        np.fill_diagonal(joint, p / alphabet)
        independent = joint.sum(0, keepdims=True) * joint.sum(1, keepdims=True)
        expected = float((joint * np.log2(joint / independent)).sum())
        assert float(analysis.information(p, alphabet)) == pytest.approx(expected)


def test_information_at_the_ends() -> None:
    found = analysis.information([0.0, 1 / 8, 1.0], 8)
    assert found.tolist() == pytest.approx([0.0, 0.0, 3.0])


def networks(held: float, sweep: str = "state", seeds: int = 10, **axes: object) -> pd.DataFrame:
    """Networks that recall all of 8 symbols of 8, and of 16 so much that they take up ``held`` of
    the 24 bits more; ``held`` at 16 is found by bisection.
    """
    own = {"cell": ["tanh", "lstm", "gru"], "hidden": [8, 32], **axes}
    summary = made.networks(
        sweep, task="copy", alphabet=8, payload=[8, 16], length=5, K="full", **own, seeds=seeds
    )
    low, high = 1 / 8, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        bits = 16 * float(analysis.information(middle, 8))
        low, high = (middle, high) if bits < 24 * (1 + held) else (low, middle)
    noise = 0.002 * np.random.default_rng(0).normal(size=len(summary))
    final = np.where(summary["steps"] == 21, 1.0, np.minimum(low + noise, 1.0))
    return summary.assign(final=final)


def test_bits_by_hand() -> None:
    rows = analysis.recalled(made.results(networks(0.25)))
    assert set(rows["offered"]) == {24.0, 48.0}
    assert rows.groupby("offered")["bits"].mean().tolist() == pytest.approx([24, 30], abs=0.2)
    one = rows.iloc[0]
    assert one["per_unit"] == one["bits"] / one["hidden"]
    assert one["per_parameter"] == one["bits"] / one["parameters"]


def test_a_diverged_network_recalls_nothing() -> None:
    rows = analysis.recalled(made.results(networks(0.25).assign(final=math.nan)))
    assert (rows["bits"] == 0).all()


@pytest.mark.parametrize(("held", "verdict"), [(0.2, "supported"), (0.8, "not supported")])
def test_saturation(held: float, verdict: str) -> None:
    found = made.results(networks(held))
    assert made.decide("capacity", "state_saturates", found).verdict == verdict
    assert made.decide("capacity", "state_saturates", found).n == 30  # the narrowest alone
    assert made.decide("capacity", "state_saturates", Results.empty()).verdict == "undecided"
    attention = {"cell": "attention", "heads": 1, "hidden": 8}
    other = made.results(networks(held, "attention", 5, **attention))
    opposite = {"supported": "not supported", "not supported": "supported"}[verdict]
    assert made.decide("capacity", "attention_takes_up", other).verdict == opposite


@pytest.mark.parametrize(("more", "verdict"), [(0.0, "supported"), (0.3, "not supported")])
def test_precision(more: float, verdict: str) -> None:
    double = networks(0.2 + more, "double", cell="tanh", hidden=8, dtype="float64")
    found = made.results(pd.concat([networks(0.2), double], ignore_index=True))
    assert made.decide("capacity", "precision_is_not_the_limit", found).verdict == verdict


def test_bits_per_parameter() -> None:
    """The same bits on a quarter of the weights."""
    summary = networks(0.5)
    gated = summary["cell"] == "lstm"
    found = made.results(summary.assign(parameters=summary["parameters"] * (1 + 3 * gated)))
    evidence = made.decide("capacity", "plain_holds_more_per_parameter", found)
    assert evidence.verdict == "supported"
    assert evidence.n == 10
