"""Spikes of the gradient norm in training, and the loss before and after them: from the tables of
probe ``updates``. No torch.

A spike is an update whose gradient norm (before clipping) is more than FACTOR times the median of
the WINDOW updates before it, and more than SMALLEST: what is left of a solved network's gradient
also leaps, and matters to no one. Spikes less than AROUND updates after a spike are part of it.
Loss before and after: the means over the AROUND updates on either side, the spike's own batch left
out; in units of the loss at chance, so that tasks can be compared.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WINDOW, FACTOR, SMALLEST, AROUND = 50, 5.0, 1.0, 10
# of the loss at chance: a network whose loss is higher by this after the spike has been thrown back
THROWN = 0.1
COLUMNS = ("run_key", "update", "norm", "before", "after", "change", "thrown")

Floats = NDArray[np.float64]


def spikes(loss: pd.DataFrame, log_norm: pd.DataFrame) -> pd.DataFrame:
    """Every spike of every network.

    Args:
        loss: ``Results.probe("updates", "loss")``.
        log_norm: ``Results.probe("updates", "log_grad_norm")``.

    Returns:
        run_key, update, norm, before, after (loss over the loss at chance; infinite where the
        network diverged on the way), change (after - before), thrown (change > THROWN), and the
        summary's clip, gain, task, status and seed.
    """
    parts = []
    for key, losses, norms, first in _networks(loss, log_norm):
        unit, died = chance_loss(first), pd.notna(first["diverged_at"])
        found = [_around(losses / unit, place, died) for place in places(norms)]
        rows = [
            (key, place + 1, norms[place], *f)
            for place, f in zip(places(norms), found, strict=True)
            if f is not None
        ]
        part = pd.DataFrame(rows, columns=list(COLUMNS[:-2])).assign(
            change=lambda d: d["after"] - d["before"]
        )
        parts.append(
            part.assign(
                thrown=part["change"] > THROWN,
                **{c: first[c] for c in ("clip", "gain", "task", "status", "seed")},
            )
        )
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=[*COLUMNS, "clip", "gain", "task", "status", "seed"])
    )


def places(norms: Floats) -> list[int]:
    """Where spikes are, from 0.

    >>> places(np.array([2.0] * 60 + [11.0, 30.0] + [2.0] * 20 + [11.0]))
    [60, 82]
    """
    usual = pd.Series(norms).rolling(WINDOW).median().shift(1).to_numpy()
    high = np.flatnonzero((norms > FACTOR * usual) & (norms > SMALLEST))
    result: list[int] = []
    for place in high:
        if not result or place - result[-1] >= AROUND:
            result.append(int(place))
    return result


def profile(loss: pd.DataFrame, log_norm: pd.DataFrame, span: int = 20) -> pd.DataFrame:
    """Loss around spikes, less the loss before: run_key, clip, update (of the spike), offset (-span
    .. span), change (units of chance).

    Offsets before the first or after the last update have no row.
    """
    parts = []
    for key, losses, norms, first in _networks(loss, log_norm):
        values = losses / chance_loss(first)
        for place in places(norms):
            at = np.arange(max(0, place - span), min(len(values), place + span + 1))
            change = values[at] - values[place - AROUND : place].mean()
            parts.append(
                pd.DataFrame({"offset": at - place, "change": change}).assign(
                    run_key=key, clip=first["clip"], update=place + 1
                )
            )
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["offset", "change", "run_key", "clip", "update"])
    )


def chance_loss(network: pd.Series) -> float:
    """The loss of who knows nothing, from the summary's chance: of equally likely classes, or the
    variance.

    >>> chance_loss(pd.Series({"measure": "mse", "chance": 1 / 6})) == 1 / 6
    True
    """
    return float(network["chance"] if network["measure"] == "mse" else -math.log(network["chance"]))


def _networks(
    loss: pd.DataFrame, log_norm: pd.DataFrame
) -> list[tuple[str, Floats, Floats, pd.Series]]:
    norms = {
        key: rows.sort_values("index")["value"].to_numpy()
        for key, rows in log_norm.groupby("run_key")
    }
    return [
        (str(key), rows.sort_values("index")["value"].to_numpy(), np.exp(norms[key]), rows.iloc[0])
        for key, rows in loss.groupby("run_key", sort=True)
    ]


def _around(losses: Floats, place: int, died: bool) -> tuple[float, float] | None:
    """Loss before and after; None where the run ends first."""
    before, after = losses[place - AROUND : place], losses[place + 1 : place + 1 + AROUND]
    if len(after) == AROUND:
        return float(before.mean()), float(after.mean())
    return (float(before.mean()), math.inf) if died else None
