"""What every probe keeps to, and the parts they share."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tests.support.blocks import block
from throughtime.probes import COLUMNS, probe, probe_names
from throughtime.probes._base import QUANTILES, Subject, frame, ladder, quantiles

TASKS = ("copy", "brackets", "text", "adding")


@pytest.fixture(scope="module", params=TASKS)
def trained(request):
    """Four networks after three updates, the second of which has diverged."""
    made = block(request.param)
    made.train()
    made.stop(torch.tensor([False, True, False, False]), 3)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", probe_names())
def test_a_probe_yields_the_long_table_and_disturbs_nothing(trained, name):
    before = trained.flat.clone(), trained.program.final.clone()
    found = probe(name)(trained)
    assert found.dtypes.astype(str).to_dict() == COLUMNS
    assert found["value"].notna().all()
    assert not found.duplicated(["row", "quantity", "index"]).any()
    of_text = name in ("context", "generated")
    here = name != "closing" and (not of_text or trained.job.task.name == "text")
    assert (len(found) > 0) == here  # closing: of brackets that are generated
    assert set(found["row"]) <= ({0, 1, 2, 3} if name == "updates" else {0, 2, 3})
    after = trained.flat, trained.program.final
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", probe_names())
def test_a_probe_says_the_same_twice_and_does_not_see_the_neighbours(name):
    whole, alone = block("text", seeds=1), block("text", gain=[1.3], seeds=1)
    for made in (whole, alone):
        made.train()
    a = probe(name)(whole)
    b = probe(name)(alone)
    assert a.equals(probe(name)(whole))
    a = a[a["row"] == 1].reset_index(drop=True)
    assert a[["quantity", "index"]].equals(b[["quantity", "index"]])
    assert np.allclose(a["value"], b["value"], rtol=1e-9, atol=1e-9)


def test_an_unknown_probe_is_an_error():
    with pytest.raises(KeyError):
        probe("signal")


def test_names_do_not_import_torch():
    code = "import sys, throughtime.probes as p; p.probe_names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@given(
    arrays(
        float,
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30),
        elements=st.floats(-9, 9) | st.just(-np.inf),
    )
)
def test_quantiles_are_order_statistics(values):
    found = quantiles(values)
    for name, share in QUANTILES.items():
        assert (found[name] == np.quantile(values, share, axis=-1, method="inverted_cdf")).all()


def test_quantiles_leave_out_what_is_unknown():
    assert quantiles(np.array([[np.nan, 3.0, np.nan, 1.0, 2.0]]))["q50"].tolist() == [2.0]
    assert np.isnan(quantiles(np.full((1, 3), np.nan))["q95"]).all()


@given(st.integers(1, 500))
def test_a_ladder_ends_at_the_largest_that_fits(largest):
    steps = ladder(largest)
    assert steps[0] == 1
    assert steps[-1] <= largest < (steps[-1] + steps[-2] if len(steps) > 1 else 2)
    assert all(a < b for a, b in itertools.pairwise(steps))


def test_frame_keeps_chosen_rows_and_what_is_known():
    values = {
        "a": np.array([1.0, 2.0, -np.inf]),
        "b": torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, np.nan]]),
    }
    found = frame({"b": values["b"]}, np.array([0, 2]), [7, 9])
    assert found.to_numpy().tolist() == [[0, "b", 7, 1.0], [0, "b", 9, 2.0], [2, "b", 7, 5.0]]
    assert frame({"a": values["a"]}, np.array([2])).to_numpy().tolist() == [[2, "a", 0, -np.inf]]
    assert frame(values, np.array([], dtype=int)).empty


def test_a_text_goes_on_from_batch_to_batch_and_a_copy_does_not():
    for task, carried in (("text", True), ("copy", False)):
        subject = Subject(block(task))
        ends, starts = [], []
        for _ in subject.runs(3):
            starts.append(subject.tape.states[0].clone())
            ends.append(subject.tape.states[-1].clone())
        assert starts[0].abs().max() == 0
        assert [torch.equal(s, e) for s, e in zip(starts[1:], ends, strict=False)] == [carried] * 2
        assert carried or max(s.abs().max() for s in starts) == 0


def test_a_long_run_carries_the_state_whatever_the_task():
    subject = Subject(block("copy"))
    T, seen, end = subject.sizes.steps, [], None
    for t in subject.steps(2 * T + 3):
        if t == 0 and end is not None:
            assert torch.equal(subject.tape.state[0], end)
        end = subject.tape.state[t + 1].clone()
        seen.append(t)
    assert seen == [*range(T), *range(T), 0, 1, 2]
