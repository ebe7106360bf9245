"""Settings that all tests share."""

import pytest
import torch
from hypothesis import settings

import throughtime  # noqa: F401  # asks MKL for equal bits, before torch's first product

LONGEST = ("test_workflow.py", "test_faults.py")  # they run whole pipelines

torch.set_num_threads(1)  # as train does: sums over threads have other last bits
settings.register_profile("throughtime", deadline=None)  # a busy machine is no defect
settings.load_profile("throughtime")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files start first, so that no worker is left alone with one. A file is one
    worker's: its tests share what they set up.
    """
    items.sort(key=lambda item: item.path.name not in LONGEST)
