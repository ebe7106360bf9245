"""Influence balancing: a linear system whose truncated gradient points the wrong way, solved.

``s_{t+1} = A s_t + theta b``, A half identity and half shift (A_ii = A_{i,i+1} = 1/2), b = +1 for
the first ``positive`` units and -1 for the rest; the loss of every step is (s_0 - 1)^2 / 2. Unit i
reaches unit 0 only after i steps: theta's short-term influence on s_0 is positive, its long-term
influence negative, and a gradient that sees too few steps has the wrong sign.

Source: Tallec & Ollivier 2017 (Unbiased Online Recurrent Optimization, ICLR 2018; n = 23, 13 of
them negative). At hand were the paper's abstract and two public programs made after its text (by
Vicol, Metz & Sohl-Dickstein 2021), which agree on the above and on lr = 1e-4; the start, s = 1 and
theta = 1/2, is theirs. They have one loss at the end of each chunk of K, whose depth is thus always
K: their smallest good K is that of ``sliding`` here, not of ``chunked``, where every step has a
loss.

Since (A^j)_{0i} = C(j, i) / 2^j, the influence of theta on s_0 after j steps is, with B_j ~
Binomial(j, 1/2), ``a_j = P(B_j < positive) - P(positive <= B_j < n)``, and a gradient of depth K
sees G_K = a_0 + .. + a_{K-1}, G_inf = 2 (2 positive - n).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from throughtime.engine.truncation import cut_chance, strides
from throughtime.theory.mean_field import ConvergenceError, DomainError, Floats
from throughtime.theory.reach import Ints, depths


def _check_random(K: int, tail: float) -> None:
    if K < 2 or not tail > 2:
        raise DomainError(
            f"K={K}, tail={tail}: a mean length K of at least 2 and an exponent above 2 are needed"
        )


def random_lengths(K: int, count: int, rng: np.random.Generator, tail: float = math.inf) -> Ints:
    """(count,): steps between two cuts of randomized truncation, of mean K > 1.

    They are geometrically distributed where the chance of a cut is constant (``tail`` infinite).
    With the chance of ``throughtime.engine.truncation.cut_chance`` they are a mixture of geometric
    distributions: each has a chance p of its own, from the beta distribution of ``tail - 1`` and
    ``(tail - 2) (K - 1)``, whose mean of (1 - p)^n is the chance that more than n steps are uncut.

    Raises:
        DomainError: K below 2, or ``tail`` not above 2.

    >>> round(random_lengths(4, 10_000, np.random.default_rng(0), tail=4).mean())
    4
    """
    _check_random(K, tail)
    constant = math.isinf(tail)
    chance = 1 / K if constant else rng.beta(tail - 1, (tail - 2) * (K - 1), count)
    return np.asarray(rng.geometric(chance, count))


@dataclass(frozen=True)
class Balancing:
    """The system; n units, the first ``positive`` of which are pushed up by theta, the others
    down.
    """

    n: int = 23
    positive: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.positive < self.n or 2 * self.positive == self.n:
            raise DomainError(
                f"n={self.n}, positive={self.positive}: 0 < positive < n and positive != n / 2 are "
                "needed"
            )

    # The system -----------------------------------------------------------------------------------
    @cached_property
    def A(self) -> Floats:
        """(n, n)."""
        return (np.eye(self.n) + np.eye(self.n, k=1)) / 2

    @cached_property
    def b(self) -> Floats:
        """(n,): +1 and -1."""
        return np.where(np.arange(self.n) < self.positive, 1.0, -1.0)

    @property
    def total(self) -> float:
        """G_inf: at rest, s_0 = G_inf theta.

        >>> Balancing().total
        -6.0
        """
        return 2.0 * (2 * self.positive - self.n)

    @property
    def optimum(self) -> float:
        """The theta at which the resting state has no loss.

        >>> round(Balancing().optimum, 6)
        -0.166667
        """
        return 1 / self.total

    # Gradients ------------------------------------------------------------------------------------
    def influence(self, lags: ArrayLike) -> Floats:
        """a_j, the derivative of s_0 by theta's push j steps earlier.

        >>> Balancing().influence([0, 9, 10, 22, 100]).round(6).tolist()
        [1.0, 1.0, 0.998047, -0.476533, -0.0]
        """
        j = np.asarray(lags, dtype=float)

        def below(k: int) -> Floats:
            return np.where(j < k, 1.0, bdtr(k - 1, np.maximum(j, k).astype(int), 0.5))

        return 2 * below(self.positive) - below(self.n)

    def cumulative(self, depth: int) -> Floats:
        """(depth + 1,): G_0 = 0, G_1, .., G_depth."""
        return np.concatenate([[0.0], np.cumsum(self.influence(np.arange(depth)))])

    def states(self, theta: float, steps: int, start: ArrayLike = 1.0) -> Floats:
        """(T, n): the states after each of T steps, from ``start``, a number for all units or
        (n,).
        """
        s, result = np.broadcast_to(np.asarray(start, dtype=float), self.n), []
        for _ in range(steps):
            s = self.A @ s + theta * self.b
            result.append(s)
        return np.array(result)

    def gradient(
        self,
        theta: float,
        mode: str,
        K: int,
        steps: int,
        start: ArrayLike = 1.0,
        k1: int = 1,
        offset: int = 0,
    ) -> float:
        """The truncated gradient of the mean loss of T steps, exactly: the mean of (s_0(t) - 1)
        G_depth(t).

        >>> g = Balancing()
        >>> (
        ...     round(g.gradient(0.5, "chunked", 1, steps=4), 6),
        ...     round(g.gradient(0.5, "full", 4, steps=4), 6),
        ... )
        (1.25, 3.75)
        """
        seen = depths(mode, steps, K, k1, offset)
        error = self.states(theta, steps, start)[:, 0] - 1
        return float((error * self.cumulative(int(seen.max()))[seen]).mean())

    def resting(self, mode: str, K: int, k1: int = 1, *, end: bool = False) -> float:
        """The derivative of s_0 by theta that a truncated gradient sees at rest: G averaged over
        the depths of a stride's losses, or of the last of them alone (``end``).

        At rest all losses have the error e = s_0 - 1, so the truncated gradient is e times this,
        and the true one e times ``total``.

        >>> [round(Balancing().resting("sliding", K), 6) for K in (10, 40, 41)]
        [10.0, 0.565538, -0.218987]
        """
        if mode in ("full", "randomized"):
            return self.total
        stride, depth = strides(mode, K, K, k1)
        return float(self.cumulative(depth)[depth if end else depth - stride + 1 :].mean())

    def smallest_K(self, mode: str, k1: int = 1, limit: int = 100_000, *, end: bool = False) -> int:
        """The smallest K whose resting gradient has the right sign; every larger one has it too.

        a_j changes sign once, as P(B_j < positive | B_j < n) falls with j; so G, and its average
        over a stride, change sign at most once.

        >>> {mode: Balancing().smallest_K(mode) for mode in ("sliding", "chunked", "buffered")}
        {'sliding': 41, 'chunked': 110, 'buffered': 30}
        >>> {mode: Balancing().smallest_K(mode, end=True) for mode in ("chunked", "buffered")}
        {'chunked': 41, 'buffered': 21}

        Raises:
            ConvergenceError: none up to ``limit``.
        """
        if mode in ("full", "randomized"):
            return 1
        low, high = (k1 - 1, k1) if mode == "sliding" else (0, 1)
        while not self._right(mode, high, k1, end):
            low, high = high, 2 * high
            if high > limit:
                raise ConvergenceError(f"{mode}: no K up to {limit} has the right sign")
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._right(mode, middle, k1, end) else (middle, high)
        return high

    def _has_fixed_strides(self, mode: str) -> None:
        if mode == "randomized":
            raise DomainError("randomized: its strides are random; use Balancing.randomized")

    def _right(self, mode: str, K: int, k1: int, end: bool) -> bool:
        return self.resting(mode, K, k1, end=end) * self.total > 0

    # Descent --------------------------------------------------------------------------------------
    def trajectory(
        self,
        mode: str,
        K: int,
        updates: int,
        lr: float = 1e-4,
        theta: float = 0.5,
        start: ArrayLike = 1.0,
        k1: int = 1,
        *,
        end: bool = False,
    ) -> Floats:
        """(updates + 1,): theta in online gradient descent, exactly.

        The state is carried on; after every stride (chunked, buffered: K steps; sliding, full: k1)
        theta moves by -lr times the truncated gradient of the mean loss of the stride, or of its
        last loss (``end``, as in the two programs). The first strides see no further back than
        step 0.

        >>> path = Balancing().trajectory("full", 1, updates=20_000)
        >>> path[0].item(), round(path[-1].item(), 6)
        (0.5, -0.166667)
        """
        self._has_fixed_strides(mode)
        stride, depth = (k1, math.inf) if mode == "full" else strides(mode, K, K, k1)
        G = self.cumulative(int(min(depth, stride * updates)))
        s, path = np.broadcast_to(np.asarray(start, dtype=float), self.n), [theta]
        for update in range(updates):
            past = update * stride
            window = min(past + stride, depth)  # steps that the stride's last loss sees
            states = self.states(path[-1], stride, s)
            seen = np.arange(int(window) - stride + 1, int(window) + 1)
            terms = (states[:, 0] - 1) * G[seen]
            path.append(path[-1] - lr * float(terms[-1] if end else terms.mean()))
            s = states[-1]
        return np.array(path)

    def weighted(self, K: int, depth: int, tail: float = math.inf) -> Floats:
        """(depth,): what randomized truncation of mean length K > 1 takes for ds_0 / dtheta at a
        loss i = 0, 1, .. steps after the last cut: the sum over j of a_j S(i - j) / S(i), where
        S(n) is the chance that more than n steps are uncut.

        With a constant chance of a cut (``tail`` infinite) S(i - j) / S(i) = 1 / (1 - 1 / K)^j; see
        ``throughtime.engine.truncation.cut_chance`` for others.

        Raises:
            DomainError: K below 2, which cuts everywhere, or ``tail`` not above 2.

        >>> Balancing().weighted(2, 4).tolist()
        [1.0, 3.0, 7.0, 15.0]
        >>> Balancing().weighted(2, 4, tail=3).round(6).tolist()
        [1.0, 4.0, 9.0, 16.0]
        """
        _check_random(K, tail)
        j = np.arange(depth)
        if math.isinf(tail):
            return np.cumsum(self.influence(j) * (K / (K - 1)) ** j)
        survival = np.concatenate([[1.0], np.cumprod(1 - cut_chance(j[:-1], K, tail))])
        return np.convolve(self.influence(j), survival)[:depth] / survival

    def randomized(
        self,
        K: int,
        updates: int,
        rng: np.random.Generator,
        lr: float = 1e-4,
        theta: float = 0.5,
        start: ArrayLike = 1.0,
        tail: float = math.inf,
    ) -> Floats:
        """(updates + 1,): theta in online descent with randomized truncation (ARTBP; Tallec &
        Ollivier 2017), an update at each cut.

        Segments have ``random_lengths`` of mean K. An update is lr times the sum over the segment's
        losses, over K and not over its own length: so its mean is that of the mean loss, and not of
        a quotient.

        Raises:
            DomainError: as of ``weighted``.

        >>> path = Balancing().randomized(16, 8000, np.random.default_rng(0))
        >>> path[0].item(), round(path[-1].item(), 6)
        (0.5, -0.166667)
        """
        s, path = np.broadcast_to(np.asarray(start, dtype=float), self.n), [theta]
        lengths = random_lengths(K, updates, rng, tail)
        G = self.weighted(K, int(lengths.max()), tail)
        for length in lengths.tolist():
            states = self.states(path[-1], length, s)
            path.append(path[-1] - lr * float((states[:, 0] - 1) @ G[:length]) / K)
            s = states[-1]
        return np.array(path)

    def growth(self, mode: str, K: int, lr: float = 1e-4, k1: int = 1) -> float:
        """The spectral radius of an update's map on (state, theta), long after the start: descent
        converges where it is below 1.

        Above 1 the sign may be wrong, or lr too large: the state lags behind theta, so that even
        the full gradient diverges at 5e-4.

        >>> Balancing().growth("sliding", 40) > 1 > Balancing().growth("sliding", 41)
        True
        """
        self._has_fixed_strides(mode)
        stride, depth = (k1, 0) if mode == "full" else strides(mode, K, K, k1)
        n, step = self.n, np.zeros((self.n + 1, self.n + 1))
        step[:n, :n], step[:n, n], step[n, n] = self.A, self.b, 1.0
        weights = (
            np.full(stride, self.total)
            if mode == "full"
            else self.cumulative(depth)[depth - stride + 1 :]
        )
        map_, pull = np.eye(n + 1), np.zeros(n + 1)
        for weight in weights:
            map_ = step @ map_
            pull += weight / stride * map_[0]
        map_[n] -= lr * pull
        return float(np.abs(np.linalg.eigvals(map_)).max())
