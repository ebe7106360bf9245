"""Files under results/: written whole or not at all, and recognised later. Beside NAME lies
.NAME.sha256, a line as of ``sha256sum``.

A file is written under another name in the same folder and renamed, so that no reader ever sees
half of one, two writers of the same bytes do each other no harm, and after a kill at any moment
there is the old file or the new one. Its sum is renamed into place after it: a kill between the two
leaves a file that looks damaged and is made again.
"""

import errno
import fnmatch
import hashlib
import os
import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime.core.errors import UserError

if TYPE_CHECKING:
    from filelock import BaseFileLock

REMEDIES = {
    errno.ENOSPC: "free some space and run again",
    errno.EDQUOT: "free some space and run again",
    errno.EFBIG: "raise the limit on the size of files and run again",
    errno.EROFS: "make its folder writable and run again",
    errno.EACCES: "make its folder writable and run again",
}
DAMAGED = ".damaged"  # what is appended to the name of a file that was moved aside


class Damaged(UserError):
    """A file whose content is not what was written."""


def sum_path(path: Path) -> Path:
    """Where the sum of a file lies.

    >>> sum_path(Path("results/figures/atlas.png")).name
    '.atlas.png.sha256'
    """
    return path.with_name(f".{path.name}.sha256")


def write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, and its sum beside it. Folders are made.

    Raises:
        UserError: the disk is full, the folder is read-only, ..: nothing is left half written.
    """
    line = f"{hashlib.sha256(content).hexdigest()}  {path.name}\n"
    try:
        replace(path, content)
        replace(sum_path(path), line.encode())
    except OSError as error:
        raise UserError(unwritable(path, error)) from None


def unwritable(path: Path, error: OSError) -> str:
    """One line on why ``path`` could not be written, and what mends it."""
    mend = REMEDIES.get(error.errno or 0, "mend that and run again")
    return f"{path}: cannot be written: {error.strerror or error}; {mend} (what is finished stays)"


def replace(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, without a sum: for what another program lists, as MLflow
    does artifacts.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name.lstrip('.')}.{platform.node()}-{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def read(path: Path) -> bytes:
    """The content of a file, held against its sum where there is one.

    Raises:
        FileNotFoundError: there is no such file.
        Damaged: it is not what was written.
        UserError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    expected = _expected(path)
    if expected and (now := hashlib.sha256(content).hexdigest()) != expected:
        raise Damaged(
            f"{path}: damaged: its sha256 is {now[:12]}.., {expected[:12]}.. was written; delete "
            "it and run again"
        )
    return content


def _expected(path: Path) -> str | None:
    """The sum that was written; None where there is none, ``?`` where it cannot be understood."""
    try:
        text = sum_path(path).read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return "?"
    match = re.fullmatch(r"([0-9a-f]{64})  (.+)\n", text)
    return match[1] if match and match[2] == path.name else "?"


def is_intact(path: Path) -> bool:
    """Whether a file is there and is what was written; False too where its sum is missing or
    unreadable.
    """
    expected = _expected(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == expected
    except OSError:
        return False


def files_with_checksum(folder: Path) -> Iterator[Path]:
    """The files below ``folder`` that have a sum, whether they are still there or not, in order."""
    for path in find(folder, ".*.sha256"):
        yield path.with_name(path.name.removeprefix(".").removesuffix(".sha256"))


def find(folder: Path, pattern: str) -> list[Path]:
    """The files below ``folder`` whose name matches, sorted. Folders may come and go meanwhile: a
    pipeline may be at work.
    """
    matching = (
        (Path(top), name)
        for top, _, names in os.walk(folder)
        for name in fnmatch.filter(names, pattern)
    )
    return sorted(top / name for top, name in matching)


def damaged(folder: Path) -> list[Path]:
    """The files below ``folder`` that are there and are not what was written."""
    return [path for path in files_with_checksum(folder) if path.exists() and not is_intact(path)]


def set_aside(path: Path) -> Path:
    """Move a damaged file out of the way, so that it is made again; an older one of that name is
    lost.

    Returns:
        Where it lies now.
    """
    target = path.with_name(path.name + DAMAGED)
    os.replace(path, target)
    sum_path(path).unlink(missing_ok=True)
    return target


def remove_leftovers(folder: Path) -> int:
    """Delete what killed processes of this machine left half written below ``folder``; how many
    files.
    """
    swept = 0
    for path in find(folder, f".*.{platform.node()}-*.part"):
        owner = path.name.removesuffix(".part").rpartition("-")[2]
        if owner.isdigit() and not _alive(int(owner)):
            path.unlink(missing_ok=True)
            swept += 1
    return swept


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def lock(path: Path, timeout: float = -1) -> "BaseFileLock | None":
    """Take the operating system's lock on a file, which is made and stays; its folder is made too.

    The lock ends with its process, however that ends. Where the file system has no locks, filelock
    would take the mere presence of a file for one, which stays after a kill: that is refused.

    Args:
        path: the file.
        timeout: seconds to wait for another process that has it; -1: as long as it has it.

    Returns:
        The lock, to be released; None where another process still has it.

    Raises:
        UserError: the file system has no locks, or the file cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        taken = FileLock(path, fallback_to_soft=False)
        taken.acquire(timeout)
    except Timeout:
        return None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be locked: {error.strerror or error}; put its folder on a file system "
            "with locks, which you can write to, and run again"
        ) from None
    return taken
