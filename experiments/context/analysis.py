"""How much context a language model uses: from the tables of probe ``context``. No torch.

The effective context is the smallest n from which on the loss stays within TOLERANCE of the loss
with all context: characters further back are worth less than that, all together. Between the n of
the probe's ladder the excess is taken as a straight line in ln n.
"""

import math

import numpy as np
import pandas as pd

from throughtime.analysis.columns import with_depth

# bits per character: less than half of what the fifth character of context is worth to an n-gram
# model of this text
TOLERANCE = 0.05
COLUMNS = ["run_key", "seed", "depth", "K", "steps", "mode", "quantity", "n", "bits", "excess"]


def losses(probes: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """The probe's losses in bits, and their excess over the loss with all context (``loss_reset``
    at the largest n).

    Args:
        probes: the probes table; other probes are left out, and all moments but the last.
        summary: the summary table.

    Returns:
        COLUMNS: quantity is reset, shuffled or replaced; n the characters of true context; depth is
            K, infinite in mode full.
    """
    rows = probes[probes["probe"] == "context"].merge(with_depth(summary), on="run_key")
    rows = rows[rows["step"] == rows.groupby("run_key")["step"].transform("max")]
    rows = rows.assign(
        quantity=rows["quantity"].str.removeprefix("loss_"),
        n=rows["index"],
        bits=rows["value"] / math.log(2),
    )
    reset = rows[rows["quantity"] == "reset"]
    whole = reset[reset["n"] == reset.groupby("run_key")["n"].transform("max")].set_index(
        "run_key"
    )["bits"]
    return rows.assign(excess=rows["bits"] - rows["run_key"].map(whole.to_dict()).astype(float))[
        COLUMNS
    ].reset_index(drop=True)


def effective(
    table: pd.DataFrame, quantity: str = "reset", tolerance: float = TOLERANCE
) -> pd.DataFrame:
    """The effective context of every network: run_key, seed, depth, K, steps, mode, effective
    (characters).

    >>> made = {
    ...     "n": [1, 2, 4, 8],
    ...     "excess": [1.0, 0.04, 0.10, 0.0],
    ...     "quantity": "reset",
    ...     "run_key": "a",
    ...     "seed": 0,
    ... }
    >>> table = pd.DataFrame({**made, "depth": 2.0, "K": 2, "steps": 64, "mode": "chunked"})
    >>> round(
    ...     float(effective(table)["effective"].iloc[0]) / 4 / 2**0.5, 9
    ... )  # half way from 4 to 8, in the logarithm
    1.0
    """
    own = ["run_key", "seed", "depth", "K", "steps", "mode"]
    rows = table[table["quantity"] == quantity].sort_values("n")
    found = [
        (*key, _crossing(r["n"].to_numpy(float), r["excess"].to_numpy(), tolerance))
        for key, r in rows.groupby(own)
    ]
    return pd.DataFrame(found, columns=[*own, "effective"])


def _crossing(n: np.ndarray, excess: np.ndarray, tolerance: float) -> float:
    outside = np.flatnonzero(~(excess <= tolerance))
    if not outside.size:
        return float(n[0])
    last = outside[-1]
    if last + 1 == len(n):
        return math.nan  # shuffled and replaced may stay above: then there is none
    share = (excess[last] - tolerance) / (excess[last] - excess[last + 1])
    return float(n[last] ** (1 - share) * n[last + 1] ** share)
