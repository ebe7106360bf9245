"""``import throughtime``: light, and what is named in ``__all__`` is there."""

import subprocess
import sys
from operator import attrgetter

import pytest

import throughtime as tt

HEAVY = ("torch", "pandas", "numpy", "mlflow", "matplotlib", "pydantic", "scipy", "pyarrow")


def fresh(code: str) -> str:
    """What a new process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, throughtime; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    assert fresh(code) == "[]"


@pytest.mark.slow
def test_what_there_is_is_told_without_torch() -> None:
    code = (
        "import sys, throughtime as tt; tt.tasks(), tt.cells(), tt.probes(), tt.axes(); "
        "tt.columns(); print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    assert fresh(code) == "False False"


def test_every_public_name_is_there() -> None:
    for name in tt.__all__:
        assert callable(getattr(tt, name)), name
        assert name in dir(tt)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'throughtime' has no attribute 'trian'"):
        attrgetter("trian")(tt)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tasks", "probes"])
def test_a_package_of_that_name_can_be_imported_and_called(name: str) -> None:
    code = (
        f"import throughtime as tt; a = tt.{name}(); import throughtime.{name} as package; "
        f"b = package(); from throughtime import {name} as c; assert a.equals(b); "
        f"print(c is package, package.__file__.endswith('{name}/__init__.py'))"
    )
    assert fresh(code) == "True True"


def test_the_error_of_the_api_is_the_user_error() -> None:
    from throughtime.core.errors import UserError

    assert tt.Error is UserError
