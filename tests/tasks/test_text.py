"""Text: contiguous streams, the same characters for everyone, n-gram lines from the same."""

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.core.errors import UserError
from throughtime.core.hashing import digest
from throughtime.tasks.text import Text

RNG = np.random.default_rng


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Text:
    """A short text of one's own, random, so that a few characters say where they stand."""
    monkeypatch.chdir(tmp_path)
    path = Path("own.txt")
    path.write_text("".join(map(chr, RNG(5).integers(32, 122, 3000))), encoding="utf-8")
    return Text(corpus=str(path), window=7, limit=0, validation=0)


@pytest.mark.parametrize("batch", [1, 4])
def test_batches_are_contiguous_streams_that_wrap(own: Text, batch: int) -> None:
    text = own.data.train
    # 2800 characters a stream, of a text of 2400
    batches = list(islice(own.batches(RNG(0), batch), 400))
    read = np.concatenate([b.inputs for b in batches])
    for column in range(batch):
        place = next(
            p for p in range(len(text)) if (np.roll(text, -p)[:9] == read[:9, column]).all()
        )
        assert (read[:, column] == np.resize(np.roll(text, -place), len(read))).all()
    for now, following in pairwise(batches):
        assert (now.targets[:-1] == now.inputs[1:]).all()
        assert (now.targets[-1] == following.inputs[0]).all()


def test_streams_start_evenly_spaced_from_a_drawn_offset() -> None:
    task = Text(window=30, limit=1000, validation=500)
    text = "".join(task.data.symbols[i] for i in task.data.train)

    def places(seed: int) -> list[int]:
        first = next(task.batches(RNG(seed), 4))
        words = ["".join(task.data.symbols[i] for i in column) for column in first.inputs.T]
        return [(text + text).index(w) for w in words]

    for seed in range(3):
        at = places(seed)
        assert [(p - at[0]) % 1000 for p in at] == [0, 250, 500, 750]
    assert len({places(s)[0] for s in range(5)}) == 5


def test_every_training_character_is_read_equally_often(own: Text) -> None:
    length = len(own.data.train)
    # 7 rounds of the ring
    seen = np.concatenate([b.inputs.ravel() for b in islice(own.batches(RNG(0), 8), length // 8)])
    assert (np.bincount(seen) == 7 * np.bincount(own.data.train)).all()


def test_evaluation_reads_the_validation_characters_once_in_order() -> None:
    task = Text(window=16, validation=16 * 4 * 10)
    batches = list(task.evaluation(RNG(0), 4, 1000))  # more than there is
    assert len(batches) == 10
    streams = np.concatenate([b.inputs for b in batches]).T
    assert (streams.ravel() == task.data.valid).all()
    targets = np.concatenate([b.targets for b in batches]).T
    assert (targets.ravel()[:-1] == task.data.valid[1:]).all()


def test_evaluation_size_counts_windows_and_is_the_same_for_all() -> None:
    task = Text(window=16)
    one, two = (list(task.evaluation(RNG(seed), 4, 10)) for seed in (0, 1))
    assert len(one) == 3  # 12 windows, the fewest batches of 4 that hold 10
    assert all((a.inputs == b.inputs).all() for a, b in zip(one, two, strict=True))


def test_position_counts_from_the_start_of_the_stream() -> None:
    task = Text(window=5)
    found = np.concatenate([b.groups["position"][:, 2] for b in task.evaluation(RNG(0), 4, 12)])
    slow = [next(2**o for o in range(9, -1, -1) if 2**o <= position) for position in range(1, 16)]
    assert found.tolist() == slow


@given(st.integers(0, 50))
def test_samples_are_windows_of_the_training_text(seed: int) -> None:
    task = Text(window=20, limit=5000)
    ring = task.data.train.tobytes() * 2
    batch = task.sample(RNG(seed), 3)
    for read, write in zip(batch.inputs.T, batch.targets.T, strict=True):
        assert read.astype(np.uint8).tobytes() + write[-1:].astype(np.uint8).tobytes() in ring


def test_default_corpus_has_88_characters_and_the_stated_sizes() -> None:
    task = Text()
    assert task.inputs == task.outputs == 88
    assert (len(task.data.train), len(task.data.valid)) == (task.limit, task.validation)


def test_chance_is_the_best_constant_on_validation_characters() -> None:
    task = Text()
    p = np.bincount(task.data.valid, minlength=88) / len(task.data.valid)
    best = -(p[p > 0] * np.log2(p[p > 0])).sum()
    assert task.chance == pytest.approx(best)
    for other in (np.full(88, 1 / 88), (p + 1e-3) / (p + 1e-3).sum()):
        assert -(p * np.log2(other)).sum() > best
    assert task.chance_loss / np.log(2) == pytest.approx(task.chance, abs=0.05)


def test_ngram_lines_fall_with_order_and_fix_the_default_target() -> None:
    chance, *lines = (r.value for r in Text().references())
    assert len(lines) == 6
    assert lines[0] == pytest.approx(chance, abs=0.01)
    assert lines == sorted(lines, reverse=True)
    assert 0 < lines[2] - Text().target < 0.03


def test_solved_below_the_target() -> None:
    assert Text(target=2.0).solved(1.99)
    assert not Text(target=2.0).solved(2.0)


def test_a_path_that_is_not_there_is_refused_at_once_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="did you mean 'sotu'"):
        Text(corpus="soto")


def test_text_is_read_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr("throughtime.tasks.text._characters", refuse)
    task = Text()
    assert (task.steps, task.scored, task.lags) == (64, 64, None)
    assert digest(task.model_dump(mode="json"))
    with pytest.raises(AssertionError, match="read"):
        task.outputs  # noqa: B018  # reading it is the test


@pytest.mark.parametrize("corpus", ["/etc/passwd", "../own.txt", "data/../../own.txt", "~/own.txt"])
def test_a_text_outside_of_the_project_is_refused(corpus: str) -> None:
    with pytest.raises(UserError, match="is not below the project; put or link the text there"):
        Text(corpus=corpus)


def test_a_link_that_the_owner_made_may_lead_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far.txt").write_text("a quick brown fox. " * 200)
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "own.txt").symlink_to(tmp_path / "far.txt")
    monkeypatch.chdir(tmp_path / "project")
    assert len(Text(corpus="own.txt", limit=0, validation=0).data.train) > 1000


def test_unicode_is_kept_where_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("greek.txt")
    path.write_text("μῆνιν ἄειδε θεά " * 200, encoding="utf-8")
    kept, folded = (
        Text(corpus=str(path), ascii=a, window=8, limit=0, validation=0) for a in (False, True)
    )
    assert set(folded.data.symbols) == {" ", "?"}
    assert kept.outputs == len(set("μῆνιν ἄειδε θεά "))
    assert set(kept.show(kept.sample(RNG(0), 1), 0).split()[1]) <= set("μῆνιν·ἄειδε·θεά")
