"""How wrong a truncated gradient can be: the bound of Aicher, Foti & Fox 2019."""

import numpy as np
from numpy.typing import ArrayLike

from throughtime.theory.mean_field import DomainError, Floats


def bound(depth: ArrayLike, beta: float, tau: int, phi: ArrayLike, M: float = 1.0) -> Floats:
    """The most that E ||truncated - full gradient|| of a loss can be, by the depth to which
    its gradient is followed.

    Let phi_k = E ||dL_t/dh_{t-k}||. If phi_{k+1} <= beta phi_k from k = tau on (beta < 1), and
    ||dh/dtheta|| <= M, the terms that a depth of K leaves out, k >= K, sum to at most

    - M phi_tau beta^(K - tau) / (1 - beta) for K >= tau,
    - M (phi_K + .. + phi_{tau - 1} + phi_tau / (1 - beta)) for K < tau.

    Deviation: a depth of K steps is here the lags 0..K-1, as everywhere in throughtime. Where a
    paper's K counts the lags 0..K, its bound is beta times this one.

    Args:
        depth: K >= 1, any shape. In ``chunked`` a loss's depth runs over 1..K: give them all
            (``reach.depths``) and take the mean.
        beta: decay a step, in [0, 1); exp of a Lyapunov exponent.
        tau: the lag from which it holds, in steps.
        phi: phi_0 .. phi_tau at least, (tau + 1,) or longer.
        M: bound on the norm of a state's derivative by the parameters, other states held fixed.

    >>> bound([2, 3, 5], beta=0.5, tau=3, phi=[9.0, 4.0, 2.0, 1.0]).tolist()
    [4.0, 2.0, 0.5]

    Raises:
        DomainError: beta >= 1 (gradients that do not decay have no bound), or phi shorter than tau
            + 1.
    """
    signal, k = np.asarray(phi, dtype=float), np.asarray(depth)
    if not 0 <= beta < 1:
        raise DomainError(f"beta={beta}: the bound holds for gradients that decay, 0 <= beta < 1")
    if tau < 0 or len(signal) <= tau:
        raise DomainError(f"tau={tau} needs phi_0..phi_{tau}, there are {len(signal)}")
    tail = signal[tau] * float(beta) ** np.maximum(k - tau, 0) / (1 - beta)
    left_out = np.concatenate([np.cumsum(signal[:tau][::-1])[::-1], [0.0]])
    return M * (tail + left_out[np.minimum(k, tau)])
