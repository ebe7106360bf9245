"""From the probe truncation_bias to rates: how fast bias falls with K, beside Lyapunov exponents, and what biased runs learn."""

import math

import numpy as np
import pandas as pd

from throughtime.analysis import lines
from throughtime.figures.draw import Results

MOMENTS = {"before": "initial", "after": "full"}  # training: the sweep whose last moment it is
KEPT = ["run_key", "task", "gain", "seed", "steps"]


def rates(results: Results) -> pd.DataFrame:
    """Decay of ln delta(K) of W_hh's gradient in mode sliding, and the largest Lyapunov exponent, before and after training.

    Where a loss stands at every step (brackets with ``generate``), those that have nothing to lose at depth K are divided out, see
    lines.decay.

    Returns:
        A row a network and moment (``before`` training: sweep ``initial``, ``after``: sweep ``full``): run_key, task, gain, seed, steps,
        moment; decay and lyapunov, nats a step; points, the K that the line was fitted to. decay is NaN where fewer than three are left.
    """
    parts = []
    for moment, sweep in MOMENTS.items():
        own = results.of(sweep=sweep)
        delta = own.probe("truncation_bias", "log_delta_hh_sliding", "last")
        exponents = own.probe("jacobian", "lyapunov", "last")
        largest = exponents[exponents["index"] == 0].set_index("run_key")["value"]
        rows = [{**dict(zip(KEPT, key, strict=True)), **_decay(group)} for key, group in delta.groupby(KEPT)]
        table = pd.DataFrame(rows, columns=[*KEPT, "decay", "points"]).assign(moment=moment)
        parts.append(table.assign(lyapunov=table["run_key"].map(largest)))
    return pd.concat(parts, ignore_index=True).astype({"decay": float, "lyapunov": float})


def _decay(group: pd.DataFrame) -> dict[str, float]:
    every = group["task"].iloc[0] == "brackets"
    line = lines.decay(group["index"], group["value"], float(group["steps"].iloc[0]) if every else math.inf)
    return {"decay": line.slope if line.n >= 3 else math.nan, "points": line.n}


def learned(results: Results) -> pd.DataFrame:
    """The summary with ``delta``: the bias that a run's mode and K have in the untrained network of its task, gain and seed.

    Full depth has none (0); NaN where it was not measured. A K between two measured ones is interpolated in ln delta.
    """
    untrained = results.of(sweep="initial")
    curves = {}
    for mode in ("chunked", "sliding", "buffered"):
        rows = untrained.probe("truncation_bias", f"log_delta_hh_{mode}", "first").sort_values("index")
        for key, group in rows.groupby(["task", "gain", "seed"]):
            curves[(mode, *key)] = group["index"].to_numpy(float), np.maximum(group["value"].to_numpy(float), -50.0)
    summary = results.summary
    keys = summary[["mode", "task", "gain", "seed", "K"]].itertuples(index=False, name=None)
    found = [_at(curves.get(key[:4]), float(key[4])) for key in keys]
    return summary.assign(delta=np.where(summary["mode"] == "full", 0.0, np.array(found, float)))


def _at(curve: "tuple[np.ndarray, np.ndarray] | None", K: float) -> float:
    return math.nan if curve is None else math.exp(float(np.interp(K, *curve)))
