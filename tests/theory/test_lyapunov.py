"""Closed forms against the QR method, written out here."""

import numpy as np
import pytest

from throughtime.theory import lyapunov
from throughtime.theory.mean_field import DomainError


def by_qr(matrices: np.ndarray, burn: int = 20) -> np.ndarray:
    """Means of ln R_ii in Q R = J_t Q."""
    q, logs = np.eye(matrices.shape[1]), []
    for matrix in matrices:
        q, r = np.linalg.qr(matrix @ q)
        logs.append(np.log(np.abs(np.diag(r))))
    return np.sort(np.mean(logs[burn:], 0))[::-1]


def test_a_constant_diagonal_map() -> None:
    diagonal = np.array([0.3, -1.7, 0.9])
    assert lyapunov.linear(np.diag(diagonal)) == pytest.approx(np.log([1.7, 0.9, 0.3]))
    assert by_qr(np.repeat(np.diag(diagonal)[None], 50, 0)) == pytest.approx(
        lyapunov.linear(np.diag(diagonal))
    )


def test_diagonal_maps_that_change() -> None:
    steps = np.random.default_rng(0).uniform(0.2, 2, (7, 4))
    jacobians = np.array([np.diag(d) for d in np.tile(steps, (40, 1))])
    assert by_qr(jacobians, burn=0) == pytest.approx(lyapunov.diagonals(steps))


def test_orthogonal_maps_constant_or_not() -> None:
    rng = np.random.default_rng(1)
    jacobians = 0.8 * np.linalg.qr(rng.standard_normal((60, 5, 5)))[0]
    assert by_qr(jacobians) == pytest.approx(lyapunov.orthogonal(0.8, 5))
    assert lyapunov.linear(jacobians[0]) == pytest.approx(lyapunov.orthogonal(0.8, 5))


def test_a_constant_map_that_is_not_normal() -> None:
    matrix = np.array([[0.9, 5.0, 1.0], [0.0, -0.5, 3.0], [0.0, 0.0, 0.2]])
    assert by_qr(np.repeat(matrix[None], 4000, 0)) == pytest.approx(
        lyapunov.linear(matrix), abs=1e-3
    )


@pytest.mark.slow
def test_gaussian_maps_drawn_anew() -> None:
    rng = np.random.default_rng(2)
    found = by_qr(1.2 * rng.standard_normal((20_000, 5, 5)) / np.sqrt(5))
    assert found == pytest.approx(lyapunov.gaussian(1.2, 5), abs=0.02)


def test_what_is_forgotten_at_once_has_exponent_minus_infinity() -> None:
    assert lyapunov.linear(np.diag([1.0, 0.0])).tolist() == [0.0, -np.inf]
    assert lyapunov.diagonals([[1.0, 2.0], [0.0, 2.0]]).tolist() == [np.log(2), -np.inf]


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_gains_that_are_not_positive_are_refused(bad: float) -> None:
    with pytest.raises(DomainError, match="not positive"):
        lyapunov.orthogonal(bad, 3)
    with pytest.raises(DomainError, match="not positive"):
        lyapunov.gaussian(bad, 3)
