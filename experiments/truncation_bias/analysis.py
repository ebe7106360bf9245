"""From the probe truncation_bias to rates: how fast bias falls with K, beside Lyapunov exponents,
and what biased runs learn.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from throughtime.analysis.lines import Line, line
from throughtime.results.load import Results

MOMENTS = {"before": "initial", "after": "full"}  # training: the sweep whose last moment it is
QUANTITIES = {"mean": "log_delta_hh_sliding", "sequence": "log_delta_sequence_sliding"}
KEPT = ["run_key", "task", "gain", "seed", "steps"]


def rates(results: Results, of: str = "mean") -> pd.DataFrame:
    """Decay of ln delta(K) of W_hh's gradient in mode sliding, and the largest Lyapunov exponent,
    before and after training.

    Args:
        results: the experiment's.
        of: ``mean``, delta of the gradient of a batch's mean; ``sequence``, the mean over sequences
            of ln delta of their own gradients.

    Where a loss stands at every step (brackets with ``generate``), those that have nothing to lose
    at depth K are divided out, see lines.decay.

    Returns:
        A row a network and moment (``before`` training: sweep ``initial``, ``after``: sweep
        ``full``): run_key, task, gain, seed, steps, moment; decay and lyapunov, nats per step;
        points, the K that the line was fitted to. decay is NaN where fewer than three are left.
    """
    parts = []
    for moment, sweep in MOMENTS.items():
        own = results.select(sweep=sweep)
        delta = own.probe("truncation_bias", QUANTITIES[of], "last")
        exponents = own.probe("jacobian", "lyapunov", "last")
        largest = exponents[exponents["index"] == 0].set_index("run_key")["value"]
        rows = [
            {**dict(zip(KEPT, key, strict=True)), **_decay(group)}
            for key, group in delta.groupby(KEPT)
        ]
        table = pd.DataFrame(rows, columns=[*KEPT, "decay", "points"]).assign(moment=moment)
        parts.append(table.assign(lyapunov=table["run_key"].map(largest)))
    return pd.concat(parts, ignore_index=True).astype({"decay": float, "lyapunov": float})


def _decay(group: pd.DataFrame) -> dict[str, float]:
    every = group["task"].iloc[0] == "brackets"
    line = decay(
        group["index"], group["value"], float(group["steps"].iloc[0]) if every else math.inf
    )
    return {"decay": line.slope if line.n >= 3 else math.nan, "points": line.n}


def learned(results: Results) -> pd.DataFrame:
    """The summary with ``delta``: the bias that a run's mode and K have in the untrained network of
    its task, gain and seed.

    Full depth has none (0); NaN where it was not measured. A K between two measured ones is
    interpolated in ln delta.
    """
    untrained = results.select(sweep="initial")
    curves = {}
    for mode in ("chunked", "sliding", "buffered"):
        rows = untrained.probe("truncation_bias", f"log_delta_hh_{mode}", "first").sort_values(
            "index"
        )
        for key, group in rows.groupby(["task", "gain", "seed"]):
            curves[(mode, *key)] = (
                group["index"].to_numpy(float),
                np.maximum(group["value"].to_numpy(float), -50.0),
            )
    summary = results.summary
    keys = summary[["mode", "task", "gain", "seed", "K"]].itertuples(index=False, name=None)
    found = [_at(curves.get(key[:4]), float(key[4])) for key in keys]
    return summary.assign(delta=np.where(summary["mode"] == "full", 0.0, np.array(found, float)))


def _at(curve: "tuple[np.ndarray, np.ndarray] | None", K: float) -> float:
    return math.nan if curve is None else math.exp(float(np.interp(K, *curve)))


def decay(
    K: ArrayLike,
    log_delta: ArrayLike,
    steps: float = math.inf,
    ceiling: float = 0.5,
    floor: float = 1e-12,
    confidence: float = 0.95,
) -> Line:
    """Exponential decay of the truncation bias: the line through ln delta(K).

    Its slope is comparable with the largest Lyapunov exponent, in 1 / step: where the backward
    signal falls like exp(lambda k), so does delta(K) (Aicher, Foti & Fox 2019, up to their burn-in
    tau). Fitted from the smallest K from which on delta stays below ``ceiling`` (before it, nothing
    has decayed yet) and where delta is above ``floor`` (below it is rounding of float64).

    For mode sliding, where every loss sees exactly K steps. Under chunking the losses at a chunk's
    start see one step whatever K is: delta falls like 1 / K, and has no rate. In mode buffered one
    loss in K sees as little as K steps: delta falls like exp(lambda K) / K, and a line through it
    is too steep.

    Args:
        K: truncation lengths.
        log_delta: ln delta(K), of probe truncation_bias; -inf is left out.
        steps: T where every step is scored: only T - K of T losses have anything to lose at depth
            K, so delta falls faster than the signal by 1 - K / T, which is divided out. inf, the
            default: for one loss at the end, or an endless sequence.
        ceiling, floor: of delta.
        confidence: of the interval.

    >>> K = np.array([1, 2, 3, 5, 8, 13])
    >>> round(decay(K, np.log(0.9) - 0.3 * K).slope, 9)
    -0.3
    """
    order = np.argsort(np.asarray(K, np.float64))
    Ks, logs = np.asarray(K, np.float64)[order], np.asarray(log_delta, np.float64)[order]
    above = np.flatnonzero(~(logs <= math.log(ceiling)))
    start = above[-1] + 1 if above.size else 0
    keep = (np.arange(len(Ks)) >= start) & (logs > math.log(floor))
    return line(Ks[keep], logs[keep] - np.log1p(-Ks[keep] / steps), confidence)
