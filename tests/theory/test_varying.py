"""A drive that varies: its mean field against that of a constant one, and against wide networks."""

import math

import numpy as np
import pytest

from throughtime.analysis.lines import line
from throughtime.core.rng import stream
from throughtime.planning.sweep import tasks
from throughtime.theory import correlation, drives, gradients, mean_field, varying

UNITS, STEPS, SEQUENCES = 400, 30, 60


@pytest.mark.parametrize("sigma_w", [0.25, 1.0, 1.5, 2.5])
@pytest.mark.parametrize(("s", "rho"), [(0.1, 1.0), (0.19, 0.7), (1.0, 0.25)])
def test_a_constant_drive_is_that_of_mean_field(sigma_w, s, rho):
    drive = varying.constant(s, rho)
    assert varying.recurrent(sigma_w, drive) + s == pytest.approx(mean_field.q_star(sigma_w, s))
    assert varying.chi_1(sigma_w, drive) == pytest.approx(mean_field.chi_1(sigma_w, s))
    assert varying.log_norm_by_lag(sigma_w, drive, 9) == pytest.approx(
        gradients.log_norm_by_lag(sigma_w, s, 9)
    )
    if rho < 1 or sigma_w < 1.4:  # near the critical line c* is not a float away from 1
        assert varying.xi_c(sigma_w, drive) == pytest.approx(
            correlation.xi_c(sigma_w, s, rho), rel=2e-4
        )
    assert varying.critical_sigma_w(drive) == pytest.approx(mean_field.critical_sigma_w(s))


def test_the_distribution_is_that_of_the_tasks_inputs():
    task = tasks()["adding"](length=10)
    x = np.concatenate([task.sample(stream(0, "a", i), 500).inputs for i in range(4)], axis=1)
    drive = varying.adding(10, input_gain=2.0)
    power = (x**2).sum(-1).ravel() * 4 / 2  # input_gain^2 / I
    for moment in (1, 2, 3):
        expected = float(drive.weight @ drive.a**moment)
        assert (power**moment).mean() == pytest.approx(expected, rel=0.05)
    shared = (x[:, ::2] * x[:, 1::2]).sum(-1).ravel() * 4 / 2
    assert shared.mean() == pytest.approx(float(drive.weight @ drive.shared), rel=0.05)
    assert drive.weight.sum() == pytest.approx(1)
    mean = drives.adding(10, 2.0)
    assert float(drive.weight @ drive.a) == pytest.approx(mean.s)
    assert float(drive.weight @ drive.shared) == pytest.approx(mean.s * mean.rho)


def measured_slope(g: float) -> float:
    """The slope of the gradient's norm over lag in wide orthogonal networks on adding."""
    rng = np.random.default_rng(0)
    curves = []
    for _ in range(3):
        W = g * np.linalg.qr(rng.normal(size=(UNITS, UNITS)))[0]
        V = rng.normal(size=(2, UNITS)) / math.sqrt(2)
        task = tasks()["adding"](length=STEPS)
        x = task.sample(rng, SEQUENCES).inputs
        h, slopes = np.zeros((SEQUENCES, UNITS)), []
        for t in range(STEPS):
            h = np.tanh(h @ W + x[t] @ V)
            slopes.append(1 - h**2)
        back, norms = rng.normal(size=(SEQUENCES, UNITS)), []
        for t in reversed(range(STEPS)):
            norms.append((back**2).sum(1).mean())
            back = (back * slopes[t]) @ W.T
        curves.append(np.log(norms) / 2)
    return line(np.arange(STEPS), np.mean(curves, 0)).slope


@pytest.mark.slow
@pytest.mark.parametrize(("g", "off"), [(0.25, 0.001), (0.577, 0.01), (0.8, 0.02)])
def test_wide_networks_follow_the_distribution_and_not_the_mean(g, off):
    mean = line(np.arange(STEPS), gradients.log_norm_by_lag(g, drives.adding(STEPS).s, STEPS)).slope
    whole = line(np.arange(STEPS), varying.log_norm_by_lag(g, varying.adding(STEPS), STEPS)).slope
    found = measured_slope(g)
    assert abs(found - whole) < off  # grows with the gain: r is taken at its mean
    assert found - mean > 2 * abs(found - whole)


def test_the_size_of_the_difference_at_a_small_gain():
    """What an audit measured on orthogonal networks: .027 nats per step."""
    whole = varying.log_norm_by_lag(0.25, varying.adding(40), 40)
    mean = gradients.log_norm_by_lag(0.25, drives.adding(40).s, 40)
    slopes = [line(np.arange(40), curve).slope for curve in (whole, mean)]
    assert slopes[0] - slopes[1] == pytest.approx(0.027, abs=0.002)
