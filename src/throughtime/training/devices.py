"""The device that networks are trained on: whether it is there, how it computes, and how many
networks it takes at once.
"""

import os

from throughtime.core.errors import UserError
from throughtime.planning.plan import PlannedJob
from throughtime.planning.resources import is_penalized, rows_at_once, rows_on_device

SHARE = 0.8  # of a device's free memory that a block may take


def prepare_device(device: str) -> None:
    """Let a device compute float32 as float32 (TF32 has 10 bits of it), and equal products alike;
    for the whole process.
    """
    if device == "cpu":
        return
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at the first product
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def rows_of_a_block(planned: PlannedJob) -> int:
    """Networks of a job that are trained at once, on its device as it is now.

    Raises:
        UserError: not even one fits.
    """
    if planned.device == "cpu":
        return rows_at_once(planned.job, penalized=is_penalized(planned))
    free = int(SHARE * free_memory(planned.device))
    return rows_on_device(planned.job, free, penalized=is_penalized(planned))


def free_memory(device: str) -> int:
    """Bytes of a GPU that nobody uses."""
    import torch

    torch.cuda.empty_cache()  # what this process has given up, but holds for later
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def check_device(device: str) -> None:
    """Refuse a device that this machine does not have.

    Args:
        device: ``cpu``, ``cuda`` or ``cuda:n``.

    Raises:
        UserError: it is not there; names those that are.
    """
    if device == "cpu":
        return
    import torch

    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if device not in there:
        raise UserError(
            f"device: {device} is not on this machine, which has {', '.join(there)}; give one "
            'of these (`device` in config.yaml, --config device=cpu, or device="cpu" in Python)'
        )
