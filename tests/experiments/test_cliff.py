"""Spikes on series whose spikes were put there."""

import math

import numpy as np
import pandas as pd
import pytest

from experiments.cliff.analysis import AROUND, chance_loss, places, profile, spikes


def network(loss, norm, clip=1.0, key="a", chance=0.25, diverged_at=pd.NA):
    """The two frames of Results.probe, for one network."""
    own = {
        "run_key": key,
        "clip": clip,
        "gain": 1.0,
        "task": "copy",
        "status": "unsolved",
        "seed": 0,
    }
    own |= {"measure": "accuracy", "chance": chance, "diverged_at": diverged_at}
    index = np.arange(1, len(loss) + 1)
    frames = [
        pd.DataFrame({"index": index, "value": v}).assign(**own) for v in (loss, np.log(norm))
    ]
    return [f.sample(frac=1, random_state=0) for f in frames]  # order is no matter


def series(at, size=20.0, up=0.0, length=120):
    loss, norm = np.full(length, math.log(4)), np.full(length, 2.0)
    norm[at] = size
    loss[at + 1 :] += up * math.log(4)
    return loss, norm


def test_a_spike_and_the_loss_around_it_in_units_of_chance():
    loss, norm = series(70, up=0.3)
    loss[70] = 99.0  # its own batch is in neither mean
    (found,) = spikes(*network(loss, norm)).to_dict("records")
    assert (found["run_key"], found["update"], found["norm"]) == ("a", 71, pytest.approx(20))
    assert (found["before"], found["after"], found["change"]) == pytest.approx((1.0, 1.3, 0.3))
    assert found["thrown"]


@pytest.mark.parametrize(("up", "thrown"), [(0.11, True), (0.09, False), (-1, False)])
def test_thrown_back_is_a_tenth_of_chance(up, thrown):
    assert spikes(*network(*series(70, up=up)))["thrown"].tolist() == [thrown]


@pytest.mark.parametrize(("at", "size"), [(70, 9.9), (40, 20.0)])
def test_five_times_the_median_of_fifty_before(at, size):
    assert places(series(at, size)[1]) == []


def test_what_is_left_of_a_solved_network_does_not_spike():
    norm = series(70, 20.0)[1]
    assert places(norm / 25) == []
    assert places(norm / 19) == [70]


def test_close_spikes_are_one():
    norm = np.full(150, 2.0)
    norm[[70, 75, 79, 80, 90]] = 20
    assert places(norm) == [70, 80, 90]


def test_a_spike_at_the_end_has_no_after_unless_the_network_diverged():
    loss, norm = series(115)
    assert spikes(*network(loss, norm)).empty
    (found,) = spikes(*network(loss, norm, diverged_at=121)).to_dict("records")
    assert (found["after"], found["thrown"]) == (math.inf, True)


def test_several_networks_are_kept_apart():
    parts = [
        network(*series(60 + 10 * i, up=0.2 * i), clip=float(i), key=k) for i, k in enumerate("abc")
    ]
    found = spikes(*(pd.concat([p[j] for p in parts]) for j in (0, 1)))
    assert found[["run_key", "update", "clip"]].to_numpy().tolist() == [
        ["a", 61, 0.0],
        ["b", 71, 1.0],
        ["c", 81, 2.0],
    ]
    assert found["change"].tolist() == pytest.approx([0.0, 0.2, 0.4])


def test_the_profile_is_the_loss_less_that_before():
    table = profile(*network(*series(110, up=0.5)), span=AROUND)
    assert table["offset"].tolist() == list(range(-AROUND, 10))  # the run ends first
    assert table["change"].tolist() == pytest.approx([0.0] * (AROUND + 1) + [0.5] * 9)


def test_without_rows_there_is_nothing():
    loss, norm = (f.iloc[:0] for f in network(*series(70)))
    assert spikes(loss, norm).empty
    assert profile(loss, norm).empty


def test_the_loss_of_who_knows_nothing():
    assert chance_loss(pd.Series({"measure": "accuracy", "chance": 0.25})) == pytest.approx(
        math.log(4)
    )
