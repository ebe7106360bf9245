"""What makes a network's bits depend on its own row alone: one thread, and at least two rows."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pandas as pd
import torch

TWIN = "twin"  # stands for the run key of a row that is trained for company and not kept


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, and denormals flushed to zero (vanishing gradients become denormals, which are
    very slow); restored afterwards.

    torch cannot be asked whether it flushed denormals before; afterwards it does not, its default.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)


@cache
def same_bits_anywhere() -> bool:
    """Whether this process's batched matrix product gives equal matrices equal results at different
    alignments.

    False where torch's MKL was used before throughtime was imported (see throughtime/__init__.py),
    or with another library of that kind.
    """
    a, b = torch.linspace(-1, 1, 155).reshape(5, 31), torch.linspace(-2, 1, 961).reshape(31, 31)
    products = torch.bmm(a.repeat(9, 1, 1), b.repeat(9, 1, 1))
    return all(torch.equal(products[0], p) for p in products)


def with_twin(
    rows: pd.DataFrame, keys: list[str], *, always_alone: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """A row alone gets a twin, because torch multiplies a single matrix by another routine, which
    rounds otherwise; not where rows of this job are ``always_alone``.

    >>> with_twin(pd.DataFrame({"seed": [3]}), ["a"])[1]
    ['a', 'twin']
    """
    if len(rows) > 1 or always_alone:
        return rows, keys
    return pd.concat([rows, rows], ignore_index=True), [*keys, TWIN]


def warn_if_bits_depend_on_places() -> None:
    """A warning where this process cannot promise equal bits."""
    if not same_bits_anywhere():
        warnings.warn(
            "a network's last bits may depend on its place in the grid: import throughtime before "
            "torch is used",
            stacklevel=3,
        )
