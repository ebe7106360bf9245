"""Time of an update against T: a recurrence, a linear recurrence as a loop and as a scan, and
attention.

One network, on one thread, forward and backward with every step scored; random symbols, no
optimizer. What is compared is how the time grows with T: the sizes are those of sweep copy, and the
arithmetic of a step differs from model to model.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from throughtime.benchmarks.cost import SYMBOLS, milliseconds
from throughtime.engine.cells import cells
from throughtime.engine.program import Examples, program
from throughtime.engine.sizes import Sizes, shapes, size
from throughtime.engine.truncation import windows
from throughtime.training.train import one_thread

# series -> cell, its parameters, units
MODELS: dict[str, tuple[str, dict[str, int], int]] = {
    "recurrence": ("tanh", {}, 34),
    "loop": ("lru", {}, 88),
    "attention": ("attention", {"layers": 2, "heads": 1}, 8),
}
LENGTHS = (32, 64, 128, 256, 512)
BATCHES = (1, 20)
SMALL = (4, 8, 16)
REPEATS = 5


def compute(preset: str) -> pd.DataFrame:
    """Columns of tables.COMPUTED: a series for each of MODELS and ``scan``, x = T, y = sequences a
    batch; quantity ``update_ms``.
    """
    smoke = preset == "smoke"
    rows = []
    with one_thread():
        for batch in BATCHES[:1] if smoke else BATCHES:
            for steps in SMALL if smoke else LENGTHS:
                runs = {name: update(*model, steps, batch) for name, model in MODELS.items()}
                runs["scan"] = scanned(MODELS["loop"][2], steps, batch)
                for series, run in runs.items():
                    ms = milliseconds(run, 1 if smoke else REPEATS)
                    rows.append((series, "update_ms", float(steps), float(batch), ms))
    return pd.DataFrame(rows, columns=["series", "quantity", "x", "y", "value"])


def update(
    name: str, parameters: dict[str, int], hidden: int, steps: int, batch: int
) -> Callable[[], object]:
    """Forward and backward of one network of the engine torch, ready to be called."""
    model = cells()[name](**parameters)
    layout = shapes(model, SYMBOLS, hidden, SYMBOLS)
    sizes = Sizes(1, steps, batch, SYMBOLS, hidden, SYMBOLS, steps, True)
    made = program("torch", model, "softmax", sizes, layout, torch.float32, overlap=False)
    rng = np.random.default_rng(0)
    x, values = rng.integers(SYMBOLS, size=(2, 1, steps, batch))
    weight = np.full((1, steps, batch), 1 / (steps * batch), np.float32)
    examples = Examples(x, values, weight, np.zeros(1, np.int64))
    flat = 0.1 * torch.randn(1, size(layout), generator=torch.Generator().manual_seed(0))
    return lambda: made.gradients(flat, examples, windows(steps, steps, steps))


def scan(decay: Tensor, drive: Tensor) -> Tensor:
    """c_t = decay c_{t-1} + drive_t from c_{-1} = 0 for all t, in ceil(log2 T) passes over all of
    the sequence instead of T steps.

    After a pass of stride d a place holds the sum over its last 2 d steps; decay is constant, so
    what lies d steps before is decay^d away (Hillis & Steele 1986). It takes T log2 T
    multiplications where a loop takes T.

    Args:
        decay: (N) complex.
        drive: (T, B, N) complex.
    """
    stride, power = 1, decay
    while stride < len(drive):
        before = torch.cat([torch.zeros_like(drive[:stride]), drive[:-stride]])
        drive = drive + power * before
        stride, power = 2 * stride, power * power
    return drive


def scanned(hidden: int, steps: int, batch: int) -> Callable[[], object]:
    """The linear recurrent unit by ``scan``, with its readout: forward, and backward by
    autograd.
    """
    rng = torch.Generator().manual_seed(0)
    half = hidden // 2
    tokens = torch.randint(SYMBOLS, (2, steps, batch), generator=rng)
    table = torch.randn(SYMBOLS, hidden, generator=rng).requires_grad_()
    readout = (0.1 * torch.randn(hidden, SYMBOLS, generator=rng)).requires_grad_()
    decay = torch.polar(torch.full((half,), 0.95), torch.linspace(0, 3, half)).requires_grad_()

    def run() -> tuple[Tensor, ...]:
        drive = table[tokens[0]]
        c = scan(decay, torch.complex(drive[..., :half], drive[..., half:]))
        y = torch.cat([c.real, c.imag], -1).tanh() @ readout
        loss = torch.nn.functional.cross_entropy(y.flatten(0, 1), tokens[1].flatten())
        return torch.autograd.grad(loss, (table, readout, decay))

    return run
