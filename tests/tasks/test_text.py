"""Text: contiguous streams, the same characters for everyone, n-gram lines from the same."""

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughtime.core.errors import UserError
from throughtime.core.hashing import digest
from throughtime.tasks.text import (
    HORIZON,
    REPEAT,
    WORD,
    Text,
    names,
    repeats,
    word_positions,
)
from throughtime.training.evaluation import Scores

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


@pytest.mark.slow
def test_ngram_lines_fall_with_order_and_fix_the_default_target() -> None:
    chance, *lines = (r.value for r in Text().references() if r.by == "all")
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


# One's own text, in any language ------------------------------------------------------------------

JAPANESE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所で"
    "ニャーニャー泣いていた事だけは記憶している。吾輩はここで始めて人間というものを見た。"
)  # Natsume Soseki 1905, the first lines


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own_text(folder: Path, content: str, **axes: object) -> Text:
    """The task of a text of one's own."""
    (folder / "own.txt").write_text(content, encoding="utf-8")
    return Text.model_validate(
        {"corpus": "own.txt", "window": 8, "limit": 0, "validation": 0, **axes}
    )


def test_japanese_is_kept_learned_and_shown(folder: Path) -> None:
    sentences = [f"{part}。" for part in JAPANESE.split("。")[:-1]]
    task = own_text(folder, "".join(RNG(0).choice(sentences, 200)))
    assert set(task.data.symbols) == set(JAPANESE)
    assert task.chance > 4  # bits: not one symbol that is known beforehand
    assert set(task.show(task.sample(RNG(0), 1), 0).split()[1]) <= set(JAPANESE)
    lines = [r.value for r in task.references() if r.by == "all"]
    assert lines[3] < 0.7 < lines[1] < task.chance + 0.1  # few sentences: two characters suffice


def test_characters_are_composed_and_line_ends_are_one(folder: Path) -> None:
    task = own_text(folder, "cafe\u0301 à la carte,\r\n" * 100)
    assert "é" in task.data.symbols
    assert not set("\u0301\r") & set(task.data.symbols)


@pytest.mark.slow
def test_folding_is_what_a_corpus_or_its_reader_asks_for(folder: Path) -> None:
    text = "Größe, Mühe, Café; " * 100
    assert "ö" in own_text(folder, text).data.symbols
    assert own_text(folder, text, ascii=True).data.symbols.isascii()
    assert Text().data.folded
    assert not Text(ascii=False, symbols=512).data.symbols.isascii()


def test_a_text_without_ascii_is_not_folded_to_nothing(folder: Path) -> None:
    greek = "μῆνιν ἄειδε θεά " * 200
    assert own_text(folder, greek).outputs == len(set(greek))
    with pytest.raises(UserError, match=r"81\.2% of its characters have no ASCII.*`ascii: false`"):
        own_text(folder, greek, ascii=True).data  # noqa: B018  # reading it is the test
    assert set(own_text(folder, greek, ascii=True, lenient=True).data.symbols) == {" ", "?"}


@pytest.mark.parametrize("letters", ["a", "ab", "abcdefg"])
def test_a_text_of_few_symbols_is_refused_unless_allowed(folder: Path, letters: str) -> None:
    with pytest.raises(UserError, match=f"^text.corpus: own.txt: {len(letters)} different symbols"):
        own_text(folder, letters * 1000).references()
    lines = own_text(folder, letters * 1000, lenient=True).references()
    assert lines[-1].value == pytest.approx(0, abs=0.01)  # it ends, and what follows is known


def rare(share: float, kinds: int = 50) -> str:
    """Ten common letters, and a share of ``kinds`` rare ones, each as often as the others."""
    rng = RNG(1)
    text = np.array(list("abcdefghij"))[rng.integers(0, 10, 20_000)]
    place = rng.random(len(text)) < share
    text[place] = [chr(0x4E00 + i) for i in np.arange(place.sum()) % kinds]
    return "".join(text)


def test_the_most_frequent_characters_are_the_vocabulary(folder: Path) -> None:
    task = own_text(folder, rare(0.04), symbols=11)
    data = task.data
    assert data.symbols == "abcdefghij\ufffd"
    assert task.outputs == 11
    assert data.others == 50
    assert data.unknown == pytest.approx(0.04, abs=0.005)
    share = (data.valid == 10).mean()
    assert next(r.value for r in task.references() if r.measure == "share") == share
    assert "one of 50 rarer characters" in task.about()
    assert f"{data.unknown:.2%}" in task.about()
    assert "\ufffd" in task.show(
        next(task.batches(RNG(0), 400)),
        int(np.argmax((next(task.batches(RNG(0), 400)).inputs == 10).any(0))),
    )


def test_too_many_unknown_characters_are_refused_with_the_size_that_would_do(
    folder: Path,
) -> None:
    with pytest.raises(UserError, match=r"1\d\.\d% .* not among the 11 symbols; write `symbols: "):
        own_text(folder, rare(0.12), symbols=11).references()
    allowed = own_text(folder, rare(0.12), symbols=11, lenient=True)
    assert allowed.data.unknown > 0.1
    enough = own_text(folder, rare(0.12), symbols=allowed.data.enough).data
    assert enough.unknown <= 0.05
    one_less = own_text(folder, rare(0.12), symbols=allowed.data.enough - 1, lenient=True).data
    assert one_less.unknown > 0.05


def test_bits_per_character_compare_across_vocabularies(folder: Path) -> None:
    """Letters and 50 rare characters, all without memory: the entropy is the same, however many of
    the characters are symbols of their own. Without the charge the small vocabulary would seem
    easier by 4 % of log2 50 = 5.64 bits, .23 bits.
    """
    small, large = (own_text(folder, rare(0.04), symbols=n) for n in (11, 60))
    assert small.data.charge == pytest.approx(5.64, abs=0.01)
    assert large.data.others == 0
    assert small.chance == pytest.approx(large.chance, abs=0.05)
    order_0 = [t.references()[1].value for t in (small, large)]
    assert order_0[0] == pytest.approx(order_0[1], abs=0.03)


def test_a_networks_measure_is_charged_at_unknown_targets_alone(folder: Path) -> None:
    task = own_text(folder, rare(0.04), symbols=11)
    batch = next(task.evaluation(RNG(0), 40, 40))
    found = task.surcharge(batch)
    assert found is not None
    assert (found == np.where(batch.targets == 10, np.log2(50), 0)).all()
    assert Text().surcharge(batch) is None
    scores, loss = Scores(task, 1), np.full((1, batch.targets.size), 2.0)
    scores.add(batch, loss, loss)
    assert scores.measure()[0] == pytest.approx(2 + np.log2(50) * (batch.targets == 10).mean())
    assert scores.loss[0] == 2


def test_control_characters_are_reported_and_drawn(folder: Path) -> None:
    task = own_text(folder, "The quick brown\x00 fox \x1b jumps.\n" * 2 + "plain old text, " * 100)
    assert "control characters: U+0000 2 times, U+001B 2 times" in task.about()
    assert "control" not in own_text(folder, "plain old text,\n" * 100).about()


def test_an_encoding_is_checked_at_once(folder: Path) -> None:
    with pytest.raises(UserError, match="'shift-gis' is no encoding of text"):
        own_text(folder, "plain old text, " * 100, encoding="shift-gis")
    with pytest.raises(UserError, match="the corpus sotu has its own"):
        Text(encoding="latin-1")


def test_what_is_new_changes_no_key_of_the_default_corpus() -> None:
    assert Text().changed() == {}
    assert Text(limit=7).changed() == {"limit": 7}


# Groups -------------------------------------------------------------------------------------------


def indices(text: str) -> tuple[np.ndarray, str]:
    """A text as symbols."""
    symbols = "".join(sorted(set(text)))
    return np.array([symbols.index(c) for c in text]), symbols


def test_words_are_runs_of_letters() -> None:
    found = word_positions(*indices("We, the 13 people: é!"))
    assert found.tolist() == [1, 2, 0, 0, 1, 2, 3, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3, 0, 0, 1, 0]


def test_names_are_capitals_within_a_sentence_and_remember_where_they_were() -> None:
    text = "Congress met. In May, of Congress (the old one) Texas, and Texan. Texas; of Texas"
    begins, seen = names(*indices(text))
    first, second = text.index("Congress"), text.index("Congress", 1)
    texas = [i for i in range(len(text)) if text.startswith("Texas", i)]
    assert set(begins) == {-1, second, texas[0], text.index("Texan"), texas[2]}
    assert begins[second] == -1  # nobody can know that a name comes
    assert (begins[second + 1 : second + 8] == second).all()
    assert (seen[second + 1 : second + 8] == first).all()  # a sentence's first word counts as read
    assert seen[texas[2] + 1] == texas[1]
    assert seen[text.index("Texan") + 1] == -1


@pytest.mark.parametrize(
    ("distance", "bin_"), [(49, 1), (50, 50), (199, 50), (200, 200), (799, 200), (800, 0)]
)
def test_repeats_are_binned_by_the_distance(distance: int, bin_: int) -> None:
    assert repeats(np.array([1000]), np.array([1000 - distance])).tolist() == [bin_]


def test_groups_of_the_evaluation_are_those_of_the_predicted_characters() -> None:
    task = Text(window=50, validation=40_000)
    data, batches = task.data, list(task.evaluation(RNG(0), 4, 10_000))
    targets = np.concatenate([b.targets for b in batches]).T.ravel()
    word = np.concatenate([b.groups["word"] for b in batches]).T.ravel()
    assert (word == np.roll(word_positions(data.valid, data.symbols), -1)).all()
    assert (targets == np.roll(data.valid, -1)).all()
    repeat = np.concatenate([b.groups["repeat"] for b in batches]).T
    whole = np.roll(data.repeat, -1).reshape(4, -1)
    late = np.arange(whole.shape[1]) > HORIZON + 100
    assert (repeat == whole)[:, late].all()
    changed = repeat != whole  # what the stream's network has not read, for it began later
    assert changed.any()
    assert (repeat[changed] == -1).all()
    assert set(np.unique(repeat)) == {-1, *REPEAT}
    assert set(np.unique(word)) == set(WORD)


def test_ngram_lines_by_group_average_to_the_whole() -> None:
    task = Text(limit=200_000, validation=20_000)
    lines = [r for r in task.references() if r.name == "Kneser-Ney order 3"]
    shares = np.bincount(task.data.word) / len(task.data.word)
    by_word = [next(r.value for r in lines if (r.by, r.bin) == ("word", i)) for i in WORD]
    assert lines[0].by == "all"
    assert lines[0].value == pytest.approx(float(shares @ by_word))
    assert by_word[1] > by_word[2] > by_word[3]
