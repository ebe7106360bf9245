"""What a long training has reached, on disk: finished blocks as tables, the block in training as
arrays. NumPy's npz, never a pickle.

A checkpoint is of use to the very same training alone: the same job, code, device and versions (its
token). It lies outside of what Snakemake calls the job's output, which is wiped before a second
try; it is deleted when the job's tables are written.
"""

import shutil
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from throughtime.core import files
from throughtime.core.errors import UserError
from throughtime.core.typing import Arrays
from throughtime.results import tables
from throughtime.training.result import Tables


class Checkpoints:
    """A store of checkpoints that writes below a folder.

    Args:
        folder: of the job; ``folder/token`` is written.
        token: stands for all that decides the training's bits.
        every: seconds between two checkpoints of a block in training.

    Attributes:
        seconds: what was spent before this process, as far as it was of use.
    """

    def __init__(self, folder: Path, token: str, every: float) -> None:
        self.folder, self.here, self.every = folder, folder / token, every
        self.blocks = self._whole_blocks()
        self.start = sum(len(block.summary) for block in self.blocks)
        self.seconds = self._spent()
        self.began = self.last = time.monotonic()

    def finished(self) -> list[Tables]:
        """The tables of the blocks that were finished, in order."""
        return self.blocks

    def finish(self, block: Tables) -> None:
        """A block is finished: keep its tables."""
        for name in tables.JOB_TABLES:
            tables.write(getattr(block, name), name, self._table(self.start, name))
        if block.weights is not None:
            content = BytesIO()
            np.save(content, block.weights, allow_pickle=False)
            files.write(self._weights(self.start), content.getvalue())
        self.start += len(block.summary)
        self._note()

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self.last >= self.every

    def save(self, arrays: Arrays) -> None:
        """Keep the state of the block in training."""
        content = BytesIO()
        named: dict[str, Any] = {**arrays, "start": np.array(self.start)}
        np.savez(content, **named)
        files.write(self.here / "block.npz", content.getvalue())
        self._note()
        self.last = time.monotonic()

    def load(self) -> Arrays | None:
        """The state of the block after the finished ones; None where none was kept, or it is
        damaged.
        """
        try:
            with np.load(BytesIO(files.read(self.here / "block.npz")), allow_pickle=False) as saved:
                arrays = {name: saved[name] for name in saved.files}
        except (OSError, ValueError, EOFError, UserError):
            return None
        return arrays if int(arrays.pop("start")) == self.start else None

    def clear(self) -> None:
        """The job's tables are written: nothing of this is needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()  # if it is empty

    def spent(self) -> float:
        """Seconds of training up to now, those before this process included."""
        return self.seconds + time.monotonic() - self.began

    def _table(self, start: int, name: str) -> Path:
        return self.here / f"{start:06}" / f"{name}.parquet"

    def _weights(self, start: int) -> Path:
        return self.here / f"{start:06}" / "weights.npy"

    def _whole_blocks(self) -> list[Tables]:
        blocks: list[Tables] = []
        start = 0
        with suppress(UserError):  # missing or damaged: from here on it is trained again
            while True:
                block = {n: tables.read(n, self._table(start, n)) for n in tables.JOB_TABLES}
                weights = None
                if self._weights(start).exists():
                    content = BytesIO(files.read(self._weights(start)))
                    weights = np.load(content, allow_pickle=False)
                blocks.append(Tables(**block, weights=weights))
                start += len(blocks[-1].summary)
        return blocks

    def _note(self) -> None:
        files.write(self.here / "seconds.txt", f"{self.spent():.3f}\n".encode())

    def _spent(self) -> float:
        try:
            return float(files.read(self.here / "seconds.txt"))
        except (OSError, ValueError, UserError):
            return 0.0


class CheckpointStore(Protocol):
    """Keeps what a training has reached; see checkpoints.py."""

    def finished(self) -> list[Tables]:
        """The tables of finished blocks, in order."""

    def finish(self, block: Tables) -> None:
        """A block is finished."""

    def due(self) -> bool:
        """Whether the block in training should be saved now."""

    def save(self, arrays: Arrays) -> None:
        """Keep the state of the block in training."""

    def load(self) -> Arrays | None:
        """The state of the block in training, if one was kept."""
