"""How far the truncated gradient points away from the full one.

Quantities, index = K; m is ``chunked``, ``sliding`` (k1 = 1) or ``buffered``:

- ``log_delta_m``: ln of delta(K) = ||E g_K - g|| / ||g||, g the gradient of all weights; -inf where
  they are equal.
- ``cosine_m``: between E g_K and g.
- ``log_delta_hh_m``, ``cosine_hh_m``: of the gradient of W_hh alone. (The readout's gradient is
  exact whatever K, and hides part of the bias.)
- ``log_delta_sequence_sliding``: of W_hh's gradient of single sequences, the mean of
  ln(||g_K - g|| / ||g||) over SEQUENCES of a check batch. The gradient of a batch's mean loses
  coherence between sequences as well as norm; a Lyapunov exponent is of one trajectory, and is to
  be held against this. Mode sliding alone: it alone has a rate.

Expectations are means over BATCHES check batches. The state is carried over borders, windows are
aligned to the sequence's end, and the truncated gradients are the engine's own (bptt.backward).
delta is a relative bias as in Aicher, Foti & Fox 2019; ``fits.decay`` fits its rate. A frozen W_hh
has a gradient here as well.
"""

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from throughtime.engine.bptt import Weights, backward
from throughtime.engine.losses import loss as loss_of
from throughtime.engine.truncation import Window, strides, windows
from throughtime.probes._base import Networks, Subject, ladder

BATCHES = 4
SEQUENCES = 8
MODES = ("chunked", "sliding", "buffered")


def measure(networks: Networks) -> pd.DataFrame:
    """The quantities above, for K in a ladder below T."""
    subject = Subject(networks, overlap=True)
    full, truncated = mean_gradients(subject, ladder(subject.sizes.steps - 1))
    frames = []
    for (mode, K), gradient in truncated.items():
        values: dict[str, Tensor] = {}
        for part, names in (("", list(full)), ("_hh", ["W_hh"])):
            delta, cosine = bias(flat(gradient, names), flat(full, names))
            values |= {f"log_delta{part}_{mode}": delta, f"cosine{part}_{mode}": cosine}
        frames.append(subject.frame(values, [K]))
    for K, delta in sequence_biases(subject, ladder(subject.sizes.steps - 1)).items():
        frames.append(subject.frame({"log_delta_sequence_sliding": delta}, [K]))
    return pd.concat([subject.frame({}), *frames], ignore_index=True)


def windows_of(mode: str, steps: int, K: int) -> list[Window]:
    """The windows of a mode with k1 = 1 where it has a choice, aligned to the end."""
    k1, k2 = strides(mode, steps, K)
    return windows(steps, k1, k2, steps % k1)


def mean_gradients(
    subject: Subject, Ks: list[int]
) -> tuple[Weights, dict[tuple[str, int], Weights]]:
    """The full gradient, and that of each mode and K, means over BATCHES batches.

    One forward a batch serves all: truncation changes backward alone.
    """
    steps = subject.sizes.steps
    plans = {(mode, K): windows_of(mode, steps, K) for mode in MODES for K in Ks}
    full: Weights = {}
    sums: dict[tuple[str, int], Weights] = {plan: {} for plan in plans}
    for run in subject.runs(BATCHES):
        _, dy = loss_of(subject.job.task.head)(run.y, run.targets)

        def gradient(found: list[Window], x: Tensor = run.x, dy: Tensor = dy) -> Weights:
            return backward(subject.tape, subject.weights, x, dy, found)

        full = _add(full, gradient(windows_of("full", steps, steps)))
        for plan, found in plans.items():
            sums[plan] = _add(sums[plan], gradient(found))
    return full, sums  # sums: bias and cosine do not see the number of batches


def sequence_biases(subject: Subject, Ks: list[int]) -> dict[int, Tensor]:
    """K -> (G): mean ln delta of the gradients of single sequences, mode sliding."""
    steps = subject.sizes.steps
    run = next(iter(subject.runs(1)))
    _, dy = loss_of(subject.job.task.head)(run.y, run.targets)
    sums: dict[int, Tensor] = {}
    count = min(SEQUENCES, dy.shape[2])
    for sequence in range(count):
        own = torch.zeros_like(dy)
        own[:, :, sequence] = dy[:, :, sequence]

        def gradient(found: list[Window], own: Tensor = own) -> Tensor:
            return backward(subject.tape, subject.weights, run.x, own, found)["W_hh"].flatten(1)

        full = gradient(windows_of("full", steps, steps))
        for K in Ks:
            delta, _ = bias(gradient(windows_of("sliding", steps, K)), full)
            sums[K] = sums[K] + delta if K in sums else delta
    return {K: total / count for K, total in sums.items()}


def _add(a: Weights, b: Weights) -> Weights:
    return {name: b[name] + a[name] if a else b[name] for name in b}


def flat(gradient: Mapping[str, Tensor], names: list[str]) -> Tensor:
    """(G, P) of the named weights."""
    return torch.cat([gradient[name].flatten(1) for name in names], 1)


def bias(truncated: Tensor, full: Tensor) -> tuple[Tensor, Tensor]:
    """ln(||truncated - full|| / ||full||) and the cosine between them, each (G); NaN where a
    norm that divides is zero.

    Both are of rows scaled to their largest element, so that squares do not overflow.

    >>> delta, cosine = bias(torch.tensor([[3.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    >>> round(delta.exp().item(), 6), round(cosine.item(), 6)
    (0.8, 0.6)
    """
    scale = torch.maximum(truncated.abs().amax(1), full.abs().amax(1))[:, None]
    a, b = truncated / scale, full / scale
    norm = torch.linalg.vector_norm(b, dim=1)
    delta = (torch.linalg.vector_norm(a - b, dim=1) / norm).log()
    cosine = (a * b).sum(1) / (torch.linalg.vector_norm(a, dim=1) * norm)
    return delta, cosine.clamp(-1, 1)
