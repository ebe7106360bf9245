"""Theory beside a table's networks."""

import math

import numpy as np
import pytest

from tests.support import made
from throughtime.analysis import predictions
from throughtime.theory import correlation, gradients, mean_field

COPY = {"task": "copy", "copy__length": 16, "copy__payload": 2, "copy__alphabet": 4, "K": "full"}


def test_slopes_beside_theorys_over_the_same_lags() -> None:
    summary = made.networks("s", **COPY, gain=[0.5, 2], seeds=2)
    probes = made.probes(
        summary,
        "gradient_by_lag",
        lambda r: (("log_gradient_rms", k, 3 - 0.25 * k) for k in range(r.steps)),
    )
    table = predictions.slopes(
        made.results(summary, probes).probe("gradient_by_lag", "log_gradient_rms")
    )
    assert len(table) == 4
    assert table["slope"].tolist() == pytest.approx([-0.25] * 4)
    for gain, rows in table.groupby("gain"):
        theory = np.polyfit(np.arange(20), gradients.log_norm_by_lag(gain, 1 / 6, 20), 1)[0]
        assert rows["theory"].tolist() == pytest.approx([theory] * 2)
        assert rows["off"].tolist() == pytest.approx([-0.25 - theory] * 2)


def test_the_drive_is_the_tasks_own() -> None:
    row = made.networks("s", **COPY, input_gain=0.3).iloc[0]
    name = row["task"], row["task_args"], row["input_gain"]
    assert predictions.drive(*name).s == pytest.approx(0.09 / 6)
    assert predictions.critical_gain(*name) == mean_field.critical_sigma_w(
        predictions.drive(*name).s
    )
    assert predictions.memory(*name, 1.0) == correlation.xi_c(1.0, predictions.drive(*name).s, 1.0)


def test_a_task_whose_sequences_have_no_one_correlation_has_no_memory_length() -> None:
    row = made.networks("s", task="brackets", brackets__length=8, K="full").iloc[0]
    assert math.isnan(predictions.memory(row["task"], row["task_args"], 1.0, 1.0))


def test_nothing_measured_nothing_compared() -> None:
    assert predictions.slopes(made.results().probe("gradient_by_lag", "log_gradient_rms")).empty
