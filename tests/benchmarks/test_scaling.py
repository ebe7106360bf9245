"""Cost against sizes: exponents of made-up timings, and programs that are what they say."""

import numpy as np
import pandas as pd
import pytest

from throughtime.benchmarks import scaling
from throughtime.benchmarks.cost import Size, Update


def made(power, noise=0.0, engine="numba", series="T"):
    xs = np.array([25, 50, 100, 200, 400])
    shaken = 1 + noise * np.array([1, -1, 0, -1, 1])
    return pd.DataFrame({"series": series, "x": xs, "engine": engine, "ms": 3 * xs**power * shaken})


@pytest.mark.parametrize("power", [0.0, 0.9, 1.0, 2.0])
def test_a_power_is_recovered(power):
    (found,) = scaling.exponents(made(power)).to_dict("records")
    assert found["exponent"] == pytest.approx(power, abs=1e-9)
    assert found["low"] == pytest.approx(found["high"], abs=1e-6)
    assert (found["first"], found["last"], found["n"]) == (25, 400, 5)


def test_the_interval_holds_a_shaken_power():
    (found,) = scaling.exponents(made(1.0, 0.05)).to_dict("records")
    assert found["low"] < 1 < found["high"]
    assert 0.01 < found["high"] - found["low"] < 0.3


def test_engines_and_series_are_kept_apart():
    parts = [made(1.0), made(2.0, engine="torch"), made(0.0, series="K, chunked")]
    found = scaling.exponents(pd.concat(parts))
    assert list(zip(found["series"], found["engine"], strict=True)) == [
        ("T", "numba"),
        ("T", "torch"),
        ("K, chunked", "numba"),
    ]
    assert found["exponent"].tolist() == pytest.approx([1, 2, 0], abs=1e-9)


def test_the_table():
    series = {"B": ("batch", [Size("full", 6, 6, 4, B, 2) for B in (1, 3)])}
    found = scaling.measure_series(series, turns=2, repeats=1)
    assert found[["series", "x", "engine"]].to_numpy().tolist() == [
        ["B", 1, "numba"],
        ["B", 1, "torch"],
        ["B", 3, "numba"],
        ["B", 3, "torch"],
    ]
    assert (found["ms"] > 0).all()


@pytest.mark.parametrize("name", scaling.SERIES)
def test_in_a_series_one_size_is_varied(name):
    field, sizes = scaling.SERIES[name]
    values = [getattr(s, field) for s in sizes]
    assert values == sorted(set(values))
    assert len(values) >= 5
    for other in {"T", "hidden", "batch", "rows"} - {field}:
        assert len({getattr(s, other) for s in sizes}) == 1
    for s in sizes:
        assert s.K == s.T or name.startswith("K")
        if name.startswith("K"):
            Update(Size(s.mode, s.T, s.K, 1, 1, 1))  # chunks fill the sequence
