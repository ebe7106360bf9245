"""Whether the device that networks shall be trained on is there."""

from throughtime.core.errors import UserError


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
