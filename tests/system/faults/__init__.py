"""Faults injected into real pipelines; `make faults` runs them all, `make test` a few."""

import pytest

pytest.register_assert_rewrite("tests.system.faults.harness")
