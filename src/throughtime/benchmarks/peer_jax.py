"""JAX: jit of vmap of grad over networks, a scan over time. Runs in an environment of its own."""

from collections.abc import Callable
from typing import Any


def prepare(shape: Any, part: str) -> tuple[Callable[[], object], int]:
    """A call to be timed, see worker.py.

    Args:
        shape: ways.Shape.
        part: ``step``, or ``gradients`` alone.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    rng, scale = np.random.default_rng(0), shape.N**-0.5
    symbols = rng.integers(shape.symbols, size=(shape.T, shape.B))
    x = jnp.eye(shape.symbols, dtype=jnp.float32)[symbols]
    target = jnp.asarray(rng.integers(shape.classes, size=(shape.scored, shape.B)))
    sizes = {
        "w_x": (shape.symbols, shape.N),
        "w_h": (shape.N, shape.N),
        "b": (shape.N,),
        "w_y": (shape.N, shape.classes),
        "b_y": (shape.classes,),
    }
    weights = {
        name: jnp.asarray(scale * rng.standard_normal((shape.rows, *size)), jnp.float32)
        for name, size in sizes.items()
    }

    def loss(w: dict[str, Any]) -> Any:
        def step(h: Any, x_t: Any) -> Any:
            h = jnp.tanh(x_t @ w["w_x"] + h @ w["w_h"] + w["b"])
            return h, h

        _, hs = jax.lax.scan(step, jnp.zeros((shape.B, shape.N), jnp.float32), x)
        log_p = jax.nn.log_softmax(hs[-shape.scored :] @ w["w_y"] + w["b_y"])
        return -jnp.take_along_axis(log_p, target[..., None], -1).mean()

    def update(w: dict[str, Any]) -> dict[str, Any]:
        g = jax.grad(loss)(w)
        norm = jnp.sqrt(sum((v**2).sum() for v in g.values()))
        factor = 1e-3 * jnp.minimum(1.0, 1.0 / norm)
        return {name: w[name] - factor * g[name] for name in w}

    program = jax.jit(jax.vmap(jax.grad(loss) if part == "gradients" else update))
    state = [weights]

    def run() -> None:
        found = jax.block_until_ready(program(state[0]))
        if part == "step":
            state[0] = found

    return run, shape.rows
