"""Every update's numbers, from a run's own history."""

import numpy as np
import torch

from tests.support.blocks import block
from throughtime.probes.updates import measure


def test_all_updates_up_to_divergence():
    made = block("copy", updates=5)
    assert measure(made).empty
    for number in range(1, 6):
        if number == 3:
            made.flat[1] = float("nan")
        made.update(number)
    found = measure(made)
    for quantity, history in (("loss", made.history.loss), ("log_grad_norm", made.history.norm)):
        wide = found[found["quantity"] == quantity].pivot(
            index="index", columns="row", values="value"
        )
        assert list(wide.index) == [1, 2, 3, 4, 5]
        expected = np.stack(history)
        assert np.isnan(expected[2:, 1]).all()
        assert np.array_equal(
            wide.to_numpy(), np.log(expected) if "log" in quantity else expected, equal_nan=True
        )
    assert made.diverged_at.tolist() == [0, 3, 0, 0]


def test_the_norm_is_the_one_before_clipping():
    free, cut = block("copy", clip=1e3, lr=0.0, seeds=1), block("copy", clip=1e-3, lr=0.0, seeds=1)
    for made in (free, cut):
        made.update(1)
    assert measure(free).equals(measure(cut))
    assert cut.history.clipped[0].all()


def test_a_gradient_of_zero_is_minus_infinity_not_missing():
    made = block("copy", cell="relu")
    made.flat.zero_()
    made.weights["b_h"].fill_(-1.0)
    made.history.loss.append(np.zeros(4))
    made.history.norm.append(np.array([0.0, 1.0, 1.0, 1.0]))
    found = measure(made)
    assert found.query("quantity == 'log_grad_norm'")["value"].tolist() == [-np.inf, 0.0, 0.0, 0.0]
    assert torch.isfinite(made.flat).all()
