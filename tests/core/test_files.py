"""Files that are whole or absent: what is left after a write that fails anywhere, and what is
noticed later.
"""

import errno
import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.core import files
from throughtime.core.errors import UserError


def test_the_sum_is_what_sha256sum_checks(tmp_path: Path) -> None:
    files.write(tmp_path / "a" / "b.txt", b"content")
    checked = subprocess.run(
        ["sha256sum", "--check", ".b.txt.sha256"],
        cwd=tmp_path / "a",
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0
    assert checked.stdout == "b.txt: OK\n"


@given(content=st.binary(max_size=200))
def test_what_was_written_is_read(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("files") / "x"
    files.write(path, b"before")
    files.write(path, content)
    assert files.read(path) == content
    assert files.is_intact(path)
    assert sorted(p.name for p in path.parent.iterdir()) == [".x.sha256", "x"]


@given(content=st.binary(min_size=1, max_size=60), place=st.integers(0), bit=st.integers(0, 7))
def test_every_flipped_bit_is_noticed(
    content: bytes, place: int, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("files") / "x"
    files.write(path, content)
    flipped = bytearray(content)
    flipped[place % len(content)] ^= 1 << bit
    path.write_bytes(flipped)
    assert not files.is_intact(path)
    with pytest.raises(files.Damaged, match=r"x: damaged: its sha256 is .*delete it and run again"):
        files.read(path)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p.write_bytes(b"con"),
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(b"content!"),
    ],
)
def test_a_truncated_or_longer_file_is_noticed(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    files.write(tmp_path / "x", b"content")
    files.write(tmp_path / "y", b"content")
    spoil(tmp_path / "x")
    assert files.damaged(tmp_path) == [tmp_path / "x"]


@pytest.mark.parametrize("line", ["", "nonsense\n", f"{'0' * 64}  other\n", "\xff"])
def test_a_damaged_sum_makes_its_file_suspect(tmp_path: Path, line: str) -> None:
    files.write(tmp_path / "x", b"content")
    files.sum_path(tmp_path / "x").write_text(line, encoding="latin-1")
    assert files.damaged(tmp_path) == [tmp_path / "x"]
    with pytest.raises(files.Damaged):
        files.read(tmp_path / "x")


def test_a_file_without_a_sum_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"by hand")
    assert files.read(tmp_path / "x") == b"by hand"
    assert files.damaged(tmp_path) == []


def test_a_damaged_file_is_moved_aside_with_its_content(tmp_path: Path) -> None:
    files.write(tmp_path / "x", b"content")
    (tmp_path / "x").write_bytes(b"edited")
    assert files.set_aside(tmp_path / "x").read_bytes() == b"edited"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.damaged"]


@pytest.mark.parametrize("failing", ["x", ".x.sha256"])
def test_a_write_that_fails_leaves_a_whole_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    files.write(tmp_path / "x", b"before")
    rename = os.replace

    def full(source: Path, target: Path) -> None:
        if target.name == failing:
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(
        UserError,
        match=r"x: cannot be written: No space left on device; free some space and run again",
    ):
        files.write(tmp_path / "x", b"after")
    assert (tmp_path / "x").read_bytes() in (b"before", b"after")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".x.sha256", "x"]
    # a new file with the old sum is made again
    assert files.is_intact(tmp_path / "x") == (failing == "x")


def test_a_real_limit_on_the_size_of_files_is_one_line(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from throughtime.core import files; "
        f"files.write(Path({str(tmp_path / 'x')!r}), bytes(100_000))"
    )

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (
        "x: cannot be written: File too large; raise the limit on the size of files and run again"
        in done.stderr.splitlines()[-1]
    )
    assert list(tmp_path.iterdir()) == []


KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from throughtime.core import files


real = Path.write_bytes
def dying(self, data):
    with self.open("wb") as out:
        out.write(data[: len(data) // 2])
        out.flush()
        os.kill(os.getpid(), signal.SIGKILL)

Path.write_bytes = dying
files.write(Path(sys.argv[1]), b"x" * 1000)
"""


def test_a_writer_killed_halfway_leaves_the_old_file_and_its_scrap_is_swept(tmp_path: Path) -> None:
    path = tmp_path / "x"
    files.write(path, b"before")
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(path)], check=False)
    assert killed.returncode == -9
    assert files.read(path) == b"before"
    assert len(list(tmp_path.iterdir())) == 3  # the scrap
    assert files.remove_leftovers(tmp_path) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [".x.sha256", "x"]


def test_what_a_living_process_is_writing_is_not_swept(tmp_path: Path) -> None:
    scrap = tmp_path / f".x.{os.uname().nodename}-{os.getpid()}.part"
    scrap.write_bytes(b"half")
    (tmp_path / f".x.elsewhere-{2**22 + 1}.part").write_bytes(b"another machine's")
    assert files.remove_leftovers(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 2


def test_two_writers_of_the_same_bytes_do_each_other_no_harm(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from throughtime.core import files
for _ in range(200):
    files.write(Path({str(tmp_path / "x")!r}), b"content" * 1000)
"""
    writers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    seen = set()
    while any(w.poll() is None for w in writers):
        if (tmp_path / "x").exists():
            seen.add(hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest())
    assert [w.wait() for w in writers] == [0, 0]
    assert seen == {hashlib.sha256(b"content" * 1000).hexdigest()}
    assert files.is_intact(tmp_path / "x")


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    first = files.lock(tmp_path / "new" / "x.lock")
    assert first
    assert files.lock(tmp_path / "new" / "x.lock", timeout=0) is None
    first.release()
    assert files.lock(tmp_path / "new" / "x.lock", timeout=0)


def test_a_file_system_without_locks_is_said_and_no_file_stands_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(UserError, match=r"x\.lock: cannot be locked: Function not implemented"):
        files.lock(tmp_path / "x.lock")
