"""``python -m throughtime.benchmarks.speed``: milliseconds a network and training step, beside
other ways of training many small networks.

All in one process, on one thread, each the best of several repetitions (the machine's interruptions
only ever add time). The engine's figure is the whole step: data, forward, backward, clipping,
update, logging. The others are forward, backward and a plain SGD step on data that lie ready; they
are given the benefit.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from throughtime.core import files
from throughtime.planning.resources import bytes_per_row, rows_at_once
from throughtime.planning.sweep import expand
from throughtime.results.provenance import machine
from throughtime.training.evaluation import Evaluators
from throughtime.training.reproducibility import one_thread
from throughtime.training.trainer import Trainer

SIZES = ((32, 20), (64, 32), (128, 32))  # N, B
STEPS, ROWS, REPEATS = 100, 32, 5
SYMBOLS, CLASSES, SCORED = 10, 8, 10


def best(run: Callable[[], Any], networks: int, repeats: int = REPEATS) -> float:
    """Milliseconds a network of the fastest of ``repeats`` calls, after one that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) / networks * 1e3


def sgemm_peak() -> float:
    """GFLOP/s of a 2048 x 2048 float32 matrix product."""
    a = torch.randn(2048, 2048)
    return 2 * 2048**3 / (best(lambda: a @ a, 1) * 1e6)


def engine(hidden: int, batch: int) -> float:
    """Copy with T = 100: rows of a gain x clip x seed grid, as many as train takes at once (at most
    32).
    """
    axes = {"task": "copy", "length": STEPS - 20, "hidden": hidden, "batch": batch,
            "updates": 10**6, "optimizer": "sgd", "gain": [0.6, 0.8, 1.0, 1.2], "clip": [0.1, 1.0],
            "seeds": 4}  # fmt: skip
    (planned,) = expand("bench", "bench", axes, "bench").jobs
    rows = planned.grid.head(rows_at_once(planned.job))
    block = Trainer(planned.job, rows, Evaluators(planned.job))
    done = iter(range(1, 10**6))

    def updates() -> None:
        for _ in range(4):
            block.update(next(done))

    return best(updates, 4 * len(rows))


def torch_rnn(hidden: int, batch: int) -> float:
    """torch.nn.RNN with autograd and torch.optim.SGD, one network at a time."""
    rnn, head = torch.nn.RNN(SYMBOLS, hidden), torch.nn.Linear(hidden, CLASSES)
    optimizer = torch.optim.SGD([*rnn.parameters(), *head.parameters()], 1e-3)
    x, target = _data(batch)

    def step() -> None:
        optimizer.zero_grad()
        y = head(rnn(x)[0][-SCORED:])
        torch.nn.functional.cross_entropy(y.flatten(0, 1), target.flatten()).backward()
        torch.nn.utils.clip_grad_norm_([*rnn.parameters(), *head.parameters()], 1.0)
        optimizer.step()

    return best(step, 1)


def _data(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    symbols = torch.randint(SYMBOLS, (STEPS, batch))
    return torch.nn.functional.one_hot(symbols, SYMBOLS).float(), torch.randint(
        CLASSES, (SCORED, batch)
    )


def _weights(hidden: int) -> dict[str, torch.Tensor]:
    scale = hidden**-0.5
    shapes = {
        "w_x": (SYMBOLS, hidden),
        "w_h": (hidden, hidden),
        "b": (hidden,),
        "w_y": (hidden, CLASSES),
    }
    return {name: torch.randn(ROWS, *shape) * scale for name, shape in shapes.items()}


def torch_func(hidden: int, batch: int) -> float:
    """torch.func: vmap of grad over networks, a Python loop over time."""
    x, target = _data(batch)
    weights = _weights(hidden)

    def loss(w: dict[str, torch.Tensor]) -> torch.Tensor:
        h, ys = torch.zeros(batch, hidden), []
        for t, x_t in enumerate(x):
            h = torch.tanh(x_t @ w["w_x"] + h @ w["w_h"] + w["b"])
            if t >= STEPS - SCORED:
                ys.append(h @ w["w_y"])
        return torch.nn.functional.cross_entropy(torch.stack(ys).flatten(0, 1), target.flatten())

    gradient = torch.func.vmap(torch.func.grad(loss))

    def step() -> None:
        for name, g in gradient(weights).items():
            weights[name].sub_(g, alpha=1e-3)

    return best(step, ROWS, 3)


def jax_scan(hidden: int, batch: int) -> float:
    """jax: jit of vmap of grad over networks, a scan over time; NaN where jax is not installed."""
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        return float("nan")
    x, target = (jnp.asarray(v.numpy()) for v in _data(batch))
    weights = {name: jnp.asarray(w.numpy()) for name, w in _weights(hidden).items()}

    def loss(w: dict[str, Any]) -> Any:
        def cell(h: Any, x_t: Any) -> Any:
            h = jnp.tanh(x_t @ w["w_x"] + h @ w["w_h"] + w["b"])
            return h, h

        _, hs = jax.lax.scan(cell, jnp.zeros((batch, hidden)), x)
        log_p = jax.nn.log_softmax(hs[-SCORED:] @ w["w_y"])
        return -jnp.take_along_axis(log_p, target[..., None], -1).mean()

    @jax.jit
    def step(w: dict[str, Any]) -> dict[str, Any]:
        return jax.tree.map(lambda p, g: p - 1e-3 * g, w, jax.vmap(jax.grad(loss))(w))

    return best(lambda: jax.block_until_ready(step(weights)), ROWS)


WAYS = {
    "throughtime (whole step)": engine,
    "torch.nn.RNN, one at a time": torch_rnn,
    "torch.func vmap(grad)": torch_func,
    "jax jit(vmap(grad(scan)))": jax_scan,
}


def table() -> pd.DataFrame:
    """A row a way and size: N, B, T, milliseconds a network and training step, and the machine's
    sgemm peak in GFLOP/s.
    """
    rows = []
    with one_thread():
        peak = sgemm_peak()
        for hidden, batch in SIZES:
            for way, run in WAYS.items():
                rows.append(
                    {
                        "way": way,
                        "N": hidden,
                        "B": batch,
                        "T": STEPS,
                        "ms": run(hidden, batch),
                        "sgemm_gflops": peak,
                    }
                )
    return pd.DataFrame(rows)


def main(out: Path = Path("results/bench")) -> None:
    """Measure, print, and keep the table as ``out``/bench.csv."""
    frame = table()
    wide = frame.pivot(index="way", columns=["N", "B"], values="ms").loc[list(WAYS)]
    print(
        f"milliseconds a network and training step, T = {STEPS}, one thread, best of {REPEATS}; "
        f"{ROWS} networks at once"
    )
    print(wide.round(3).to_string(na_rep="not installed"))
    print(f"sgemm peak {frame['sgemm_gflops'].iloc[0]:.0f} GFLOP/s on {machine()['processor']}")
    (planned,) = expand("bench", "bench", {"task": "copy", "length": STEPS - 20}, "bench").jobs
    print(
        f"memory of a network at N=32, B=20, T={STEPS}: {bytes_per_row(planned.job) / 2**20:.2f} "
        "MiB"
    )
    files.write(out / "bench.csv", frame.to_csv(index=False).encode())


if __name__ == "__main__":
    main()
