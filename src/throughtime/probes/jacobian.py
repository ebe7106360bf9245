"""Products of state-to-state Jacobians: how strongly, and in how many directions, the past can
reach the present.

Quantities, natural logarithms:

- ``log_singular_max``: of the largest singular value of ds_T/ds_{T-k} = J_T .. J_{T-k+1}, index =
  lag k (k factors), mean over sequences.
- ``log_singular_q05`` .. ``q95``: quantiles of the log singular values over units and sequences,
  index = lag k.
- ``lyapunov``: the Lyapunov exponents per step, index = rank, largest first, mean over sequences.

Both are of the network driven by the task's inputs (check data). Lyapunov exponents by QR as in
Engelken, Wolf & Abbott 2023 and Vogt et al. 2022: Q R = J_t Q and lambda_i = mean ln |R_ii|, after
STATE_BURN steps of the state and Q_BURN of Q. The run is long: check sequences end to end with the
state carried, also for tasks that start each sequence anew.
"""

import numpy as np
import pandas as pd
import torch
from scipy.linalg.lapack import dgejsv
from torch import Tensor

from throughtime.engine.bptt import Tape, Weights
from throughtime.probes._base import Floats, Networks, Subject, ladder, quantiles

EXAMPLES = 4  # sequences whose products are formed
TRAJECTORIES = 2  # sequences whose Lyapunov exponents are averaged
STATE_BURN, Q_BURN, OF_A_SWEEP = 50, 25, 100  # steps
UNDERFLOW = -600.0  # below exp of this, relative to the largest, LAPACK would underflow


def measure(networks: Networks) -> pd.DataFrame:
    """The quantities above: products against a ladder of lags up to T from the last step of a
    sequence, and the exponents.
    """
    subject = Subject(networks)
    lags = sorted({*ladder(subject.sizes.steps), subject.sizes.steps})
    for _ in subject.runs(1):
        logs = log_singular_values(
            subject.tape, subject.weights, lags, min(EXAMPLES, subject.sizes.batch)
        )
    pooled = logs.reshape(*logs.shape[:2], -1)  # (G, lags, sequences x S)
    values = {"log_singular_max": logs[..., 0].mean(-1)} | {
        f"log_singular_{k}": v for k, v in quantiles(pooled).items()
    }
    exponents = lyapunov(subject, min(TRAJECTORIES, subject.sizes.batch))
    frames = [subject.frame(values, lags), subject.frame({"lyapunov": exponents.mean(1)})]
    return pd.concat(frames, ignore_index=True)


def jacobians(tape: Tape, weights: Weights, t: int, examples: int) -> Tensor:
    """ds_{t+1}/ds_t of the tape's states t and t + 1 for the first ``examples`` sequences, (G, b,
    S, S), out first: J[o, i] = do/di.

    From the cell's own adjoint, one row a basis vector; so it holds for every cell.
    """
    g, states = weights["W_hh"].shape[0], tape.zero.shape[-1]

    def spread(v: Tensor) -> Tensor:
        return v[:, :examples].repeat_interleave(states, 1)

    basis = torch.eye(states, dtype=tape.zero.dtype, device=tape.zero.device).repeat(g, examples, 1)
    dz = torch.empty_like(spread(tape.z[t]))
    direct = tape.cell.adjoint(
        basis, spread(tape.z[t]), spread(tape.state[t]), spread(tape.state[t + 1]), dz
    )
    result = torch.zeros_like(basis) if direct is None else direct.clone()
    result[..., tape.carrier] += torch.bmm(tape.h_part(dz), weights["W_hh"].transpose(1, 2))
    return result.unflatten(1, (examples, states))


class Product:
    """A long product of matrices, Q exp(d) T with Q orthogonal, d sorted logarithms and T well
    conditioned: no singular value is lost.

    The stable matrix products of quantum Monte Carlo (UDT; columns sorted before a plain QR: Tomas
    et al. 2012), with D in logarithms.
    """

    def __init__(self, identity: Tensor) -> None:
        self.q, self.t = identity.clone(), identity.clone()
        self.d = torch.zeros_like(identity[..., 0])

    def extend(self, j: Tensor) -> None:
        """Multiply by ``j`` from the left, (.., S, S)."""
        columns = j @ self.q
        size = torch.linalg.vector_norm(columns, dim=-2)
        order = (size.log() + self.d).argsort(-1, descending=True)
        before = self.d.gather(-1, order)
        self.q, r = torch.linalg.qr(columns.gather(-1, order[..., None, :].expand_as(columns)))
        diagonal = r.diagonal(dim1=-2, dim2=-1).abs()
        # it is nothing but rounding
        lost = diagonal <= torch.finfo(r.dtype).eps * r.shape[-1] * size.gather(-1, order)
        self.d = torch.where(lost, -torch.inf, before + diagonal.log())
        gap = before[..., None, :] - self.d[..., :, None]
        scale = torch.where(
            lost[..., :, None] | before.isneginf()[..., None, :], -torch.inf, gap
        ).exp()
        self.t = (r * scale.triu()) @ self.t.gather(-2, order[..., :, None].expand_as(r))

    def log_singular_values(self) -> Floats:
        """(.., S), largest first; -inf for zero, NaN for a product that is not finite."""
        lead, s = self.d.shape[:-1], self.d.shape[-1]
        d, t = self.d.reshape(-1, s).cpu().numpy(), self.t.reshape(-1, s, s).cpu().numpy()
        return np.stack([_graded(*pair) for pair in zip(d, t, strict=True)]).reshape(*lead, s)


def _graded(d: Floats, t: Floats) -> Floats:
    """ln of the singular values of diag(exp d) t, by Jacobi's method: each one to high relative
    accuracy, however small (Drmac 2008).
    """
    top = d.max()
    if not np.isfinite(top) or not np.isfinite(t).all():
        return np.full(len(d), -np.inf if top == -np.inf else np.nan)
    relative = d - top
    low = relative < UNDERFLOW
    columns = t.T * np.exp(np.where(low, -np.inf, relative))
    values, _, _, work, _, _ = dgejsv(columns, joba=0, jobu=3, jobv=3, jobr=0, jobt=0, jobp=0)
    with np.errstate(divide="ignore"):
        logs = np.log(values * (work[0] / work[1])) + top
        if low.any():  # so far apart, the diagonal of R is the singular values
            estimate = np.sort(np.log(np.abs(np.diag(np.linalg.qr(t.T)[1]))) + d)[::-1]
            logs = np.where(np.arange(len(d)) < len(d) - low.sum(), logs, estimate)
    return logs


def log_singular_values(tape: Tape, weights: Weights, lags: list[int], examples: int) -> Floats:
    """ln of all singular values of ds_T/ds_{T-k}.

    Args:
        tape: after ``bptt.forward`` without resets, float64.
        weights: of parameters.views.
        lags: the k, ascending, in 1..T.
        examples: of the first so many sequences.

    Returns:
        (G, lags, examples, S), largest first; -inf for zero.
    """
    steps, result = tape.sizes.steps, []
    product: Product | None = None
    for k in range(1, lags[-1] + 1):
        j = jacobians(tape, weights, steps - k, examples)
        product = product or Product(
            torch.eye(j.shape[-1], dtype=j.dtype, device=j.device).expand_as(j)
        )
        # the transposed product grows on the left, and has the same singular values
        product.extend(j.transpose(-1, -2))
        if k in lags:
            result.append(product.log_singular_values())
    return np.stack(result, 1)


def lyapunov(
    subject: Subject,
    trajectories: int,
    state_burn: int = STATE_BURN,
    q_burn: int = Q_BURN,
    measured: int = OF_A_SWEEP,
) -> Tensor:
    """(G, trajectories, S) Lyapunov exponents per step, natural log, largest first; -inf where a
    direction is lost altogether.

    Args:
        subject: the networks and their inputs.
        trajectories: the first so many sequences of a batch, each the start of a long run.
        state_burn: steps before Q starts, so that the state has come to its attractor.
        q_burn: steps before R counts, so that Q has come to the Lyapunov vectors.
        measured: steps that are averaged over.
    """
    q: Tensor | None = None
    total: Tensor | None = None
    for done, t in enumerate(subject.steps(state_burn + q_burn + measured)):
        if done < state_burn:
            continue
        j = jacobians(subject.tape, subject.weights, t, trajectories)
        q, r = torch.linalg.qr(j if q is None else j @ q)
        if done >= state_burn + q_burn:
            logs = r.diagonal(dim1=-2, dim2=-1).abs().log()
            total = logs if total is None else total + logs
    assert total is not None
    return (total / measured).sort(-1, descending=True).values
