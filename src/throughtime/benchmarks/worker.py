"""Measuring in another process, with other packages or other code: what runs there.

``python -P worker.py FILE`` needs the standard library alone. It imports the file, whose function
``prepare(shape, part)`` returns a call to be timed and the networks that a call trains. Orders come
as lines of JSON on standard input, and answers go as lines of JSON to standard output.
"""

import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def fastest(run: Callable[[], object], seconds: float) -> float:
    """Seconds of the fastest call, by the clock: interruptions only ever add time.

    Args:
        run: what is timed. It has been called before: nothing is left out here.
        seconds: calls are repeated for so long, two at least.
    """
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def answer(module: Any, ready: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order.

    Args:
        module: with ``prepare``.
        ready: part -> (call, networks), of earlier orders; changed.
        order: ``{"part", "shape"}`` to prepare, or ``{"part", "seconds"}`` to time.

    Returns:
        ``{}``, ``{"seconds"}`` per network, or ``{"error"}``.
    """
    part = order["part"]
    try:
        if "shape" in order:
            ready[part] = module.prepare(SimpleNamespace(**order["shape"]), part)
            ready[part][0]()
            return {}
        run, networks = ready[part]
        return {"seconds": fastest(run, order["seconds"]) / networks}
    except Exception as error:  # whatever the other packages raise is a reason to be printed
        return {"error": f"{type(error).__name__}: {error}"}


def main(path: str) -> None:
    """Answer orders until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    spec = importlib.util.spec_from_file_location("way", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ready: dict[str, Any] = {}
    for line in sys.stdin:
        answers.write(json.dumps(answer(module, ready, json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
