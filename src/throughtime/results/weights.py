"""Final weights of networks on disk: safetensors, one file per job, a tensor per weight.

The file's metadata hold the run keys, the names and shapes of weights in their order, and the cell.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.planning.plan import PlannedJob
from throughtime.planning.resources import weight_shapes


def write_weights(path: Path, planned: PlannedJob, weights: dict[str, NDArray[np.generic]]) -> None:
    """Write the final weights of a job's networks, whole or not at all.

    Args:
        path: of the file.
        planned: the job.
        weights: run key -> (P), the network's weights one behind the other (engine/parameters.py).
    """
    shapes, keys = weight_shapes(planned.job), planned.run_keys
    flat = np.stack([weights[key] for key in keys])
    named, start = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        named[name] = np.ascontiguousarray(flat[:, start : start + size]).reshape(-1, *shape)
        start += size
    metadata = {"run_keys": json.dumps(keys), "names": json.dumps(list(shapes))}
    metadata |= {"cell": planned.job.cell.name, "cell_args": planned.job.cell.args}
    files.write(path, save(named, metadata=metadata))


def read_named(path: Path, key: str) -> tuple[str, dict[str, NDArray[np.generic]]]:
    """One network's cell and weights by name.

    Raises:
        UserError: no such file or network, or it is damaged.
    """
    with _opened(path) as opened:
        metadata = opened.metadata()
        keys = json.loads(metadata["run_keys"])
        if key not in keys:
            raise UserError(f"{path}: no network {key!r} in it; it holds {', '.join(keys[:3])}, ..")
        place = keys.index(key)
        return metadata["cell"], {
            name: opened.get_slice(name)[place] for name in json.loads(metadata["names"])
        }


def read_weights(path: Path) -> dict[str, NDArray[np.generic]]:
    """Run key -> (P), the network's weights one behind the other.

    Raises:
        UserError: no such file, or it is damaged.
    """
    with _opened(path) as opened:
        metadata = opened.metadata()
        keys = json.loads(metadata["run_keys"])
        parts = [
            opened.get_tensor(name).reshape(len(keys), -1) for name in json.loads(metadata["names"])
        ]
        return dict(zip(keys, np.concatenate(parts, 1), strict=True))


def _opened(path: Path) -> "safe_open":
    try:
        files.read(path)  # held against its sum
        return safe_open(path, framework="numpy")
    except FileNotFoundError:
        raise UserError(f"{path}: no weights there; set keep_weights: true and run again") from None
    except SafetensorError as error:
        raise UserError(f"{path}: not readable ({error}); delete it and run again") from None
